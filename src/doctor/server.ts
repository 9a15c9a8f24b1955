import * as v from 'valibot';
import type { Formation } from '../formation/formation.ts';
import { rootDiskOf } from '../incus/answers.ts';
import { runCommand } from '../incus/command.ts';
import type { Incus } from '../incus/incus.ts';
import { devicesOfProfiles } from '../incus/profiles.ts';
import { configOfProject, projectPath } from '../incus/project.ts';
import type { Seen } from './doctor-finding.ts';
import { after, lookIfAllowed, lookSafely } from './look-safely.ts';

/** The Incus that the formation file names, as far as asking it tells. */
export interface Surroundings {
  /** The version of the client. */
  client: Seen<string>;
  server: Seen<Server>;
  project: Seen<Project>;
  profiles: Seen<Profiles>;
  pool: Seen<Pool>;
  network: Seen<Network>;
  /** The fingerprint of the formation's image. */
  image: Seen<string>;
}

export interface Server {
  /** `trusted` where it knows this user. */
  auth: string;
  version: string;
  name: string;
  system: string;
  kernel: string;
  clustered: boolean;
  /** Drivers of storage and their versions, as it says. */
  storage: string;
}

export interface Project {
  config: Partial<Record<string, string>>;
  /** Names of the instances that it has. */
  instances: string[];
  /** What may be used of each resource and what is used, -1 for no limit. */
  resources: Seen<Record<string, { limit: number; usage: number }>>;
}

/** What the formation's profiles have together; the last one counts. */
export interface Profiles {
  rootDisk: string | undefined;
  pool: string | undefined;
  /** Devices that are network cards, with the network or bridge of each. */
  cards: Record<string, string>;
}

export interface Pool {
  name: string;
  driver: string;
  totalBytes: number;
  usedBytes: number;
}

export interface Network {
  name: string;
  managed: boolean;
  config: Record<string, string>;
}

const texts = v.record(v.string(), v.string());
const serverShape = {
  is: 'a description of itself',
  schema: v.object({
    auth: v.string(),
    // A server that does not know its caller tells no more than that.
    environment: v.optional(
      v.object({
        server_version: v.optional(v.string(), ''),
        server_name: v.optional(v.string(), ''),
        server_clustered: v.optional(v.boolean(), false),
        os_name: v.optional(v.string(), ''),
        os_version: v.optional(v.string(), ''),
        kernel_version: v.optional(v.string(), ''),
        storage: v.optional(v.string(), ''),
        storage_version: v.optional(v.string(), ''),
      }),
      {},
    ),
  }),
};
const resourcesShape = {
  is: "a project's use of resources",
  schema: v.object({ resources: v.record(v.string(), v.object({ Limit: v.number(), Usage: v.number() })) }),
};
const poolShape = { is: 'a storage pool', schema: v.object({ driver: v.string() }) };
const spaceShape = {
  is: "a storage pool's resources",
  schema: v.object({ space: v.object({ total: v.number(), used: v.optional(v.number(), 0) }) }),
};
const networkShape = {
  is: 'a network',
  schema: v.object({ managed: v.boolean(), config: v.nullish(texts) }),
};

const clientDeadlineMs = 15_000;

/** Asks, and changes nothing. What one answer needs of another is not asked for where that is missing. */
export async function observeSurroundings(
  incus: Incus,
  formation: Formation,
  signal?: AbortSignal,
): Promise<Surroundings> {
  const client = await lookSafely(async () => {
    const said = await runCommand('incus', ['--version'], { deadlineMs: clientDeadlineMs, signal });
    return said.trim().slice(0, 40);
  }, signal);
  const server = await after(client, 'the client', () => lookSafely(() => askServer(incus, signal), signal));
  const project = await after(server, 'the server', () =>
    lookSafely(() => askProject(incus, signal), signal),
  );
  const [profiles, image] = await Promise.all([
    after(project, 'the project', () => lookSafely(() => askProfiles(incus, formation, signal), signal)),
    after(project, 'the project', () =>
      lookSafely(() => incus.images.fingerprintOf(formation.image, signal), signal),
    ),
  ]);
  const { network: asked } = formation.incus;
  const [pool, network] = await Promise.all([
    after(profiles, 'the profiles', async ({ pool: name }) =>
      name === undefined ? noneNamed : await lookIfAllowed(() => askPool(incus, name, signal), signal),
    ),
    after(profiles, 'the profiles', async ({ cards }) => {
      const name = asked ?? Object.values(cards)[0];
      return name === undefined
        ? noneNamed
        : await lookIfAllowed(() => askNetwork(incus, name, signal), signal);
    }),
  ]);
  return { client, server, project, profiles, pool, network, image };
}

const noneNamed = { is: 'unseen', why: 'the profiles name none' } as const;

async function askServer(incus: Incus, signal?: AbortSignal): Promise<Server> {
  const { auth, environment: said } = await incus.ask('/1.0', serverShape, signal);
  return {
    auth,
    version: said.server_version ?? '',
    name: said.server_name ?? '',
    system: `${said.os_name ?? ''} ${said.os_version ?? ''}`.trim(),
    kernel: said.kernel_version ?? '',
    clustered: said.server_clustered ?? false,
    storage: `${said.storage ?? ''} ${said.storage_version ?? ''}`.trim(),
  };
}

async function askProject(incus: Incus, signal?: AbortSignal): Promise<Project> {
  // Says by itself that there is no such project, or that this user may not see it.
  const instances = [...(await incus.instances(signal, [])).keys()];
  const [config, resources] = await Promise.all([
    configOfProject(incus, signal),
    lookIfAllowed(async () => {
      const { resources: found } = await incus.ask(`${projectPath(incus)}/state`, resourcesShape, signal);
      const named = Object.entries(found).map(([name, { Limit: limit, Usage: usage }]) => [
        name,
        { limit, usage },
      ]);
      return Object.fromEntries(named) as Record<string, { limit: number; usage: number }>;
    }, signal),
  ]);
  return { config, instances, resources };
}

async function askProfiles(incus: Incus, formation: Formation, signal?: AbortSignal): Promise<Profiles> {
  const devices = await devicesOfProfiles(incus, formation.incus.profiles, signal);
  const rootDisk = rootDiskOf(devices);
  const cards = Object.entries(devices).flatMap(([name, device]) =>
    device?.['type'] === 'nic' ? [[name, device['network'] ?? device['parent'] ?? '']] : [],
  );
  return {
    rootDisk,
    pool: rootDisk === undefined ? undefined : devices[rootDisk]?.['pool'],
    cards: Object.fromEntries(cards) as Record<string, string>,
  };
}

async function askPool(incus: Incus, name: string, signal?: AbortSignal): Promise<Pool> {
  const path = `/1.0/storage-pools/${encodeURIComponent(name)}`;
  const [{ driver }, { space }] = await Promise.all([
    incus.ask(path, poolShape, signal),
    incus.ask(`${path}/resources`, spaceShape, signal),
  ]);
  return { name, driver, totalBytes: space.total, usedBytes: space.used };
}

async function askNetwork(incus: Incus, name: string, signal?: AbortSignal): Promise<Network> {
  const path = `/1.0/networks/${encodeURIComponent(name)}`;
  const { managed, config } = await incus.ask(path, networkShape, signal);
  return { name, managed, config: config ?? {} };
}
