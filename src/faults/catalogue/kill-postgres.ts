import { EnvironmentError } from '../../contract/errors.ts';
import type { Fault, Prepare } from '../fault.ts';
import { seenGone } from '../processes.ts';
import identify from '../scripts/identify-postgres.sh';
import kill from '../scripts/kill-process.sh';
import look from '../scripts/look-for-process.sh';

const deadlineMs = 30_000;

/** Postgres alone. Its keeper finds out by itself and starts it again. */
const prepare: Prepare = async ({ incus }, [{ name, pgdata }], signal) => {
  const said = await incus.read(name, ['sh', '-c', identify, 'sh', pgdata], { deadlineMs, signal });
  const identity = /^(\d+) (\d+)$/.exec(said.trim());
  if (!identity) throw new EnvironmentError(`the process of Postgres in ${name} could not be told: ${said}`);
  const [, pid = '', since = ''] = identity;
  return {
    inject: () => incus.exec(name, ['sh', '-c', kill, 'sh', pid, since], { deadlineMs }),
    proof: () =>
      seenGone(`Postgres in ${name}`, async (inner) => {
        const options = { deadlineMs, signal: inner };
        const found = await incus.read(name, ['sh', '-c', look, 'sh', pid, since], options);
        return found.trim() === 'gone' ? `the process ${pid} of Postgres is gone` : undefined;
      }),
  };
};

export const killPostgres = {
  does: 'Postgres of the primary is killed, its keeper is not',
  expected: 'either',
  because:
    'its keeper starts it again within a second or so; one that looks before it did reports it as gone, and the monitor then fails over',
  hits: 'primary',
  lasts: 'a-moment',
  deed: (container) => `Postgres on ${container} was killed`,
  state: '',
  end: '',
  predictedAs: 'postgres-crash',
  prepare,
} as const satisfies Fault;
