import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import { markText } from '../../../src/faults/mark.ts';
import { steadyHoldMs, undoFault, undoFaults } from '../../../src/faults/undo.ts';
import { undoInterrupted } from '../../../src/faults/undo-interrupted.ts';
import type { Incus } from '../../../src/incus/incus.ts';
import { drillMarkKey } from '../../../src/incus/labels.ts';
import { holdLease } from '../../../src/incus/lease.ts';
import { builtInFormation } from '../builders.ts';

/** A server with one container, as far as an undo asks. */
class Server {
  status = 'Running';
  config: Record<string, string> = {};
  readonly calls: string[] = [];
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  instance = () =>
    Promise.resolve({ name: this.name, status: this.status, config: this.config, devices: {} });
  instances = async () => new Map([[this.name, await this.instance()]]);
  isBusy = () => Promise.resolve(false);
  start = () => {
    this.calls.push('start');
    this.status = 'Running';
    return Promise.resolve();
  };
  removeLabel = () => {
    this.calls.push('unmark');
    this.config = {};
    return Promise.resolve();
  };

  get incus(): Incus {
    return this as unknown as Incus;
  }
}

const passed = (durationMs: number) => new Promise((next) => setTimeout(next, durationMs));
const log = { info() {}, warn() {}, debug() {} };

describe('the undo of a drill of which a command is left on this machine', () => {
  it('undoes at once and again, and takes the mark away once nothing can come any more', async () => {
    const drill = randomBytes(6).toString('hex');
    const lease = await holdLease(drill);
    const server = new Server('alpha');
    server.config = { [drillMarkKey]: markText({ drill, fault: 'stop' }, 0) };
    server.status = 'Stopped';
    const undone = undoFault(server.incus, 'alpha', { deadlineMs: 30_000, holdMs: steadyHoldMs });
    await passed(500);
    expect(server.calls).toEqual(['start']);
    await passed(2500);
    expect(server.calls).toEqual(['start']);
    // What the command was still to do.
    server.status = 'Stopped';
    lease.release();
    await passed(2500);
    expect(server.calls).toEqual(['start', 'start']);
    expect(await undone).toBe('started');
    expect(server.calls).toEqual(['start', 'start', 'unmark']);
  });

  it('says what it waited for in vain, and leaves the mark', async () => {
    const drill = randomBytes(6).toString('hex');
    const lease = await holdLease(drill);
    const server = new Server('alpha');
    const known = { drill, fault: 'stop' as const };
    await expect(
      undoFault(server.incus, 'alpha', { deadlineMs: 2500, holdMs: steadyHoldMs, known }),
    ).rejects.toThrow(`drill ${drill}, or a command that it left behind, still runs on this machine`);
    expect(server.calls).toEqual([]);
    lease.release();
  });

  it('by its id waits for a mark that has yet to be set', async () => {
    const drill = randomBytes(6).toString('hex');
    const lease = await holdLease(drill);
    const [first] = builtInFormation().nodes;
    const server = new Server(first?.name ?? '');
    const repaired = undoInterrupted(builtInFormation(), server.incus, log, drill);
    await passed(1000);
    server.config = { [drillMarkKey]: markText({ drill, fault: 'stop' }, 0) };
    lease.release();
    expect(await repaired).toEqual([server.name]);
    expect(server.calls).toEqual(['unmark']);
  });
});

describe('the undo of a drill that hit several containers', () => {
  /** Of several, as far as an undo asks. */
  const host = (...servers: Server[]): Incus => {
    const of = (name: string) => servers.find((server) => server.name === name) as Server;
    return {
      instance: (name: string) => of(name).instance(),
      instances: async () =>
        new Map(
          await Promise.all(servers.map(async (server) => [server.name, await server.instance()] as const)),
        ),
      isBusy: () => Promise.resolve(false),
      start: (name: string) => of(name).start(),
      removeLabel: (name: string) => of(name).removeLabel(),
    } as unknown as Incus;
  };
  const stopped = (name: string, drill: string) => {
    const server = new Server(name);
    server.status = 'Stopped';
    server.config = { [drillMarkKey]: markText({ drill, fault: 'stop' }, 0) };
    return server;
  };

  it('brings every one back side by side, though one of them cannot be', async () => {
    const [broken, whole] = [stopped('alpha', 'a'), stopped('beta', 'a')];
    broken.start = () => Promise.reject(new Error('no room for alpha'));
    const options = { deadlineMs: 3000, holdMs: steadyHoldMs };
    await expect(undoFaults(host(broken, whole), ['alpha', 'beta'], options)).rejects.toThrow(
      'no room for alpha',
    );
    expect(whole.calls).toEqual(['start', 'unmark']);
    expect(broken.calls).toEqual([]);
  });

  it('does so too where nobody is left but who finds the marks', async () => {
    const formation = builtInFormation();
    const [broken, whole] = [stopped('pgaf-monitor', 'a'), stopped('pgaf-primary', 'a')];
    const begun: string[] = [];
    for (const server of [broken, whole]) {
      const start = server.start;
      server.start = async () => {
        begun.push(server.name);
        await passed(200);
        expect(begun).toHaveLength(2);
        return await start();
      };
    }
    const brought = await undoInterrupted(formation, host(broken, whole), log);
    expect(brought).toEqual(['pgaf-monitor', 'pgaf-primary']);
    expect([broken.config, whole.config]).toEqual([{}, {}]);
  }, 30_000);
});

it('an undo that Incus refuses tells each of its words at once, and goes on until its deadline', async () => {
  const server = new Server('alpha');
  server.status = 'Stopped';
  let started = 0;
  server.start = () => {
    const why =
      ++started < 3 ? `Failed to start device "data": no such file (try ${started})` : 'start is not allowed';
    return Promise.reject(new EnvironmentError(why));
  };
  const told: { line: string; at: number }[] = [];
  const began = performance.now();
  const warn = (line: string) => told.push({ line, at: performance.now() - began });
  const undone = undoFault(server.incus, 'alpha', { deadlineMs: 3000, holdMs: steadyHoldMs, warn });
  await expect(undone).rejects.toThrow(/last error: start is not allowed/);
  expect(started).toBeGreaterThan(3);
  expect(told.map(({ line }) => line)).toEqual([
    'alpha is not brought back yet: Failed to start device "data": no such file (try 1)',
    'alpha is not brought back yet: start is not allowed',
  ]);
  expect(told[0]?.at).toBeLessThan(1000);
});
