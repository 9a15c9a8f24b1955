import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';

/**
 * Names that are being resolved. A resolver that does not answer keeps one of Node's few threads for as long as it is asked,
 * whatever becomes of who asked: a name is asked for once at a time, by however many looks.
 */
const pending = new Map<string, Promise<LookupAddress[]>>();

function addressesOf(name: string): Promise<LookupAddress[]> {
  const known = pending.get(name);
  if (known !== undefined) return known;
  const asked = lookup(name, { all: true }).finally(() => pending.delete(name));
  pending.set(name, asked);
  return asked;
}

/** As Node's own, for sockets: every look asks anew, so that a name which leads elsewhere now is followed. */
export const nameLookup: LookupFunction = (name, options, done) => {
  addressesOf(name).then(
    (found) => {
      const [first] = found;
      if (options.all) done(null, found);
      else done(null, first?.address ?? '', first?.family);
    },
    (error: NodeJS.ErrnoException) => done(error, []),
  );
};
