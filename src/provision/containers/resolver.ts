import type { MemberContainer } from '../member-container.ts';
import type { Steps } from '../steps.ts';
import { waitForNetwork } from './network.ts';
import multicastInUse from './scripts/multicast.sh';

/** systemd-resolved of a container, where it has one: it is to ask the name server, and no neighbour. */

export const resolverPath = '/etc/systemd/resolved.conf.d/pgha.conf';
/**
 * A neighbour's answer is a name without its domain, and may come before the name server's: no rule of pg_hba.conf matches
 * that, and a node is not let in. Debian's asks neighbours, Ubuntu's does not.
 */
export const resolverText = `# Written by pgha: pg_hba.conf knows the members by their whole names, and no neighbour tells these.
[Resolve]
LLMNR=no
MulticastDNS=no
`;

/** What of a container's resolver matters. */
export interface ResolverFacts {
  /** How it asks neighbours: `llmnr`, `mdns`; nothing where it does not, or there is none that runs. */
  multicast: readonly string[];
  /** What pgha has written for it, '' for nothing. */
  resolver: string;
  /** Whether it has yet to read that: a run was killed between the two. */
  resolverBehind: boolean;
}

/** Has the resolver of a container ask no neighbour, as a step of its run. What is quiet already is left alone. */
export async function ensureQuietResolver(container: MemberContainer, found: ResolverFacts): Promise<void> {
  const { multicast, resolver, resolverBehind } = found;
  if (multicast.length === 0) return;
  const how = multicast.join(', ');
  const isDue = resolver !== resolverText || resolverBehind;
  if (isDue) {
    const what = `keep systemd-resolved from asking neighbours for names (${how}); it restarts, and no name is known for a moment`;
    await container.take(what, () => quieten(container));
    // Whether that is enough shows itself once it is done.
    if (container.steps.planning || (await readMulticast(container)).length === 0) return;
  }
  container.steps.warn(
    `systemd-resolved in ${container.name} asks neighbours for names (${how}) in spite of ${resolverPath}: look for what turns that on again in /etc/systemd/resolved.conf.d`,
  );
}

/** Says of a resolver that is others' to change what would be changed. */
export function warnOfResolver(steps: Steps, name: string, { multicast }: ResolverFacts): void {
  if (multicast.length > 0)
    steps.warn(
      `systemd-resolved in ${name} asks neighbours for names (${multicast.join(', ')}), so that a node may not be let in there; the file keeps the monitor as it is: have LLMNR=no and MulticastDNS=no written below [Resolve] to a file in its /etc/systemd/resolved.conf.d, and systemd-resolved restarted`,
    );
}

/** The same without a step, for a container that is made ready for others or is looked at alone. */
export async function quietenResolver(container: MemberContainer): Promise<void> {
  if ((await readMulticast(container)).length > 0) await quieten(container);
}

async function quieten(container: MemberContainer): Promise<void> {
  await container.write(resolverPath, resolverText);
  await container.exec(['systemctl', 'restart', 'systemd-resolved.service'], { deadlineMs: 30_000 });
  await waitForNetwork(container);
}

async function readMulticast(container: MemberContainer): Promise<string[]> {
  const script = ['sh', '-c', `${multicastInUse}multicast_in_use "$1"\n`, 'sh', resolverPath];
  return parseMulticast(await container.read(script, { deadlineMs: 20_000 }));
}

/** The lines of `multicast.sh`, among others. */
export function parseMulticast(text: string): string[] {
  return [...text.matchAll(/^multicast (\w+)$/gm)].map(([, how = '']) => how);
}
