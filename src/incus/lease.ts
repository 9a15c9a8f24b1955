import { connect, createServer, type Server } from 'node:net';
import { EnvironmentError, messageOf } from '../contract/errors.ts';

/**
 * What tells that orders may still be on their way to Incus: a name that the kernel keeps for as long as any process
 * holds it, and takes away with the last of them however that ends. A drill holds it, and hands it to every command that
 * changes something; one that outlives its drill, as a client of Incus that is slow to send its request, holds it on. Whoever
 * undoes what a drill did asks for it by the drill's id: on the same machine, since no other can be told of by a kernel.
 *
 * The name is that of a socket in Linux's abstract namespace (unix(7)), which lies in no folder and which every process
 * of the machine can ask for. Nothing is said over it.
 */
export interface Lease {
  /** To be inherited by a command; undefined once this process holds it no longer, and where there is none of the kind. */
  readonly fd: number | undefined;
  /** Lets go of it. Commands that were given it hold it on. */
  release(): void;
}

/** Of a drill's id alone: a mark may have been written by hand. */
const nameOf = (drill: string) => (/^[0-9a-f]{12}$/.test(drill) ? `\0pgha-drill-${drill}` : undefined);
const isPossible = process.platform === 'linux';

/** @throws EnvironmentError when it cannot be acquired: then nothing must be done that might outlive us unseen */
export async function holdLease(drill: string): Promise<Lease> {
  const path = nameOf(drill);
  if (path === undefined || !isPossible) return { fd: undefined, release() {} };
  const server = createServer((caller) => caller.destroy());
  try {
    await new Promise<void>((listening, failed) => {
      server.once('error', failed);
      server.listen({ path }, listening);
    });
  } catch (error) {
    throw new EnvironmentError(
      `the drill cannot record on this machine that it is under way, so nothing was done: ${messageOf(error)}`,
    );
  }
  server.on('error', () => {});
  server.unref();
  return {
    get fd() {
      return server.listening ? descriptorOf(server) : undefined;
    },
    release: () => void server.close(),
  };
}

/** Node has no word of its own for it. */
function descriptorOf(server: Server): number | undefined {
  const fd = (server as unknown as { _handle?: { fd?: number } })._handle?.fd;
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

/** Whether any process on this machine holds it: the drill, or a command of its. Never throws. */
export async function isLeaseHeld(drill: string | undefined): Promise<boolean> {
  const path = drill === undefined ? undefined : nameOf(drill);
  if (path === undefined || !isPossible) return false;
  return await new Promise<boolean>((told) => {
    const caller = connect({ path });
    caller.once('connect', () => {
      caller.destroy();
      told(true);
    });
    // Refused by nobody but a kernel that knows no such name; a queue that is full (EAGAIN) is somebody's.
    caller.once('error', (error: NodeJS.ErrnoException) => told(error.code !== 'ECONNREFUSED'));
  });
}
