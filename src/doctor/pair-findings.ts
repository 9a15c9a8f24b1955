import type { Formation } from '../formation/formation.ts';
import { type DoctorFinding, fails, holds, judged, type Seen, unknown } from './doctor-finding.ts';
import type { NamesSeen, Pair } from './pair.ts';

/** What two throwaway containers showed, and what mends it where it is not as the actions need it. Pure. */
export function pairFindings(pair: Pair, formation: Formation): DoctorFinding[] {
  const { project } = formation.incus;
  return [
    containers(pair, project),
    judged(
      'network',
      pair.network,
      'The network of the profile must give addresses (DHCP) and names (DNS). incus.domain in the formation file is its domain.',
      () => 'both have an address, and resolve their own names',
    ),
    names(pair, formation),
    reach(pair),
    commands(pair),
    locks(pair),
    cuts(pair),
    lifted(pair),
    freeze(pair),
    judged(
      'power-cut',
      pair.restarted,
      'Stopping by force and starting are what a drill does. The messages of `incus info --show-log` tell why a container does not start.',
      (took) => `a container whose power was cut had its network again after ${took.toFixed(1)} s`,
    ),
    diskLimit(pair),
  ];
}

/** What a throwaway's launch says of the hosts on which the file wants it (throwaway.ts): no right mends that. */
const noHostTakes = /^(?:hosts|target): no host of /;

function containers({ launched, second }: Pair, project: string): DoctorFinding {
  const id = 'containers';
  const remedyOf = (found: Seen<number>) =>
    found.is === 'refused' && noHostTakes.test(found.why)
      ? 'Bring one of these hosts back, or name others in the formation file (hosts, target).'
      : `This user must be allowed to make, stop and delete containers in the project ${project}. docs/runner.md tells how to grant that.`;
  return judged(id, launched, remedyOf(launched), (first) =>
    judged(
      id,
      second,
      remedyOf(second),
      (other) => `two were made in ${first.toFixed(1)} s and ${other.toFixed(1)} s`,
    ),
  );
}

function names({ names: found }: Pair, { incus: { domain } }: Formation): DoctorFinding {
  const id = 'names';
  const remedy = `Members find each other by NAME.${domain}, and their addresses must lead back to these names. Set incus.domain to the network's own domain. Look at its DNS, and at /etc/hosts and /etc/resolv.conf of a container.`;
  return judged(id, found, remedy, (seen) => {
    const problems = seen.flatMap(problemsOfNames);
    return problems.length > 0
      ? fails(id, problems.join('; '), remedy)
      : 'both resolve each other by name, and back';
  });
}

function problemsOfNames({ from, host, addresses, reverse, own }: NamesSeen): string[] {
  if (addresses.length === 0) return [`${host} does not resolve in ${from}`];
  if (!addresses.some((address) => own.includes(address)))
    return [`${host} leads to ${addresses.join(', ')} in ${from}, and has ${own.join(', ')}`];
  if (!reverse.includes(host))
    return [`the address of ${host} leads back to ${reverse.join(', ') || 'no name'} in ${from}`];
  return [];
}

function reach({ reach: found }: Pair): DoctorFinding {
  const remedy =
    'Containers of the project must reach each other by TCP. Look at security.acls and security.port_isolation of the network and its cards, and at the firewall of the host.';
  return judged('reach', found, remedy, (answered) =>
    answered
      ? 'both answer each other by TCP'
      : fails('reach', 'an attempt to connect from one to the other met silence', remedy),
  );
}

/** Beyond it a drill's clock shows more of the way there than of the formation. */
const slowRoundTripMs = 500;

function commands({ commands: found }: Pair): DoctorFinding {
  const id = 'commands';
  const remedy =
    'Commands in containers (incus exec) carry all that pgha does. Give the host of Incus and the runner time to breathe, or a shorter way to each other.';
  return judged(id, found, remedy, ({ together, seconds, roundTripMs }) => {
    const says = `${together} at once ended within ${seconds.toFixed(1)} s, and a byte goes there and back in ${roundTripMs.toFixed(1)} ms`;
    return roundTripMs > slowRoundTripMs ? fails(id, says, remedy) : says;
  });
}

function locks({ locks: found }: Pair): DoctorFinding {
  const id = 'concurrency';
  const remedy =
    'Runs on one formation keep apart by locks in /run of its containers. Give their jobs one concurrency group until that works.';
  return judged(id, found, remedy, (kept) =>
    kept
      ? 'a second run is kept out while the first is at work'
      : fails(id, 'a second run got the lock that the first one holds', remedy),
  );
}

function cuts({ cuts: found }: Pair): DoctorFinding {
  const id = 'cuts';
  const remedy =
    'The kernel of the Incus host must have nf_tables with numgen: modprobe nf_tables nft_numgen, and both in /etc/modules-load.d. Until then drill other faults than network-cut, monitor-cut, standby-cut, cut-then-stop and packet-loss.';
  return judged(id, found, remedy, (took) => {
    const without = Object.entries(took).flatMap(([kind, held]) => (held ? [] : [kindsOfCut[kind] ?? kind]));
    return without.length === 0
      ? 'packets from an address, all packets, and a share of them can be dropped'
      : fails(id, `packets came through all the same: ${without.join(', ')}`, remedy);
  });
}

const kindsOfCut: Partial<Record<string, string>> = {
  block: 'those of one address',
  isolate: 'all of a container',
  lose: 'a share of them',
};

function lifted({ lifted: found }: Pair): DoctorFinding {
  const id = 'cuts-lifted';
  const remedy = 'Please report this with all of the above.';
  return judged(id, found, remedy, (answered) =>
    answered
      ? 'the network is as before once they are lifted'
      : fails(id, 'once the cuts were lifted, the containers did not answer each other', remedy),
  );
}

function freeze({ frozen: found }: Pair): DoctorFinding {
  const id = 'freeze';
  const remedy =
    'The host of Incus must have the freezer of cgroups. Until then drill other faults than the freezes.';
  return judged(id, found, remedy, (was) =>
    was
      ? 'a container can be frozen, and goes on'
      : fails(id, 'a container that was paused did not stop', remedy),
  );
}

function diskLimit({ diskLimited: found }: Pair): DoctorFinding {
  const id = 'disk-limit';
  if (found.is !== 'seen') return { ...unknown(id, found.why), optional: true };
  if (found.value === undefined)
    return holds(id, 'none is asked for (limits.disk), so there is no drill of a full disk');
  return found.value
    ? holds(id, 'Incus keeps to limits.disk')
    : fails(
        id,
        'limits.disk is asked for, and the storage pool does not enforce it',
        'Use a pool that does: zfs, btrfs, lvm, ceph, or a directory with project quotas. Or leave limits.disk out.',
      );
}
