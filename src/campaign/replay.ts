import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError, messageOf } from '../contract/errors.ts';
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
  if ('faults' in found) throw new InputError(found.faults.map((fault) => `input replay: ${path}: ${fault}`));
  return found;
}

function withLedger(record: DrillRecord, folder: string, log: Log): DrillRecord {
  const { clients } = record;
  if (clients === undefined) return record;
  const path = join(folder, clients.journal);
  // A name is all that a journal may have: a report may come from anywhere.
  if (/[/\\]/.test(clients.journal) || !existsSync(path)) {
    log.warn(
      `the journal ${clients.journal} does not lie beside the report: its ledger is taken as it was judged`,
    );
    return record;
  }
  const history = readJournal(path);
  const { scene, reads } = clients;
  return {
    ...record,
    clients: { ...clients, ledger: judgeLedger(history, reads, scene), activity: activityOf(history, scene) },
  };
}
