import * as v from 'valibot';
import type { CampaignRecord } from '../../campaign/campaign-record.ts';
import type { Sample } from '../../campaign/proof.ts';
import { drillReport } from './drill-report.ts';

/** Keys that may be there and undefined: those that JSON drops. */
type Dropped<T> = { [K in keyof T]-?: Record<K, undefined> extends Pick<T, K> ? K : never }[keyof T];

/** What was written before JSON dropped keys: to read one that is not there gives undefined again. */
type Restored<T> = T extends readonly unknown[] | string | number | boolean | null | undefined
  ? { [K in keyof T]: Restored<T[K]> }
  : { [K in keyof T as Exclude<K, Dropped<T>>]: Restored<T[K]> } & { [K in Dropped<T>]: Restored<T[K]> };

/**
 * Reads a report of failover-drill, so that its drills can be judged and drawn again.
 *
 * @param json what JSON.parse made of the file
 * @returns the formation as the report has it, and the campaign; or every fault of the report, with its path
 */
export function readDrillReport(
  json: unknown,
): { formation: unknown; campaign: CampaignRecord } | { faults: string[] } {
  const parsed = v.safeParse(drillReport, json);
  if (!parsed.success) return { faults: parsed.issues.map(told) };
  const { formation, campaign } = parsed.output;
  if (campaign === undefined) return { faults: ['campaign: the report holds no drill'] };
  const proofs = campaign.proofs.map(({ now, pooled, ...rest }) => ({
    ...rest,
    now: { ...now, stillNeeded: unbounded(now.stillNeeded) },
    pooled: { ...pooled, stillNeeded: unbounded(pooled.stillNeeded) },
  }));
  return { formation, campaign: restored({ ...campaign, proofs }) };
}

const restored = <T>(value: T) => value as Restored<T>;

/** JSON has null for what is infinite. */
function unbounded({ p95, p99 }: { p95: number | null; p99: number | null }): Sample['stillNeeded'] {
  return { p95: p95 ?? Number.POSITIVE_INFINITY, p99: p99 ?? Number.POSITIVE_INFINITY };
}

function told(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}
