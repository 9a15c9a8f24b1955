import { unitOf } from '../../member/unit.ts';
import type { Fault, Prepare, Trace } from '../fault.ts';
import { seenGone } from '../processes.ts';
import bringBack from '../scripts/bring-unit-back.sh';
import keepDown from '../scripts/keep-unit-down.sh';
import survivors from '../scripts/surviving-processes.sh';

/** In /run: a restart of the container takes it away by itself. Which service it is of shows in its place. */
const folder = '/run/systemd/system';
const file = 'pgha-drill.conf';
const dropInOf = (service: string) => `${folder}/${service}.d/${file}`;

const deadlineMs = 30_000;

/** A unit that systemd is kept from starting. */
const unit: Trace = {
  async remove(incus, container, _, signal) {
    const command = ['sh', '-c', bringBack, 'sh', folder, file];
    const said = (await incus.read(container, command, { deadlineMs, signal })).trim();
    return said === 'started' ? 'pg_autoctl started' : undefined;
  },
};

/** Keeper and Postgres, for good: the loss of a node whose container goes on. */
const prepare: Prepare = async ({ incus }, [member]) => {
  const { name: container } = member;
  const name = unitOf(member);
  return {
    arm: () => incus.exec(container, ['sh', '-c', keepDown, 'sh', name, dropInOf(name)], { deadlineMs }),
    // Every process of the unit, Postgres and its sessions included.
    inject: () => incus.exec(container, ['systemctl', 'kill', '--signal=KILL', name], { deadlineMs }),
    proof: () =>
      seenGone(`pg_autoctl in ${container}`, async (inner) => {
        const options = { deadlineMs, signal: inner };
        const found = (await incus.read(container, ['sh', '-c', survivors, 'sh', name], options)).trim();
        return found === 'failed' || found === 'inactive'
          ? `no process of pg_autoctl or Postgres is left, and ${name} is ${found}`
          : undefined;
      }),
  };
};

export const killNode = {
  does: 'pg_autoctl and Postgres of the primary are killed, and systemd is kept from starting them again',
  expected: 'failover',
  because: 'nobody is left to start Postgres',
  hits: 'primary',
  lasts: 'until-promotion',
  leaves: unit,
  deed: (container) => `pg_autoctl and Postgres on ${container} were killed`,
  state: 'killed',
  end: 'started',
  prepare,
} as const satisfies Fault;
