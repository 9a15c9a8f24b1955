import { configured, partitionTimeoutOf } from '../member/keeper-config.ts';
import type { Found, FoundNode } from './found.ts';

/** Of a node, what a file has one value of for all; undefined where it is not known, or told elsewhere. */
const common: Record<string, (node: FoundNode) => string | undefined> = {
  network_partition_timeout: ({ keeperConfig }) => `${partitionTimeoutOf(keeperConfig)} s`,
  wal_sender_timeout: ({ postgres }) => postgres && `${postgres.walSenderTimeoutMs / 1000} s`,
  sslmode: ({ keeperConfig }) =>
    ['require', 'verify-ca', 'verify-full'].find((mode) => mode === configured(keeperConfig, 'sslmode')),
};

/** What is not the same on all nodes, a sentence each. Pure. */
export function differenceRemarks({ nodes }: Found): string[] {
  return Object.entries(common).flatMap(([name, of]) => {
    const told = nodes.filter((node) => of(node) !== undefined);
    if (new Set(told.map(of)).size < 2) return [];
    const each = told.map((node) => `${node.container}: ${of(node)}`).join(', ');
    return [`${name} is not the same on all nodes (${each}): the file has the first, for all of them`];
  });
}
