import { Socket } from 'node:net';
import type { TcpProbe } from '../formation/probes.ts';
import { nameLookup } from './name-lookup.ts';

/** Opens a connection, and closes it. @throws whatever it comes to */
export async function lookByTcp({ host, port }: TcpProbe, signal: AbortSignal): Promise<void> {
  const socket = new Socket({ signal });
  try {
    await new Promise<void>((connected, failed) => {
      socket.once('connect', connected);
      socket.on('error', failed);
      socket.connect({ host, port, lookup: nameLookup });
    });
  } finally {
    socket.destroy();
  }
}
