import { expect, it, vi } from 'vitest';
import { DeadlineError } from '../../../src/contract/errors.ts';
import { exposed } from '../../../src/drill/exposed.ts';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import type { Blow } from '../../../src/faults/fault.ts';
import { membersOf } from '../../../src/formation/formation.ts';
import { Endpoints } from '../../../src/incus/cluster/endpoints.ts';
import { builtInFormation, monitorNode, passingDrill } from '../builders.ts';

/**
 * What comes between a drill and its end. It holds the clock since boot against its own: no machine is suspended here
 * (SuspensionWatch has its own tests).
 */

const kernel = vi.hoisted(() => ({ asleepFor: 0 }));
vi.mock(import('node:os'), async (importOriginal) => {
  const os = await importOriginal();
  return { ...os, uptime: () => os.uptime() + kernel.asleepFor };
});
// Nothing is done to any container.
const blow = vi.hoisted(() => ({
  inject: async () => {},
  proof: async () => undefined as string | undefined,
  mark: async () => {},
}));
vi.mock(import('../../../src/faults/catalogue/stop.ts'), async (importOriginal) => {
  const { stop } = await importOriginal();
  return { stop: { ...stop, prepare: async (): Promise<Blow> => blow } };
});
vi.mock(import('../../../src/faults/mark.ts'), async (importOriginal) => ({
  ...(await importOriginal()),
  setMark: async () => await blow.mark(),
}));
vi.mock(import('../../../src/faults/undo.ts'), async (importOriginal) => ({
  ...(await importOriginal()),
  undoFaults: () => Promise.reject(new Error('nobody looks further')),
}));

async function drilled(asleepFor: number) {
  kernel.asleepFor = 0;
  blow.inject = async () => {
    kernel.asleepFor = asleepFor;
  };
  const formation = builtInFormation();
  const [monitor, primary, standby] = membersOf(formation);
  if (primary === undefined || standby === undefined) throw new Error('the formation has two data nodes');
  const warnings: string[] = [];
  const record = passingDrill({
    faultAt: undefined,
    proof: undefined,
    promotion: undefined,
    undoSeconds: undefined,
    settledSeconds: undefined,
    announcements: [],
  });
  const { signal } = new AbortController();
  await exposed({
    scene: {
      formation,
      monitor,
      primary,
      standbys: [standby],
      incus: { remote: 'local', project: 'default', endpoints: Endpoints.only('local') },
    },
    casualties: { targets: [primary] },
    locks: { places: [], forgo() {}, stand: async () => {}, addNew: async () => {} },
    watch: {
      look: async () => true,
      current: [monitorNode(), monitorNode({ name: standby.name, goalState: 'secondary' })],
      announcements: [],
      blindSpots: [],
    },
    clients: undefined,
    guard: { arm: async () => {}, confirm: async () => {}, disarm() {}, lost: signal },
    lease: { release() {} },
    record,
    plan: { holdMs: 0, watchMs: 0 },
    options: {
      fault: 'stop',
      signal,
      holdBackMs: 0,
      onExposed() {},
      log: { info() {}, debug() {}, warn: (line: string) => warnings.push(line) },
      rtoTargetMs: 60_000,
      promotionDeadlineMs: 1000,
      rejoinDeadlineMs: 1000,
      lockWaitMs: 0,
      clients: {},
    },
  } as never);
  return { record, warnings };
}

it('a drill tells of a machine that was suspended after its fault, and proves nothing', async () => {
  const { record, warnings } = await drilled(60);
  expect(record.faultAt).toBeDefined();
  expect(record.disturbed).toMatch(
    /^this machine was suspended for (?:59\.9|60\.0) s, while its clock stood still \(noticed [\d.]+ s after the fault\)$/,
  );
  expect(warnings.join()).toContain('this machine was suspended');
  expect(judgeDrill(record)).toMatchObject({ outcome: 'error' });
  expect(judgeDrill(record).message).toContain(`${record.disturbed}, so the drill proves nothing`);
});

it('and of none that was not', async () => {
  const { record, warnings } = await drilled(0);
  expect(record.faultAt).toBeDefined();
  expect(record.disturbed).toBeUndefined();
  expect(warnings).toEqual([]);
});

it('tells what was waited for in vain before the fault, and not only that there was none', async () => {
  blow.mark = () => Promise.reject(new DeadlineError('`incus config set alpha`', 30_000));
  const { record } = await drilled(0);
  blow.mark = async () => {};
  expect(record.faultAt).toBeUndefined();
  expect(judgeDrill(record)).toMatchObject({
    outcome: 'error',
    message: expect.stringContaining(
      'the drill was interrupted: gave up after 30 s waiting for `incus config set alpha`; nothing had been stopped',
    ),
  });
});
