import { isIP } from 'node:net';
import { messageOf } from '../../contract/errors.ts';
import { containerTarget } from '../../formation/command-line.ts';
import { type Formation, membersOf } from '../../formation/formation.ts';
import type { Instance } from '../../incus/answers.ts';
import { formationKey } from '../../incus/labels.ts';
import type { ContainerRelay } from '../../incus/relay/container-relay.ts';
import { hostOfMonitor, isMonitorDisabled } from '../../member/keeper-config.ts';
import { isBlank, readFacts } from '../facts.ts';

/**
 * Whether a container that the file does not name is of this formation. Its label is not enough, nor a registration of
 * its name: another formation of the same name (`default` is everybody's) may stand in the same project on a monitor of
 * its own, and may have made a container anew that this one had and lost. The container itself says which monitor its
 * node is of.
 */
export interface Kin {
  formation: Formation;
  /** The way into a container that runs, once nobody else is at work on it. Throws LockHeldError where somebody is. */
  locked: (name: string) => Promise<ContainerRelay>;
  signal?: AbortSignal | undefined;
}

/**
 * @param isRegistered whether this formation's monitor knows a node of that name
 * @returns why it is not for us to delete, to follow "it stays, since"; undefined where it is ours
 */
export async function whyNotOurs(
  kin: Kin,
  instance: Instance,
  isRegistered: boolean,
): Promise<string | undefined> {
  const { formation, signal } = kin;
  if (instance.config?.[formationKey] !== formation.name)
    return `it does not bear the label of formation ${formation.name}`;
  // Its files could be had from Incus; but a pipe among them would keep it from being started ever after (seen in the lab).
  if (instance.status !== 'Running')
    return `it is ${instance.status} and cannot say which monitor it belongs to; where it is this formation's, delete it yourself (incus delete --force ${containerTarget(formation, instance.name)})`;
  try {
    return verdictOn(formation, await keeperOf(kin, instance), isRegistered);
  } catch (error) {
    signal?.throwIfAborted();
    return `it cannot be read (${messageOf(error)})`;
  }
}

/** What a node's container holds: nothing at all, or pg_autoctl's configuration, '' where there is none for our data directory. */
export type KeeperFound = 'blank' | { config: string };

/** Pure. */
export function verdictOn(
  formation: Formation,
  found: KeeperFound,
  isRegistered: boolean,
): string | undefined {
  if (found === 'blank') return undefined;
  const [monitor] = membersOf(formation);
  const host = hostOfMonitor(found.config);
  if (host === monitor.host) return undefined;
  if (host !== undefined) return `it belongs to the monitor ${host.slice(0, 100)}`;
  // One that has forgotten its monitor is known by the one that has not forgotten it.
  if (isRegistered && isMonitorDisabled(found.config)) return undefined;
  return 'it does not say which monitor it belongs to';
}

/**
 * The other monitor that a node is registered at, by the name of its container, which is there: a node that a file names may be
 * of a formation of the same name. One that is not there has nodes no more. Pure.
 */
export function otherMonitorOf(
  formation: Formation,
  keeperConfig: string,
  containers: { has(name: string): boolean },
): string | undefined {
  const host = hostOfMonitor(keeperConfig);
  const [name = ''] = host?.split('.') ?? [];
  return host !== undefined && host !== membersOf(formation)[0].host && containers.has(name)
    ? name
    : undefined;
}

/**
 * The monitor that a node is registered at, where nobody can tell from here whether it is there: by an address, or by a name
 * that is none of a container in the file's domain. Undefined for the file's own monitor, and for what may be a container's
 * name. Pure.
 */
export function strangeMonitorOf(formation: Formation, keeperConfig: string): string | undefined {
  const host = hostOfMonitor(keeperConfig)?.toLowerCase();
  if (host === undefined || host === membersOf(formation)[0].host.toLowerCase()) return undefined;
  const [name = '', ...domain] = host.split('.');
  const isContainer = isIP(host) === 0 && name !== '' && domain.join('.') === formation.incus.domain;
  return isContainer ? undefined : host;
}

async function keeperOf(kin: Kin, { name }: Instance): Promise<KeeperFound> {
  const { formation, locked, signal } = kin;
  const [, node] = membersOf(formation);
  if (node === undefined) throw new Error('a formation has data nodes');
  const facts = await readFacts(await locked(name), { ...node, name }, signal);
  return isBlank(facts) ? 'blank' : { config: facts.keeperConfig };
}
