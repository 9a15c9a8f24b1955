import { retryUntil } from '../../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../../contract/errors.ts';
import type { MemberContainer } from '../member-container.ts';
import networkReady from './scripts/network-ready.sh';

/** @throws EnvironmentError when the container has no address or its name does not resolve within a minute */
export async function waitForNetwork(container: MemberContainer): Promise<void> {
  const { signal } = container;
  const { name, host } = container.member;
  try {
    await retryUntil(
      `${name} to have an address and to resolve ${host}`,
      { deadlineMs: 60_000, pauseMs: 100, signal },
      async (inner) => {
        const ready = ['sh', '-c', networkReady, 'sh', host];
        await container.endingWith(inner).exec(ready, { deadlineMs: 30_000 });
        return true;
      },
    );
  } catch (error) {
    signal.throwIfAborted();
    throw new EnvironmentError(
      `${messageOf(error)}; the network of the container's profile must give addresses and DNS (incus.domain names its domain)`,
    );
  }
}
