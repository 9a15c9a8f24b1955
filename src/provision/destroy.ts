import { sleep } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { MemberLocks, markedOf } from '../faults/member-locks.ts';
import { type Formation, keeps, type Member, membersOf } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import { environmentErrors } from '../incus/environment.ts';
import type { Incus } from '../incus/incus.ts';
import { destroyKey, formationKey } from '../incus/labels.ts';
import { protectionErrors } from '../incus/protection.ts';
import { shortUnitOf } from '../member/unit.ts';
import { lockFormation, ownerReturnsMs } from '../monitor/lock.ts';
import { readNodes } from '../monitor/nodes.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Session } from '../postgres/session.ts';
import { foreignErrors } from './containers/containers.ts';
import { otherMonitorOf, strangeMonitorOf, whyNotOurs } from './containers/kinship.ts';
import { isBlank, readFacts } from './facts.ts';
import { type Change, Steps } from './steps.ts';

/**
 * Deletes a formation's containers with all their data: those of the file, and those that bear its label and are known to
 * be of this formation. Everything is looked at before anything is touched: it is all refused, or all deleted, and what a
 * killed run has left is deleted by the next.
 * @param confirmed the formation's name, typed by a person
 * @throws InputError when it is not confirmed, or something stands in the way; EnvironmentError while a drill or a
 *   provisioning run is at work on it, and when containers could not be deleted
 */
export async function destroy(
  formation: Formation,
  incus: Incus,
  { confirmed, log, signal }: { confirmed: string; log: Log; signal: AbortSignal },
): Promise<Change[]> {
  if (confirmed !== formation.name) {
    throw new InputError([
      `input confirm: mode destroy deletes every container of the formation with its data; type the formation's name, ${formation.name}, to confirm it (found ${confirmed === '' ? 'nothing' : 'something else'})`,
    ]);
  }
  const members = membersOf(formation);
  const refuse = (errors: readonly string[]) => {
    if (errors.length > 0) throw new InputError(errors);
  };
  const notOurs = (instances: ReadonlyMap<string, Instance>) => [
    ...foreignErrors(formation, members, instances),
    ...environmentErrors(formation, instances),
  ];
  const listed = await incus.instances(signal);
  refuse(notOurs(listed));
  // The drill whose mark this is may be alive and about to take locks again that it lost.
  if (markedOf(members, listed).length > 0) await sleep(ownerReturnsMs, signal);
  const locks = await MemberLocks.take({ formation, incus, signal, monitorAlone: true }, listed);
  const destruction = { formation, incus, log, signal };
  const look = new Look(destruction, locks);
  try {
    const instances = await incus.instances(signal);
    refuse(notOurs(instances));
    await locks.add(instances);
    const doomed = await look.doomed(instances);
    refuse(look.errors);
    await locks.stand();
    return await deleteAll(doomed, destruction, locks);
  } finally {
    look.close();
    locks.release();
  }
}

/** What is destroyed, and by whom it can be ended. */
interface Destruction {
  formation: Formation;
  incus: Incus;
  log: Log;
  signal: AbortSignal;
}

/** What there is, and what stands in the way. */
class Look {
  /** Why nothing is deleted. */
  readonly errors: string[] = [];
  private readonly formation: Formation;
  private readonly incus: Incus;
  private readonly locks: MemberLocks;
  private readonly log: Log;
  private readonly signal: AbortSignal;
  /** Holds the formation's lock on the monitor. */
  private session: Session | undefined;

  constructor({ formation, incus, log, signal }: Destruction, locks: MemberLocks) {
    this.formation = formation;
    this.incus = incus;
    this.locks = locks;
    this.log = log;
    this.signal = signal;
  }

  close(): void {
    this.session?.close();
  }

  /** What is to be deleted, once Incus does nothing else with it. */
  async doomed(instances: ReadonlyMap<string, Instance>): Promise<Instance[]> {
    const [monitor, ...dataNodes] = membersOf(this.formation);
    const goes = await this.judgeMonitor(monitor, instances.get(monitor.name));
    const ours = [...(goes ? [monitor] : []), ...dataNodes].map(({ name }) => name);
    for (const node of dataNodes) await this.refuseOfOther(node, instances);
    const names = [...ours.filter((name) => instances.has(name)), ...(await this.strays(instances))];
    const found = await Promise.all(names.map((name) => this.untilSettled(name)));
    const doomed = found.filter((instance) => instance !== undefined);
    this.errors.push(...protectionErrors(this.incus, doomed));
    return doomed;
  }

  /**
   * A node that the file names may be of another formation of the same name, on a monitor of its own: it says so itself. One that
   * cannot say anything is taken for what the file says that it is.
   */
  private async refuseOfOther(node: Member, instances: ReadonlyMap<string, Instance>): Promise<void> {
    const { formation, locks, signal, log } = this;
    const { name } = node;
    if (instances.get(name)?.status !== 'Running') return;
    try {
      const { keeperConfig } = await readFacts(locks.relayOf(name), node, signal);
      const other = otherMonitorOf(formation, keeperConfig, instances);
      const strange = strangeMonitorOf(formation, keeperConfig);
      if (other !== undefined)
        this.errors.push(
          `nodes: ${name} is registered at the monitor ${other}, and the file says ${formation.monitor.name}; nothing was deleted: take it out of the file, or say ${other}`,
        );
      else if (strange !== undefined)
        this.errors.push(
          `nodes: ${name} is registered at the monitor ${strange.slice(0, 100)}, and the file says ${membersOf(formation)[0].host}; nothing was deleted: take it out of the file, or say that it is the monitor's host (monitor.host)`,
        );
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`which monitor ${name} is registered at cannot be told: ${messageOf(error)}`);
    }
  }

  private async untilSettled(name: string): Promise<Instance | undefined> {
    try {
      return await this.incus.settledInstance(name, this.signal, busyDeadlineMs);
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      this.errors.push(
        `${messageOf(error)}; nothing was deleted: wait for it to end (incus operation list shows it), and run this again`,
      );
      return undefined;
    }
  }

  /**
   * Whether the monitor is to be deleted: only where it is known that no other formation is registered on it. Which are, only
   * the monitor itself can tell.
   */
  private async judgeMonitor(monitor: Member, found: Instance | undefined): Promise<boolean> {
    const { formation, incus, log } = this;
    if (found === undefined) return false;
    const { name } = monitor;
    if (keeps(formation, 'monitor')) {
      log.warn(`${name} stays, and so does what it knows of this formation: the file says keep: monitor`);
      return false;
    }
    const others = await this.otherFormations(monitor, found);
    if (Array.isArray(others)) {
      if (others.length === 0) return true;
      log.warn(
        `${name} serves ${others.join(', ')} as well: it stays, and so does what it knows of this one`,
      );
      return false;
    }
    const owner = found.config?.[formationKey];
    if (owner !== formation.name) {
      log.warn(
        `${name} belongs to formation ${owner} and does not answer: it stays, and so does what it knows of this one`,
      );
      return false;
    }
    const shown = (...argv: string[]) => `incus ${argv.join(' ')}`;
    const start =
      found.status === 'Running'
        ? shown(...incus.argv('exec', name, '--', 'systemctl', 'restart', shortUnitOf(monitor)))
        : shown(...incus.argv(found.status === 'Frozen' ? 'resume' : 'start', name));
    this.errors.push(
      `monitor: which formations are registered on ${name} cannot be told (${others.why}), and another's would be lost with it; nothing was deleted. Start it (${start}) and run this again; where it cannot be started any more, delete it yourself, with whatever else is registered on it (${shown(...incus.argv('delete', name, '--force'))}), and run this again for the rest`,
    );
    return false;
  }

  /** Other formations with nodes on the monitor, or why that could not be told. */
  private async otherFormations(monitor: Member, found: Instance): Promise<string[] | { why: string }> {
    const { formation, incus, signal, locks } = this;
    if (found.status !== 'Running') {
      // A run that was killed while it deleted the monitor had asked it; nobody has started it since.
      const isAsked = found.config?.[destroyKey] === askedMark(formation, found);
      return isAsked ? [] : { why: `the container is ${found.status}` };
    }
    const relay = locks.relayOf(monitor.name);
    try {
      if (isBlank(await readFacts(relay, monitor, signal))) return [];
      this.session = await openMemberSession(incus, formation, monitor, { relay, signal });
    } catch (error) {
      signal.throwIfAborted();
      return { why: messageOf(error) };
    }
    await lockFormation(this.session, formation.name);
    const rows = await this.session.query(
      'SELECT DISTINCT formationid AS name FROM pgautofailover.node WHERE formationid <> $1 ORDER BY 1',
      [formation.name],
    );
    return rows.map((row) => String(row['name']));
  }

  /**
   * Containers that bear the formation's label, and that the file does not name. Another formation of the same name, on another
   * monitor, has the same label: they go where they themselves say that they are of this one.
   */
  private async strays(instances: ReadonlyMap<string, Instance>): Promise<string[]> {
    const { formation, locks, log, session, signal } = this;
    const named = new Set(membersOf(formation).map(({ name }) => name));
    const registered = session ? await readNodes(session, formation) : [];
    const known = new Set(registered.map(({ name }) => name));
    const locked = async (name: string) => {
      await locks.addNew(name);
      return locks.relayOf(name);
    };
    const strays: string[] = [];
    for (const instance of instances.values()) {
      const { name, config } = instance;
      if (config?.[formationKey] !== formation.name || named.has(name)) continue;
      const why = await whyNotOurs({ formation, locked, signal }, instance, known.has(name));
      if (why === undefined) strays.push(name);
      else
        log.warn(
          `${name} bears the label of formation ${formation.name} and is not in the file: it stays, since ${why}`,
        );
    }
    return strays;
  }
}

/** Creations and images take their time; longer than that is somebody's business. */
const busyDeadlineMs = 60_000;

/** Says on a monitor that it was asked, since it was started last, and that only this formation is on it. */
const askedMark = ({ name }: Formation, { startedAt }: Instance): string => `${name} since ${startedAt}`;

async function deleteAll(
  doomed: readonly Instance[],
  { formation, incus, log, signal }: Destruction,
  locks: MemberLocks,
): Promise<Change[]> {
  const steps = new Steps(log, 'apply');
  const done = await Promise.allSettled(
    doomed.map(async (instance) => {
      const { name, status } = instance;
      // Its lock ends with it.
      locks.forgo(name);
      await steps.take(name, 'delete the container', async () => {
        if (name === formation.monitor.name && status === 'Running')
          await incus.setLabel(name, destroyKey, askedMark(formation, instance), signal);
        // One that was stopped has no lock: where somebody has started it since, Incus refuses.
        await incus.delete(name, signal, { running: status !== 'Stopped' });
      });
    }),
  );
  signal.throwIfAborted();
  const failed = done.flatMap((each) => (each.status === 'rejected' ? [messageOf(each.reason)] : []));
  if (failed.length === 0) return steps.changes;
  const gone = steps.changes.map(({ container }) => container).join(', ');
  throw new EnvironmentError(
    `${failed.join('; ')}; ${gone === '' ? 'nothing was deleted' : `deleted: ${gone}`}; run this again for what is left`,
  );
}
