import { readNodes } from '../../monitor/nodes.ts';
import { performFailover, soonAfterReport } from '../../monitor/switchover.ts';
import type { Fault, Prepare } from '../fault.ts';

/** What an operator does before planned work on the primary. */
const prepare: Prepare = async ({ formation, openMonitor }, [{ name }], signal) => {
  const session = await openMonitor(signal);
  return {
    moment: async () => await soonAfterReport(session, formation.name, signal),
    async inject() {
      try {
        await performFailover(session, formation.name);
      } finally {
        session.close();
      }
    },
    async proof() {
      const later = await openMonitor(new AbortController().signal);
      try {
        const goal = (await readNodes(later, formation)).find((node) => node.name === name)?.goalState;
        return goal === undefined || goal === 'primary'
          ? undefined
          : `the monitor wants ${name} to be ${goal}`;
      } finally {
        later.close();
      }
    },
  };
};

export const switchover = {
  does: 'the monitor is asked to move the primary, as before planned work (perform_failover)',
  expected: 'failover',
  because: 'that is what was asked for',
  hits: 'primary',
  lasts: 'a-moment',
  deed: (container) => `the monitor was asked to move the primary away from ${container}`,
  state: '',
  end: '',
  predictedAs: 'switchover',
  prepare,
} as const satisfies Fault;
