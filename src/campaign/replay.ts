import { lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { readText } from '../disk/file.ts';
import type { DrillRecord } from '../drill/record.ts';
import { judgeDrill } from '../drill/verdict/verdict.ts';
import { readJournal } from '../evidence/journal.ts';
import { judgedAtOnce } from '../evidence/ledger/ledger.ts';
import type { CampaignRecord, JudgedDrill, Proof } from './campaign-record.ts';
import { conditionsOf } from './fingerprint.ts';
import { entryWith } from './history-entry.ts';
import { readDrillReport } from './json-report.ts';
import { boundedBy, isSlower, proofOf } from './proof.ts';

/** A recorded campaign, judged again. */
export interface Replayed {
  campaign: CampaignRecord;
  /** The formation as it was recorded. */
  formation: unknown;
}

/**
 * Judges what a report has recorded once more, as this version of pgha judges it: every drill, and every client's
 * write from the journals that lie beside the report. Reads these files, and nothing else.
 *
 * @param path of a JSON report of failover-drill
 * @throws InputError when it is none, EnvironmentError when a journal is damaged
 */
export function replayed(path: string, log: Log): Replayed {
  const { formation, campaign } = readReport(path);
  const drills = campaign.drills.map(({ record }) => {
    const again = withLedger(record, dirname(path), log);
    return { record: again, verdict: judgeDrill(again) };
  });
  return { formation, campaign: { ...campaign, drills, proofs: proofsAgain(campaign, drills, log) } };
}

/**
 * What these drills prove, as they are judged now. Of a recorded proof only the history that it has pooled stands, where
 * it says the same of these drills: that is not at hand, and told as such. What follows from its counts is reckoned again.
 */
function proofsAgain({ proofs }: CampaignRecord, drills: readonly JudgedDrill[], log: Log): Proof[] {
  return [...new Set(proofs.map(({ fault }) => fault))].flatMap((fault) => {
    const own = proofs.filter((each) => each.fault === fault);
    const alike = alikeOf(drills.filter(({ record }) => record.fault === fault));
    // Earlier releases held fewer of them apart.
    const groups = own.length === 1 ? [alike.flat()] : alike;
    if (alike.length === 0 || groups.length !== own.length) {
      log.warn(`${fault}: the report tells what drills prove that it does not hold: that is left out`);
      return [];
    }
    return own.map((proof, index) => proofAgain(proof, groups[index] ?? [], drills, log));
  });
}

/** Those of one configuration each, in the order of the first of them, as they were recorded (proofsOf). */
function alikeOf(drills: readonly JudgedDrill[]): JudgedDrill[][] {
  const groups = new Map<string, JudgedDrill[]>();
  for (const drill of drills) {
    const { inForce: _, ...conditions } = conditionsOf(drill.record);
    const key = JSON.stringify([drill.record.versions, conditions]);
    groups.set(key, [...(groups.get(key) ?? []), drill]);
  }
  return [...groups.values()];
}

function proofAgain(
  proof: Proof,
  own: readonly JudgedDrill[],
  [first]: readonly JudgedDrill[],
  log: Log,
): Proof {
  const { fault, fingerprint, now, pooled } = proof;
  const again = proofOf(
    own.map((drill) => entryWith(drill, fingerprint)),
    [],
    {
      targetSeconds: first?.record.rtoTargetSeconds ?? 0,
      leastWritesAtRisk: now.loss?.leastWritesAtRisk,
    },
  );
  const isSame =
    again.now.drills === now.drills &&
    again.now.breaches === now.breaches &&
    (now.loss === undefined ||
      (again.now.loss?.drills === now.loss.drills && again.now.loss.losses === now.loss.losses));
  if (isSame && pooled.drills >= now.drills && pooled.breaches >= now.breaches)
    return withHistory(proof, again);
  log.warn(
    `${fault}: the report says something else of what its drills prove; told is what they do, without a history`,
  );
  return again;
}

/** A proof of these drills, with the history that the report has pooled them with. */
function withHistory(told: Proof, again: Proof): Proof {
  const { rto } = again.now;
  const earlier = told.pooled.drills - told.now.drills;
  const notes = [
    ...new Set([
      ...(told.notes ?? []),
      ...(again.notes ?? []),
      ...(earlier === 0 && told.regression === undefined
        ? []
        : [`what is said of earlier drills is what the report tells: their history is not at hand`]),
    ]),
  ];
  const compared = told.regression && rto && { ...told.regression, nowSeconds: rto.median };
  return {
    ...told,
    now: again.now,
    pooled: earlier === 0 ? again.pooled : boundedBy(told.pooled),
    regression: compared && { ...compared, failed: isSlower(compared) },
    ...(notes.length > 0 && { notes }),
  };
}

/** Many times what the longest campaign leaves. */
const maxBytes = 256 * 1024 * 1024;

function readReport(path: string): Replayed {
  let json: unknown;
  try {
    json = JSON.parse(readText(path, maxBytes));
  } catch (error) {
    // The parser quotes the file, which may be another than was meant: one with a password, say.
    const why = error instanceof SyntaxError ? 'it is none' : messageOf(error);
    throw new InputError([
      `input replay: ${path} cannot be read as JSON: ${why}; give the path of a report of failover-drill`,
    ]);
  }
  if (depthOf(json) > greatest.depth)
    throw new InputError([`input replay: ${path}: it is nested deeper than any report of failover-drill`]);
  const found = readDrillReport(json);
  const errors = 'errors' in found ? found.errors : strange(found.campaign);
  if ('errors' in found || errors.length > 0)
    throw new InputError(errors.map((error) => `input replay: ${path}: ${error}`));
  return found;
}

/** More than any drill has: what is beyond would keep us busy for ever. */
const greatest = {
  number: 1e10,
  rows: 1e8,
  drills: 100_000,
  announcements: 20_000,
  nodes: 1000,
  // Of what is nested in itself: what goes through it would run out of stack.
  depth: 100,
};

/** What no report of ours holds, though its schema does not say so. */
function strange(campaign: CampaignRecord): string[] {
  const errors: string[] = [];
  if (campaign.drills.length === 0) errors.push('it tells of no drill');
  if (!/^[\w.-]+$/.test(campaign.formation)) errors.push('its formation has no name that one may have');
  if (new Set(campaign.drills.map(({ record }) => record.id)).size < campaign.drills.length)
    errors.push('a drill stands there more than once');
  const samples = campaign.proofs.flatMap(({ now, pooled }) => [now, pooled]);
  const counts = samples.flatMap(({ drills, loss }) => [drills, loss?.drills ?? 0]);
  if (![campaign.drills.length, ...counts].every((count) => count <= greatest.drills))
    errors.push('there are more drills than anybody runs');
  for (const { record } of campaign.drills) {
    if (record.announcements.length > greatest.announcements)
      errors.push('there are more announcements than any drill hears of');
    if ((record.clients?.activity.length ?? 0) > greatest.nodes)
      errors.push('there are more nodes than any formation has');
    if (!/^[0-9a-f]{1,32}$/.test(record.id)) errors.push('a drill has no id that one may have');
    const ranges = (record.clients?.reads ?? []).flatMap(({ rows }) => Object.values(rows).flat());
    const isRange = ([from, to]: [number, number]) =>
      Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 1 && from <= to;
    if (!ranges.every(isRange)) errors.push('rows are no ranges of whole numbers');
    else if (ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0) > greatest.rows)
      errors.push('there are more rows than any drill writes');
  }
  if (!numbersIn(campaign).every((value) => Math.abs(value) <= greatest.number))
    errors.push('a number is greater than any that a drill measures');
  return [...new Set(errors)];
}

/** How many maps and lists a value holds within one another; no further than the bound matters. */
function depthOf(value: unknown): number {
  let depth = 0;
  for (let level = [value]; level.length > 0 && depth <= greatest.depth; depth++)
    level = level.flatMap((each) =>
      typeof each === 'object' && each !== null ? (Object.values(each) as unknown[]) : [],
    );
  return depth;
}

function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return Number.isFinite(value) ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}

function withLedger(record: DrillRecord, folder: string, log: Log): DrillRecord {
  const { clients } = record;
  if (clients === undefined) return record;
  const path = join(folder, clients.journal);
  // A name is all that a journal may have: a report may come from anywhere.
  if (/[/\\]/.test(clients.journal) || !isFile(path)) {
    log.warn(
      `the journal ${clients.journal} does not lie beside the report: its ledger is taken as it was judged`,
    );
    return record;
  }
  const { history, digest } = readJournal(path);
  if (history.run !== record.id)
    throw new EnvironmentError(`the journal ${clients.journal} is of another drill than ${record.id}`);
  if (clients.journalDigest !== undefined && digest !== clients.journalDigest)
    throw new EnvironmentError(
      `the journal ${clients.journal} is not what its drill wrote (its SHA-256 is ${digest}, and the report says ${clients.journalDigest}): it was cut off or changed; copy it anew, or take it away to have the ledger as it was judged then`,
    );
  const { scene, reads } = clients;
  const { ledger, activity, throughput } = judgedAtOnce(history, reads, scene);
  // Its last line tells of the longest stall. What a drill could not write to its end says so in the ledger.
  if (
    ledger.lateBySeconds === undefined &&
    clients.ledger.lateBySeconds !== undefined &&
    clients.ledger.inconclusive.length === 0
  )
    throw new EnvironmentError(
      `the journal ${clients.journal} ends before its drill did: it was cut off, so that its writes cannot be judged again; copy it whole, or take it away to have the ledger as it was judged then`,
    );
  // A journal that could not be written to its end does not say so itself.
  const inconclusive = [...new Set([...clients.ledger.inconclusive, ...ledger.inconclusive])];
  return {
    ...record,
    clients: { ...clients, ledger: { ...ledger, inconclusive }, activity, throughput },
  };
}

/** Not a link, which may lead anywhere, and not a pipe, which may never end. */
function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
