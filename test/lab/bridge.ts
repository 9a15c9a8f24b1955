import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { inside } from './harness.ts';

/** Packets that the lab's bridge drops vanish in silence, as where a switch died or a firewall was changed. */

const table = 'pgha_checks';

/** Drops what `from` sends to Postgres on `to`; with `bothWays`, everything between the two. */
export async function cutBridge(from: string, to: string, bothWays = false): Promise<void> {
  const [one, other] = await Promise.all([macOf(from), macOf(to)]);
  const rules = bothWays
    ? `ether saddr ${one} ether daddr ${other} drop; ether saddr ${other} ether daddr ${one} drop;`
    : `ether saddr ${one} ether daddr ${other} tcp dport 5432 drop;`;
  await nft(`table bridge ${table} { chain cut { type filter hook forward priority 0; ${rules} }; }`);
}

/** Lets everything through again, whatever was cut. */
export async function healBridge(): Promise<void> {
  await nft(`table bridge ${table}; delete table bridge ${table}`);
}

async function macOf(container: string): Promise<string> {
  return (await inside(container, 'cat', '/sys/class/net/eth0/address')).trim();
}

async function nft(rules: string): Promise<void> {
  const netns = process.env['PGHA_LAB_NETNS'] ?? '';
  await promisify(execFile)('ip', ['netns', 'exec', netns, 'nft', rules], { timeout: 10_000 });
}
