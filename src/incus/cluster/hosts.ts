import * as v from 'valibot';
import { CommandError } from '../../contract/errors.ts';
import type { IncusClient } from '../client.ts';

/** A member of an Incus cluster, as its database has it: every member that answers tells of all. */
export interface Host {
  /** `Online`, `Offline`, `Evacuated`, `Blocked`. A lost one is online until cluster.offline_threshold has passed. */
  status: string;
  /** In Incus' words: `Fully operational`, `No heartbeat for 23 s (…)`. */
  message: string;
  groups: readonly string[];
  /** Its `scheduler.instance`: whether Incus may choose it by itself (`all`), or only when it is asked to (`manual`, `group`). */
  scheduler: string;
  /** Hosts with the same one go down together, as those of a rack. Incus' own, `default` where nobody has set it. */
  failureDomain: string;
}

/** By name. */
export type Hosts = Readonly<Record<string, Host>>;

const membersShape = {
  is: "a list of a cluster's members",
  schema: v.array(
    v.object({
      server_name: v.string(),
      status: v.string(),
      message: v.optional(v.string(), ''),
      failure_domain: v.optional(v.string(), 'default'),
      groups: v.optional(v.nullable(v.array(v.string())), []),
      config: v.nullish(v.record(v.string(), v.string())),
    }),
  ),
};

/** @returns undefined where Incus is no cluster. @throws as IncusClient.ask */
export async function askHosts(
  client: IncusClient,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<Hosts | undefined> {
  try {
    const found = await client.ask('/1.0/cluster/members?recursion=1', membersShape, { signal, deadlineMs });
    return Object.fromEntries(
      found.map(({ server_name: name, status, message, failure_domain: failureDomain, groups, config }) => [
        name,
        {
          ...{ status, message, failureDomain, groups: groups ?? [] },
          scheduler: config?.['scheduler.instance'] ?? 'all',
        },
      ]),
    );
  } catch (error) {
    if (error instanceof CommandError && /not clustered/i.test(error.stderr)) return undefined;
    throw error;
  }
}

const settingsShape = {
  is: 'a description of itself',
  schema: v.object({ config: v.nullish(v.record(v.string(), v.unknown())) }),
};

/**
 * The cluster's `cluster.healing_threshold` in seconds, 0 where it is off.
 * @returns undefined where this user is told no settings, as one with a restricted certificate
 * @throws as IncusClient.ask
 */
export async function askHealing(
  client: IncusClient,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const { config } = await client.ask('/1.0', settingsShape, { signal, deadlineMs });
  if (config === undefined || config === null) return undefined;
  return Number(config['cluster.healing_threshold'] ?? 0) || 0;
}

/** What keeps one from what is on a host that does not answer. */
export function unheardOn(host: string | undefined, hosts: Hosts | undefined): string {
  if (host === undefined) return 'its host does not answer';
  const found = hosts?.[host];
  if (found === undefined) return `its host ${host} does not answer`;
  return found.status === 'Online'
    ? `its host ${host} does not answer`
    : `its host ${host} does not answer (${found.status}: ${shownMessage(found)})`;
}

const poolsShape = { is: 'a list of storage pools', schema: v.array(v.string()) };
const volumesShape = {
  is: 'a list of volumes',
  schema: v.nullish(v.array(v.string())),
};

/**
 * The host of every instance, by name, as the volumes of the storage pools tell: those lists come from the cluster's
 * database, whichever member is asked and whoever does not answer. A pool on storage that all members share tells none.
 */
export async function askLocations(
  client: IncusClient,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const pools = await client.ask('/1.0/storage-pools', poolsShape, { signal, deadlineMs });
  const urls = await Promise.all(
    pools.map((pool) => client.ask(`${pool}/volumes/container`, volumesShape, { signal, deadlineMs })),
  );
  return new Map(
    urls.flat().flatMap((url) => {
      const { pathname, searchParams } = new URL(url ?? '', 'unix://incus');
      const host = searchParams.get('target');
      return host ? [[decodeURIComponent(pathname.split('/').at(-1) ?? ''), host] as const] : [];
    }),
  );
}

/** A host's message for people: the moment that Incus adds is of the server's clock, and its figure has more digits than it is worth. */
export const shownMessage = ({ message }: Pick<Host, 'message'>): string =>
  message.replace(/ \(\d{4}-.*\)$/, '').replace(/(\d+)\.\d+s$/, '$1 s');

const stateShape = { is: "the state of a cluster's member", schema: v.object({}) };

/** Whether a host answers by itself: one that was just lost counts as online. Never throws but what the signal says. */
export async function doesHostAnswer(
  client: IncusClient,
  host: string,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    const path = `/1.0/cluster/members/${encodeURIComponent(host)}/state`;
    await client.ask(path, stateShape, { signal, deadlineMs });
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}
