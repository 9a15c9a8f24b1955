import { describe, expect, it } from 'vitest';
import { membersOf } from '../../../src/formation/formation.ts';
import { withoutMonitor } from '../../../src/provision/placement/move.ts';
import { Steps } from '../../../src/provision/steps.ts';
import { formationOf, keptLog } from '../builders.ts';

describe('a monitor that is to be moved', () => {
  const formation = formationOf('formation: own');
  const [monitor] = membersOf(formation);
  const told = async (others: string[] | undefined) => {
    const warned: string[] = [];
    const steps = new Steps({ ...keptLog(), warn: (line) => warned.push(line) }, 'plan');
    const session = { query: async () => (others ?? []).map((formationid) => ({ formationid })) };
    const openMonitor = async () => (others === undefined ? undefined : (session as never));
    return { says: await withoutMonitor({ formation, monitor, steps }, { openMonitor }), warned };
  };

  it('is told with the other formations that cannot fail over meanwhile', async () => {
    expect(await told([])).toEqual({ says: 'nobody can fail over meanwhile', warned: [] });
    expect(await told(['billing', 'orders'])).toEqual({
      says: 'nobody can fail over meanwhile, nor in billing, orders',
      warned: [expect.stringMatching(/^pgaf-monitor serves billing, orders too: .*monitor\.target/)],
    });
  });

  it('and does not answer may serve others, which is said', async () => {
    expect((await told(undefined)).says).toContain('which other formations it serves is not known');
  });
});
