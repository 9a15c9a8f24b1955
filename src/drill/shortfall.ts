import type { ClientsRecord } from './record.ts';

/** Clients that come to less of their pace before the fault are told as such. */
const leastShare = 0.9;
/** Of a shorter time before the fault nothing is said: a few writes more or less are no rate. */
const leastSeconds = 1;
/** A process that is at work for more of its time is a narrow place itself. */
const mostBusy = 0.9;

/** What the primary took before the fault, where that is less than it was offered; undefined where it followed. Pure. */
export function shortfall(
  {
    sessions,
    writesPerSecond,
    throughput,
  }: Pick<ClientsRecord, 'sessions' | 'writesPerSecond' | 'throughput'>,
  primary: string,
): string | undefined {
  const before = throughput?.before;
  const offered = sessions * writesPerSecond;
  if (before === undefined || before.seconds < leastSeconds) return undefined;
  if (before.writesPerSecond >= leastShare * offered) return undefined;
  const { busyShare = 0 } = throughput ?? {};
  const ourselves =
    busyShare < mostBusy
      ? ''
      : `; the drill itself was at work for ${Math.round(busyShare * 100)} % of its time, so that it may be what was too slow`;
  return `of ${Math.round(offered * 10) / 10} writes a second that were offered, ${primary} took ${before.writesPerSecond} before the fault${ourselves}`;
}
