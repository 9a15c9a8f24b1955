import pLimit from 'p-limit';
import * as v from 'valibot';
import { now } from '../../clock/clock.ts';
import { sleep, withDeadline } from '../../clock/deadline.ts';
import { CommandError, DeadlineError, type EnvironmentError, messageOf } from '../../contract/errors.ts';
import { type Instance, instanceShape, instancesShape, toInstance, unheardInstance } from '../answers.ts';
import type { IncusClient } from '../client.ts';
import { UnansweredError } from '../explanations.ts';
import { askHosts, askLocations, type Hosts, unheardOn } from './hosts.ts';
import { answeringNeighbours } from './neighbours.ts';

/**
 * The instances of a project, also where a host of the cluster is lost. Incus 6.0 asks every host for its instances, and
 * answers once the last has answered or was given up: 20 s during a silent loss, until that host counts as offline, and from
 * then on it lists what is there without its configuration. What comes from the cluster's database, and what is on other
 * hosts, answers in a second all the while. So where the list is slow, or lacks what is asked for, instances are asked for
 * by themselves, side by side, each under a deadline of its own.
 */

/** A list that takes longer may be waiting for a host. A healthy one takes a tenth of a second, on a busy machine half of one. */
const slowMs = 600;
/** What comes from the database; a remote that takes longer has nothing to tell of the others either. */
const databaseDeadlineMs = 5000;
/** An instance whose host answers takes as long as what comes from the database; this much at least is given. */
const leastOneMs = 1200;
const mostOneMs = 5000;
/** As many names as a line of a request has room for, whatever is between us and a remote server: 8 kB as a rule. */
const mostFiltered = 90;
/** Clients at once. */
const atOnce = 8;
/** All of them together; those that were not asked by then are not heard of. */
const allDeadlineMs = 10_000;

const namesShape = { is: 'a list of instances', schema: v.nullish(v.array(v.string())) };

export interface ListingOptions {
  signal?: AbortSignal | undefined;
  /** The instances that matter, where not all do: the others may be told without having been asked. */
  only?: readonly string[] | undefined;
}

export class Listing {
  private readonly client: IncusClient;
  /** Whether the server is a member of a cluster, once that is known. */
  private clustered: boolean | undefined;

  constructor(client: IncusClient) {
    this.client = client;
  }

  /** @throws as IncusClient.ask, where Incus itself does not answer */
  async all({ signal, only }: ListingOptions): Promise<Instance[]> {
    const given = new AbortController();
    const inner = signal === undefined ? given.signal : AbortSignal.any([signal, given.signal]);
    const asking = { signal: inner, only };
    const whole = this.whole(asking);
    try {
      const found = await Promise.race([whole, sleep(slowMs, inner)]);
      if (found !== undefined) return await this.withUnheard(found, asking);
      if (this.clustered === false) return await whole;
      const byOne = this.oneByOne(asking);
      const either = Promise.any([whole.then((list) => this.withUnheard(list, asking)), byOne]);
      return await Promise.race([either, byOne.catch((error: unknown) => this.untilDead(error, inner))]);
    } catch (thrown) {
      signal?.throwIfAborted();
      const error =
        thrown instanceof AggregateError
          ? await whole.then(
              () => thrown,
              (why: unknown) => why,
            )
          : thrown;
      throw (await this.explainedByOthers(error, inner)) ?? error;
    } finally {
      given.abort();
    }
  }

  /** Throws once it is known that others of the cluster answer, and this one alone does not; else never ends. */
  private async untilDead(error: unknown, signal: AbortSignal): Promise<never> {
    const explained = await this.explainedByOthers(error, signal).catch(() => undefined);
    if (explained !== undefined) throw explained;
    return await new Promise<never>(() => {});
  }

  private async explainedByOthers(
    error: unknown,
    signal: AbortSignal,
  ): Promise<EnvironmentError | undefined> {
    const isUnanswered = error instanceof DeadlineError || error instanceof UnansweredError;
    if (!isUnanswered || error instanceof OthersAnswerError) return undefined;
    const { remote } = this.client;
    const others = await answeringNeighbours(remote, signal);
    if (others.length === 0) return undefined;
    const [them, which] = others.length === 1 ? ['does', 'it'] : ['do', 'one of them'];
    return new OthersAnswerError(
      `the Incus server of the remote ${remote} does not answer; ${others.join(', ')} of the same cluster ${them}: name ${which} (incus.remote in the formation file), or bring that host back (${messageOf(error)})`,
    );
  }

  private async whole({ signal, only }: Asking): Promise<Instance[]> {
    const raw = await this.client.ask(listPath(only), instancesShape, signal);
    const found = raw.map(toInstance);
    if (found.length > 0) this.clustered = found.some(({ location }) => location !== undefined);
    return found;
  }

  /** Those of a list that lack their configuration are asked for once more: after a change of the leader they may be there. */
  private async withUnheard(found: Instance[], { signal, only }: Asking): Promise<Instance[]> {
    const lacking = found.filter(
      ({ name, location, unheard }) =>
        unheard !== undefined && location !== undefined && (only === undefined || only.includes(name)),
    );
    if (lacking.length === 0) return found;
    const { hosts, tookMs } = await this.hosts(signal).catch(() => ({ hosts: undefined, tookMs: 0 }));
    const locations = new Map(lacking.map(({ name, location }) => [name, location]));
    const asked = await this.ask(locations, { signal, hosts, deadlineMs: deadlineAfter(tookMs) });
    return found.map((instance) => {
      const { name, location } = instance;
      return asked.has(name)
        ? (asked.get(name) ?? unheardInstance(name, location, listedNotFound))
        : instance;
    });
  }

  /** @throws also where the server is no member of a cluster: then the whole list is what there is to wait for */
  private async oneByOne({ signal, only }: Asking): Promise<Instance[]> {
    const { hosts, tookMs } = await this.hosts(signal);
    if (hosts === undefined) throw new Error('not a member of a cluster');
    const deadlineMs = deadlineAfter(tookMs);
    const asking = { signal, hosts, deadlineMs };
    // Those that are known by name need not be waited for by others.
    const early = only && this.ask(new Map(only.map((name) => [name, undefined])), asking);
    early?.catch(() => {});
    const [urls, locations] = await Promise.all([
      this.client.ask('/1.0/instances', namesShape, { signal, deadlineMs: databaseDeadlineMs }),
      askLocations(this.client, databaseDeadlineMs, signal).catch(() => new Map<string, string>()),
    ]);
    const names = (urls ?? []).map(nameIn);
    const heard = await (early ??
      this.ask(new Map(names.map((name) => [name, locations.get(name)])), asking));
    return names.map((name) => {
      const location = locations.get(name);
      const instance = heard.get(name);
      if (instance !== undefined && instance.unheard === undefined) return instance;
      const isMissed = heard.has(name) && instance === undefined;
      return unheardInstance(name, location, isMissed ? listedNotFound : unheardOn(location, hosts));
    });
  }

  private async hosts(signal: AbortSignal): Promise<{ hosts: Hosts | undefined; tookMs: number }> {
    const began = now();
    const hosts = await askHosts(this.client, databaseDeadlineMs, signal);
    this.clustered = hosts !== undefined;
    return { hosts, tookMs: now() - began };
  }

  /**
   * Asks for instances by themselves. Where one does not answer, or its host counts as offline, those on the same host are
   * not asked.
   * @param locations by name, of each the host, where that is known
   * @returns by name; undefined for one that is not found. Who has it on a list does not take that for absent: what is between
   *   us and a remote server answers "not found" too
   */
  private async ask(
    locations: ReadonlyMap<string, string | undefined>,
    { signal, hosts, deadlineMs }: Asking & { hosts: Hosts | undefined; deadlineMs: number },
  ): Promise<Map<string, Instance | undefined>> {
    const limit = pLimit(atOnce);
    const until = now() + allDeadlineMs;
    const silent = new Set<string>();
    const one = async (name: string, location: string | undefined): Promise<Instance | undefined> => {
      const unheard = () => {
        if (location !== undefined) silent.add(location);
        return unheardInstance(name, location, unheardOn(location, hosts));
      };
      const isAway =
        location !== undefined && (silent.has(location) || hosts?.[location]?.status === 'Offline');
      if (isAway || now() > until) return unheard();
      const path = `/1.0/instances/${encodeURIComponent(name)}`;
      try {
        const raw = await withDeadline(
          `an answer about ${name}`,
          deadlineMs,
          (inner) => this.client.ask(path, instanceShape, inner),
          signal,
        );
        return toInstance(raw);
      } catch (error) {
        signal.throwIfAborted();
        return error instanceof CommandError && /not found/i.test(messageOf(error)) ? undefined : unheard();
      }
    };
    const entries = [...locations].map(([name, location]) =>
      limit(async () => [name, await one(name, location)] as const),
    );
    return new Map(await Promise.all(entries));
  }
}

/** Of one that was deleted at this moment, or that something between us and its host cannot find. */
const listedNotFound = 'Incus lists it, and does not find it';

/** The remote does not answer, and others of its cluster do. */
class OthersAnswerError extends UnansweredError {}

interface Asking {
  signal: AbortSignal;
  only?: readonly string[] | undefined;
}

/** What takes three times as long as the database is not on its way any more. */
const deadlineAfter = (databaseMs: number) => Math.min(mostOneMs, Math.max(leastOneMs, 3 * databaseMs));

/**
 * Where few matter the server leaves the others out, of which a project may have thousands: each is 3 to 4 kB of an answer.
 * A filter is words with spaces between them (Incus, shared/filter), which an instance's name never has.
 */
function listPath(only: readonly string[] | undefined): string {
  const path = '/1.0/instances?recursion=1';
  if (only === undefined || only.length === 0 || only.length > mostFiltered) return path;
  return `${path}&filter=${encodeURIComponent(only.map((name) => `name eq ${name}`).join(' or '))}`;
}

const nameIn = (url: string) =>
  decodeURIComponent(new URL(url, 'unix://incus').pathname.split('/').at(-1) ?? '');
