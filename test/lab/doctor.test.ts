import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everything, some } from './extent.ts';
import { labFormation } from './formations.ts';
import { eventually, figure, incus, root } from './harness.ts';
import { incusShim } from './shim.ts';

/** A good runner, and ones that lack one thing each; and that the doctor leaves nothing of its own, nor takes anything else. */

const folder = mkdtempSync(join(tmpdir(), 'pgha-doctor-'));

interface Examined {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Names of what holds, fails, or is not known. */
  ok: string[];
  fails: string[];
  unknown: string[];
  tookMs: number;
}

let files = 0;
function formationFile(changes: Record<string, unknown> = {}, debian: 12 | 13 = 12): string {
  const path = join(folder, `formation-${++files}.yml`);
  writeFileSync(path, labFormation(debian, changes).yaml);
  return path;
}

function start(
  args: readonly string[],
  env: Record<string, string> = {},
  before: readonly string[] = [],
): { child: ChildProcess; stderr(): string; ended: Promise<Examined> } {
  const began = performance.now();
  const [command = '', ...rest] = [...before, join(root, 'pgha'), 'doctor', ...args];
  const child = spawn(command, rest, { cwd: folder, env: { ...process.env, ...env }, stdio: 'pipe' });
  child.stdin.end();
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const ended = new Promise<Examined>((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => {
      const named = (mark: string) =>
        [...stdout.matchAll(new RegExp(`^${mark} +([a-z][a-z-]*) `, 'gm'))].map(([, id = '']) => id);
      const tookMs = performance.now() - began;
      const found = { ok: named('ok'), fails: named('FAILS'), unknown: named('unknown') };
      done({ code, stdout, stderr, ...found, tookMs });
    });
  });
  return { child, stderr: () => stderr, ended };
}

const examine = (changes: Record<string, unknown> = {}, env = {}, before: readonly string[] = []) =>
  start(['--formation', formationFile(changes)], env, before).ended;

/** Without an image nothing is tried on containers: quick, for what has nothing to do with them. */
const withoutImage = { image: 'debian/99' };

const doctors = async () =>
  (await incus('list', '--all-projects', '-f', 'csv', '-c', 'n', 'pgha-doctor-')).split('\n').filter(Boolean);

/** Every one ends with code 3, its verdict in the last line, and nothing left. */
async function lacks(examined: Examined, ...ids: string[]): Promise<void> {
  const { code, stdout, stderr, fails } = examined;
  expect(fails, stdout + stderr).toEqual(ids);
  expect(code).toBe(3);
  const last = stdout.trimEnd().split('\n').at(-1);
  expect(last).toContain(`${ids.length === 1 ? '1 does not' : `${ids.length} do not`}: ${ids.join(', ')}`);
  for (const id of ids) expect(stdout).toMatch(new RegExp(`^FAILS +${id} .*\\n +-> [A-Z\`]`, 'm'));
  expect(await doctors()).toEqual([]);
}

const remotes = (name: string, address: string, protocol: string) => {
  const conf = mkdtempSync(join(folder, 'conf-'));
  writeFileSync(
    join(conf, 'config.yml'),
    `default-remote: local\nremotes:\n  local: { addr: "unix://" }\n  ${name}: { addr: "${address}", protocol: ${protocol}, public: ${protocol === 'simplestreams'} }\n`,
  );
  return { INCUS_CONF: conf };
};

/** A PATH of these commands and nothing else. */
function onlyWith(commands: Record<string, string>): string {
  const bin = mkdtempSync(join(folder, 'bin-'));
  const found = ['bash', 'env', 'dirname', 'readlink', 'uname', 'id', 'sh'].map((name) => [
    name,
    `/usr/bin/${name}`,
  ]);
  for (const [name = '', path = ''] of [...found, ...Object.entries(commands)]) {
    if (path.startsWith('#!')) writeFileSync(join(bin, name), path, { mode: 0o755 });
    else symlinkSync(path, join(bin, name));
  }
  return bin;
}

const projects: string[] = [];
async function project(name: string, ...config: string[]): Promise<string> {
  projects.push(name);
  const shared = ['features.images=false', 'features.profiles=false', 'features.storage.volumes=false'];
  await incus('project', 'create', name, ...[...shared, ...config].flatMap((each) => ['-c', each]));
  return name;
}

afterAll(async () => {
  for (const name of projects) await incus('project', 'delete', name);
});

describe('a good runner', () => {
  it('has everything, code 0, and nothing left of what was tried', async () => {
    const { code, stdout, stderr, fails, unknown, ok, tookMs } = await examine();
    expect(code, stdout + stderr).toBe(0);
    expect([...fails, ...unknown]).toEqual([]);
    expect(ok.length).toBeGreaterThan(25);
    expect(stdout).toMatch(/^(\d+) of \1 hold\n$/m);
    expect(stdout).toMatch(/^ {2}incus server +6\./m);
    expect(stdout).toMatch(/^ {2}in it +Debian GNU\/Linux 12.*systemd 252.*perl 5/m);
    expect(await doctors()).toEqual([]);
    figure('the doctor looks at a good runner in', tookMs / 1000);
  });

  it('may be looked at twice at a time', async () => {
    const both = await Promise.all([examine(), examine()]);
    for (const { code, stdout, stderr } of both) expect(code, stdout + stderr).toBe(0);
    expect(await doctors()).toEqual([]);
  });

  it('has no secret shown', async () => {
    const secret = 'swordfish-4711';
    const conf = join(folder, secret);
    mkdirSync(conf);
    const { stdout, stderr } = await examine({}, { INCUS_CONF: conf, DEPLOY_TOKEN: secret });
    expect(stdout).toContain('***');
    expect(stdout + stderr).not.toContain(secret);
  });
});

describe('a runner that lacks', () => {
  it('any Node: told before anything else, and none is fetched', async () => {
    const PATH = onlyWith({});
    const { code, stderr } = await examine({}, { PATH, PGHA_LAB_CACHE: join(folder, 'no-cache') });
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /FAILS +node +there is no Node 20 or newer on PATH: no `node` at all\n.*-> Put Node 20/,
    );
  });

  it('a new Node', async () => {
    const cache = mkdtempSync(join(folder, 'cache-'));
    mkdirSync(join(cache, 'node', 'bin'), { recursive: true });
    symlinkSync(process.execPath, join(cache, 'node', 'bin', 'node'));
    const old = '#!/bin/sh\n[ "$1" = --version ] && echo v18.19.0 || exit 1\n';
    const PATH = onlyWith({ node: old, incus: '/usr/bin/incus' });
    await lacks(await examine(withoutImage, { PATH, PGHA_LAB_CACHE: cache }), 'node', 'image');
  });

  it('the client of Incus', async () => {
    const PATH = onlyWith({ node: process.execPath });
    const examined = await examine({}, { PATH });
    await lacks(examined, 'client');
    expect(examined.stdout).toMatch(/^unknown +containers +not looked at, for want of client$/m);
  });

  it('a daemon that runs', async () => {
    await lacks(await examine({}, { INCUS_SOCKET: join(folder, 'no.socket') }), 'server');
  });

  it('the right to talk to it', async () => {
    const shim = incusShim(
      'HOME="$shim" INCUS_CONF="$shim" exec setpriv --reuid=65534 --regid=65534 --clear-groups incus "$@"',
    );
    chownSync(shim.folder, 65534, 65534);
    await lacks(await examine({}, shim.env), 'server');
  });

  it('a remote that answers', async () => {
    const far = remotes('far', 'https://127.0.0.1:1', 'incus');
    await lacks(await examine({ incus: { remote: 'far' } }, far), 'server');
  });

  it('a server that answers in time', async () => {
    const examined = await examine({}, incusShim('[ "$1" = query ] && exec sleep 1000').env);
    await lacks(examined, 'server');
    expect(examined.tookMs).toBeLessThan(40_000);
  });

  it('its project', async () => {
    await lacks(await examine({ incus: { project: 'nowhere' } }), 'project');
  });

  it('room within the limits of its project', async () => {
    const name = await project('doctor-limits', 'limits.containers=2');
    await lacks(await examine({ incus: { project: name } }), 'project-limits');
  });

  it('the right to make a container without a limit', async () => {
    const name = await project('doctor-rights', 'limits.memory=1GiB');
    await lacks(await examine({ incus: { project: name } }), 'containers');
  });

  it('a profile', async () => {
    await lacks(await examine({ incus: { profiles: ['nowhere'] } }), 'profiles');
  });

  it('its image', async () => {
    await lacks(await examine({ image: 'debian/99' }), 'image');
  });

  it('an image server that answers', async () => {
    const dead = remotes('dead', 'http://127.0.0.1:1', 'simplestreams');
    await lacks(await examine({ image: 'dead:debian/12' }, dead), 'image');
  });

  it('names in the domain of its file', async () => {
    const { fails, code } = await examine({ incus: { domain: 'elsewhere' } });
    expect(fails).toEqual(['network-domain', 'network']);
    expect(code).toBe(3);
    expect(await doctors()).toEqual([]);
  });

  it('nf_tables in the kernel of its host', async () => {
    const none = "packet filter: the host's kernel has no nf_tables: Protocol not supported";
    const shim = incusShim(
      `case "$*" in *' block '* | *' isolate' | *' lose '*) echo "${none}" >&2; exit 1 ;; esac`,
    );
    await lacks(await examine({}, shim.env), 'cuts');
  });

  it('a freezer', async () => {
    await lacks(await examine({}, incusShim('[ "$1" = pause ] && exit 0').env), 'freeze');
  });

  it('a home that it may write to', async () => {
    const readOnly = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"';
    const { homedir } = userInfo();
    const before = ['unshare', '-m', 'sh', '-c', readOnly, 'sh', homedir];
    await lacks(await examine(withoutImage, {}, before), 'home', 'image');
  });

  it('a folder of its client that outlives the job', async () => {
    const job = mkdtempSync(join(folder, 'job-'));
    const env = { GITHUB_ACTIONS: 'true', GITEA_ACTIONS: 'true', RUNNER_TEMP: job, INCUS_CONF: job };
    const { fails, code } = await examine(withoutImage, env);
    // The machine of the tests may be a container itself.
    expect(fails.filter((id) => id !== 'own-host')).toEqual(['client-folder', 'image']);
    expect(code).toBe(3);
  });

  it('a host of its own: what is started from outside a container is told from what descends from its process 1', async () => {
    const job = { GITHUB_ACTIONS: 'true', GITEA_ACTIONS: 'true', container: 'docker' };
    const within = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const descends = await examine(withoutImage, job, within);
    expect(descends.unknown, descends.stdout + descends.stderr).toContain('own-host');
    const holder = spawn(within[0] ?? '', [...within.slice(1), 'sleep', '60'], { stdio: 'ignore' });
    try {
      const children = `/proc/${holder.pid}/task/${holder.pid}/children`;
      await eventually('the container to be there', 5_000, async () => readFileSync(children, 'utf8') !== '');
      const first = readFileSync(children, 'utf8').trim();
      const entered = ['nsenter', '--target', first, '--pid', '--mount'];
      const outside = await examine(withoutImage, job, entered);
      expect(outside.fails, outside.stdout + outside.stderr).toContain('own-host');
      expect(outside.stdout).toMatch(/this job runs in a container .*: a drill's guard ends with it/);
    } finally {
      holder.kill('SIGKILL');
    }
  });

  it('a folder for temporary files', async () => {
    const { fails } = await examine(withoutImage, { TMPDIR: '/proc/none' });
    expect(fails).toEqual(['temporary-folder', 'image']);
  });

  it('a disk limit that is enforced', async () => {
    // The lab's pool is a directory without quotas.
    await lacks(await examine({ limits: { disk: '2GiB' } }), 'disk-limit');
  });
});

describe('what a doctor leaves', () => {
  const running = async (others: readonly string[] = []) => {
    const doctor = start(['--formation', formationFile()]);
    await eventually('its containers', 60_000, async () =>
      (await doctors()).some((name) => !others.includes(name)),
    );
    return doctor;
  };

  it.each(some(['SIGTERM', 'SIGINT', 'SIGHUP'] as const, 1))('is nothing after %s', async (signal) => {
    const doctor = await running();
    doctor.child.kill(signal);
    const { code, stdout, stderr } = await doctor.ended;
    expect(code, stdout + stderr).toBe(3);
    expect(stderr).toContain(`interrupted by ${signal}`);
    expect(await doctors()).toEqual([]);
  });

  it('is removed by the next, after SIGKILL; and nothing else is', async () => {
    const run = 'abcdefabcdef';
    // One that lacks the mark, one that is another's, one whose name is no doctor's.
    const others = [`pgha-doctor-${run}-a`, `pgha-doctor-${run}-b`, 'pgha-doctors-own'];
    await incus('init', 'debian/12', others[0] ?? '');
    await incus('init', 'debian/12', others[1] ?? '', '-c', 'user.pgha.doctor=ffffffffffff');
    await incus('init', 'debian/12', others[2] ?? '', '-c', `user.pgha.doctor=${run}`);
    try {
      const doctor = await running(others);
      doctor.child.kill('SIGKILL');
      await doctor.ended;
      const left = (await doctors()).filter((name) => !others.includes(name));
      expect(left.length).toBeGreaterThan(0);
      const { code, stdout, stderr } = await examine();
      expect(code, stdout + stderr).toBe(0);
      for (const name of left) expect(stdout).toContain(name);
      expect(await doctors()).toEqual(others.slice(0, 2));
      expect(await incus('list', '-f', 'csv', '-c', 'n', 'pgha-doctors-own')).toContain('pgha-doctors-own');
    } finally {
      await incus('delete', '--force', ...others);
    }
  });
});

describe('an image', () => {
  it('of Debian 12 is as the code assumes', async () => {
    const { code, stdout, stderr, fails, unknown, tookMs } = await start([
      '--formation',
      formationFile(),
      '--image',
      'debian/12',
    ]).ended;
    expect(code, stdout + stderr).toBe(0);
    expect([...fails, ...unknown]).toEqual([]);
    expect(stdout).toMatch(/^ok +image-service +a monitor of pg_auto_failover 2\.0 was made/m);
    expect(await doctors()).toEqual([]);
    figure('the doctor looks at Debian 12 in', tookMs / 1000);
  });

  it.runIf(everything)('of Debian 13 is, too', async () => {
    const file = formationFile({}, 13);
    const { code, stdout, stderr } = await start(['--formation', file, '--image', 'debian/13']).ended;
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toMatch(/^ok +image-service +a monitor of pg_auto_failover 2\.2 was made/m);
  });

  it('that has no Postgres of the version asked for is told so, with what it has', async () => {
    const file = formationFile({ postgres: { version: 16, packages: 'distribution' } });
    const examined = await start(['--formation', file, '--image', 'debian/12']).ended;
    await lacks(examined, 'image-packages');
    expect(examined.stdout).toContain('it has pg_auto_failover for 15');
  });
});

beforeAll(async () => {
  await incus('image', 'info', 'debian/12');
});
