import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BadFile } from '../corpus/bad-file.ts';
import { badNames, badPolicies, badReferences } from '../corpus/combinations.ts';
import { unknownKeys } from '../corpus/keys.ts';
import { badTopologies } from '../corpus/topologies.ts';
import { badValues, subtlyBadValues } from '../corpus/values.ts';
import { badRoots, badYaml } from '../corpus/yaml.ts';
import { eventually, type Finished, figure, incus, runAction } from './harness.ts';

/**
 * Bad input of every kind, given to the committed actions beside a container that they could touch: code 3,
 * one message that names the place, and nothing touched. Incus itself is the witness: its state before and
 * after, and the log of everything that it did in between.
 */

/** Runs the action: with which inputs, and what its one message must say. */
interface Case {
  what: string;
  action: 'provision-pgaf' | 'check-formation' | 'failover-drill';
  inputs: Record<string, string>;
  env?: Record<string, string>;
  says: RegExp[];
  /** Whether Incus is asked for something that it cannot give, which it notes as an operation that failed. */
  asks?: true;
}

const folder = mkdtempSync(join(tmpdir(), 'pgha-bad-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pipe = join(folder, 'pipe');
execFileSync('mkfifo', [pipe]);

const literal = (text: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));

/** The files of the corpus, on disk; each third is given to an action that only reads. */
let written = 0;
function fileCase(what: string, text: string, says: (name: string) => RegExp[]): Case {
  const path = join(folder, `f${++written}.yml`);
  writeFileSync(path, text);
  const readers = ['check-formation', 'failover-drill', 'provision-pgaf'] as const;
  const action = written % 3 === 0 ? (readers[(written / 3) % 3] ?? 'provision-pgaf') : 'provision-pgaf';
  return { what, action, inputs: { formation: path }, says: says(path) };
}

const badFiles: BadFile[] = [
  ...[badNames, badPolicies, badReferences, badTopologies, unknownKeys, subtlyBadValues].flat(),
  // They all go the same way; the unit tests have every one of them.
  ...badValues.filter((_, index) => index % 3 === 0),
];

const unmade = 'monitor: { name: un-monitor }\nnodes: [{ name: un-a }, { name: un-b }]\n';
const input = (what: string, inputs: Record<string, string>, ...says: RegExp[]): Case => ({
  what,
  action: 'provision-pgaf',
  inputs,
  says,
});
const drill = (what: string, inputs: Record<string, string>, ...says: RegExp[]): Case => ({
  ...input(what, inputs, ...says),
  action: 'failover-drill',
});

/** A client whose remote is there no more. */
function clientOfDeadRemote(): Record<string, string> {
  const conf = join(folder, 'conf');
  mkdirSync(join(conf, 'servercerts'), { recursive: true });
  writeFileSync(
    join(conf, 'config.yml'),
    'default-remote: local\nremotes:\n  local: { addr: "unix://" }\n  dead: { addr: "https://127.0.0.1:1", auth_type: tls, protocol: incus, public: false }\n',
  );
  return { INCUS_CONF: conf };
}

const cases: Case[] = [
  ...badFiles.map(([what, text, place, says]) =>
    fileCase(what, text, (name) => [literal(`${name}:${place}: `), says]),
  ),
  ...badYaml.map(([what, text, says]) =>
    fileCase(what, text, (name) => [new RegExp(says.source.replace('^f\\.yaml', literal(name).source))]),
  ),
  ...badRoots.map(([what, text, found]) =>
    fileCase(what, text, (name) => [literal(`${name}:1: the file: must be a map of keys`), literal(found)]),
  ),
  input('a file that is not there', { formation: 'nowhere.yml' }, /formation: cannot read nowhere\.yml/),
  input('a folder', { formation: '.' }, /formation: cannot read \.: it is a folder, not a file/),
  input(
    'a device',
    { formation: '/dev/zero' },
    /formation: cannot read \/dev\/zero: it is a device, not a file/,
  ),
  input('a sentence', { formation: 'the default one' }, /formation: cannot read the default one/),
  input('inline YAML', { formation: 'postgres:\n  port: 1\n' }, /the inline formation:2: postgres\.port: /),
  input(
    'a number of seconds that is none',
    { 'converge-seconds': 'soon' },
    /input converge-seconds: .*1 to 3600/,
  ),
  input('no seconds', { 'converge-seconds': '' }, /input converge-seconds/),
  input(
    'production without a password',
    { formation: `environment: production\n${unmade}` },
    /app-password: is missing/,
  ),
  input(
    'production with the placeholder',
    { formation: `environment: production\n${unmade}`, 'app-password': 'changeme-DEV-ONLY' },
    /app-password: is the placeholder/,
  ),
  input('a short password', { formation: unmade, 'app-password': 'short' }, /app-password: .*8 characters/),
  drill('a fault that is none', { fault: 'explode' }, /input fault: must be .*stop.*"explode"/),
  drill('a target of zero', { 'rto-target-seconds': '0' }, /input rto-target-seconds: must be seconds from/),
  drill('a target with a unit', { 'rto-target-seconds': '60s' }, /input rto-target-seconds: .*"60s"/),
  drill('a negative deadline', { 'promotion-deadline-seconds': '-1' }, /input promotion-deadline-seconds/),
  {
    ...drill(
      'an input that there is not',
      {},
      /input rto-target: there is no such input; is rto-target-seconds meant\?/,
    ),
    env: { 'INPUT_RTO-TARGET': '30' },
  },
  drill('a target that is empty', { 'rto-target-seconds': '' }, /found nothing: .*`schedule`/),
  drill(
    'a history that is a pipe',
    { 'history-file': pipe },
    /history of drills cannot be read from .*: it is a pipe/,
  ),
  drill('a replay that is a pipe', { replay: pipe }, /input replay: .*: it is a pipe, not a file/),
  ...(['check-formation', 'failover-drill', 'provision-pgaf'] as const).map((action) => ({
    ...input(
      `a password that ends in a line break, for ${action}`,
      { 'app-password': 'hunter2-hunter2\n' },
      /^input app-password: ends in a line break/,
    ),
    action,
  })),
  input(
    'a remote that the client does not know',
    { formation: `environment: lab\nincus: { remote: nowhere }\n${unmade}` },
    /incus\.remote: nowhere is not a remote/,
  ),
  {
    ...input(
      'a remote that does not answer',
      { formation: `environment: lab\nincus: { remote: dead }\n${unmade}` },
      /incus/i,
    ),
    env: clientOfDeadRemote(),
  },
  input(
    'a project that is not there',
    { formation: `environment: lab\nincus: { project: nowhere }\n${unmade}` },
    /incus\.project: nowhere does not exist/,
  ),
  {
    ...input(
      'an image that is not there',
      { formation: `environment: lab\nimage: debian/99\n${unmade}` },
      /image: debian\/99 is not available/,
    ),
    asks: true,
  },
];

/**
 * Takes one value of what Incus tells. When something was last used is Incus' own bookkeeping, which it does
 * when it finds the time; and it lists images, and who uses what, in any order.
 */
function comparable(key: string, value: unknown): unknown {
  if (key === 'last_used_at') return undefined;
  if (!Array.isArray(value)) return value;
  const text = (one: unknown) => JSON.stringify(one);
  return value.sort((a, b) => text(a).localeCompare(text(b)));
}

/** All that Incus has: whatever an action could make, change or remove. */
async function everything(): Promise<Record<string, unknown>> {
  const kinds = ['instances', 'images', 'networks', 'profiles', 'projects', 'storage-pools'];
  const found = await Promise.all(
    [...kinds, 'storage-pools/default/volumes'].map(async (kind) => [
      kind,
      JSON.parse(await incus('query', `/1.0/${kind}?recursion=1`), comparable),
    ]),
  );
  return Object.fromEntries(found) as Record<string, unknown>;
}

/** The container that has the built-in monitor's name; made here if the lab has none. */
const bystander = 'pgaf-monitor';
let ours = false;
let watching: ChildProcess | undefined;
let seen = '';
/** What Incus did, one line each. */
const deeds = () => seen.split('\n').filter((line) => line.includes('"type":'));
const bootOf = () => incus('exec', bystander, '--', 'stat', '-c', '%Y', '/proc/1');

const finished = new Map<string, Finished>();
let before: Record<string, unknown> = {};
let after: Record<string, unknown> = {};
let booted = '';
let done: string[] = [];

beforeAll(async () => {
  const there = JSON.parse(await incus('query', '/1.0/instances')) as string[];
  ours = !there.includes(`/1.0/instances/${bystander}`);
  if (ours) await incus('launch', 'debian/12', bystander);
  booted = await bootOf();

  watching = spawn(
    'incus',
    ['monitor', '--all-projects', '--type=operation', '--type=lifecycle', '-f', 'json'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  watching.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  // It hears once it has heard us.
  await eventually('Incus to tell what it does', 20_000, async () => {
    await incus('exec', bystander, '--', 'true');
    return deeds().length > 0;
  });
  await quiet();
  seen = '';

  // What earlier tests set off has to be over: two readings a second apart are the same.
  await eventually('Incus to come to rest', 30_000, async () => {
    before = await everything();
    await new Promise((next) => setTimeout(next, 1000));
    return JSON.stringify(before) === JSON.stringify(await everything());
  });
  // The ones that ask Incus for something come last, so that all others are known to have asked for nothing.
  const started = performance.now();
  await runAll(cases.filter(({ asks }) => !asks));
  figure('bad inputs', cases.length, 'inputs');
  figure('bad inputs, all of them', (performance.now() - started) / 1000);
  await quiet();
  done = deeds();
  await runAll(cases.filter(({ asks }) => asks));
  after = await everything();
});

afterAll(async () => {
  watching?.kill();
  if (ours) await incus('delete', '--force', bystander);
});

/** Two at a time: a runner of two cores has other things to do. */
async function runAll(some: Case[]): Promise<void> {
  const queue = [...some];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      finished.set(next.what, await runAction(next.action, next.inputs, { env: next.env ?? {} }));
    }
  };
  await Promise.all([work(), work()]);
}

/** Waits until Incus has told nothing for a second. */
async function quiet(): Promise<void> {
  let last = -1;
  await eventually('Incus to be quiet', 30_000, async () => {
    const still = last === seen.length;
    last = seen.length;
    if (!still) await new Promise((next) => setTimeout(next, 1000));
    return still;
  });
}

it('there are many of them, each different', () => {
  expect(new Set(cases.map(({ what }) => what)).size).toBe(cases.length);
  expect(cases.length).toBeGreaterThanOrEqual(60);
});

describe('code 3 and one message that names the place', () => {
  it.each(cases.map((one) => [one.what, one] as const))('%s', (what, { says }) => {
    const { code, outputs, log, report, tookMs } = finished.get(what) as Finished;
    expect(code, log).toBe(3);
    expect(outputs).toMatchObject({ outcome: 'error', 'exit-code': '3' });
    const message = outputs['message'] ?? '';
    for (const said of says) expect(message).toMatch(said);
    expect(message).not.toMatch(/[\n\r]|internal error|\bundefined\b/);
    expect(log.match(/^::error/gm), log).toHaveLength(1);
    expect(report).toMatchObject({ outcome: 'error', message });
    expect(tookMs).toBeLessThan(20_000);
  });
});

describe('nothing is touched', () => {
  it('Incus did nothing at all for what can be refused without it', () => {
    expect(done).toEqual([]);
  });

  it('Incus has what it had', () => {
    expect(after).toEqual(before);
  });

  it('the container beside it runs on', async () => {
    expect(await bootOf()).toBe(booted);
  });
});
