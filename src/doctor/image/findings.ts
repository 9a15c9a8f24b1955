import type { Formation } from '../../formation/formation.ts';
import { resolverPath } from '../../provision/containers/resolver.ts';
import { type DoctorFinding, fails, judged, type Seen } from '../doctor-finding.ts';
import { all, type Fields, first, versionOf } from './fields.ts';
import type { ImageSeen } from './observe.ts';

/** What the code assumes of an image, one by one, and what mends it where it does not hold; for people docs/images.md. Pure. */
export function imageFindings(image: ImageSeen, formation: Formation): DoctorFinding[] {
  const { boot, installed } = image;
  return [
    ...bootFindings.map(([id, judge]) => ofFields(`image-${id}`, boot, judge)),
    lookup(image),
    packages(image, formation),
    ...installedFindings.map(([id, judge]) => ofFields(`image-${id}`, installed, judge)),
    service(image),
    again(image),
  ];
}

/** A text that says that it holds, or what is wrong with it and what mends that. */
type Verdict = string | { says: string; remedy: string };

function ofFields(id: string, found: Seen<Fields>, judge: (fields: Fields) => Verdict): DoctorFinding {
  return judged(
    id,
    found,
    'A command in the container failed, which should not. Please report this with all of the above.',
    (fields) => {
      const verdict = judge(fields);
      return typeof verdict === 'string' ? verdict : fails(id, verdict.says, verdict.remedy);
    },
  );
}

const otherImage = 'Take another image';

const bootFindings: [string, (fields: Fields) => Verdict][] = [
  [
    'release',
    (fields) =>
      first(fields, 'codename') === ''
        ? {
            says: `it does not say which release it is of (${first(fields, 'system') || 'no name'})`,
            remedy: `${otherImage}: Ubuntu and Debian name theirs in /etc/os-release (VERSION_CODENAME).`,
          }
        : `${first(fields, 'system')}, whose suite of PGDG is ${first(fields, 'codename')}-pgdg`,
  ],
  [
    'systemd',
    (fields) => {
      const [init, state] = [first(fields, 'init'), first(fields, 'state')];
      if (init !== 'systemd')
        return { says: `its first process is ${init}`, remedy: `${otherImage}, one with systemd.` };
      const failed = all(fields, 'failedunit');
      if (state === 'running') return `systemd ${first(fields, 'systemd')} is up`;
      // A unit that fails is the image's own matter.
      if (state === 'degraded')
        return `systemd ${first(fields, 'systemd')} is up, without ${failed.join(', ')}`;
      return {
        says: `systemd does not come to an end with its boot (${state || 'no answer'})`,
        remedy:
          'Look what it waits for: systemctl list-jobs in a container of this image. pg_autoctl would be started late, or never.',
      };
    },
  ],
  [
    'commands',
    (fields) => {
      const missing = all(fields, 'missing');
      return missing.length === 0
        ? `every command that pgha runs in it is there, and perl ${first(fields, 'perl')}`
        : {
            says: `it lacks ${missing.join(', ')}`,
            remedy: `${otherImage}, or make one of your own with these (incus publish).`,
          };
    },
  ],
  [
    'apt',
    (fields) =>
      all(fields, 'oldapt').length > 0
        ? {
            says: `apt ${first(fields, 'apt')} takes no key within a package source`,
            remedy: `${otherImage}: apt 2.3.10 or newer (Ubuntu 22.04, Debian 12).`,
          }
        : `apt ${first(fields, 'apt')} takes a key within a package source`,
  ],
  [
    'first-boot',
    (fields) => {
      const [atWork, status] = [all(fields, 'atwork'), first(fields, 'cloudinit')];
      if (versionOf(fields, 'cloud-init') !== undefined && !/^(?:done|disabled|error|degraded)/.test(status))
        return {
          says: `cloud-init has not ended (${status || 'no answer'})`,
          remedy:
            'Look what the profile has it do (cloud-init.user-data). Or take the image without it, which is not called /cloud.',
        };
      const cloud =
        versionOf(fields, 'cloud-init') === undefined ? 'no cloud-init' : `cloud-init is ${status}`;
      return atWork.length === 0
        ? `${cloud}, and no apt at work`
        : `${cloud}; ${atWork.join(', ')} at work after the boot, for which the installation waits`;
    },
  ],
  [
    'network-manager',
    (fields) => {
      const found = ['netplan.io', 'ifupdown', 'dhcpcd-base', 'network-manager'].filter(
        (name) => versionOf(fields, name) !== undefined,
      );
      return `the network is set up by ${found.join(', ') || 'systemd-networkd alone'}`;
    },
  ],
  [
    'resolver',
    (fields) => {
      const multicast = all(fields, 'multicast');
      const isQuietened = all(fields, 'quietened').length > 0;
      // A neighbour's answer, a name without a domain, may come before that of the name server.
      if (multicast.length > 0 && isQuietened)
        return {
          says: `systemd-resolved asks the neighbours for names (${multicast.join(', ')}) in spite of ${resolverPath}: an address may lead back to a name without its domain, which no rule of pg_hba.conf matches`,
          remedy:
            'Look what turns LLMNR or MulticastDNS on again in /etc/systemd/resolved.conf.d of the image. Or take another image.',
        };
      const by = first(fields, 'nsswitch');
      const where = first(fields, 'resolvconf');
      const says = `hosts are looked up by "${by}", with ${where || 'no /etc/resolv.conf'}`;
      if (multicast.length > 0)
        return `${says}; systemd-resolved asks the neighbours for names (${multicast.join(', ')}), which provision-pgaf turns off`;
      return isQuietened ? `${says}; systemd-resolved asks no neighbour, as provision-pgaf has it` : says;
    },
  ],
  [
    'locale',
    (fields) =>
      all(fields, 'utf8').length > 0
        ? 'it has the locale C.UTF-8'
        : {
            says: 'it lacks the locale C.UTF-8, in which databases are made',
            remedy: `${otherImage}: the C library of Ubuntu and Debian brings it.`,
          },
  ],
  [
    'apparmor',
    (fields) => {
      const profiles = all(fields, 'profile');
      return profiles.length === 0
        ? `no AppArmor profile in it is about Postgres; its first process is ${first(fields, 'confinement') || 'not confined'}`
        : {
            says: `AppArmor profiles in it are about Postgres: ${profiles.join(', ')}`,
            remedy:
              'Look whether they allow data in postgres.data-directory. Take them out of the image otherwise (aa-disable).',
          };
    },
  ],
  [
    'snapd',
    (fields) =>
      `snapd is ${versionOf(fields, 'snapd') === undefined ? 'not ' : ''}there; nothing that pgha needs comes from it`,
  ],
  ['upgrades', (fields) => upgrades(fields)],
  [
    'run',
    (fields) =>
      first(fields, 'run') === 'tmpfs'
        ? '/run is in memory: locks in it end with the container'
        : {
            says: `/run is on ${first(fields, 'run')}, so that locks in it outlive the container`,
            remedy: `${otherImage}, one whose systemd mounts /run.`,
          },
  ],
];

function upgrades(fields: Fields): Verdict {
  const unattended =
    versionOf(fields, 'unattended-upgrades') !== undefined && !/^0?$/.test(first(fields, 'periodic'));
  const restarts = versionOf(fields, 'needrestart') !== undefined;
  if (unattended && restarts)
    return 'unattended-upgrades and needrestart are there; provision-pgaf keeps the latter from restarting pg_autoctl';
  if (unattended) return 'unattended-upgrades is at work; it restarts no service of pgha';
  return restarts
    ? 'needrestart is there, and nothing upgrades packages by itself'
    : 'nothing upgrades packages by itself, and nothing restarts services after upgrades';
}

/** A second for each name that is tried (with and without a search domain), and time to get there and back. */
const mostLookupSeconds = 4;

function lookup({ lookup: found }: ImageSeen): DoctorFinding {
  const id = 'image-lookup';
  const remedy =
    'What looks names up in the image must keep to RES_OPTIONS, timeout:1 attempts:1. Look at `hosts` in /etc/nsswitch.conf, and at /etc/resolv.conf. A primary that is cut off would fence itself too late otherwise.';
  return judged(id, found, remedy, (took) => {
    const says = `a name costs ${took.toFixed(1)} s when no name server answers`;
    return took > mostLookupSeconds ? fails(id, says, remedy) : says;
  });
}

function packages({ packages: found }: ImageSeen, formation: Formation): DoctorFinding {
  const { version } = formation.postgres;
  return judged(
    'image-packages',
    found,
    `Postgres ${version} and pg_auto_failover must be installable in the image. Look at postgres.packages and postgres.version in the formation file, and at the way from the container to the archive.`,
    (took) => `Postgres ${version} and pg_auto_failover were installed in ${took.toFixed(0)} s`,
  );
}

const installedFindings: [string, (fields: Fields) => Verdict][] = [
  [
    'programs',
    (fields) => {
      const missing = all(fields, 'missing');
      return missing.length === 0
        ? `${first(fields, 'postgres')}, pg_autoctl ${first(fields, 'autoctl')}`
        : {
            says: `after the installation there is no ${missing.join(', no ')}`,
            remedy: 'Take PGDG, or the distribution, as the source of packages (postgres.packages).',
          };
    },
  ],
  [
    'postgres-user',
    (fields) => {
      const [home, user] = [first(fields, 'home'), first(fields, 'runuser')];
      return home === '/var/lib/postgresql' && user === 'postgres'
        ? 'the user postgres has its home in /var/lib/postgresql, and commands run as it'
        : {
            says: `the user postgres has the home ${home || '(none)'}, and a command as it ran as ${user || '(nobody)'}`,
            remedy: `${otherImage}, one without a user postgres of its own.`,
          };
    },
  ],
  [
    'no-cluster',
    (fields) => {
      const [clusters, running] = [all(fields, 'cluster'), all(fields, 'running')];
      return clusters.length === 0 && running.length === 0
        ? "the distribution's own cluster was not made"
        : {
            says: `the installation made the cluster ${clusters.join(', ') || '(unnamed)'}${running.length > 0 ? ', which runs' : ''}`,
            remedy:
              'provision-pgaf stops it and keeps it from starting. Please report this, with the version of postgresql-common.',
          };
    },
  ],
];

function service({ service: found }: ImageSeen): DoctorFinding {
  const id = 'image-service';
  const remedy =
    'pg_autoctl, run by systemd as the user postgres, must come to life in the image. Its log in a container of your own is journalctl -u pg_autoctl.';
  return judged(id, found, remedy, ({ seconds, encoding, collation, extension }) =>
    encoding === 'UTF8'
      ? `a monitor of pg_auto_failover ${extension} was made and answered within ${seconds.toFixed(1)} s (${encoding}, ${collation})`
      : fails(
          id,
          `a database made in it has the encoding ${encoding} (${collation})`,
          'Take an image whose locale is C.UTF-8, or another of UTF-8.',
        ),
  );
}

/** A member that comes back later than that looks lost for as long. */
const mostServiceSeconds = 60;

function again({ again: found }: ImageSeen): DoctorFinding {
  const id = 'image-again';
  const remedy =
    'A container made from the base image must boot with an identity, an address and a name of its own. Look what its boot waits for: systemd-analyze critical-chain pg_autoctl.service.';
  return judged(id, found, remedy, ({ networkSeconds, serviceSeconds, hasNewIdentity }) => {
    const says = `cleaned and booted again, it had its network after ${networkSeconds.toFixed(1)} s, and Postgres answered after ${serviceSeconds.toFixed(1)} s`;
    if (!hasNewIdentity) return fails(id, `${says}, but it has no machine-id of its own`, remedy);
    return serviceSeconds > mostServiceSeconds ? fails(id, says, remedy) : says;
  });
}
