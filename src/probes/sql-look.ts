import { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import '../postgres/navigator.ts';
import pg from 'pg';
import { withDeadline } from '../clock/deadline.ts';
import { DeadlineError, messageOf } from '../contract/errors.ts';
import type { SqlProbe, SqlValue } from '../formation/probes.ts';
import { guardAnswers } from '../postgres/frames.ts';
import { shownText } from '../postgres/shown-text.ts';
import { BrokenError, LateAnswerError } from './broken.ts';
import { nameLookup } from './name-lookup.ts';
import { type SqlTarget, tlsBy } from './sql-uri.ts';

/** A server that is told good-bye has so long to hear it. */
const farewellMs = 500;

/** Where it goes, and for how long a look may take. */
export interface SqlLogin extends SqlTarget {
  /** PEM. */
  ca: string | undefined;
  timeoutMs: number;
}

/** As text, as the server sends it. */
type Cells = (string | null)[];

/**
 * Runs its statement once, on a connection of its own to the first host that will do. What it sends is what any client
 * sends: neither settings nor prepared statements, which a pooler may refuse.
 * @throws BrokenError where other rows came than should, and whatever the connection comes to
 */
export async function lookBySql(asks: SqlProbe, target: SqlLogin, signal: AbortSignal): Promise<void> {
  const client = await firstThatDoes(target, signal);
  try {
    judge(asks, await rowsOf(client, asks.query));
  } finally {
    leave(client);
  }
}

/**
 * Whatever keeps it from one host, it goes on to the next, as libpq does. One that is silent has its connect_timeout, or its
 * share of the time that there is.
 */
async function firstThatDoes(target: SqlLogin, signal: AbortSignal): Promise<pg.Client> {
  const { hosts, connectTimeoutMs = target.timeoutMs / hosts.length } = target;
  const refusals: string[] = [];
  let isLate = false;
  for (const place of hosts) {
    try {
      return await withDeadline('a session', connectTimeoutMs, (inner) =>
        connected(place, target, AbortSignal.any([inner, signal])),
      );
    } catch (error) {
      signal.throwIfAborted();
      isLate ||= error instanceof DeadlineError;
      const why =
        error instanceof DeadlineError ? `no session in ${connectTimeoutMs / 1000} s` : messageOf(error);
      if (hosts.length === 1 && !(error instanceof DeadlineError)) throw error;
      refusals.push(hosts.length === 1 ? why : `${place.host}: ${why}`);
    }
  }
  const told = refusals.join('; ');
  throw isLate ? new LateAnswerError(told, connectTimeoutMs) : new BrokenError(told);
}

async function connected(
  place: SqlTarget['hosts'][number],
  target: SqlLogin,
  signal: AbortSignal,
): Promise<pg.Client> {
  const tls = tlsBy(target.sslMode, target.ca);
  let client: pg.Client;
  try {
    client = await open(place, target, tls, signal);
  } catch (error) {
    // libpq's `prefer` goes on without where the server knows none. `pg` has no other word for it.
    if (target.sslMode !== 'prefer' || messageOf(error) !== 'The server does not support SSL connections')
      throw error;
    client = await open(place, target, undefined, signal);
  }
  if (target.target === 'any') return client;
  const [[readOnly] = []] = await rowsOf(client, 'SHOW transaction_read_only');
  if (readOnly !== 'on') return client;
  leave(client);
  throw new Error('the session is read-only');
}

async function open(
  { host, port }: SqlTarget['hosts'][number],
  { user, password, database, applicationName }: SqlTarget,
  tls: ConnectionOptions | undefined,
  signal: AbortSignal,
): Promise<pg.Client> {
  const stream = new Socket({ signal });
  const connectTo = stream.connect.bind(stream) as (how: object) => Socket;
  stream.connect = (() => connectTo({ host, port, lookup: nameLookup })) as Socket['connect'];
  stream.on('error', () => {});
  // What is left out `pg` takes from the environment.
  for (const name of ['PGOPTIONS', 'PGREPLICATION', 'PGSSLNEGOTIATION']) delete process.env[name];
  const client = new pg.Client({
    stream: () => stream,
    host,
    port,
    user,
    password: () => password,
    database,
    ssl: tls ?? false,
    client_encoding: 'UTF8',
    application_name: applicationName,
    types: { getTypeParser: () => (text: string) => text },
  });
  guardAnswers(client);
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    stream.destroy();
    throw error instanceof pg.DatabaseError ? new BrokenError(shownText(messageOf(error))) : error;
  }
}

async function rowsOf(client: pg.Client, query: string): Promise<Cells[]> {
  try {
    const answer = await client.query<Cells>({ text: query, rowMode: 'array' });
    // Of several statements there are several answers: the last counts.
    const last = Array.isArray(answer) ? (answer.at(-1) as { rows: Cells[] }) : answer;
    return last.rows;
  } catch (error) {
    throw error instanceof pg.DatabaseError ? new BrokenError(shownText(messageOf(error))) : error;
  }
}

function judge({ rows: wanted }: SqlProbe, found: readonly Cells[]): void {
  if (wanted === undefined) return;
  const count = typeof wanted === 'number' ? wanted : wanted.length;
  if (found.length !== count) throw new BrokenError(`${found.length} rows came of it, not ${count}`);
  if (typeof wanted === 'number') return;
  for (const [index, row] of wanted.entries()) {
    const cells = found[index] ?? [];
    if (row.length !== cells.length || !row.every((value, at) => isSame(value, cells[at] ?? null)))
      throw new BrokenError(`row ${index + 1} of what came of it is not the one that should`);
  }
}

/** What a file says of a value, and what a server sends of it. */
function isSame(wanted: SqlValue, sent: string | null): boolean {
  if (wanted === null || sent === null) return wanted === sent;
  if (typeof wanted === 'boolean') return (wanted ? ['t', 'true'] : ['f', 'false']).includes(sent);
  if (typeof wanted === 'number') return sent.trim() !== '' && Number(sent) === wanted;
  return wanted === sent;
}

/** Without it a server writes into its log that a client was gone. */
function leave(client: pg.Client): void {
  const end = client.end().catch(() => {});
  const stream = (client as unknown as { connection: { stream: Socket } }).connection.stream;
  const timer = setTimeout(() => stream.destroy(), farewellMs);
  timer.unref();
  void end.then(() => clearTimeout(timer));
}
