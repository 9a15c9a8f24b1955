import * as v from 'valibot';
import { EnvironmentError } from '../contract/errors.ts';

/** What Incus' REST API answers, reduced to what is used, and read before it is believed. */

/** An Incus instance. */
export interface Instance {
  name: string;
  /** `Running`, `Stopped`, `Frozen`, `Error`, …; `Unknown` of one that is unheard of. */
  status: string;
  /** Why nothing but its name and its host is known, such as `its host m2 does not answer`; undefined where Incus tells of it. */
  unheard?: string | undefined;
  /**
   * Its own configuration, and that with its profiles' in it. Undefined of one that is unheard of, which may be
   * anybody's.
   */
  config: Partial<Record<string, string>> | undefined;
  expandedConfig: Partial<Record<string, string>>;
  /** Without those of its profiles. */
  devices: Partial<Record<string, Record<string, string>>>;
  /** The member of the cluster that it is on; undefined where Incus is no cluster. */
  location?: string | undefined;
  /** The name of its root disk's device, its own or a profile's; undefined where it has none. */
  rootDisk: string | undefined;
  /** When it was started last, as Incus writes it. */
  startedAt: string;
}

/** A profile, reduced to what an instance takes from it. */
export interface Profile {
  config: Record<string, string>;
  devices: Record<string, Record<string, string>>;
}

/** What an instance's state tells, reduced to what is used. */
export interface InstanceState {
  /** Its first process, as its host numbers it; 0 or less where it does not run. */
  pid: number;
  /** IPv4 and IPv6 addresses that others reach it by. */
  addresses: string[];
}

/** A disk of an instance, in bytes. */
export interface InstanceDisk {
  /** The limit that Incus enforces; 0 where it enforces none. */
  total: number;
  /** The storage pool that it lies in. */
  pool: { total: number; used: number };
}

/** An image of the server. Times are the server's, in milliseconds since 1970, 0 for never. */
export interface Image {
  fingerprint: string;
  aliases: string[];
  properties: Partial<Record<string, string>>;
  uploadedAt: number;
  usedAt: number;
}

const texts = v.record(v.string(), v.string());
const devices = v.record(v.string(), texts);
/** What Incus leaves out, or has as null, is empty. */
const orEmpty = <T extends v.GenericSchema>(schema: T) => v.nullish(schema);

const rawInstance = v.object({
  name: v.string(),
  status: v.string(),
  config: orEmpty(texts),
  expanded_config: orEmpty(texts),
  devices: orEmpty(devices),
  expanded_devices: orEmpty(devices),
  location: v.optional(v.string()),
  last_used_at: v.optional(v.string()),
});
export type RawInstance = v.InferOutput<typeof rawInstance>;

/** Each shape with what it is, for the message where something else came. */
export const instanceShape = { is: 'an instance', schema: rawInstance };
export const instancesShape = { is: 'a list of instances', schema: v.array(rawInstance) };
export const profileShape = {
  is: 'a profile',
  schema: v.object({ name: v.string(), config: orEmpty(texts), devices: orEmpty(devices) }),
};
export const stateShape = {
  is: "an instance's state",
  schema: v.object({
    pid: v.number(),
    network: orEmpty(
      v.record(
        v.string(),
        v.object({ addresses: orEmpty(v.array(v.object({ address: v.string(), scope: v.string() }))) }),
      ),
    ),
    disk: orEmpty(v.record(v.string(), v.object({ total: v.optional(v.number()) }))),
  }),
};
export const poolShape = {
  is: "a storage pool's resources",
  schema: v.object({ space: v.object({ total: v.number(), used: v.number() }) }),
};
export const imagesShape = {
  is: 'a list of images',
  // The client prints nothing where there is none.
  schema: orEmpty(
    v.array(
      v.object({
        fingerprint: v.string(),
        aliases: orEmpty(v.array(v.object({ name: v.string() }))),
        properties: orEmpty(texts),
        uploaded_at: v.string(),
        last_used_at: v.optional(v.string(), ''),
      }),
    ),
  ),
};
export const operationsShape = {
  is: 'a list of operations',
  schema: orEmpty(
    v.record(
      v.string(),
      v.array(
        v.object({
          class: v.string(),
          status: v.string(),
          description: v.optional(v.string(), ''),
          resources: orEmpty(v.record(v.string(), v.array(v.string()))),
        }),
      ),
    ),
  ),
};

/**
 * @param path what was asked
 * @throws EnvironmentError where the answer has another shape
 */
export function answerOf<T extends v.GenericSchema>(
  path: string,
  { is, schema }: { is: string; schema: T },
  answer: unknown,
): v.InferOutput<T> {
  const read = v.safeParse(schema, answer);
  if (read.success) return read.output;
  throw new EnvironmentError(
    `\`incus query ${path.replace(/\?.*/, '')}\` did not answer with ${is}; is this the real incus client?`,
  );
}

/** The name of the disk that is mounted at `/`, which a profile may call as it likes. */
export function rootDiskOf(among: Partial<Record<string, Record<string, string>>>): string | undefined {
  return Object.entries(among).find(
    ([, device]) => device?.['type'] === 'disk' && device['path'] === '/',
  )?.[0];
}

/** One whose host does not answer. */
export function unheardInstance(name: string, location: string | undefined, unheard: string): Instance {
  return {
    ...{ name, status: 'Unknown', unheard, config: undefined, expandedConfig: {}, devices: {} },
    ...(location !== undefined && { location }),
    ...{ rootDisk: undefined, startedAt: '' },
  };
}

export function toInstance(raw: RawInstance): Instance {
  const location = raw.location === '' || raw.location === 'none' ? undefined : raw.location;
  // What Incus lists of an instance on a member that does not answer: `status: Error`, and the rest empty.
  if (raw.config === undefined || raw.config === null)
    return unheardInstance(
      raw.name,
      location,
      `its host ${location ?? ''} does not answer`.replace('  ', ' '),
    );
  return {
    name: raw.name,
    status: raw.status,
    config: raw.config,
    expandedConfig: raw.expanded_config ?? {},
    ...(location !== undefined && { location }),
    devices: raw.devices ?? {},
    rootDisk: rootDiskOf(raw.expanded_devices ?? raw.devices ?? {}),
    startedAt: raw.last_used_at ?? '',
  };
}
