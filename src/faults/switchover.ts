import { readNodes } from '../monitor/nodes.ts';
import { performFailover, soonAfterReport } from '../monitor/switchover.ts';
import type { Prepare } from './fault.ts';

/** What an operator does before planned work on the primary. */
export const switchover: Prepare = async ({ formation, openMonitor }, { name }, signal) => {
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
        const goal = (await readNodes(later, formation.name)).find((node) => node.name === name)?.goalState;
        return goal === undefined || goal === 'primary'
          ? undefined
          : `the monitor wants ${name} to be ${goal}`;
      } finally {
        later.close();
      }
    },
  };
};
