import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applicationAccess } from '../../src/application/access.ts';
import { type Moment, now } from '../../src/clock/clock.ts';
import { Evidence, type EvidenceOptions } from '../../src/evidence/evidence.ts';
import { judgeLedger } from '../../src/evidence/ledger/ledger.ts';
import type { LedgerRead, LedgerVerdict, Roles } from '../../src/evidence/record.ts';
import type { HistoryEvent, WriteHistory } from '../../src/evidence/write-history.ts';
import { parseFormation } from '../../src/formation/file/load.ts';
import { type Formation, type Member, membersOf } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import { isPromoted, readNodes, settledPrimary } from '../../src/monitor/nodes.ts';
import { MonitorWatch } from '../../src/monitor/watch.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import { placeholderPassword } from '../../src/postgres/placeholder.ts';
import { keptLog } from '../unit/builders.ts';
import { eventually } from './harness.ts';
import { macOf, onTheBridge } from './measured-failover.ts';

/** What the lab tests of the clients' evidence share: a run around one thing that is done to the formation. */

export const lab = new Incus({ remote: 'local', project: 'default' });

export interface TestedFormation {
  formation: Formation;
  monitor: Member;
  primary: Member;
  standby: Member;
}

export async function rolesIn(yaml: string): Promise<TestedFormation> {
  const formation = parseFormation(yaml, 'formation.yml');
  const [monitor, ...nodes] = membersOf(formation);
  const session = await openMemberSession(lab, formation, monitor);
  const settled = settledPrimary(await readNodes(session, formation));
  session.close();
  const primary = nodes.find(({ name }) => name === settled?.name);
  const standby = nodes.find(({ name }) => name !== settled?.name);
  if (!primary || !standby) throw new Error('the formation has no settled primary');
  return { formation, monitor, primary, standby };
}

/** Starts clients on a formation; by the vantage, as nothing here may leave the lab's own network. */
export async function startClients(
  { formation, primary }: TestedFormation,
  given: Partial<EvidenceOptions> & { password?: string; ca?: string } = {},
): Promise<{ evidence: Evidence; journalPath: string; remove(): Promise<void> }> {
  const { password = placeholderPassword, ca, ...options } = given;
  const found = applicationAccess(formation, { password, ca });
  if (!('access' in found)) throw new Error(found.missing);
  const folder = mkdtempSync(join(tmpdir(), 'pgha-evidence-'));
  const journalPath = join(folder, 'journal.jsonl');
  const evidence = await Evidence.start({
    formation,
    incus: lab,
    access: found.access,
    run: `test-${Date.now()}`,
    primary: primary.name,
    journalPath,
    log: keptLog(),
    signal: new AbortController().signal,
    via: 'vantage',
    ...options,
  }).catch((error: unknown) => {
    rmSync(folder, { recursive: true });
    throw error;
  });
  const remove = async () => {
    await evidence.end();
    rmSync(folder, { recursive: true });
  };
  await evidence.firstAcknowledged(0, primary.name, { deadlineMs: 10_000 });
  return { evidence, journalPath, remove };
}

export interface SeenFailover {
  verdict: LedgerVerdict;
  history: WriteHistory;
  reads: LedgerRead[];
  scene: Roles;
  /** Seconds from the fault to the monitor's announcement of the promotion. */
  announcedSeconds: number;
  journalPath: string;
}

/**
 * One failover under the clients' eyes: `fault`, the promotion, `seen` when it was announced, `undo`, the rejoin,
 * and the ledger over all of it. `judge` looks at the outcome while the journal is there.
 */
export async function failOver(
  roles: TestedFormation,
  work: {
    fault(): Promise<unknown>;
    seen?(evidence: Evidence, faultAt: Moment): Promise<unknown>;
    undo(): Promise<unknown>;
    rejoined(): Promise<unknown>;
    judge(outcome: SeenFailover): unknown;
  },
): Promise<void> {
  const { formation, monitor, primary, standby } = roles;
  const watch = await MonitorWatch.start(
    formation,
    (signal) => openMemberSession(lab, formation, monitor, { signal }),
    keptLog(),
  );
  const { evidence, journalPath, remove } = await startClients(roles);
  let undone = false;
  try {
    // Who has not written before cannot show afterwards that it no longer may; a drill waits for its writes at risk.
    await eventually('the witnesses that write to have written', 10_000, () =>
      Promise.resolve(
        ['writer', 'local'].every((name) =>
          [...evidence.journal.history().events].some(
            (event) => event.kind === 'acknowledged' && event.connection.startsWith(`${name}.`),
          ),
        ),
      ),
    );
    const faultAt = now();
    await work.fault();
    const promoted = await watch.until('the promotion', { deadlineMs: 60_000 }, (_, heard) =>
      heard.find((told) => told.at > faultAt && told.name === standby.name && isPromoted(told)),
    );
    await work.seen?.(evidence, faultAt);
    const reads = [await evidence.read(standby.name)];
    await work.undo();
    undone = true;
    await work.rejoined();
    const history = await evidence.stop();
    reads.push(await evidence.read(standby.name));
    const scene = { faultAt, oldPrimary: primary.name, newPrimary: standby.name };
    const verdict = judgeLedger(history, reads, scene);
    const announcedSeconds = (promoted.at - faultAt) / 1000;
    await work.judge({ verdict, history, reads, scene, announcedSeconds, journalPath });
  } finally {
    await watch.stop();
    // What went wrong before is what counts.
    if (!undone) await work.undo().catch(() => {});
    await remove();
  }
}

/** Of a journal whose file is to go. */
export const inMemory = ({ run, events }: WriteHistory): WriteHistory => ({ run, events: [...events] });

export function eventsOfKind<K extends HistoryEvent['kind']>({ events }: WriteHistory, kind: K) {
  return [...events].filter((event): event is HistoryEvent & { kind: K } => event.kind === kind);
}

/** Drops what the two nodes send each other, in silence; the monitor reaches both. */
export async function cutBetween(one: Member, other: Member): Promise<void> {
  const [a, b] = [await macOf(one.name), await macOf(other.name)];
  const drops = `ether saddr ${a} ether daddr ${b} drop; ether saddr ${b} ether daddr ${a} drop;`;
  await onTheBridge(
    `table bridge pgha_between {\nchain between { type filter hook forward priority 0; ${drops} }\n}\n`,
  );
}

export async function joinAgain(): Promise<void> {
  await onTheBridge('table bridge pgha_between {\n}\ndelete table bridge pgha_between\n');
}
