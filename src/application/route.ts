import { lookup } from 'node:dns/promises';
import { BlockList, isIP, Socket } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { Moment } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Member } from '../formation/formation.ts';
import { KnownAddresses } from '../incus/addresses.ts';
import type { Incus } from '../incus/incus.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import type { PostgresStream } from '../postgres/session.ts';

/** `direct`: sockets of this machine. `vantage`: sockets of a member's container, carried by `incus exec`. */
export const vias = ['direct', 'vantage'] as const;
export type Via = (typeof vias)[number];

/** From where the application's connections start. */
export interface Reach {
  via: Via;
  /** What it adds to each round trip, in milliseconds: the median of some when it was opened. */
  addedMs: number;
  /** A socket to an address, which connects when `pg` tells it to. @throws EnvironmentError when the way there is broken */
  socketToAddress(address: string, signal?: AbortSignal): Promise<PostgresStream>;
  /** The addresses of a host as they are where its sockets start, looked up anew. @throws Error where it has none, or the look-up fails */
  addressesOf(host: string, signal?: AbortSignal): Promise<string[]>;
  /**
   * Tells when it breaks itself, whatever becomes of the nodes, with the moment until which it was whole for certain;
   * and when it has mended itself, which it does once somebody asks for a socket.
   */
  watch(listener: { broken(why: string, wholeUntil: Moment): void; mended(): void }): void;
  close(): void;
}

/** A way for the application's connections to the nodes. */
export interface Route extends Reach {
  /** As socketToAddress. */
  socketTo(node: Member, signal?: AbortSignal): Promise<PostgresStream>;
  /**
   * Another of the same kind by a second way to the Incus cluster, which the loss of the first leaves whole.
   * @throws EnvironmentError when it cannot be opened
   */
  beside?(incus: Incus, signal?: AbortSignal): Promise<Route>;
}

export interface RouteOptions {
  incus: Incus;
  /** Whose container the connections start from where this machine has no route: the monitor's, for want of a reason. */
  vantage: Member;
  nodes: readonly Member[];
  port: number;
  /**
   * `auto` takes direct sockets where this machine is on the nodes' own network and every node answers one, else the
   * vantage: an address of theirs may be somebody else's in another network.
   */
  via: Via | 'auto';
  log: Log;
  signal?: AbortSignal | undefined;
}

const probeDeadlineMs = 700;
const relayDeadlineMs = 10_000;
const lookUpDeadlineMs = 5000;
const mostOfLookUp = 64 * 1024;
const pings = 21;
/** The protocol's SSLRequest (protocol-message-formats): its length, and a code in place of the version. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * Opens the way to the nodes. They are dialled by the addresses that Incus has for them, as their names need not
 * resolve on this machine; TLS holds their certificates against the names all the same.
 * @throws EnvironmentError when the vantage cannot be opened; as Incus.state
 */
export async function openRoute(options: RouteOptions): Promise<Route> {
  const { incus, nodes, via, log, signal } = options;
  const names = nodes.map(({ name }) => name);
  const addresses = await KnownAddresses.ask(incus, names, signal);
  const isNear = names.every((name) => addresses.of(name).some((address) => isOnOwnNetwork(address)));
  if (via === 'vantage' || (via === 'auto' && !isNear)) return await openVantage(options, addresses);
  const all = await everyNodeAnswers(directSocket, options, addresses);
  if (!all && via === 'auto') return await openVantage(options, addresses);
  log.debug('clients connect from this machine');
  return { ...direct, socketTo: async ({ name }) => directSocket(firstOf(addresses, name)) };
}

const direct: Reach = {
  via: 'direct',
  addedMs: 0,
  socketToAddress: async (address) => directSocket(address),
  async addressesOf(host, signal) {
    const found = await withDeadline(
      `the look-up of ${host}`,
      lookUpDeadlineMs,
      () => lookup(host, { all: true }),
      signal,
    );
    return found.map(({ address }) => address);
  },
  watch: () => {},
  close: () => {},
};

/** @throws EnvironmentError when the vantage cannot be opened */
export async function openReach(
  options: Pick<RouteOptions, 'incus' | 'vantage' | 'signal'> & { via: Via },
): Promise<Reach> {
  if (options.via === 'direct') return direct;
  const relay = await ContainerRelay.open(options.incus, options.vantage.name, 'nobody', options.signal);
  const addedMs = await orClosed(relay, () => medianPing(relay, options.signal));
  return overRelay(relay, addedMs, options);
}

/** Whether an interface of this machine is on the network of an address. */
export function isOnOwnNetwork(
  address: string,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): boolean {
  const own = new BlockList();
  for (const { cidr, internal, family } of Object.values(interfaces).flatMap((each) => each ?? [])) {
    const [network, prefix] = cidr?.split('/') ?? [];
    if (!internal && network !== undefined)
      own.addSubnet(network, Number(prefix), family === 'IPv4' ? 'ipv4' : 'ipv6');
  }
  return own.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

async function openVantage(options: RouteOptions, addresses: KnownAddresses): Promise<Route> {
  const { incus, vantage, log, signal } = options;
  const first = await ContainerRelay.open(incus, vantage.name, 'nobody', signal);
  const addedMs = await orClosed(first, () => tried(first, options, addresses));
  log.debug(
    `clients connect from ${vantage.name} by ${incus.remote}, which adds ${addedMs} ms to a round trip`,
  );
  const route = overRelay(first, addedMs, options);
  return {
    ...route,
    socketTo: async ({ name }, inner) => await route.socketToAddress(firstOf(addresses, name), inner),
    beside: async (second, inner) =>
      await openVantage({ ...options, incus: second, signal: inner }, addresses),
  };
}

/** What goes by a relay, and by another in its place once that has ended. */
function overRelay(
  first: ContainerRelay,
  addedMs: number,
  { incus, vantage }: Pick<RouteOptions, 'incus' | 'vantage'>,
): Reach {
  const stopped = new AbortController();
  let listener: Parameters<Route['watch']>[0] = { broken() {}, mended() {} };
  const watched = (open: ContainerRelay) => {
    open.onLost = (why) =>
      listener.broken(`the clients' way through ${vantage.name} broke: ${why}`, open.heardAt);
    return open;
  };
  const another = async () => {
    const open = watched(await ContainerRelay.open(incus, vantage.name, 'nobody', stopped.signal));
    listener.mended();
    return open;
  };
  let relay = Promise.resolve(watched(first));
  const living = async (inner: AbortSignal | undefined) => {
    relay = livingOr(relay, another);
    return await withDeadline('the relay', relayDeadlineMs, () => relay, inner);
  };
  return {
    via: 'vantage',
    addedMs,
    socketToAddress: async (address, inner) => quiet((await living(inner)).tcpSocket(address)),
    async addressesOf(host, inner) {
      const open = await living(inner);
      // The relay itself takes no names: a look-up would hold up every connection.
      const found = await open.read(['getent', 'ahosts', host], {
        ...{ deadlineMs: lookUpDeadlineMs, maxBytes: mostOfLookUp, signal: inner },
      });
      return [...new Set(found.split('\n').flatMap((line) => /^(\S+)\s+STREAM/.exec(line)?.[1] ?? []))];
    },
    watch(given) {
      listener = given;
    },
    close() {
      stopped.abort(new EnvironmentError('the way to the nodes was closed'));
      relay.then(
        (open) => open.close(),
        () => {},
      );
    },
  };
}

/** Finds the nodes' addresses that answer. @returns as `Route.addedMs` */
async function tried(
  relay: ContainerRelay,
  options: RouteOptions,
  addresses: KnownAddresses,
): Promise<number> {
  const addedMs = await medianPing(relay, options.signal);
  await everyNodeAnswers((address) => relay.tcpSocket(address), options, addresses);
  return addedMs;
}

async function orClosed<T>(relay: ContainerRelay, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    relay.close();
    throw error;
  }
}

/** The relay, or another in its place where it could not be opened or has ended. Whoever asks meanwhile waits for the same. */
async function livingOr(
  relay: Promise<ContainerRelay>,
  another: () => Promise<ContainerRelay>,
): Promise<ContainerRelay> {
  const living = await relay.then(
    (open) => (open.lost === undefined ? open : undefined),
    () => undefined,
  );
  return living ?? (await another());
}

async function medianPing(relay: ContainerRelay, signal: AbortSignal | undefined): Promise<number> {
  const took: number[] = [];
  for (let ping = 0; ping < pings; ping++)
    took.push(await withDeadline('the relay to answer', relayDeadlineMs, () => relay.ping(), signal));
  return Math.round((took.sort((one, other) => one - other)[(pings - 1) / 2] ?? 0) * 1000) / 1000;
}

/** Finds the address of each node that Postgres answers on, and puts it first. */
async function everyNodeAnswers(
  socketTo: (address: string) => PostgresStream,
  { nodes, port, signal }: RouteOptions,
  addresses: KnownAddresses,
): Promise<boolean> {
  const answers = nodes.map(async ({ name }) => {
    for (const address of addresses.of(name)) {
      if (await answersAsPostgres(quiet(socketTo(address)), port, signal)) {
        addresses.prefer(name, address);
        return true;
      }
    }
    return false;
  });
  return (await Promise.all(answers)).every((answered) => answered);
}

/** Whether a Postgres that speaks TLS is at the other end. A connection alone proves nothing: proxies accept any. */
async function answersAsPostgres(
  socket: PostgresStream,
  port: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return (await answerToSsl(socket, port, probeDeadlineMs, signal)) === 'S';
}

/** What is answered to the question for TLS: `S` or `N` by what may be a Postgres; undefined for nothing in time. */
export async function answerToSsl(
  socket: PostgresStream,
  port: number,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const answer = new Promise<string | undefined>((answered) => {
    socket.once('connect', () => socket.write(sslRequest));
    socket.once('data', (bytes: Buffer) => answered(bytes.toString('latin1')));
    socket.once('close', () => answered(undefined));
    (socket as PostgresStream & { connect(port: number): unknown }).connect(port);
  });
  try {
    return await withDeadline('Postgres to answer', deadlineMs, () => answer, signal);
  } catch {
    signal?.throwIfAborted();
    return undefined;
  } finally {
    socket.destroy();
  }
}

/** pg says which host to connect to; the address is ours to choose. */
function directSocket(address: string): PostgresStream {
  const socket = new Socket();
  const connectTo = socket.connect.bind(socket) as (port: number, host: string) => Socket;
  const connect = (port: number) => connectTo(port, address);
  return quiet(Object.assign(socket, { connect, complaint: () => '' }));
}

/** An error between the socket's making and pg's listening would end the process. */
function quiet<T extends PostgresStream>(socket: T): T {
  socket.on('error', () => {});
  return socket;
}

function firstOf(addresses: KnownAddresses, name: string): string {
  const address = addresses.of(name)[0];
  if (address === undefined) throw new EnvironmentError(`Incus knows no address of ${name}`);
  return address;
}
