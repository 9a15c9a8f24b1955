import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { applicationAccess } from '../../src/application/access.ts';
import { openRoute, type Route } from '../../src/application/route.ts';
import { openWritable, type WayIn } from '../../src/application/way-in.ts';
import { sleep } from '../../src/clock/deadline.ts';
import { parseFormation } from '../../src/formation/file/load.ts';
import { type Member, membersOf } from '../../src/formation/formation.ts';
import { placeholderPassword } from '../../src/postgres/placeholder.ts';
import { keptLog } from '../unit/builders.ts';
import { lab } from './clients.ts';

/** A small service of somebody's own, which writes to the formation: what probes ask of it comes of a real write. */
export interface ProbedService {
  /** Each request is answered by one write; 503 where none was acknowledged in time. It wants its token. */
  url: string;
  token: string;
  /** Listens for as long as the service's last write was acknowledged. */
  readyPort: number;
  /** Ports of this machine that lead to Postgres of each node, in the order of the file. */
  nodePorts: number[];
  stop(): Promise<void>;
}

const writeDeadlineMs = 2000;
const host = '127.0.0.1';

export async function startService(yaml: string): Promise<ProbedService> {
  const formation = parseFormation(yaml, 'formation.yml');
  const [monitor, ...nodes] = membersOf(formation);
  const { port } = formation.postgres;
  const found = applicationAccess(formation, { password: placeholderPassword });
  if (!('access' in found)) throw new Error(found.missing);
  const route = await openRoute({
    incus: lab,
    vantage: monitor,
    nodes,
    port,
    via: 'vantage',
    log: keptLog(),
  });
  const way: WayIn = { access: found.access, route, connectDeadlineMs: writeDeadlineMs };
  await write(way, 'CREATE TABLE IF NOT EXISTS public.orders (at timestamptz DEFAULT now())');
  const token = 'Bearer a-token-of-the-service';
  const store = () => write(way, 'INSERT INTO public.orders DEFAULT VALUES');
  const http = createHttpServer((request, answer) => {
    if (request.headers.authorization !== token) return void answer.writeHead(401).end();
    store().then(
      () => answer.end('{"stored":true}'),
      (error: Error) => answer.writeHead(503).end(error.message),
    );
  });
  const httpPort = await listen(http, 0);
  const forwarders = nodes.map((node) => forwarder(route, node, port));
  const nodePorts = await Promise.all(forwarders.map((each) => listen(each, 0)));
  const ready = await readiness(store);
  return {
    url: `http://${host}:${httpPort}/orders`,
    token,
    readyPort: ready.port,
    nodePorts,
    async stop() {
      await ready.stop();
      for (const server of [http, ...forwarders]) server.close();
      http.closeAllConnections();
      await write(way, 'DROP TABLE public.orders').catch(() => {});
      route.close();
    },
  };
}

async function write(way: WayIn, text: string): Promise<void> {
  const tried = await openWritable(way);
  if ('refusals' in tried) throw new Error('no node takes writes');
  const { session } = tried.opened;
  try {
    await session.query(text, [], { deadlineMs: writeDeadlineMs });
  } finally {
    session.close();
  }
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((up, failed) => {
    server.once('error', failed);
    server.listen(port, host, up);
  });
  return (server.address() as AddressInfo).port;
}

/** What comes in goes to the node, and back. */
function forwarder(route: Route, node: Member, port: number): Server {
  return createServer((client: Socket) => {
    client.on('error', () => {});
    route.socketTo(node).then(
      (there) => {
        there.on('error', () => client.destroy());
        there.once('close', () => client.destroy());
        client.once('close', () => there.destroy());
        (there as unknown as { connect(port: number): void }).connect(port);
        client.pipe(there).pipe(client);
      },
      () => client.destroy(),
    );
  });
}

/** A port that is there while writes are acknowledged. */
async function readiness(store: () => Promise<void>) {
  let server = createServer((client) => client.end());
  const port = await listen(server, 0);
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const isReady = await store().then(
        () => true,
        () => false,
      );
      if (isOver) break;
      if (!isReady && server.listening) server.close();
      if (isReady && !server.listening) {
        server = createServer((client) => client.end());
        await listen(server, port);
      }
      await sleep(100);
    }
  })();
  return {
    port,
    async stop() {
      isOver = true;
      await watching;
      server.close();
    },
  };
}
