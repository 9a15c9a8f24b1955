import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { membersOf } from '../../../src/formation/formation.ts';
import type { Incus } from '../../../src/incus/incus.ts';
import { MemberContainer } from '../../../src/provision/member-container.ts';
import { setPartitionTimeout } from '../../../src/provision/members/autoctl.ts';
import { Steps } from '../../../src/provision/steps.ts';
import { builtInFormation, keptLog } from '../builders.ts';

const run = promisify(execFile);

it('a stale pid file that names the command itself does not end it: its own reload is no harm to it', async () => {
  const formation = builtInFormation();
  const [monitor, node = monitor] = membersOf(formation);
  const asked: string[][] = [];
  const incus: Partial<Incus> = {
    exec: async (_, command) => {
      asked.push([...command]);
    },
  };
  const steps = new Steps(keptLog(), 'apply');
  const { signal } = new AbortController();
  await setPartitionTimeout(new MemberContainer({ formation, incus: incus as Incus, steps, signal }, node));
  const [command = []] = asked;
  expect(command.slice(command.indexOf('pg_autoctl'), command.indexOf('pg_autoctl') + 3)).toEqual([
    'pg_autoctl',
    'config',
    'set',
  ]);
  // Everything that stands before it, in a folder that is here as well.
  const before = command.slice(command.indexOf('env'), command.indexOf('pg_autoctl'));
  const folder = before.indexOf('-C');
  before[folder + 1] = '/';
  const [file = '', ...args] = before;
  const { stdout } = await run(file, [...args, 'sh', '-c', 'kill -HUP $$; echo went on']);
  expect(stdout).toBe('went on\n');
});
