import { CommandError, EnvironmentError, InputError, messageOf } from '../../contract/errors.ts';
import { listCommand } from '../../formation/command-line.ts';
import { type Formation, membersOf } from '../../formation/formation.ts';
import { rootDiskOf } from '../../incus/answers.ts';
import type { LaunchOptions } from '../../incus/incus.ts';
import { environmentKey, formationKey } from '../../incus/labels.ts';
import { devicesOfProfiles } from '../../incus/profiles.ts';
import type { MemberContainer } from '../member-container.ts';
import { limitsConfig } from './limits.ts';

/**
 * Launches a container with the limits of its member.
 * @param what.target the member of the Incus cluster, or `@group`; undefined: Incus chooses
 * @param what.labels what is noted on it: whose it is
 * @throws InputError, EnvironmentError as explainLaunch tells them, and CommandError for what it does not know
 */
export async function launch(
  container: MemberContainer,
  {
    image,
    target,
    labels = labelsOf(container.formation),
  }: { image: string; target: string | undefined; labels?: Readonly<Record<string, string>> },
): Promise<void> {
  const { formation, incus, signal } = container;
  const { name, limits } = container.member;
  const { profiles, network } = formation.incus;
  const config = { ...labels, ...limitsConfig(limits) };
  try {
    const rootDisk = await rootDiskOfProfiles(container);
    await incus.launch(name, image, { profiles, network, target, config, rootDisk }, signal);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw explainLaunch(error, formation, name, target);
  }
}

const labelsOf = ({ name, environment }: Formation) => ({
  [formationKey]: name,
  [environmentKey]: environment,
});

/**
 * The root disk that a new container gets from its profiles, the last of which counts.
 * @throws InputError where none of them has one, and a size is asked for
 */
async function rootDiskOfProfiles({
  formation,
  incus,
  signal,
  member,
}: MemberContainer): Promise<LaunchOptions['rootDisk']> {
  const { disk: size } = member.limits;
  if (size === undefined) return undefined;
  const device = rootDiskOf(await devicesOfProfiles(incus, formation.incus.profiles, signal));
  if (device === undefined) throw new InputError([noRootDisk(formation)]);
  return { device, size };
}

function noRootDisk({ incus: { profiles, project } }: Formation): string {
  return `incus.profiles: ${profiles.join(', ') || 'no profile'} has no root disk (a device of the type disk with the path / and a pool); add it to a profile, \`incus profile device add PROFILE root disk path=/ pool=POOL --project ${project}\`, or name a profile that has one`;
}

/** The host of a container that is to be made, with the key that wants it there, or why it was chosen. */
function hostOf(formation: Formation, name: string, host: string): string {
  const target = membersOf(formation).find((member) => member.name === name)?.target;
  if (target === host) return `target of ${name}: ${host}`;
  if (target !== undefined) return `target of ${name}: ${host}, chosen of ${target}`;
  const among = formation.hosts?.join(', ');
  return among === undefined
    ? `the host of ${name}: ${host}, chosen to keep the formation's members apart`
    : `hosts: ${host}, chosen for ${name} of ${among}`;
}

/**
 * What a failed launch is about, of the formation file or of the host, and what to do. Pure but for the names in it.
 * @param host the member of the cluster that it was launched on; undefined where Incus chose it
 */
export function explainLaunch(
  error: CommandError,
  formation: Formation,
  name: string,
  host: string | undefined,
): Error {
  const { stderr } = error;
  const said = messageOf(error);
  const { profiles, network, project } = formation.incus;
  if (/already exists|instance is busy/i.test(stderr))
    return new EnvironmentError(
      `another run has launched ${name} meanwhile; let it finish, then run this again (${said})`,
    );
  if (/no space left on device|disk quota exceeded|out of space|insufficient (?:free )?space/i.test(stderr))
    return new EnvironmentError(
      `the storage pool has no room for ${name}; make some, or give it more (\`incus storage list\`, \`incus storage info POOL\`) (${said})`,
    );
  if (
    /Reached maximum|limits\.[a-z.]+|restricted|is forbidden|not allowed|does(?: not|n't) have permission/i.test(
      stderr,
    )
  )
    return new EnvironmentError(
      `the project ${project} does not permit ${name}, or has no room for it; its administrator can see why with \`incus project show ${project}\` and \`incus project info ${project}\` (${said})`,
    );
  if (/no root (?:disk )?device|root disk device/i.test(stderr))
    return new InputError([`${noRootDisk(formation)} (${said})`]);
  const known: [RegExp, string, string][] = [
    [/profile.*not found/i, 'incus.profiles', 'profile'],
    [
      /network.*not found|not found.*network/i,
      network === undefined
        ? `incus.profiles: a network that ${profiles.join(', ')} names is not available`
        : `incus.network: ${network} is not available`,
      'network',
    ],
    [
      /image.*not found|couldn't find.*image|Failed getting image|requested image/i,
      `image: ${formation.image} is not available`,
      'image',
    ],
    ...(host === undefined
      ? []
      : [
          [
            /cluster member|--target|target.*cluster|not clustered|no route to host|connection refused|i\/o timeout|event connection/i,
            hostOf(formation, name, host),
            'cluster',
          ] as [RegExp, string, string],
        ]),
  ];
  const complaint = known.find(([pattern]) => pattern.test(stderr));
  return complaint
    ? new InputError([
        `${complaint[1]}: ${said}; \`${listCommand(formation, complaint[2])}\` shows what is there`,
      ])
    : error;
}
