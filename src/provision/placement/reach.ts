import { retryUntil } from '../../clock/deadline.ts';
import { EnvironmentError } from '../../contract/errors.ts';
import type { Member } from '../../formation/formation.ts';
import type { Context } from '../context.ts';
import reach from './scripts/reach.sh';

const deadlineMs = 20_000;

/**
 * A container that was just launched on a host of a cluster reaches the others, and they it: a managed bridge is each host's
 * own, which shows here and not minutes later, when a node waits for its monitor in vain.
 * @param others members whose containers run
 * @throws EnvironmentError that says who does not reach whom, and why
 */
export async function requireReach(ctx: Context, fresh: Member, others: readonly Member[]): Promise<void> {
  await Promise.all(
    others.flatMap((other) => [requireWay(ctx, fresh, other), requireWay(ctx, other, fresh)]),
  );
}

async function requireWay(ctx: Context, from: Member, to: Member): Promise<void> {
  const { signal, formation } = ctx;
  const { port } = formation.postgres;
  let said = '';
  const what = `${from.name} to reach ${to.name}`;
  try {
    await retryUntil(what, { deadlineMs, pauseMs: 300, signal }, async (inner) => {
      const command = ['sh', '-c', reach, 'sh', to.host, String(port)];
      said = (await ctx.container(from).endingWith(inner).read(command, { deadlineMs: 10_000 })).trim();
      return said === '' || undefined;
    });
  } catch {
    signal.throwIfAborted();
    throw new EnvironmentError(
      `${from.name} does not reach ${to.name} (${to.host}, port ${port}${said === '' ? '' : `: ${said}`}); members on several hosts need a network that all of these share, and names that resolve on each: a managed bridge such as incusbr0 is each host's own (docs/hosts.md)`,
    );
  }
}
