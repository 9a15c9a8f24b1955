import type { Incus } from '../incus/incus.ts';
import clock from '../incus/scripts/monotonic-clock.pl';
import type { Trace } from './fault.ts';
import script from './scripts/packet-filter.pl';
import waiting from './scripts/wait-then-isolate.pl';

const deadlineMs = 15_000;

/** What is dropped: all from and to the addresses; all but the container's own; one packet in so many. */
export type Filter = { block: readonly string[] } | 'isolate' | { loseOneIn: number };

/** The command that puts a filter in force inside a container, in place of an earlier one. */
export function filterCommand(filter: Filter): string[] {
  const perl = ['perl', '-e', script];
  if (filter === 'isolate') return [...perl, 'isolate'];
  if ('block' in filter) return [...perl, 'block', ...filter.block];
  return [...perl, 'lose', String(filter.loseOneIn)];
}

/** The same of `isolate`, which waits for its moment (scripts/wait-then-isolate.pl). */
export const armedFilterCommand = (): string[] => [
  'perl',
  '-e',
  [script, waiting, clock].join('\n'),
  'isolate-at',
];

/** @throws CommandError when the kernel refuses it, with what it said */
export async function setFilter(incus: Incus, container: string, filter: Filter): Promise<void> {
  await incus.exec(container, filterCommand(filter), { deadlineMs });
}

/** A filter that is in force. */
export const packetFilter: Trace = {
  async remove(incus, container, _, signal) {
    const said = await incus.read(container, ['perl', '-e', script, 'lift'], { deadlineMs, signal });
    return said.trim() === 'lifted' ? 'packet filter lifted' : undefined;
  },
};
