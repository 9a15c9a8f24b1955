import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { Openssl } from '../../unit/provision/authority.ts';

/** The first byte of a connection with TLS: a handshake's record. */
const handshake = 0x16;

/**
 * Stands before a server of the loopback: on one port it takes connections with TLS and without. Forgejo's runner clones
 * called workflows by https, whatever its server's address says (CloneURL in act/model/reusable.go).
 */
export class Front {
  private readonly sockets = new Set<Socket>();

  private constructor(
    /** Of the authority that issued its certificate. */
    readonly authority: string,
    private readonly servers: readonly Server[],
  ) {}

  static async open(port: number, behind: number): Promise<Front> {
    const openssl = new Openssl();
    const authority = openssl.authority('Tests');
    const { pem, key } = openssl.server(authority, 'IP:127.0.0.1');
    openssl.close();
    const toServer = () => connect(behind, '127.0.0.1');
    const secure = createSecureServer({ cert: pem, key }, (clear) => front.join(clear, toServer()));
    const open = createServer((client) => {
      client.on('error', () => client.destroy());
      client.once('data', (first) => {
        client.pause();
        const isSecure = first[0] === handshake;
        const to = isSecure ? connect((secure.address() as AddressInfo).port, '127.0.0.1') : toServer();
        to.write(first);
        front.join(client, to);
      });
    });
    const front = new Front(authority.pem, [open, secure]);
    await listen(secure, 0);
    await listen(open, port);
    return front;
  }

  close(): void {
    for (const server of this.servers) server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private join(one: Socket, other: Socket): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroySoon();
      });
      from.pipe(to);
    }
  }
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((listening, failed) => {
    server.on('error', failed);
    server.listen(port, '127.0.0.1', listening);
  });
}
