import { containerTarget, listCommand } from '../formation/command-line.ts';
import { bytesOf } from '../formation/file/words.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import { type DoctorFinding, fails, holds, judged, unknown } from './doctor-finding.ts';
import type { Pool, Profiles, Project, Surroundings } from './server.ts';

/** What of the Incus server the actions need, and what mends it where it is not there. Pure. */
export function serverFindings(surroundings: Surroundings, formation: Formation): DoctorFinding[] {
  return [
    client(surroundings),
    server(surroundings, formation),
    project(surroundings, formation),
    room(surroundings, formation),
    profiles(surroundings, formation),
    pool(surroundings, formation),
    network(surroundings, formation),
    image(surroundings, formation),
  ];
}

/** The oldest that pgha was tried with. */
const oldestIncus = 6;

function client({ client: found }: Surroundings): DoctorFinding {
  const id = 'client';
  const remedy =
    'Install the client of Incus (the package incus-client, or incus). Its folder must be on the PATH of the runner.';
  return judged(id, found, remedy, (version) => versionFinding(id, 'the client of Incus is', version));
}

function versionFinding(id: string, what: string, version: string): DoctorFinding | string {
  const major = Number(/^(\d+)\.\d+/.exec(version)?.[1]);
  if (Number.isNaN(major))
    return fails(
      id,
      `${what} ${JSON.stringify(version)}, which is no version`,
      'Look what `incus` on PATH is. It must be the real client.',
    );
  if (major < oldestIncus)
    return fails(
      id,
      `${what} ${version}, and pgha was never tried with one older than ${oldestIncus}.0`,
      `Install Incus ${oldestIncus}.0 or newer.`,
    );
  return `${what} ${version}`;
}

function server({ server: found }: Surroundings, formation: Formation): DoctorFinding {
  const id = 'server';
  const { remote } = formation.incus;
  const remedy = `\`${listCommand(formation, 'image')}\` must answer for the runner's user. docs/runner.md tells how to grant that.`;
  return judged(id, found, remedy, ({ auth, version, name, clustered }) => {
    if (auth !== 'trusted')
      return fails(
        id,
        `the server of the remote ${remote} answers, and does not know this user (${auth})`,
        "Have its administrator trust this client's certificate for the formation's project (docs/runner.md).",
      );
    const where = `${name || 'the server'} of the remote ${remote}${clustered ? ', a cluster,' : ''} runs Incus`;
    return versionFinding(id, where, version);
  });
}

function project(
  { project: found }: Surroundings,
  { incus: { remote, project: name } }: Formation,
): DoctorFinding {
  const list = `incus project list${remote === 'local' ? '' : ` ${remote}:`}`;
  const remedy = `Name a project of this user in the formation file (incus.project). \`${list}\` shows them.`;
  return judged('project', found, remedy, ({ config, instances }) => {
    const kind = config['restricted'] === 'true' ? 'restricted' : 'not restricted';
    return `${name} is ${kind}, and has ${instances.length} instance${instances.length === 1 ? '' : 's'}`;
  });
}

/** In Incus' own names of resources, and of the keys that limit them. */
const counted = ['instances', 'containers'];

/** Whether the project's limits leave room for the containers that are still to be made. */
function room({ project: found }: Surroundings, formation: Formation): DoctorFinding {
  const id = 'project-limits';
  if (found.is !== 'seen') return unknown(id, notFor('the project'));
  const { resources } = found.value;
  if (resources.is !== 'seen')
    return {
      ...unknown(id, `this user is not told of the project's limits: ${resources.why}`),
      optional: true,
    };
  const missing = missingMembers(found.value, formation);
  const problems = Object.entries(resources.value).flatMap(([name, { limit, usage }]) => {
    const need = neededOf(name, missing);
    if (limit < 0 || need === undefined || usage + need <= limit) return [];
    return [`${name}: ${limit} allowed, ${usage} in use, ${need} more needed`];
  });
  if (problems.length > 0)
    return fails(
      id,
      `the limits of the project ${formation.incus.project} leave no room for ${missing.length} more containers (${problems.join('; ')})`,
      `Have its administrator raise them (incus project set ${formation.incus.project} limits.…), or ask for less in the formation file (limits).`,
    );
  const limited = Object.entries(resources.value).filter(([, { limit }]) => limit >= 0);
  return holds(
    id,
    limited.length === 0
      ? 'the project limits nothing'
      : `there is room within ${limited.map(([name, { limit, usage }]) => `${name} ${usage}/${limit}`).join(', ')}`,
  );
}

const notFor = (what: string) => `not looked at, for want of ${what}`;

function missingMembers({ instances }: Project, formation: Formation) {
  return membersOf(formation).filter(({ name }) => !instances.includes(name));
}

/** What containers need of a resource; undefined where the file does not say. Bytes, or a number. */
function neededOf(resource: string, missing: ReturnType<typeof missingMembers>): number | undefined {
  if (counted.includes(resource)) return missing.length;
  const each = missing.map(({ limits }) => {
    if (resource === 'cpu') return limits.cpu;
    const size = resource === 'memory' ? limits.memory : resource === 'disk' ? limits.disk : undefined;
    return size === undefined ? undefined : bytesOf(size);
  });
  const known = each.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
}

function profiles({ profiles: found }: Surroundings, formation: Formation): DoctorFinding {
  const id = 'profiles';
  const { profiles: names, project: name, network: asked } = formation.incus;
  const remedy = `Name profiles that are there in the formation file (incus.profiles). \`${listCommand(formation, 'profile')}\` shows them.`;
  return judged(id, found, remedy, (value) => {
    const shown = names.join(', ') || 'no profile';
    const lack = lackOf(value, asked);
    if (lack === undefined)
      return `${shown}: the disk ${value.rootDisk} in the pool ${value.pool}, the network ${asked ?? Object.values(value.cards).join(', ')}`;
    return fails(
      id,
      `${shown} ${lack.says}`,
      `Add it to a profile: incus profile device add PROFILE ${lack.add} --project ${name}. Or name a profile that has one (incus.profiles).`,
    );
  });
}

function lackOf({ rootDisk, pool: of, cards }: Profiles, network: string | undefined) {
  if (rootDisk === undefined || of === undefined)
    return {
      says: 'has no root disk (a disk with the path / and a pool)',
      add: 'root disk path=/ pool=POOL',
    };
  if (network === undefined && Object.keys(cards).length === 0)
    return { says: 'has no network card', add: 'eth0 nic network=NETWORK' };
  return undefined;
}

/** What a container of a formation without data takes, by and large: its image and Postgres. */
const bytesOfContainer = 1024 ** 3;

function pool({ pool: found, project: of }: Surroundings, formation: Formation): DoctorFinding {
  const id = 'pool-room';
  if (found.is !== 'seen')
    return {
      // A restricted certificate may not read it; that a container can be made shows the most of it.
      ...unknown(id, `how much room the storage pool has is not known: ${found.why}`),
      ...(of.is === 'seen' && { optional: true }),
    };
  const { name, driver, totalBytes, usedBytes }: Pool = found.value;
  const free = totalBytes - usedBytes;
  const missing = of.is === 'seen' ? missingMembers(of.value, formation).length : 0;
  const needed = Math.max(1, missing) * bytesOfContainer;
  const says = `the pool ${name} (${driver}) has ${gib(free)} of ${gib(totalBytes)} left`;
  if (free >= needed) return holds(id, says);
  return fails(
    id,
    `${says}, and ${gib(needed)} are needed without any data`,
    `Make room in it, or give it more (incus storage info ${name}).`,
  );
}

const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

function network({ network: found }: Surroundings, formation: Formation): DoctorFinding {
  const id = 'network-domain';
  if (found.is !== 'seen')
    return {
      // Two containers show what matters of it.
      ...unknown(id, `what the network is set to is not known: ${found.why}`),
      optional: true,
    };
  const { name, managed, config } = found.value;
  const { domain } = formation.incus;
  if (!managed) return holds(id, `Incus does not manage ${name}: its DNS is somebody else's`);
  const own = config['dns.domain'] ?? 'incus';
  if (config['dns.mode'] === 'none')
    return fails(
      id,
      `the network ${name} gives no names (dns.mode is none)`,
      `Turn them on: incus network set ${containerTarget(formation, name)} dns.mode managed.`,
    );
  return own === domain
    ? holds(id, `${name} gives names in the domain ${own}`)
    : fails(
        id,
        `${name} gives names in the domain ${own}, and the formation file says ${domain}`,
        `Say incus.domain: ${own} in the formation file.`,
      );
}

function image({ image: found }: Surroundings, formation: Formation): DoctorFinding {
  const remedy = `Name an image that can be had in the formation file (image), or copy it to your own server (incus image copy). \`${listCommand(formation, 'image')}\` shows what is there.`;
  return judged('image', found, remedy, (fingerprint) => `${formation.image} is ${fingerprint.slice(0, 12)}`);
}
