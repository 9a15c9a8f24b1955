import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { newRun, removeLeftovers, runOf, Throwaways, throwawayName } from '../../../src/doctor/throwaway.ts';
import { instanceName } from '../../../src/formation/file/words.ts';
import { membersOf } from '../../../src/formation/formation.ts';
import { Incus } from '../../../src/incus/incus.ts';
import { doctorKey } from '../../../src/incus/labels.ts';
import { Steps } from '../../../src/provision/steps.ts';
import { builtInFormation } from '../builders.ts';

const run = '0123456789ab';

describe('a container of the doctor', () => {
  it('has a name that Incus takes, with the run in it', () => {
    const made = newRun();
    expect(made).toMatch(/^[0-9a-f]{12}$/);
    expect(newRun()).not.toBe(made);
    expect(v.is(instanceName, throwawayName(made, 'b'))).toBe(true);
    expect(runOf({ name: throwawayName(made, 'a'), config: { [doctorKey]: made } })).toBe(made);
  });

  it.each<[string, string, Record<string, string> | undefined]>([
    ['has another name', 'pgaf-primary', { [doctorKey]: run }],
    ['has a name like it', `pgha-doctor-${run}-a-2`, { [doctorKey]: run }],
    ['has no mark', `pgha-doctor-${run}-a`, {}],
    ['has the mark of another run', `pgha-doctor-${run}-a`, { [doctorKey]: 'ba9876543210' }],
    ['does not tell its configuration', `pgha-doctor-${run}-a`, undefined],
  ])('is none that %s', (_, name, config) => {
    expect(runOf({ name, config })).toBeUndefined();
  });
});

describe('a container of a doctor that may go on', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-throwaway-'));
  const path = process.env['PATH'];
  const calls = () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
  const incus = new Incus({ remote: 'local', project: 'default' });
  const { signal } = new AbortController();
  /** The client of Incus is a script. @param exec what it does where a command is run in the container */
  const client = (exec: string) => {
    const name = throwawayName(run, 'a');
    const instance = { name, status: 'Running', config: { [doctorKey]: run } };
    writeFileSync(join(folder, 'calls'), '');
    writeFileSync(
      join(folder, 'incus'),
      `#!/bin/sh
echo "$1" >> '${folder}/calls'
case "$*" in
  *instances?recursion*) echo '${JSON.stringify([instance])}' ;;
  exec*) ${exec} ;;
esac
`,
    );
    chmodSync(join(folder, 'incus'), 0o755);
  };
  beforeAll(() => {
    process.env['PATH'] = `${folder}:${path}`;
  });
  afterAll(() => {
    process.env['PATH'] = path;
    rmSync(folder, { recursive: true, force: true });
  });

  it('is left alone where its lock cannot be asked for', async () => {
    client("echo 'Error: too many sessions' >&2; exit 1");
    expect(await removeLeftovers(incus, signal)).toEqual([]);
    expect(calls()).toContain('exec');
    expect(calls()).not.toContain('delete');
  });

  it('is removed where its lock is free', async () => {
    client('echo held; cat > /dev/null');
    expect(await removeLeftovers(incus, signal)).toEqual([throwawayName(run, 'a')]);
    expect(calls()).toContain('delete');
  });

  it('has its lock again after it was stopped', async () => {
    // As with a container that is stopped: its first holder ends.
    client(
      `if [ -e '${folder}/held' ]; then echo held; cat > /dev/null; else : > '${folder}/held'; echo held; fi`,
    );
    const formation = builtInFormation();
    const steps = new Steps({ info() {}, warn() {}, debug() {} }, 'apply');
    const throwaways = new Throwaways({ incus, formation, signal, steps });
    await throwaways.launch('a', throwaways.container('a', membersOf(formation)[0]));
    await vi.waitFor(() => expect(calls().filter((call) => call === 'exec')).toHaveLength(2), 10_000);
    expect(await throwaways.remove()).toEqual({});
  });
});
