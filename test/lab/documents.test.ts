import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Webhook } from '../runner/webhook.ts';
import { onMonitor } from './breakage.ts';
import { commandsOf, documents, notRun, ofAnExistingFormation } from './documented.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, checkPasses, eventually, incus, root, runAction } from './harness.ts';

/**
 * Every command line of every document, as it stands there, on a formation with the names that the documents use. It is
 * run in a folder that looks like a clone of the repository with a formation.yml. What cannot be run says why.
 */

const formation = labFormation(12, {
  monitor: { name: 'pgaf-monitor' },
  nodes: [{ name: 'pgaf-primary' }, { name: 'pgaf-replica' }],
}).yaml;
const password = 'changeme-DEV-ONLY';
const folder = mkdtempSync(join(tmpdir(), 'pgha-documents-'));
const webhook = new Webhook();

/** The functions that docs/operations.md defines once per shell. */
const isFunction = (command: string) => /^\w+\(\) \{/.test(command);
const functions = commandsOf('docs/operations.md').filter(isFunction);

beforeAll(async () => {
  writeFileSync(join(folder, 'formation.yml'), formation);
  writeFileSync(join(folder, 'password'), password);
  for (const name of ['pgha', 'lab']) symlinkSync(join(root, name), join(folder, name));
  mkdirSync(join(folder, 'bin'));
  // What stands for the reader's vault.
  const vault = join(folder, 'bin', 'vault');
  writeFileSync(vault, `#!/bin/sh\n[ "$*" = "kv get -field=password veza/db" ] && cat ${folder}/password\n`);
  chmodSync(vault, 0o755);
  writeFileSync(join(folder, 'webhook'), await webhook.open());
  const { code, log } = await runAction('provision-pgaf', { formation });
  expect(code, log).toBe(0);
});

afterAll(() => {
  webhook.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command line in a shell that knows the functions; fails where it ends with another code than 0. */
async function shell(command: string): Promise<string> {
  const script = [...functions, command].join('\n');
  const options = {
    cwd: folder,
    env: { ...process.env, PATH: `${folder}/bin:${process.env['PATH']}` },
    // pg_autoctl waits up to two minutes for a notification that it has missed.
    timeout: 170_000,
    maxBuffer: 16 * 1024 * 1024,
  };
  return await new Promise((done, failed) => {
    const child = execFile('bash', ['-c', script], options, (error, stdout, stderr) => {
      if (error) failed(new Error(`${command}\n${error.message}\n${stdout}\n${stderr}`));
      else done(stdout + stderr);
    });
    child.stdin?.end();
  });
}

interface Run {
  command: string;
  /** What stands in it for the reader to fill in, and what with. */
  fill?: Record<string, () => string>;
  says?: RegExp;
  /** The node that must be the primary before it; without it, whichever is. */
  primary?: string;
  /** Whether it follows one that leaves the formation as it is not to stay. */
  follows?: true;
  /** The states that nodes must be in before it, where it follows another, and those that they are in after it. */
  needs?: Record<string, string>;
  becomes?: Record<string, string>;
}

const passes = /outcome += pass/;
const aPassword = { '…': () => password };
const newestReport = () => {
  const reports = join(folder, 'pgha-reports');
  const names = readdirSync(reports).filter((name) => /drill.*\.json$/.test(name));
  return join(reports, names.sort().at(-1) ?? 'none');
};

/** In an order in which they can follow each other. */
const onTheFormation: Run[] = [
  { command: './pgha check-formation --formation formation.yml', says: /healthy += true/ },
  { command: './pgha provision-pgaf --formation formation.yml --mode plan', says: /changed += false/ },
  {
    command: 'INPUT_APP_PASSWORD=… ./pgha provision-pgaf --formation formation.yml --mode plan',
    fill: aPassword,
    says: passes,
  },
  { command: './pgha provision-pgaf --formation formation.yml', says: passes },
  {
    command: 'INPUT_APP_PASSWORD=… ./pgha provision-pgaf --formation formation.yml',
    fill: aPassword,
    says: passes,
  },
  {
    command:
      'INPUT_APP_PASSWORD=$(vault kv get -field=password veza/db) ./pgha provision-pgaf --formation formation.yml',
    says: /changed += false/,
  },
  {
    command: './pgha provision-pgaf --formation formation.yml --app-password-file /run/secrets/veza-db',
    fill: { '/run/secrets/veza-db': () => join(folder, 'password') },
    says: /changed += false/,
  },
  { command: './pgha alert --webhook-file webhook --results "a try: failure"', says: passes },
  { command: './pgha failover-drill --help', says: /--rto-target-seconds/ },
  { command: 'on_monitor show state', says: /pgaf-primary[\s\S]*pgaf-replica/ },
  { command: 'on_monitor show events', says: /pgaf-replica/ },
  { command: 'incus exec pgaf-primary -- journalctl -u pg_autoctl', says: /pg_autoctl\[/ },
  {
    command: 'incus --project pgha exec ci:pgaf-monitor …',
    fill: { pgha: () => 'default', 'ci:': () => 'local:', '…': () => '-- hostname' },
    says: /^pgaf-monitor$/m,
  },
  {
    command:
      'for container in pgaf-monitor pgaf-primary pgaf-replica; do incus config set "$container" user.pgha.formation=default; done',
  },
  { command: 'incus config set pgaf-monitor user.pgha.hold="release freeze until Friday"' },
  { command: 'incus config unset pgaf-monitor user.pgha.hold' },
  { command: 'incus project set default user.pgha.hold="incident 4711"' },
  { command: 'incus project unset default user.pgha.hold' },
  { command: './pgha failover-drill --formation formation.yml --fault switchover', says: passes },
  {
    command: 'on_monitor perform switchover',
    primary: 'pgaf-primary',
    becomes: { 'pgaf-replica': 'primary', 'pgaf-primary': 'secondary' },
  },
  {
    command: 'on_node pgaf-replica enable maintenance',
    primary: 'pgaf-primary',
    becomes: { 'pgaf-replica': 'maintenance' },
  },
  {
    command: 'on_node pgaf-replica disable maintenance',
    follows: true,
    needs: { 'pgaf-primary': 'wait_primary' },
    becomes: { 'pgaf-replica': 'secondary' },
  },
  {
    command: './pgha check-formation --formation formation.yml --wait-seconds 120',
    follows: true,
    says: /healthy += true/,
  },
  {
    command: 'on_node pgaf-primary enable maintenance --allow-failover',
    primary: 'pgaf-primary',
    becomes: { 'pgaf-primary': 'maintenance', 'pgaf-replica': 'wait_primary' },
  },
  {
    command: 'on_node pgaf-primary disable maintenance',
    follows: true,
    needs: { 'pgaf-replica': 'wait_primary' },
    becomes: { 'pgaf-primary': 'secondary', 'pgaf-replica': 'primary' },
  },
  { command: './pgha failover-drill --formation formation.yml', says: passes },
  { command: './pgha failover-drill --formation formation.yml --rto-target-seconds 30', says: passes },
  {
    command: 'INPUT_APP_PASSWORD=… ./pgha failover-drill --formation formation.yml --rto-target-seconds 60',
    fill: aPassword,
    says: passes,
  },
  {
    command: './pgha failover-drill --replay report.json',
    fill: { 'report.json': newestReport },
    says: passes,
  },
  { command: './pgha adopt --help', says: /--monitor CONTAINER/ },
  {
    command: './pgha doctor',
    // The image of the built-in formation is not to be had in the lab.
    fill: { './pgha': () => 'INPUT_FORMATION=formation.yml ./pgha' },
    says: /^(\d+) of \1 hold$/m,
  },
  { command: './pgha doctor --formation formation.yml', says: /^(\d+) of \1 hold$/m },
  {
    command: './pgha doctor --image images:ubuntu/22.04',
    fill: {
      './pgha': () => 'INPUT_FORMATION=formation.yml ./pgha',
      'images:ubuntu/22.04': () => 'debian/12',
    },
    says: /^ok +image-service .*\n(?:.*\n)*(\d+) of \1 hold$/m,
  },
  {
    command: './pgha doctor --formation formation.yml --image images:ubuntu/24.04',
    fill: { 'images:ubuntu/24.04': () => 'debian/12' },
    says: /^(\d+) of \1 hold$/m,
  },
  {
    command: './pgha provision-pgaf --formation formation.yml --mode destroy --confirm NAME',
    fill: { NAME: () => 'default' },
    says: passes,
  },
];

const onTheLab: Run[] = [
  { command: 'lab/lab --help', says: /lab\/lab up/ },
  { command: 'lab/lab up' },
  { command: 'lab/lab status', says: /: up for/ },
  { command: 'eval "$(lab/lab env)"' },
  { command: 'eval "$(./pgha lab env)"' },
  { command: 'incus launch debian/12 c1' },
  { command: "lab/lab exec -- sh -c 'incus list; ip route get 10.77.7.2'", says: /10\.77\.7\.2 dev/ },
];

/** As docs/runner.md has a restricted project and a certificate made for it. */
const aRestrictedRunner = [
  'incus project create pgha -c restricted=true -c features.images=true -c features.profiles=true -c features.storage.volumes=true -c restricted.networks.access=incusbr0 -c limits.networks=0 -c restricted.cluster.target=allow',
  'incus profile show default | incus profile edit default --project pgha',
  'incus config set core.https_address :8443',
  'incus config trust add ci --restricted --projects pgha',
  'incus remote add ci TOKEN',
];

it('every command line of the documents is run, or says why not; and none of these is in no document', () => {
  const told = documents().flatMap(commandsOf);
  const known = [
    ...documents().flatMap(commandsOf).filter(isFunction),
    ...[...onTheFormation, ...onTheLab].map(({ command }) => command),
    ...aRestrictedRunner,
    ...ofAnExistingFormation,
    ...Object.keys(notRun),
  ];
  expect([...new Set(told)].sort()).toEqual(known.sort());
});

function filled({ command, fill = {} }: Run): string {
  return Object.entries(fill).reduce((text, [word, value]) => text.replace(word, value()), command);
}

async function primaryNow(): Promise<string | undefined> {
  return (await runAction('check-formation', { formation })).outputs['primary'];
}

/** Waits until the monitor has these nodes in these states, reported and assigned: as `on_monitor show state` shows it. */
async function untilStates(wanted: Record<string, string>): Promise<void> {
  const columns = "nodename || ' ' || reportedstate || ' ' || goalstate";
  const query = `SELECT string_agg(${columns}, ', ' ORDER BY nodename) FROM pgautofailover.node`;
  let states = '';
  await eventually(`the states ${JSON.stringify(wanted)}`, 60_000, async () => {
    states = await onMonitor('pgaf-monitor', query);
    return Object.entries(wanted).every(([node, state]) =>
      states.split(', ').includes(`${node} ${state} ${state}`),
    );
  }).catch((error: Error) => {
    throw new Error(`${error.message}; the monitor has: ${states}`);
  });
}

/**
 * Runs a command that changes what a node is, as docs/operations.md tells it: what the monitor refuses is given again once
 * the formation is healthy, and where pg_autoctl waited for its end in vain, the states tell.
 */
async function changed(command: string): Promise<void> {
  const isRefused = (said: string) =>
    /cannot start maintenance|is not currently possible|primary node is not in a stable state/.test(said);
  const until = performance.now() + 60_000;
  for (;;) {
    const said = await shell(command).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (said === undefined) return;
    console.log(`not ended well: ${said}`);
    if (/Failed to wait until/.test(said)) return;
    if (!isRefused(said) || performance.now() > until) throw new Error(said);
    await becomesHealthy(formation, 60_000);
  }
}

/** What may have a node restarted, or change its role. */
const isDisturbing = (command: string) => /provision-pgaf|failover-drill|perform|maintenance/.test(command);
let isDisturbed = true;

/** A command that pg_autoctl waits with, for up to two minutes, and what comes before and after it. */
const patience = 400_000;

describe('on a formation', () => {
  it.each(onTheFormation.map((run) => [run.command, run] as const))(
    '%s',
    { timeout: patience },
    async (_, run) => {
      if (!run.follows) await (isDisturbed ? becomesHealthy : checkPasses)(formation, 60_000);
      isDisturbed = isDisturbing(run.command);
      if (run.primary !== undefined && (await primaryNow()) !== run.primary) {
        await changed('on_monitor perform switchover');
        await becomesHealthy(formation, 60_000);
        expect(await primaryNow()).toBe(run.primary);
      }
      if (run.needs) await untilStates(run.needs);
      if (run.becomes) {
        await changed(filled(run));
        await untilStates(run.becomes);
      } else expect(await shell(filled(run))).toMatch(run.says ?? /(?:)/);
    },
  );
});

describe('on the lab', () => {
  it.each(onTheLab.map((run) => [run.command, run] as const))('%s', async (_, run) => {
    expect(await shell(run.command)).toMatch(run.says ?? /(?:)/);
  });
});

describe('a runner with a restricted project', () => {
  const client = join(folder, 'client');
  const asRunner = (command: string) => shell(`lab/lab exec -- env INCUS_CONF=${client} ${command}`);

  afterAll(async () => {
    const trusted = JSON.parse(await incus('query', '/1.0/certificates?recursion=1')) as {
      name: string;
      fingerprint: string;
    }[];
    for (const { name, fingerprint } of trusted)
      if (name === 'ci') await incus('config', 'trust', 'remove', fingerprint);
    await incus('config', 'unset', 'core.https_address');
    await shell('echo yes | incus project delete pgha --force');
  });

  it('gets it by the commands of docs/runner.md, and sees nothing else', async () => {
    mkdirSync(client);
    let token = '';
    for (const command of aRestrictedRunner.slice(0, -1)) token = (await shell(command)).trim();
    await asRunner((aRestrictedRunner.at(-1) ?? '').replace('TOKEN', token.split('\n').at(-1) ?? ''));
    expect(await asRunner('incus list ci: --project pgha --format csv')).toBe('');
    await expect(asRunner('incus list ci: --project default')).rejects.toThrow(/permission/);
    expect(await incus('project', 'list', '--format', 'csv')).toContain('pgha');
  });
});
