import type { Formation } from '../formation/formation.ts';
import type { Seen } from './doctor-finding.ts';
import type { Machine } from './machine.ts';
import type { Surroundings } from './server.ts';

/** What was looked at, with its version: for a bug report. Name and value; what is not known is left out. Pure. */
export type NamedFacts = [string, string][];

export function factsOfMachine(machine: Machine): NamedFacts {
  const { user, node, clientFolder } = machine;
  return [
    ['machine', `${machine.system}, kernel ${machine.kernel}, ${machine.arch}`],
    ['', `${machine.cpus} CPUs, ${gib(machine.memoryBytes)} of memory`],
    ['container', machine.container ?? 'no sign of one'],
    ['job of', machine.job ?? 'nobody: a terminal'],
    ['user', user.is === 'seen' ? `${user.value.name} (${user.value.uid}), home ${user.value.home}` : ''],
    ['node', `${node.version} (${node.path}); on PATH ${told(node.onPath)}`],
    ['client', `its folder ${clientFolder}`],
  ];
}

export function factsOfSurroundings(
  { client, server, project, pool, network, image }: Surroundings,
  { incus, image: name, name: formation }: Formation,
): NamedFacts {
  const facts: NamedFacts = [
    ['formation', formation],
    ['incus client', told(client)],
    ['remote', `${incus.remote}, project ${incus.project}, profiles ${incus.profiles.join(', ') || 'none'}`],
  ];
  if (server.is === 'seen') {
    const { value } = server;
    facts.push(
      ['incus server', `${value.version}${value.clustered ? ', a cluster' : ''} on ${value.system}`],
      ['', `kernel ${value.kernel}, storage ${value.storage}`],
    );
  }
  if (project.is === 'seen')
    facts.push(['project', `${shown(project.value.config)}; ${project.value.instances.length} instances`]);
  if (pool.is === 'seen') facts.push(['pool', `${pool.value.name} (${pool.value.driver})`]);
  if (network.is === 'seen') facts.push(['network', `${network.value.name}: ${shown(network.value.config)}`]);
  facts.push(['image', `${name}${image.is === 'seen' ? `, ${image.value}` : ''}`]);
  return facts;
}

const told = (found: Seen<string>) => (found.is === 'seen' ? found.value : 'unknown');
const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/** What people may keep in a configuration besides what Incus reads, or must keep secret, is not for a report. */
function shown(config: Partial<Record<string, string>>): string {
  const known = Object.entries(config).filter(
    ([key]) => !/^(?:user|volatile|raw)\.|passw|passphrase|secret|token|credential|private|key/i.test(key),
  );
  return known.map(([key, value]) => `${key}=${value}`).join(' ') || 'no settings';
}
