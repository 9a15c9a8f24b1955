import { spawn } from 'node:child_process';
import { liveSettings } from '../../src/check/live-settings.ts';
import { observe } from '../../src/check/observe.ts';
import { type Moment, now } from '../../src/clock/clock.ts';
import { sleep, withDeadline } from '../../src/clock/deadline.ts';
import { messageOf } from '../../src/contract/errors.ts';
import { parseFormation } from '../../src/formation/file/load.ts';
import { type Formation, type Member, membersOf } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import type { Announcement } from '../../src/monitor/chronicle.ts';
import { isPromoted } from '../../src/monitor/nodes.ts';
import { performFailover, soonAfterReport } from '../../src/monitor/switchover.ts';
import { MonitorWatch } from '../../src/monitor/watch.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import type { Session } from '../../src/postgres/session.ts';
import type { LiveSettings } from '../../src/prediction/basis.ts';
import { predict } from '../../src/prediction/prediction.ts';
import type { Prediction } from '../../src/prediction/record.ts';
import { eventually, incus, inside, loadAverage, statusOf } from './harness.ts';

/**
 * What a fault on the primary leads to, measured on the one monotonic clock of this process: when the old
 * primary took its last write, when it was seen to refuse one, and when the new one took its first. Every
 * SQL session runs through `incus exec`, which none of the faults touches.
 */

/** How a fault is inflicted, proven and taken back. */
interface Fault {
  /** Waits for the moment to inflict it, which is no part of what it takes. */
  moment?(): Promise<void>;
  inflict(): Promise<void>;
  /** Throws unless the fault holds. */
  prove(): Promise<void>;
  undo(): Promise<void>;
}

export type MeasuredFault =
  | 'crash-stop'
  | 'freeze'
  /** Nothing that the primary sends or is sent arrives, and nobody is told. */
  | 'full-cut'
  /** The same, while its keeper waits for the monitor's answer. */
  | 'full-cut-amid-report'
  /** The primary's interface is down, so that it cannot even try. */
  | 'link-down'
  /** Nothing arrives between primary and monitor; the standby and the name server do answer. */
  | 'monitor-cut'
  /** The primary's role is handed over, as a drill does it. */
  | 'switchover';

/**
 * When the monitor announced the steps of a failover, in seconds since just before the fault: undefined for what
 * it did not announce.
 */
export interface FailoverMoments {
  /** The old primary is given up: its goal is draining, or a standby's report_lsn or prepare_promotion. */
  detected: number | undefined;
  /** The successor is chosen: its goal is prepare_promotion. */
  chosen: number | undefined;
  /** The old primary's time to demote itself begins: the successor's goal is stop_replication. */
  demoting: number | undefined;
  /** The successor may take writes: its goal is wait_primary. */
  permitted: number | undefined;
}

export interface Measured {
  oldPrimary: string;
  newPrimary: string;
  /** Seconds from just before the fault; undefined where it did not come within the deadline. */
  announced: number | undefined;
  writable: number;
  /** The old primary's last acknowledged write, and the first that it did not take. */
  lastWrite: number;
  fenced: number | undefined;
  /** `writable − fenced`: positive when the old primary was fenced first. */
  margin: number;
  /** When a frozen primary was thawed. */
  thawed: number | undefined;
  /** Writes that the old primary acknowledged after the new one had taken its first. */
  writesAfterPromotion: number;
  steps: FailoverMoments;
  /** The machine's load average of a minute at the end. */
  load: string;
}

const table = 'public.pgha_fencing';
const everyMs = 20;
const reconnectEveryMs = 250;
const lab = new Incus({ remote: 'local', project: 'default' });

/** Where a measurement runs: the formation, and who is who at its start. */
export interface LabScene {
  formation: Formation;
  monitor: Member;
  primary: Member;
  standbys: Member[];
}

/** Reads who is who, makes the table that is written to, and checks that the primary is the primary. */
export async function setScene(yaml: string): Promise<LabScene> {
  const formation = parseFormation(yaml, 'formation.yml');
  const [monitor, ...nodes] = membersOf(formation) as [Member, ...Member[]];
  const session = await openMemberSession(lab, formation, monitor);
  const rows = await session.query(
    "SELECT nodename FROM pgautofailover.node WHERE reportedstate = 'primary' AND goalstate = 'primary'",
  );
  session.close();
  const primary = nodes.find(({ name }) => name === rows[0]?.['nodename']);
  if (!primary) throw new Error('the formation has no primary');
  const writer = await openMemberSession(lab, formation, primary);
  await writer.query(`CREATE TABLE IF NOT EXISTS ${table} AS SELECT 0::bigint AS n`);
  writer.close();
  return { formation, monitor, primary, standbys: nodes.filter((node) => node !== primary) };
}

/** As check-formation predicts it, from what it reads of the formation that runs. */
export async function predictedNow(yaml: string): Promise<Prediction> {
  const formation = parseFormation(yaml, 'formation.yml');
  const observation = await observe(formation, new Incus(formation.incus));
  return predict(liveSettings(observation, formation) as LiveSettings);
}

/**
 * Inflicts the fault on the primary, waits until another node takes writes and the old primary takes none,
 * and takes the fault back in any case.
 *
 * @param fenceDeadlineMs how long the old primary may go on taking writes once the new one does
 */
export async function measure(
  yaml: string,
  name: MeasuredFault,
  { promotionDeadlineMs = 150_000, fenceDeadlineMs = 40_000 } = {},
): Promise<Measured> {
  const scene = await setScene(yaml);
  const { formation, monitor, primary, standbys } = scene;
  const fault = await faultOf(name, scene);
  const watch = await MonitorWatch.start(
    formation,
    (signal) => openMemberSession(lab, formation, monitor, { signal }),
    { info: () => {}, warn: () => {}, debug: () => {} },
  );
  const old = new Writer(formation, primary);
  const candidates = standbys.map((standby) => new Writer(formation, standby));
  const writers = [old, ...candidates];
  try {
    await eventually('writes on the primary', 30_000, () => Promise.resolve(old.acknowledged.length > 10));
    await eventually('refusals on the standbys', 30_000, () =>
      Promise.resolve(candidates.every(({ refusedAt }) => refusedAt !== undefined)),
    );
    await fault.moment?.();
    const answers = name === 'full-cut-amid-report' ? await holdAnswers(formation, monitor) : () => {};
    const faultAt = now();
    await fault.inflict();
    answers();
    await fault.prove();
    const promoted = () => candidates.find(({ acknowledged }) => acknowledged.length > 0);
    await eventually('a new primary that takes writes', promotionDeadlineMs, () =>
      Promise.resolve(promoted() !== undefined),
    );
    const successor = promoted() as Writer;
    const writableAt = successor.acknowledged[0] as Moment;
    const announcement = await watch
      .until('the announcement', { deadlineMs: 5000 }, (_, heard) =>
        heard.find(
          ({ at, name: node, reportedState, goalState }) =>
            at > faultAt &&
            node === successor.member.name &&
            reportedState === goalState &&
            ['wait_primary', 'primary'].includes(goalState),
        ),
      )
      .catch(() => undefined);
    // What was frozen is thawed now: does the old primary still take writes, and for how long?
    const thawedAt = name === 'freeze' ? now() : undefined;
    if (thawedAt !== undefined) await fault.undo();
    await eventually('the old primary to be fenced', fenceDeadlineMs, () =>
      Promise.resolve(old.refusedAt !== undefined),
    ).catch(() => {});
    // A fenced primary stays fenced: a write within the next second would show here.
    await sleep(1000);
    const since = (at: Moment) => Math.round(at - faultAt) / 1000;
    const late = old.acknowledged.filter((at) => at > writableAt);
    const end = old.refusedAt ?? now();
    return {
      oldPrimary: primary.name,
      newPrimary: successor.member.name,
      announced: announcement && since(announcement.at),
      writable: since(writableAt),
      lastWrite: since(old.acknowledged.at(-1) ?? faultAt),
      fenced: old.refusedAt === undefined ? undefined : since(old.refusedAt),
      margin: Math.round(writableAt - end) / 1000,
      thawed: thawedAt === undefined ? undefined : since(thawedAt),
      writesAfterPromotion: late.length,
      steps: stepsOf(watch.announcements, successor.member.name, faultAt),
      load: loadAverage(),
    };
  } finally {
    for (const writer of writers) await writer.stop();
    await watch.stop();
    await fault.undo();
  }
}

function stepsOf(heard: readonly Announcement[], successor: string, faultAt: Moment): FailoverMoments {
  const first = (is: (one: Announcement) => boolean) => {
    const found = heard.find((one) => one.at > faultAt && is(one));
    return found && Math.round(found.at - faultAt) / 1000;
  };
  const given = (goal: string) => first((one) => one.name === successor && one.goalState === goal);
  return {
    detected: first(({ goalState }) => ['draining', 'report_lsn', 'prepare_promotion'].includes(goalState)),
    chosen: given('prepare_promotion'),
    demoting: given('stop_replication'),
    permitted: given('wait_primary'),
  };
}

export interface RiddenOut {
  /** States that the monitor gave or heard of besides the usual two. */
  otherStates: string[];
  /** The longest time without an acknowledged write on the primary, in seconds. */
  outage: number;
  load: string;
}

/** Freezes the primary for a while, and watches the monitor for what it makes of that. */
export async function freezeFor(yaml: string, frozenMs: number, afterMs: number): Promise<RiddenOut> {
  return await rideOut(yaml, afterMs, async (scene) => {
    const fault = await faultOf('freeze', scene);
    try {
      await fault.inflict();
      await fault.prove();
      await sleep(frozenMs);
    } finally {
      await fault.undo();
    }
  });
}

/**
 * Kills the primary's Postgres, whose keeper lives, and watches the monitor for what it makes of that.
 * @param afterMs how long it is watched, unless a failover begins, which is waited for
 */
export async function crashPostgres(
  yaml: string,
  afterMs: number,
): Promise<RiddenOut & { promoted: number | undefined }> {
  let promoted: number | undefined;
  const ridden = await rideOut(yaml, 0, async ({ primary: { name, pgdata } }, watch) => {
    const postmaster = async () => (await inside(name, 'head', '-n1', `${pgdata}/postmaster.pid`)).trim();
    const killed = await postmaster();
    const killedAt = now();
    await inside(name, 'kill', '-KILL', killed);
    await eventually('another postmaster', 20_000, async () => {
      const pid = await postmaster().catch(() => killed);
      return pid !== killed;
    });
    await sleep(afterMs);
    if (!watch.announcements.some(({ at, goalState }) => at > killedAt && goalState === 'draining')) return;
    const { at } = await watch.until('the announcement', { deadlineMs: 120_000 }, (_, heard) =>
      heard.find((one) => one.at > killedAt && one.name !== name && isPromoted(one)),
    );
    promoted = Math.round(at - killedAt) / 1000;
  });
  return { ...ridden, promoted };
}

/**
 * Does what the formation is to ride out without a failover.
 * @param afterMs how long the monitor is watched afterwards
 */
async function rideOut(
  yaml: string,
  afterMs: number,
  inflict: (scene: LabScene, watch: MonitorWatch) => Promise<void>,
): Promise<RiddenOut> {
  const scene = await setScene(yaml);
  const { formation, monitor, primary } = scene;
  const watch = await MonitorWatch.start(
    formation,
    (signal) => openMemberSession(lab, formation, monitor, { signal }),
    { info: () => {}, warn: () => {}, debug: () => {} },
  );
  const writer = new Writer(formation, primary);
  try {
    await eventually('writes on the primary', 30_000, () => Promise.resolve(writer.acknowledged.length > 10));
    const before = watch.announcements.length;
    await inflict(scene, watch);
    await sleep(afterMs);
    const states = watch.announcements
      .slice(before)
      .flatMap(({ name, reportedState, goalState }) => [`${name} ${reportedState}/${goalState}`])
      .filter((state) => !/ (primary\/primary|secondary\/secondary)$/.test(state));
    const gaps = writer.acknowledged.map((at, i) => at - (writer.acknowledged[i - 1] ?? at));
    return {
      otherStates: [...new Set(states)],
      outage: Math.round(Math.max(...gaps)) / 1000,
      load: loadAverage(),
    };
  } finally {
    await writer.stop();
    await watch.stop();
  }
}

/** Has the monitor keep the keepers waiting until the returned function is called. */
async function holdAnswers(formation: Formation, monitor: Member): Promise<() => void> {
  const session = await openMemberSession(lab, formation, monitor);
  await session.query('BEGIN');
  await session.query('LOCK TABLE pgautofailover.node IN ACCESS EXCLUSIVE MODE');
  await sleep(1500);
  return () => session.close();
}

/**
 * Writes to a node every 20 ms, without waiting for a standby, over a session that is kept as long as it
 * lives; afterwards it tries anew. On a standby it asks for leave first, so as not to fill its log.
 */
class Writer {
  readonly acknowledged: Moment[] = [];
  /** When the node was first seen to take no write after the last that it took. */
  refusedAt: Moment | undefined;
  why = '';
  readonly member: Member;
  private readonly formation: Formation;
  private readonly stopping = new AbortController();
  private readonly loop: Promise<void>;

  constructor(formation: Formation, member: Member) {
    this.formation = formation;
    this.member = member;
    this.loop = this.keepWriting();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async keepWriting(): Promise<void> {
    const { signal } = this.stopping;
    let session: Session | undefined;
    while (!signal.aborted) {
      try {
        session ??= await this.connect(signal);
        const mayWrite = await this.isWritable(session, signal);
        if (mayWrite) {
          await session.query(`UPDATE ${table} SET n = n + 1`, [], { deadlineMs: 600_000, signal });
          this.acknowledged.push(now());
          this.refusedAt = undefined;
        } else this.refusedAt ??= now();
        await sleep(everyMs, signal);
      } catch (error) {
        if (signal.aborted) break;
        this.refusedAt ??= now();
        this.why = messageOf(error);
        // An open session would keep Postgres from shutting down smartly.
        session?.close();
        session = undefined;
        await sleep(reconnectEveryMs, signal).catch(() => {});
      }
    }
    session?.close();
  }

  private async connect(signal: AbortSignal): Promise<Session> {
    // pg_auto_failover holds a node back by this very setting: it is to be felt here.
    const settings = { default_transaction_read_only: undefined };
    const session = await openMemberSession(lab, this.formation, this.member, {
      deadlineMs: 3000,
      settings,
      signal,
    });
    try {
      await session.query('SET synchronous_commit = local', [], { signal });
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  private async isWritable(session: Session, signal: AbortSignal): Promise<boolean> {
    const rows = await session.query(
      "SELECT current_setting('transaction_read_only') = 'off' AS writable",
      [],
      {
        deadlineMs: 600_000,
        signal,
      },
    );
    return rows[0]?.['writable'] === true;
  }
}

async function faultOf(name: MeasuredFault, { formation, monitor, primary }: LabScene): Promise<Fault> {
  const node = primary.name;
  for (const { name: member } of [monitor, primary]) await addressOf(member);
  const isStatus = async (wanted: string) => {
    const status = await statusOf(node);
    if (status !== wanted) throw new Error(`${node} is ${status}, not ${wanted}`);
  };
  switch (name) {
    case 'crash-stop':
      return {
        inflict: async () => void (await incus('stop', '--force', node)),
        prove: () => isStatus('Stopped'),
        undo: async () => {
          if ((await statusOf(node)) !== 'Running') await incus('start', node);
        },
      };
    case 'freeze':
      return {
        inflict: async () => void (await incus('pause', node)),
        prove: () => isStatus('Frozen'),
        undo: async () => {
          if ((await statusOf(node)) === 'Frozen') await incus('resume', node);
        },
      };
    case 'link-down':
      return {
        inflict: async () => void (await inside(node, 'ip', 'link', 'set', 'eth0', 'down')),
        prove: () => cannotReach(monitor.name, primary),
        undo: async () => void (await inside(node, 'ip', 'link', 'set', 'eth0', 'up')),
      };
    case 'switchover': {
      const session = await openMemberSession(lab, formation, monitor);
      return {
        moment: () => soonAfterReport(session, formation.name, AbortSignal.timeout(10_000)),
        inflict: () => performFailover(session, formation.name),
        // It is over when the monitor has agreed.
        prove: () => Promise.resolve(),
        undo: () => Promise.resolve(session.close()),
      };
    }
    case 'full-cut':
    case 'full-cut-amid-report':
    case 'monitor-cut': {
      const own = await macOf(node);
      const monitors = await macOf(monitor.name);
      const rules =
        name !== 'monitor-cut'
          ? `chain from { type filter hook prerouting priority 0; ether saddr ${own} drop; }
             chain to { type filter hook postrouting priority 0; ether daddr ${own} drop; }`
          : `chain between { type filter hook forward priority 0;
               ether saddr ${own} ether daddr ${monitors} drop;
               ether saddr ${monitors} ether daddr ${own} drop; }`;
      return {
        inflict: () => onTheBridge(`table bridge ${tableOf(node)} {\n${rules}\n}\n`),
        prove: async () => {
          await Promise.all([cannotReach(node, monitor), cannotReach(monitor.name, primary)]);
        },
        undo: () => liftCut(node),
      };
    }
  }
}

export async function macOf(container: string): Promise<string> {
  return (await inside(container, 'cat', '/sys/class/net/eth0/address')).trim();
}

/** Also what mends the lab after a measurement that was killed. */
export async function liftCut(node: string): Promise<void> {
  await onTheBridge(`table bridge ${tableOf(node)} {\n}\ndelete table bridge ${tableOf(node)}\n`);
}

const tableOf = (node: string) => `pgha_${node.replaceAll('-', '_')}`;

/** Packets that the lab's bridge drops vanish in silence, as where a switch died. */
export async function onTheBridge(ruleset: string): Promise<void> {
  const netns = process.env['PGHA_LAB_NETNS'] ?? '';
  await withDeadline('nft', 10_000, async () => {
    const child = spawn('ip', ['netns', 'exec', netns, 'nft', '-f', '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString();
    });
    child.stdin.end(ruleset);
    await new Promise<void>((done, failed) => {
      child.on('error', failed);
      child.on('close', (code) => {
        if (code === 0) done();
        else failed(new Error(`nft ended with code ${code}: ${said}`));
      });
    });
  });
}

/** Throws when `from` can open a TCP connection to Postgres on `to`, by address. */
async function cannotReach(from: string, to: Member): Promise<void> {
  const script =
    'use IO::Socket::INET; print IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => 5432, Timeout => 1) ? "open" : "closed"';
  const answer = await inside(from, 'perl', '-e', script, addresses.get(to.name) ?? '');
  if (answer !== 'closed') throw new Error(`the cut did not take hold: ${from} still reaches ${to.name}`);
}

/** Read while the network is whole: an interface that is down has none. */
const addresses = new Map<string, string>();

async function addressOf(container: string): Promise<void> {
  const { network } = JSON.parse(await incus('query', `/1.0/instances/${container}/state`)) as {
    network: Record<string, { addresses: { family: string; address: string }[] }>;
  };
  const address = network['eth0']?.addresses.find(({ family }) => family === 'inet')?.address;
  if (!address) throw new Error(`${container} has no address`);
  addresses.set(container, address);
}
