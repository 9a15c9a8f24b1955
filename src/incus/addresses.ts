import type { Incus } from './incus.ts';

interface RawState {
  network: Record<string, { addresses: { address: string; scope: string }[] | null }> | null;
}

/** The addresses that others reach an instance by, as Incus sees them: none while it is stopped. Throws as Incus.query does. */
export async function addressesOf(incus: Incus, instance: string, signal?: AbortSignal): Promise<string[]> {
  const path = `/1.0/instances/${encodeURIComponent(instance)}/state`;
  const { network } = (await incus.query(path, signal)) as RawState;
  return Object.values(network ?? {})
    .flatMap(({ addresses }) => addresses ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ address }) => address);
}
