import { onAbort } from '../../clock/abort.ts';
import { now } from '../../clock/clock.ts';
import { messageOf } from '../../contract/errors.ts';
import type { Endpoints } from '../cluster/endpoints.ts';

const askEveryMs = 1000;
/** Less than one turn: the next one sees it. */
const silentMs = 900;

/**
 * Has the server looked at through which a relay goes, where the relay is silent and there is another way; and ends the
 * relay when that server is left. A container that is stopped or frozen is as silent, and its server answers.
 * @returns what ends that
 */
export function watchEndpoint(
  endpoints: Endpoints,
  relay: { ping(): Promise<unknown>; lose(why: string): void },
): () => void {
  if (endpoints.known.length === 0) return () => {};
  const { current, leaving } = endpoints;
  let askedAt: number | undefined;
  const asking = setInterval(() => {
    if (askedAt !== undefined) {
      if (now() - askedAt > silentMs) void endpoints.suspect(current);
      return;
    }
    askedAt = now();
    relay.ping().then(
      () => {
        askedAt = undefined;
      },
      () => {},
    );
  }, askEveryMs);
  asking.unref();
  const forget = onAbort(leaving, () => relay.lose(messageOf(leaving.reason)));
  return () => {
    clearInterval(asking);
    forget();
  };
}
