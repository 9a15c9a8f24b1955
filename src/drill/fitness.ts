import type { JudgeOptions } from '../check/verdict.ts';
import type { Expected } from '../faults/fault.ts';

/** What the drill shows by itself where it watches the clients. */
const shownByClients = ['application-login', 'application-session'];

/** What has no bearing on a failover, however grave it is. */
const besides = ['no-placeholder-password'];

/**
 * How a formation is judged before and after a drill. Where clients are watched, whether every node lets them in is
 * what the drill finds out: told before as a warning, and after as what came of it. Without a failover they show nothing of the standbys.
 */
export function fitness(clientsWatched: boolean, expected: Expected): JudgeOptions {
  const shown = clientsWatched && expected !== 'none' && expected !== 'outage' ? shownByClients : [];
  return { onlyWarn: [...shown, ...besides] };
}
