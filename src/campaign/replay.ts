import { lstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { DrillRecord } from '../drill/record.ts';
import { judgeDrill } from '../drill/verdict.ts';
import { activityOf } from '../evidence/activity.ts';
import { readJournal } from '../evidence/journal.ts';
import { judgeLedger } from '../evidence/ledger.ts';
import { readDrillReport } from '../report/schema/read-drill-report.ts';
import type { CampaignRecord } from './campaign-record.ts';

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
  return { formation, campaign: { ...campaign, drills } };
}

function readReport(path: string): Replayed {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InputError([
      `input replay: ${path} cannot be read as JSON: ${messageOf(error)}; give the path of a report of failover-drill`,
    ]);
  }
  const found = readDrillReport(json);
  const faults = 'faults' in found ? found.faults : strange(found.campaign);
  if ('faults' in found || faults.length > 0)
    throw new InputError(faults.map((fault) => `input replay: ${path}: ${fault}`));
  return found;
}

/** More than any drill has: what is beyond would keep us busy for ever. */
const greatest = { number: 1e10, rows: 1e7 };

/** What no report of ours holds, though its schema does not say so. */
function strange(campaign: CampaignRecord): string[] {
  const faults: string[] = [];
  if (campaign.drills.length === 0) faults.push('it tells of no drill');
  if (!/^[\w.-]+$/.test(campaign.formation)) faults.push('its formation has no name that one may have');
  for (const { record } of campaign.drills) {
    if (!/^[0-9a-f]{1,32}$/.test(record.id)) faults.push('a drill has no id that one may have');
    const ranges = (record.clients?.reads ?? []).flatMap(({ rows }) => Object.values(rows).flat());
    const isRange = ([from, to]: [number, number]) =>
      Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 1 && from <= to;
    if (!ranges.every(isRange)) faults.push('rows are no ranges of whole numbers');
    else if (ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0) > greatest.rows)
      faults.push('there are more rows than any drill writes');
  }
  if (!numbersIn(campaign).every((value) => Math.abs(value) <= greatest.number))
    faults.push('a number is greater than any that a drill measures');
  return [...new Set(faults)];
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
  const history = readJournal(path);
  if (history.run !== record.id)
    throw new EnvironmentError(`the journal ${clients.journal} is of another drill than ${record.id}`);
  const { scene, reads } = clients;
  const ledger = judgeLedger(history, reads, scene);
  // A journal that could not be written to its end does not say so itself.
  const inconclusive = [...new Set([...clients.ledger.inconclusive, ...ledger.inconclusive])];
  return {
    ...record,
    clients: { ...clients, ledger: { ...ledger, inconclusive }, activity: activityOf(history, scene) },
  };
}

/** Not a link, which may lead anywhere, and not a pipe, which may never end. */
function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
