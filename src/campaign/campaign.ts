import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { drill } from '../drill/drill.ts';
import type { DrillOptions } from '../drill/options.ts';
import { planOf } from '../drill/plan.ts';
import type { DrillRecord } from '../drill/record.ts';
import { judgeDrill } from '../drill/verdict/verdict.ts';
import type { FaultName } from '../faults/catalogue.ts';
import type { Formation } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import type { CampaignRecord, JudgedDrill } from './campaign-record.ts';
import {
  appendHistory,
  type DrillHistory,
  type HistoryEntry,
  readHistory,
  tryHistory,
} from './drill-history.ts';
import { entryOf } from './history-entry.ts';
import { type ProofOptions, proofOf } from './proof.ts';
import { planRounds, type Round } from './rounds.ts';

export interface CampaignOptions {
  rounds: number;
  faults: readonly [FaultName, ...FaultName[]];
  seed: number;
  /** Where the drills are noted, and those before are read; undefined for nowhere. */
  historyPath: string | undefined;
  /** How much slower the median RTO may be than in the history, percent; undefined for no gate. */
  regressionPercent: number | undefined;
  /** It is to show that the ledger finds writes that are lost. */
  selfTest: boolean;
  drill: Omit<DrillOptions, 'fault' | 'holdBackMs'>;
}

/**
 * Runs drills in a row, each on the formation that the one before left healthy; so the primaries alternate by
 * themselves. Each is noted in the history as soon as it is over. It ends early where the formation is not as healthy
 * as a drill needs it, or a drill could not be told.
 *
 * @throws as drill, before anything was touched; EnvironmentError when the history cannot be read or written
 */
export async function campaign(
  formation: Formation,
  incus: Incus,
  options: CampaignOptions,
): Promise<CampaignRecord> {
  const { rounds, seed, selfTest, historyPath } = options;
  const { log, signal } = options.drill;
  // What cannot be done, read or written is told before anything is touched.
  for (const fault of new Set(options.faults)) planOf(fault, formation.timings, options.drill.holdMs);
  const before = historyPath === undefined ? noHistory : historyOf(historyPath, log);
  const record: CampaignRecord = {
    formation: formation.name,
    rounds,
    seed: rounds > 1 ? seed : undefined,
    selfTest,
    drills: [],
    proofs: [],
    endedEarly: undefined,
    trouble: [],
  };
  for (const round of planned(formation, options)) {
    if (rounds > 1) log.info(`round ${round.number} of ${rounds}: ${round.fault}`);
    let one: DrillRecord;
    try {
      one = await drill(formation, incus, { ...options.drill, ...round });
    } catch (error) {
      if (record.drills.length === 0) throw error;
      // The rounds before are what they are.
      record.endedEarly = signal.aborted ? 'it was cancelled' : messageOf(error);
      record.trouble.push(`round ${round.number} could not run: ${messageOf(error)}`);
      break;
    }
    const judged = { record: one, verdict: judgeDrill(one) };
    record.drills.push(judged);
    // One that did not begin tells nothing of the formation.
    if (historyPath !== undefined && !selfTest && one.held === undefined)
      note(historyPath, entryOf(judged, formation), record);
    if (round.number === rounds) break;
    record.endedEarly = signal.aborted ? 'it was cancelled' : endOf(judged);
    if (signal.aborted) record.trouble.push('it was cancelled');
    if (record.endedEarly !== undefined) break;
    log.info(`round ${round.number}: ${judged.verdict.message}`);
  }
  record.proofs = selfTest
    ? []
    : proofsOf(record, before.entries, formation, { ...options, unreadable: before.unreadable.length });
  return record;
}

/** @throws EnvironmentError when it can be read or written no more */
function historyOf(path: string, log: Log): DrillHistory {
  const history = readHistory(path);
  const { unreadable } = history;
  tryHistory(path);
  if (unreadable.length > 0) {
    const told = unreadable.slice(0, mostLinesTold).map(({ line, why }) => `line ${line}: ${why}`);
    const more = unreadable.length > told.length ? ', …' : '';
    log.warn(
      `${path}: ${unreadable.length} ${unreadable.length === 1 ? 'line is' : 'lines are'} no drill that can be read, and count for nothing (${told.join('; ')}${more})`,
    );
  }
  return history;
}

const mostLinesTold = 5;
const noHistory: DrillHistory = { entries: [], unreadable: [] };

function planned(
  { timings }: Formation,
  { rounds, faults, seed }: CampaignOptions,
): (Round<FaultName> & { holdBackMs: number })[] {
  const [only] = faults;
  // A single drill falls where it falls; nobody waits for its sake.
  if (rounds === 1 && faults.length === 1) return [{ number: 1, fault: only, holdBackMs: 0 }];
  return planRounds({ rounds, faults, seed, periodMs: timings.healthCheckPeriodMs });
}

/** What a drill found is not lost with the place where it was to be noted. */
function note(path: string, entry: HistoryEntry, record: CampaignRecord): void {
  try {
    appendHistory(path, entry);
  } catch (error) {
    record.trouble.push(messageOf(error));
  }
}

/** Why there is no sense in another drill. */
function endOf({ record, verdict }: JudgedDrill): string | undefined {
  if (verdict.outcome === 'error' || verdict.outcome === 'unhealthy') return verdict.message;
  return record.final?.outcome === 'pass' ? undefined : 'the formation was not healthy afterwards';
}

/** What the drills of a campaign prove, by fault, together with those before them. Pure. */
export function proofsOf(
  { drills }: Pick<CampaignRecord, 'drills'>,
  before: readonly HistoryEntry[],
  formation: Formation,
  {
    regressionPercent,
    unreadable = 0,
  }: Pick<CampaignOptions, 'regressionPercent'> & Pick<ProofOptions, 'unreadable'>,
): CampaignRecord['proofs'] {
  const entries = drills.map((each) => entryOf(each, formation));
  const targetSeconds = drills[0]?.record.rtoTargetSeconds;
  if (targetSeconds === undefined) return [];
  // Whoever asks for none has the drill go on without; it is no proof of anything.
  const leastWritesAtRisk = drills
    .map(({ record }) => record.clients?.leastWritesAtRisk ?? 0)
    .find((least) => least > 0);
  // Drills of one fault that were not alike, as where clients were watched in some, are not pooled.
  const alike = new Set(entries.map(({ fault, fingerprint: of }) => `${fault} ${of}`));
  return [...alike].map((which) =>
    proofOf(
      entries.filter(({ fault, fingerprint: of }) => `${fault} ${of}` === which),
      before,
      { targetSeconds, allowedPercent: regressionPercent, leastWritesAtRisk, unreadable },
    ),
  );
}
