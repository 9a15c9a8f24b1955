import { now } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import { CommandError, DeadlineError, EnvironmentError, messageOf } from '../../contract/errors.ts';
import type { PackageSource } from '../../formation/file/package-source.ts';
import type { MemberContainer } from '../member-container.ts';
import { complaintsOf, explainUpdate, isLocked } from './complaints.ts';

/** Package work waits for another apt or dpkg, retries what the network lost, never asks, restarts nothing. */
const aptGet = [
  'env',
  'DEBIAN_FRONTEND=noninteractive',
  'NEEDRESTART_SUSPEND=1',
  'LC_ALL=C.UTF-8',
  'apt-get',
  '-q',
  '-o',
  'DPkg::Lock::Timeout=120',
  '-o',
  'Acquire::Retries=3',
  '-o',
  // With its pauses, apt 2.6 (Debian 12) waits for ever where a host refuses the connection.
  'Acquire::Retries::Delay=false',
  '-o',
  'Acquire::http::Timeout=20',
  '-o',
  'Acquire::https::Timeout=20',
];

const updateDeadlineMs = 300_000;
const installDeadlineMs = 900_000;
const othersDeadlineMs = 300_000;
const othersPauseMs = 500;
const updateAttempts = 3;
const updatePauseMs = 2_000;
const readDeadlineMs = 30_000;

/** What apt would install of a package, and what it could. */
export interface Policy {
  candidate: string | undefined;
  versions: string[];
}

/** The apt and the dpkg of a container. */
export class Apt {
  private readonly container: MemberContainer;

  constructor(container: MemberContainer) {
    this.container = container;
  }

  /**
   * apt-get update. It ends with code 0 even when it could fetch nothing.
   * @returns what it complained of, about sources that are not ours @throws when our source cannot be used
   */
  async update(source: PackageSource): Promise<string> {
    const { container } = this;
    const both = '"$@" 2>&1 || echo "E: apt-get update ended with code $?"';
    for (let attempt = 1; ; attempt++) {
      const output = await this.afterOthers('apt', async () => {
        const command = ['sh', '-c', both, 'sh', ...aptGet, 'update'];
        const said = await container.read(command, { deadlineMs: updateDeadlineMs });
        return isLocked(said) ? undefined : said;
      });
      const error = explainUpdate(output, source, container.name);
      if (error === undefined) return complaintsOf(output);
      if (!(error instanceof EnvironmentError) || attempt === updateAttempts) throw error;
      await sleep(updatePauseMs, container.signal);
    }
  }

  /** @param complaint what the update before it complained of, '' for nothing */
  async install(packages: readonly string[], complaint: string): Promise<void> {
    const flags = ['-y', '--no-install-recommends', '--allow-downgrades'];
    try {
      await this.runAfterOthers('apt', [...aptGet, 'install', ...flags, ...packages], installDeadlineMs);
    } catch (error) {
      if (error instanceof CommandError && complaint !== '')
        throw new EnvironmentError(`${messageOf(error)}; apt-get update had said: ${complaint}`);
      throw error;
    }
  }

  /** The apt of a run that was killed goes on without it, and dpkg does not wait for another. */
  async configureWhatIsHalfWay(): Promise<void> {
    await this.runAfterOthers('dpkg', ['dpkg', '--configure', '-a'], updateDeadlineMs);
  }

  /** Runs a command once no other apt or dpkg keeps it out. Throws as MemberContainer.exec does, and DeadlineError. */
  private async runAfterOthers(who: string, command: readonly string[], deadlineMs: number): Promise<void> {
    const { failed } = await this.afterOthers(who, async () => {
      try {
        await this.container.exec(command, { deadlineMs });
        return { failed: undefined };
      } catch (error) {
        return error instanceof CommandError && isLocked(error.stderr) ? undefined : { failed: error };
      }
    });
    if (failed !== undefined) throw failed;
  }

  /**
   * apt waits for dpkg's lock alone (DPkg::Lock::Timeout), and fails at once where another holds that of its lists or of its
   * archives (apt 2.6), as apt-daily, unattended-upgrades and cloud-init do after a boot. dpkg waits for none.
   * @param work undefined where another was at work
   */
  private async afterOthers<T>(who: string, work: () => Promise<T | undefined>): Promise<T> {
    const { name, signal } = this.container;
    const begun = now();
    for (;;) {
      const found = await work();
      if (found !== undefined) return found;
      if (now() - begun > othersDeadlineMs)
        throw new DeadlineError(`another ${who} in ${name} to end`, othersDeadlineMs);
      await sleep(othersPauseMs, signal);
    }
  }

  async policies(names: readonly string[]): Promise<Map<string, Policy>> {
    return parsePolicies(
      await this.container.read(['env', 'LC_ALL=C.UTF-8', 'apt-cache', 'policy', ...names], {
        deadlineMs: readDeadlineMs,
      }),
    );
  }

  /** The names of all packages that begin so, one a line. */
  async namesFrom(prefix: string): Promise<string> {
    return await this.container.read(['apt-cache', 'pkgnames', prefix], { deadlineMs: readDeadlineMs });
  }
}

/** What `apt-cache policy` says of each package. */
export function parsePolicies(output: string): Map<string, Policy> {
  const found = new Map<string, Policy>();
  for (const stanza of output.split(/^(?=\S+:$)/m)) {
    const name = /^(\S+):$/m.exec(stanza)?.[1];
    if (name === undefined) continue;
    const candidate = /^ {2}Candidate: (\S+)$/m.exec(stanza)?.[1];
    found.set(name, {
      candidate: candidate === '(none)' ? undefined : candidate,
      versions: [...stanza.matchAll(/^ (?:\*\*\*| {3}) (\S+) -?\d+$/gm)].map((match) => match[1] ?? ''),
    });
  }
  return found;
}
