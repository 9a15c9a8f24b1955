import { describe, expect, it } from 'vitest';
import { judgeRunner, type RunnerSeen } from '../../../src/doctor/doctor.ts';
import {
  type DoctorFinding,
  doctorOutcome,
  refused,
  seen,
  summary,
  unseen,
} from '../../../src/doctor/doctor-finding.ts';
import { sentences } from '../../../src/report/doctor-report.ts';
import { builtInFormation, formationOf } from '../builders.ts';
import { goodRunner, whatWasSeen } from './good-runner.ts';

const formation = builtInFormation();
const judge = (change: (runner: RunnerSeen) => void, of = formation): DoctorFinding[] => {
  const runner = goodRunner();
  change(runner);
  return judgeRunner(runner, of);
};
const idsOf = (findings: DoctorFinding[], status: DoctorFinding['status']) =>
  findings.filter((finding) => finding.status === status).map(({ id }) => id);

describe('a runner that lacks nothing', () => {
  it('has nothing to mend, and passes', () => {
    const findings = judge(() => {});
    expect(findings.filter(({ status }) => status !== 'holds')).toEqual([]);
    expect(findings.filter(({ remedy }) => remedy !== undefined)).toEqual([]);
    expect(doctorOutcome(findings)).toBe('pass');
    expect(summary(findings)).toBe(`${findings.length} of ${findings.length} hold`);
    expect(new Set(findings.map(({ id }) => id)).size).toBe(findings.length);
  });
});

describe('a runner that lacks one thing', () => {
  it.each<[string, string, (runner: RunnerSeen) => void]>([
    ['Linux', 'linux', ({ machine }) => Object.assign(machine, { platform: 'darwin' })],
    [
      'a host for its job',
      'own-host',
      ({ machine }) =>
        Object.assign(machine, { container: '/.dockerenv', job: 'gitea', startedFromOutside: seen(true) }),
    ],
    ['Node', 'node', ({ machine }) => Object.assign(machine.node, { onPath: refused('not on PATH') })],
    ['a new Node', 'node', ({ machine }) => Object.assign(machine.node, { onPath: seen('v18.20.1') })],
    ['a Node that is one', 'node', ({ machine }) => Object.assign(machine.node, { onPath: seen('hello') })],
    ['a user', 'user', ({ machine }) => Object.assign(machine, { user: refused('no such user') })],
    ['a home', 'home', ({ machine }) => Object.assign(machine, { stateFolder: refused('EROFS') })],
    [
      'room in its home',
      'home',
      ({ machine }) =>
        Object.assign(machine, { stateFolder: seen({ path: '/home/runner', freeBytes: 4096 }) }),
    ],
    [
      'a home that stays',
      'home',
      ({ machine }) => Object.assign(machine, { job: 'gitea', jobFolders: ['/home/runner/.local'] }),
    ],
    [
      'a folder for its client that stays',
      'client-folder',
      ({ machine }) =>
        Object.assign(machine, {
          job: 'act',
          jobFolders: ['/work/x'],
          clientFolder: '/work/x/.config/incus',
        }),
    ],
    [
      'a folder for temporary files',
      'temporary-folder',
      ({ machine }) => Object.assign(machine, { temporaryFolder: refused('EACCES') }),
    ],
    ['sockets', 'drill-mark', ({ machine }) => Object.assign(machine, { lease: refused('EAFNOSUPPORT') })],
    [
      'a client that is one',
      'client',
      ({ surroundings }) => Object.assign(surroundings, { client: seen('usage: incus') }),
    ],
    ['a new client', 'client', ({ surroundings }) => Object.assign(surroundings, { client: seen('0.3') })],
    [
      'the trust of the server',
      'server',
      ({ surroundings }) => Object.assign(whatWasSeen(surroundings.server), { auth: 'untrusted' }),
    ],
    [
      'room within the limits of its project',
      'project-limits',
      ({ surroundings: { project } }) =>
        Object.assign(whatWasSeen(project), { resources: seen({ containers: { limit: 4, usage: 2 } }) }),
    ],
    [
      'a root disk',
      'profiles',
      ({ surroundings: { profiles } }) =>
        Object.assign(whatWasSeen(profiles), { rootDisk: undefined, pool: undefined }),
    ],
    [
      'a network card',
      'profiles',
      ({ surroundings: { profiles } }) => Object.assign(whatWasSeen(profiles), { cards: {} }),
    ],
    [
      'room in its pool',
      'pool-room',
      ({ surroundings: { pool } }) => Object.assign(whatWasSeen(pool), { usedBytes: 99 * 1024 ** 3 }),
    ],
    [
      'names in the domain of the file',
      'network-domain',
      ({ surroundings: { network } }) =>
        Object.assign(whatWasSeen(network), { config: { 'dns.domain': 'veza' } }),
    ],
    [
      'names at all',
      'network-domain',
      ({ surroundings: { network } }) =>
        Object.assign(whatWasSeen(network), { config: { 'dns.mode': 'none' } }),
    ],
    [
      'rights to make a container',
      'containers',
      ({ pair }) => Object.assign(pair, { launched: refused('no') }),
    ],
    ['rights to make two', 'containers', ({ pair }) => Object.assign(pair, { second: refused('no') })],
    ['addresses', 'network', ({ pair }) => Object.assign(pair, { network: refused('gave up') })],
    [
      'a name',
      'names',
      ({ pair }) => Object.assign(whatWasSeen(pair.names)[0] ?? {}, { addresses: [], reverse: [] }),
    ],
    [
      'the right name',
      'names',
      ({ pair }) => Object.assign(whatWasSeen(pair.names)[0] ?? {}, { addresses: ['127.0.1.1'] }),
    ],
    [
      'a way back to a name',
      'names',
      ({ pair }) => Object.assign(whatWasSeen(pair.names)[1] ?? {}, { reverse: ['x'] }),
    ],
    ['a way between containers', 'reach', ({ pair }) => Object.assign(pair, { reach: seen(false) })],
    [
      'an Incus that keeps pace',
      'commands',
      ({ pair }) => Object.assign(pair, { commands: seen({ together: 12, seconds: 30, roundTripMs: 2000 }) }),
    ],
    ['locks', 'concurrency', ({ pair }) => Object.assign(pair, { locks: seen(false) })],
    [
      'nf_tables',
      'cuts',
      ({ pair }) => Object.assign(pair, { cuts: refused("the host's kernel has no nf_tables") }),
    ],
    [
      'numgen',
      'cuts',
      ({ pair }) => Object.assign(pair, { cuts: seen({ block: true, isolate: true, lose: false }) }),
    ],
    ['a network after a cut', 'cuts-lifted', ({ pair }) => Object.assign(pair, { lifted: seen(false) })],
    ['a freezer', 'freeze', ({ pair }) => Object.assign(pair, { frozen: seen(false) })],
    [
      'a start after a power cut',
      'power-cut',
      ({ pair }) => Object.assign(pair, { restarted: refused('no') }),
    ],
    ['limits of disks', 'disk-limit', ({ pair }) => Object.assign(pair, { diskLimited: seen(false) })],
    ['rights to delete', 'removal', ({ left }) => Object.assign(left, { 'pgha-doctor-x-a': 'no' })],
  ])('%s: is told so by %s alone, with what mends it', (_, id, change) => {
    const findings = judge(change);
    expect(idsOf(findings, 'fails')).toEqual([id]);
    expect(idsOf(findings, 'unknown')).toEqual([]);
    expect(doctorOutcome(findings)).toBe('error');
    const { remedy = '' } = findings.find((finding) => finding.id === id) ?? {};
    expect(sentences(remedy).length).toBeGreaterThan(0);
    for (const each of sentences(remedy)) expect(each).toMatch(/^[A-Z`].*[.…]$/s);
  });
});

describe('what was not seen', () => {
  it('is unknown, never ok, and does not pass', () => {
    const nothing = unseen('not looked at');
    const findings = judge((runner) => {
      for (const key of Object.keys(runner.pair)) Object.assign(runner.pair, { [key]: nothing });
      for (const key of Object.keys(runner.surroundings))
        Object.assign(runner.surroundings, { [key]: nothing });
      runner.leftovers = nothing;
    });
    expect(idsOf(findings, 'fails')).toEqual([]);
    expect(idsOf(findings, 'holds')).toEqual([
      'linux',
      'own-host',
      'node',
      'user',
      'home',
      'client-folder',
      'temporary-folder',
      'drill-mark',
    ]);
    expect(doctorOutcome(findings)).toBe('error');
  });

  it('does not decide where a runner with the least rights may not read it, and a trial shows it', () => {
    const findings = judge(({ surroundings }) => {
      surroundings.pool = unseen('Certificate is restricted');
      surroundings.network = unseen('Certificate is restricted');
      whatWasSeen(surroundings.project).resources = unseen('Certificate is restricted');
    });
    expect(idsOf(findings, 'unknown')).toEqual(['project-limits', 'pool-room', 'network-domain']);
    expect(doctorOutcome(findings)).toBe('pass');
    expect(summary(findings)).toMatch(/; 3 are not known: project-limits, pool-room, network-domain$/);
  });
});

describe('the sign of a container', () => {
  const found = (machine: Partial<RunnerSeen['machine']>) =>
    judge((runner) => Object.assign(runner.machine, { container: '/.dockerenv', ...machine })).find(
      ({ id }) => id === 'own-host',
    );

  it('says nothing against a terminal', () => {
    expect(found({ job: undefined, startedFromOutside: seen(true) })?.status).toBe('holds');
  });

  it('fails a job that was started from outside it, as the steps of its own container are', () => {
    expect(found({ job: 'gitea', startedFromOutside: seen(true) })?.status).toBe('fails');
  });

  it('leaves open how long a container lives in which the runner itself runs', () => {
    const finding = found({ job: 'a runner', startedFromOutside: seen(false) });
    expect(finding?.status).toBe('unknown');
    expect(finding?.says).toContain('in which the runner itself runs');
  });

  it('is unknown where the way up could not be read', () => {
    expect(found({ job: 'a runner', startedFromOutside: unseen('no /proc') })?.status).toBe('unknown');
  });
});

describe('the limits of a project', () => {
  const big = formationOf('limits: { memory: 4GiB, cpu: 2, disk: 10GiB }');
  const within = (resource: string, limit: number, instances: string[] = []) =>
    judge(({ surroundings: { project } }) => {
      Object.assign(whatWasSeen(project), {
        instances,
        resources: seen({ [resource]: { limit, usage: 0 } }),
      });
    }, big).find(({ id }) => id === 'project-limits');

  it.each([
    ['memory', 12 * 1024 ** 3],
    ['disk', 30 * 1024 ** 3],
    ['cpu', 6],
    ['instances', 3],
  ])('are enough where %s has room for what the file asks for, and not a bit less', (resource, limit) => {
    expect(within(resource, limit)?.status).toBe('holds');
    expect(within(resource, limit - 1)).toMatchObject({
      status: 'fails',
      says: expect.stringContaining(`${resource}: ${limit - 1} allowed, 0 in use`) as string,
    });
    // What is there already needs none.
    expect(within(resource, 1, ['pgaf-monitor', 'pgaf-primary', 'pgaf-replica'])?.status).toBe('holds');
  });
});
