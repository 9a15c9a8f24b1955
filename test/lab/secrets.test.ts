import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Openssl } from '../unit/provision/authority.ts';
import { type Finished, figure, incus, inside, runAction, startAction } from './harness.ts';
import { incusShim } from './shim.ts';

/**
 * Secrets are where they are needed, and nowhere else: three runs are watched, one that makes a formation and its
 * passwords, one that is given all of them anew, and a drill whose clients log in by one. Then every place that could hold one is searched for each.
 */

const monitor = 'x-monitor';
const nodes = ['x-alpha', 'x-beta'];
const members = [monitor, ...nodes];
const fromBaseImage = 'x-base';
const openssl = new Openssl();
const root = openssl.authority('Veza root');
const server = openssl.server(root, members.map((member) => `DNS:${member}.incus`).join());

const first = {
  'app-password': "hunter2-'quoted'-Übermäßig",
  'user-passwords': stringify({ reporter: 'Reporter\\s "own" #1', auditor: ': yes & no: auditor' }),
};
const second = {
  'app-password': 'correct horse battery staple',
  'user-passwords': stringify({ reporter: 'reporter%0Anew::one', auditor: '$(auditor) `new`' }),
  'autoctl-password': 'autoctl-from.the~vault_1',
  'replication-password': 'replication-from.the~vault_2',
  'tls-ca': root.pem,
  'tls-certificate': server.pem,
  'tls-key': server.key,
};

/** By what is searched for: its name. */
const secrets = new Map<string, string>([
  [first['app-password'], 'the first app-password'],
  ['Reporter\\s "own" #1', "the reporter's first password"],
  [': yes & no: auditor', "the auditor's first password"],
  [second['app-password'], 'the second app-password'],
  ['reporter%0Anew::one', "the reporter's second password"],
  ['$(auditor) `new`', "the auditor's second password"],
  [second['autoctl-password'], 'autoctl-password'],
  [second['replication-password'], 'replication-password'],
  // The line that holds the key's own bits.
  [server.key.split('\n')[2] ?? '', 'tls-key'],
]);

/** Files that must hold them, and by whom they may be read. */
const homes: Record<string, string[]> = {
  '/var/lib/postgresql/.pgpass': ['autoctl-password', 'replication-password'],
  '/etc/pgha/server.pem': ['tls-key'],
};

function formation(tls: string): string {
  return stringify({
    formation: 'secrets',
    environment: 'production',
    image: 'debian/12',
    tls,
    postgres: {
      version: 15,
      packages: 'distribution',
      // The servers' logs have every statement.
      settings: { log_statement: 'all', log_min_duration_statement: 0 },
      users: [
        { name: 'reporter', databases: ['veza'] },
        { name: 'auditor', databases: ['veza'] },
      ],
    },
    timings: 'fast',
    monitor: { name: monitor },
    nodes: nodes.map((name) => ({ name })),
  });
}

/** Everything that processes of this machine showed, those in containers among them: argv and environment. */
class ProcessWatch {
  readonly seen = new Set<string>();
  samples = 0;
  private readonly known = new Map<string, string>();

  /** @param action whose environment is the runner's way to pass inputs: its own, and that of what it just forked */
  look(action: number): void {
    this.samples += 1;
    const own = argvOf(String(action));
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const argv = argvOf(pid);
      if (argv === undefined || this.known.get(pid) === argv) continue;
      this.known.set(pid, argv);
      this.seen.add(argv.replaceAll('\0', ' '));
      if (argv !== own) this.seen.add(readOf(pid, 'environ') ?? '');
    }
  }
}

const argvOf = (pid: string) => readOf(pid, 'cmdline');

function readOf(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return undefined; // It has ended.
  }
}

const processes = new ProcessWatch();
const runs: Finished[] = [];
const drillFolder = mkdtempSync(join(tmpdir(), 'pgha-drill-'));
let events = '';

async function watched(inputs: Record<string, string>, action = 'provision-pgaf'): Promise<Finished> {
  const monitoring = spawn('incus', ['monitor', '--format', 'json'], { stdio: ['ignore', 'pipe', 'ignore'] });
  monitoring.stdout.on('data', (chunk: Buffer) => {
    events += chunk.toString();
  });
  const { child, finished } = startAction(action, inputs);
  let ended = false;
  const done = finished.finally(() => {
    ended = true;
  });
  while (!ended) {
    processes.look(child.pid ?? 0);
    await new Promise((next) => setTimeout(next, 20));
  }
  monitoring.kill();
  const run = await done;
  expect(run.code, run.log).toBe(0);
  runs.push(run);
  return run;
}

/** What of the secrets a text holds, byte by byte as UTF-8. */
function found(text: string): string[] {
  return [...secrets].filter(([secret]) => text.includes(secret)).map(([, name]) => name);
}

const bytes = (text: string) => Buffer.from(text).toString('latin1');

async function deleteAll(): Promise<void> {
  for (const name of [...members, fromBaseImage]) await incus('delete', '--force', name).catch(() => {});
}

/** Every file of a container that holds a secret, as `owner mode path: secrets`. */
async function filesWithSecrets(container: string): Promise<string[]> {
  const script = `
find / /run /tmp /dev/shm -xdev -type f -size -200M -print0 2> /dev/null | xargs -0 grep -alF -f /dev/shm/wanted -- 2> /dev/null |
  grep -vx /dev/shm/wanted | sort -u | while read -r file; do
  echo "$(stat -c '%U %a' "$file") $file: $(grep -aohF -f /dev/shm/wanted -- "$file" | sort -u | base64 -w0)"
done
rm /dev/shm/wanted`;
  const wanted = Buffer.from(`${[...secrets.keys()].join('\n')}\n`).toString('base64');
  await inside(container, 'sh', '-c', 'umask 077; echo "$1" | base64 -d > /dev/shm/wanted', 'sh', wanted);
  const lines = (await inside(container, 'sh', '-c', script)).split('\n').filter(Boolean);
  return lines.map((line) => {
    const [, where = '', encoded = ''] = /^(.*: )(\S*)$/.exec(line) ?? [];
    return `${where}${found(Buffer.from(encoded, 'base64').toString()).join(', ')}`;
  });
}

beforeAll(async () => {
  await deleteAll();
  const made = await watched({ formation: formation('self-signed'), ...first });
  figure('provision from nothing, every process looked at', made.tookMs / 1000);
  const passwordFile = await inside(monitor, 'cat', '/var/lib/postgresql/.pgpass');
  for (const [, role = '', password = ''] of passwordFile.matchAll(/^\*:\*:\*:(\w+):(.+)$/gm))
    secrets.set(password, `the generated password of ${role}`);
  expect(secrets.size).toBe(11);
  const changed = await watched({ formation: formation('verify-full'), ...second });
  expect(changed.log).toContain('set the password of veza');
  expect(changed.log).toContain('set the password of pgautofailover_replicator');
  const drilled = await watched(
    {
      formation: formation('verify-full'),
      'app-password': second['app-password'],
      'tls-ca': second['tls-ca'],
      'require-client-evidence': 'true',
      'report-folder': drillFolder,
    },
    'failover-drill',
  );
  expect(drilled.outputs['lost-writes']).toBe('0');
}, 400_000);

afterAll(async () => {
  openssl.close();
  rmSync(drillFolder, { recursive: true, force: true });
  await deleteAll();
});

describe('no secret is in', () => {
  it('a log but in the masks that the runner takes from it', () => {
    for (const { log } of runs) expect(found(log.replace(/^::add-mask::.*$/gm, ''))).toEqual([]);
  });

  it('an output, a state, a summary or a report', () => {
    for (const { outputs, state, summary, report } of runs) {
      const texts = [...Object.values(outputs), ...Object.values(state), summary, JSON.stringify(report)];
      // In JSON, quotes and backslashes of a secret are escaped.
      texts.push(
        ...[...secrets.keys()].filter((secret) =>
          JSON.stringify(report).includes(JSON.stringify(secret).slice(1, -1)),
        ),
      );
      for (const text of texts) expect(found(text)).toEqual([]);
    }
  });

  it("a drill's report, page, JUnit or the journal of its clients", () => {
    const names = readdirSync(drillFolder);
    expect(names.some((name) => name.endsWith('.journal.jsonl'))).toBe(true);
    for (const name of names) expect(found(readFileSync(join(drillFolder, name), 'utf8')), name).toEqual([]);
  });

  it("a process' arguments or environment, looked at every 20 ms", () => {
    figure('looks at all processes', processes.samples, 'times');
    expect(processes.samples).toBeGreaterThan(100);
    const seen = [...processes.seen];
    // Commands in containers, and environments of processes that the action starts, are among what was seen.
    expect(seen.some((text) => text.includes('pg_autoctl create postgres'))).toBe(true);
    expect(seen.some((text) => text.includes('GITHUB_WORKSPACE='))).toBe(true);
    for (const [secret, name] of secrets) {
      const holder = seen.find((text) => text.includes(bytes(secret)));
      expect(holder?.replaceAll(bytes(secret), '***'), name).toBeUndefined();
    }
  });

  it('the environment of the client of Incus, in main or in post', async () => {
    // As it was given: a shell keeps no names with hyphens for `env` to tell.
    const shim = incusShim(`tr '\\0' '\\n' < /proc/$$/environ >> "$shim/env"`);
    const inputs = { ...second, formation: formation('verify-full') };
    const checked = await runAction('check-formation', inputs, { env: shim.env });
    expect(checked.outputs['outcome'], checked.log).not.toBe('error');
    const post = startAction('failover-drill', inputs, {
      step: 'post',
      state: { exposed: '0123abcd' },
      env: { ...shim.env, PGPASSWORD: second['app-password'], VEZA_DATABASE: second['app-password'] },
    });
    const { log } = await post.finished;
    expect(log).toContain('the fault was undone already');
    const seen = readFileSync(join(shim.folder, 'env'), 'utf8');
    expect(seen.match(/^GITHUB_WORKSPACE=/gm)?.length).toBeGreaterThan(2);
    expect(seen).not.toMatch(/^(?:INPUT_|STATE_|PGPASSWORD)/m);
    expect(found(seen)).toEqual([]);
  });

  it("what Incus tells of what it did, or its instances' configuration", async () => {
    expect(events).toContain('instance-exec');
    expect(found(events)).toEqual([]);
    for (const member of members)
      expect(found(await incus('config', 'show', '--expanded', member))).toEqual([]);
  });

  it.each(members)('the journal of %s', async (member) => {
    expect(found(await inside(member, 'journalctl', '--no-pager', '-o', 'cat'))).toEqual([]);
  });

  it.each(members)('a file of %s but those two that postgres alone may read', async (member) => {
    const wanted = Object.entries(homes).map(([path, names]) => `postgres 600 ${path}: ${names.join(', ')}`);
    expect((await filesWithSecrets(member)).sort()).toEqual(wanted.sort());
  });

  it('a base image, which holds nothing of a formation', async () => {
    const images = JSON.parse(await incus('image', 'list', '-f', 'json')) as {
      aliases: { name: string }[];
      properties: Record<string, string>;
    }[];
    const own = images.filter(({ properties }) => properties['pgha.image'] === 'debian/12');
    const alias = own.flatMap(({ aliases }) => aliases.map(({ name }) => name)).at(-1) ?? '';
    expect(alias).toMatch(/^pgha-/);
    await incus('launch', alias, fromBaseImage);
    expect(await filesWithSecrets(fromBaseImage)).toEqual([]);
    const ours =
      'ls -A /etc/pgha /var/lib/postgresql/.pgpass /var/lib/postgresql/.config /var/lib/postgresql/pgaf 2> /dev/null || true';
    expect(await inside(fromBaseImage, 'sh', '-c', ours)).toBe('');
    expect(found(JSON.stringify(own))).toEqual([]);
  });

  it('a log of a run that refuses its inputs: they are masked before anything else is read', async () => {
    const { code, log } = await runAction('provision-pgaf', { ...second, formation: 'nonsense: true' });
    expect(code).toBe(3);
    const masks = log.split('\n').filter((line) => line.startsWith('::add-mask::'));
    expect(log.split('\n').slice(0, masks.length)).toEqual(masks);
    expect(masks).toContain(`::add-mask::${second['app-password']}`);
    expect(masks).toContain(`::add-mask::${second['autoctl-password']}`);
    expect(masks).toContain(`::add-mask::${server.key.split('\n')[2]}`);
    expect(found(log.replace(/^::add-mask::.*$/gm, ''))).toEqual([]);
  });
});

describe('the passwords that were given', () => {
  it('open the users a session', async () => {
    const login = (user: string, password: string) =>
      inside(
        monitor,
        'env',
        `PGPASSWORD=${password}`,
        'psql',
        '-wXAt',
        `host=${nodes[0]}.incus user=${user} dbname=veza sslmode=require connect_timeout=5`,
        '-c',
        'SELECT session_user',
      );
    expect(await login('veza', second['app-password'])).toBe('veza\n');
    expect(await login('reporter', 'reporter%0Anew::one')).toBe('reporter\n');
    await expect(login('veza', first['app-password'])).rejects.toThrow(/password authentication failed/);
  });
});

describe('a formation that is no lab', () => {
  const asLab = (yaml: string) => yaml.replace('environment: production', 'environment: lab');
  const lab = asLab(formation('self-signed'));
  const login = (password: string) =>
    inside(
      monitor,
      'env',
      `PGPASSWORD=${password}`,
      'psql',
      '-wXAt',
      `host=${nodes[0]}.incus user=veza dbname=veza sslmode=require connect_timeout=5`,
      '-c',
      'SELECT session_user',
    );
  const untouched = async () => {
    expect(await login(second['app-password'])).toBe('veza\n');
    await expect(login('changeme-DEV-ONLY')).rejects.toThrow(/password authentication failed/);
    for (const member of members)
      expect(await incus('list', '-f', 'csv', '-c', 's', member)).toBe('RUNNING\n');
  };

  it.each([
    ['provision-pgaf', {}],
    ['provision-pgaf', { mode: 'plan' }],
    ['provision-pgaf', { prune: 'true' }],
    ['provision-pgaf', { mode: 'destroy', confirm: 'secrets' }],
    ['failover-drill', {}],
  ])('is no lab for %s by a file that says so (%o)', async (action, given) => {
    const { code, outputs, log } = await runAction(action, { formation: lab, ...given });
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(/environment: lab is asked for.*x-monitor says production/);
    expect(log).not.toMatch(/write|set the password/);
    await untouched();
  });

  it('and one that an earlier pgha made keeps its passwords', async () => {
    for (const member of members) await incus('config', 'unset', member, 'user.pgha.environment');
    const { code, outputs, log } = await runAction('provision-pgaf', { formation: lab });
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(/input app-password: would be the placeholder; .*veza.* other than/);
    const further = await runAction('provision-pgaf', {
      formation: lab,
      'app-password': second['app-password'],
    });
    expect(further.code, further.log).toBe(3);
    expect(further.outputs['message']).toMatch(/input user-passwords: reporter: would be the placeholder/);
    await untouched();
  });
});
