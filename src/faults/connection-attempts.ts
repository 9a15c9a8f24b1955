import { EnvironmentError } from '../contract/errors.ts';
import type { Incus } from '../incus/incus.ts';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import script from './scripts/connection-attempts.pl';

/** What became of the attempts at one address. What is neither answered nor failed met silence. */
export interface ConnectionAttempts {
  address: string;
  times: number;
  answered: number;
  /** Ended at once by this side's own system, as where there is no route. */
  failed: number;
  /** Of those that were answered: nobody listens there. */
  refused: number;
}

export interface AttemptOptions {
  port: number;
  /** Attempts at each address. */
  times: number;
  waitMs: number;
  signal?: AbortSignal | undefined;
}

export function attemptCommand(
  addresses: readonly string[],
  { port, times, waitMs }: AttemptOptions,
): string[] {
  return ['perl', '-e', script, String(port), String(times), String(waitMs / 1000), ...addresses];
}

/** @returns undefined for text that is not the script's */
export function parseAttempts(text: string, times: number): ConnectionAttempts[] | undefined {
  const found = text
    .trim()
    .split('\n')
    .map((line) => /^(\S+) (\d+) (\d+) (\d+)$/.exec(line));
  if (!found.every((match) => match !== null)) return undefined;
  return found.map(([, address = '', answered, failed, refused]) => ({
    address,
    times,
    answered: Number(answered),
    failed: Number(failed),
    refused: Number(refused),
  }));
}

const moreMs = 15_000;
/** Where the way is open already, no more is waited for than the attempts themselves. */
const moreThroughRelayMs = 2000;
const mostBytes = 4096;

/** @throws EnvironmentError when the container cannot run it; CommandError, DeadlineError as Incus.read */
export async function attemptConnections(
  incus: Incus,
  container: string,
  addresses: readonly string[],
  options: AttemptOptions,
): Promise<ConnectionAttempts[]> {
  const { signal, waitMs } = options;
  const command = attemptCommand(addresses, options);
  return parsed(
    container,
    await incus.read(container, command, { deadlineMs: waitMs + moreMs, signal }),
    options,
  );
}

/**
 * The same by a way into the container that is open already: a cluster that has just lost its leader opens no other for
 * some seconds. Where that way does not do, by a new one.
 * @throws as attemptConnections
 */
export async function attemptThrough(
  relay: Pick<ContainerRelay, 'read'> | undefined,
  incus: Incus,
  container: string,
  { addresses, ...options }: AttemptOptions & { addresses: readonly string[] },
): Promise<ConnectionAttempts[]> {
  const { signal, waitMs } = options;
  const within = { deadlineMs: waitMs + moreThroughRelayMs, maxBytes: mostBytes, signal };
  try {
    if (relay !== undefined)
      return parsed(container, await relay.read(attemptCommand(addresses, options), within), options);
  } catch {
    signal?.throwIfAborted();
  }
  return await attemptConnections(incus, container, addresses, options);
}

function parsed(container: string, said: string, { times }: AttemptOptions): ConnectionAttempts[] {
  const found = parseAttempts(said, times);
  if (!found)
    throw new EnvironmentError(
      `the attempts to connect from ${container} ended with ${JSON.stringify(said.slice(0, 100))}`,
    );
  return found;
}
