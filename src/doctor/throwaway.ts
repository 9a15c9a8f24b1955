import { randomBytes } from 'node:crypto';
import { sleep } from '../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { listCommand } from '../formation/command-line.ts';
import type { Member } from '../formation/formation.ts';
import { matchingHosts } from '../formation/hosts.ts';
import type { Instance } from '../incus/answers.ts';
import { doesHostAnswer, shownMessage } from '../incus/cluster/hosts.ts';
import { type ContainerLock, lockInContainer } from '../incus/container-lock.ts';
import type { Incus } from '../incus/incus.ts';
import { doctorKey } from '../incus/labels.ts';
import { launch } from '../provision/containers/launch.ts';
import { MemberContainer, type Run } from '../provision/member-container.ts';

/**
 * Containers that the doctor makes to look at. They have names of their own and bear a mark that says the same, so that
 * nothing else is ever taken for one. Their run removes them, however it ends; what it leaves all the same, as where it
 * is killed, the next run removes. A run that goes on holds a lock in its first container, which ends with it; and takes it
 * again where it was lost, as with a container that was stopped to see how it boots.
 */

const letters = ['a', 'b'] as const;
export type Letter = (typeof letters)[number];

export const newRun = () => randomBytes(6).toString('hex');
export const throwawayName = (run: string, letter: Letter) => `pgha-doctor-${run}-${letter}`;

/** The run that made an instance; undefined where that was not a doctor's. */
export function runOf({ name, config }: Pick<Instance, 'name' | 'config'>): string | undefined {
  const [, run] = /^pgha-doctor-([0-9a-f]{12})-[ab]$/.exec(name) ?? [];
  // Where either was written by hand, they are not the same.
  return run !== undefined && config?.[doctorKey] === run ? run : undefined;
}

const lockName = 'doctor';
/** What nobody holds twice in a row, so far apart, is nobody's: a launch has its pauses. */
const secondLookMs = 5_000;
/** So often a run sees to its lock: more than once within the time between these looks. */
const seeToLockMs = 1_000;

export class Throwaways {
  /** What their names and marks have in common. */
  readonly id = newRun();
  private readonly run: Run;
  /** Those whose launch was begun. */
  private readonly begun = new Set<Letter>();
  private lock: ContainerLock | undefined;
  private keeping: NodeJS.Timeout | undefined;
  private isTaking = false;

  constructor(run: Run) {
    this.run = run;
  }

  /** One of them, in place of the member that it is made like. */
  container(letter: Letter, like: Member): MemberContainer {
    const name = throwawayName(this.id, letter);
    const host = `${name}.${this.run.formation.incus.domain}`;
    return new MemberContainer(this.run, { ...like, name, host });
  }

  /**
   * Launches one, as provisioning launches a member. The first that is launched is `a`.
   * @throws InputError, EnvironmentError, CommandError or DeadlineError that says why not
   */
  async launch(letter: Letter, container: MemberContainer): Promise<void> {
    const { formation, incus, signal } = this.run;
    const target = await hostOf(this.run, container.member);
    this.begun.add(letter);
    await launch(container, { image: formation.image, target, labels: { [doctorKey]: this.id } });
    if (letter !== 'a') return;
    this.lock = await lockInContainer(incus, container.name, lockName, signal);
    this.keeping = setInterval(() => void this.takeAgain(), seeToLockMs);
    this.keeping.unref();
  }

  /** Takes the lock again that is lost. Never throws: where it cannot be taken now, it is tried again. */
  private async takeAgain(): Promise<void> {
    if (this.isTaking || this.lock?.lost() !== true) return;
    this.isTaking = true;
    try {
      const { incus, signal } = this.run;
      const lock = await lockInContainer(incus, throwawayName(this.id, 'a'), lockName, signal);
      // The run may be over by now.
      if (this.keeping === undefined) lock?.release();
      else this.lock = lock ?? this.lock;
    } catch {
      // It is stopped, or Incus has no time for it.
    } finally {
      this.isTaking = false;
    }
  }

  /**
   * Whether another is kept from the lock that this run holds.
   * @throws as lockInContainer; EnvironmentError where this run does not hold it any more, so that nothing can be told
   */
  async isLocked(): Promise<boolean> {
    const { incus, signal } = this.run;
    const second = await lockInContainer(incus, throwawayName(this.id, 'a'), lockName, signal);
    second?.release();
    if (second !== undefined && this.lock?.lost() !== false)
      throw new EnvironmentError('the client of Incus that held the first lock has ended');
    return second === undefined;
  }

  /**
   * Removes all of this run, whatever has become of them. Not to be aborted.
   * @returns why some of them may still be there, by name; empty where none is
   */
  async remove(): Promise<Record<string, string>> {
    clearInterval(this.keeping);
    this.keeping = undefined;
    this.lock?.release();
    const left: Record<string, string> = {};
    await Promise.all(
      [...this.begun].map(async (letter) => {
        const name = throwawayName(this.id, letter);
        try {
          await this.run.incus.delete(name);
        } catch (error) {
          left[name] = messageOf(error);
        }
      }),
    );
    return left;
  }
}

/** A host that is there answers in a tenth of a second; Incus would wait for one that is lost for a quarter of a minute. */
const hostDeadlineMs = 3000;

/**
 * A host of those on which the file wants the member; undefined where it says nothing of it, or Incus is no cluster.
 * @throws EnvironmentError where none of them takes containers; as Incus.hosts
 */
async function hostOf({ formation, incus, signal }: Run, { target }: Member): Promise<string | undefined> {
  const words = target === undefined ? formation.hosts : [target];
  const hosts = words && (await incus.hosts(signal));
  if (words === undefined || hosts === undefined) return target;
  const all = Object.entries(hosts).map(([name, host]) => ({ name, ...host }));
  const wanted = words.flatMap((word) => matchingHosts(word, all));
  const online = wanted.filter(({ status }) => status === 'Online');
  const answers = await Promise.all(
    online.map(({ name }) => doesHostAnswer(incus, name, hostDeadlineMs, signal)),
  );
  const found = online.find((_, at) => answers[at]);
  if (found !== undefined) return found.name;
  const why = wanted.map((host) =>
    host.status === 'Online'
      ? `${host.name} does not answer`
      : `${host.name} is ${host.status.toLowerCase()} (${shownMessage(host)})`,
  );
  throw new EnvironmentError(
    `${target === undefined ? 'hosts' : 'target'}: no host of ${words.join(', ')} takes containers: ${why.join(', ') || 'the cluster has none of them'}; \`${listCommand(formation, 'cluster')}\` shows the hosts`,
  );
}

/**
 * Removes what runs that were killed have left in the project.
 * @returns the names of what was removed
 * @throws as Incus.instances; what cannot be removed stays for the next run
 */
export async function removeLeftovers(incus: Incus, signal: AbortSignal): Promise<string[]> {
  let candidates = await abandoned(incus, signal);
  if (candidates.length === 0) return [];
  await sleep(secondLookMs, signal);
  const still = await abandoned(incus, signal);
  candidates = candidates.filter((name) => still.includes(name));
  const removed = await Promise.all(
    candidates.map(async (name) => {
      try {
        await incus.delete(name, signal);
        return [name];
      } catch {
        signal.throwIfAborted();
        return [];
      }
    }),
  );
  return removed.flat();
}

/** Names of doctors' containers whose run does not go on. */
async function abandoned(incus: Incus, signal: AbortSignal): Promise<string[]> {
  const instances = await incus.instances(signal);
  const runs = new Map<string, string[]>();
  for (const instance of instances.values()) {
    const run = runOf(instance);
    if (run !== undefined) runs.set(run, [...(runs.get(run) ?? []), instance.name]);
  }
  const found = await Promise.all(
    [...runs].map(async ([run, names]) => ((await goesOn(incus, run, instances, signal)) ? [] : names)),
  );
  return found.flat();
}

async function goesOn(
  incus: Incus,
  run: string,
  instances: ReadonlyMap<string, Instance>,
  signal: AbortSignal,
): Promise<boolean> {
  const first = throwawayName(run, 'a');
  // Incus may still be making it, and fetching its image before that.
  if ((await incus.isBusy(first, signal)) || (await incus.images.areBeingMade(signal))) return true;
  const { status, unheard } = instances.get(first) ?? {};
  // On a host that does not answer it may run.
  if (unheard !== undefined) return true;
  if (status !== 'Running') return false;
  try {
    const lock = await lockInContainer(incus, first, lockName, signal);
    lock?.release();
    return lock === undefined;
  } catch {
    signal.throwIfAborted();
    // It runs and takes no command just now: that nobody looks at anything in it is not known.
    return true;
  }
}
