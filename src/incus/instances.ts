import { CommandError, EnvironmentError, InputError } from '../contract/errors.ts';
import { type Instance, instanceShape, toInstance } from './answers.ts';
import { IncusClient } from './client.ts';
import { askHealing, askHosts, type Hosts } from './cluster/hosts.ts';
import { Listing } from './cluster/listing.ts';
import { projectPath } from './project.ts';

const hostsDeadlineMs = 5000;
/** Little depends on it: nobody waits for it where Incus is slow to answer. */
const healingDeadlineMs = 2500;

/** What instances there are on an Incus server, and on which hosts. */
export class IncusInstances extends IncusClient {
  private readonly listing = new Listing(this);

  /**
   * Every instance of the project, by name. One whose host does not answer is `unheard` of.
   * @param only those that matter; the others may be told as unheard of though nobody has asked
   * @throws InputError when the project does not exist: Incus 6.0 answers an empty list for one
   */
  async instances(signal?: AbortSignal, only?: readonly string[]): Promise<Map<string, Instance>> {
    const found = await this.listing.all({ signal, only });
    if (found.length === 0) await this.requireProject(signal);
    return new Map(found.map((instance) => [instance.name, instance]));
  }

  /** The members of the Incus cluster, undefined where it is none. Throws as IncusClient.ask. */
  async hosts(signal?: AbortSignal): Promise<Hosts | undefined> {
    return await askHosts(this, hostsDeadlineMs, signal);
  }

  /** As askHealing. */
  async healingSeconds(signal?: AbortSignal): Promise<number | undefined> {
    return await askHealing(this, healingDeadlineMs, signal);
  }

  private async requireProject(signal?: AbortSignal): Promise<void> {
    try {
      await this.query(projectPath(this), signal);
    } catch (error) {
      if (!(error instanceof CommandError && /not found/i.test(error.stderr))) throw error;
      throw new InputError([
        `incus.project: ${this.project} does not exist there; \`incus project list\` shows them`,
      ]);
    }
  }

  /**
   * One instance, or undefined when there is none of that name: which the list of all must say as well. What is between us and
   * a remote server answers "not found" too.
   * @throws as ask, also where its host does not answer: what is not known of it is not for its callers to guess
   */
  async instance(name: string, signal?: AbortSignal): Promise<Instance | undefined> {
    try {
      const path = `/1.0/instances/${encodeURIComponent(name)}`;
      const found = toInstance(await this.ask(path, instanceShape, signal));
      if (found.unheard !== undefined)
        throw new EnvironmentError(`${name} cannot be asked: ${found.unheard}`);
      return found;
    } catch (error) {
      if (!(error instanceof CommandError && /not found/i.test(error.stderr))) throw error;
      if ((await this.instances(signal)).has(name)) throw error;
      return undefined;
    }
  }
}
