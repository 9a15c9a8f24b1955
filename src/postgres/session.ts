import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import './navigator.ts';
import pg from 'pg';
import { withDeadline } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import { guardAnswers } from './frames.ts';
import { shownText } from './shown-text.ts';
import {
  clientSettings,
  type SessionSettings,
  settingsSince,
  startupOptions,
  superuserSettings,
  superuserSettingsSince,
} from './startup.ts';

/** What `pg` takes for a socket, not yet connected, and what was said on it of its end. */
export interface PostgresStream extends Duplex {
  complaint(): string;
}

/** What a client logs in with over the network. */
export interface Login {
  user: string;
  password: string;
  /** The name that the server's certificate is held against, where `tls` says so; and the port. */
  host: string;
  port: number;
  /** False: without TLS. */
  tls: ConnectionOptions | false;
}

export type Row = Record<string, unknown>;

export interface SessionOptions {
  database: string;
  /** For the stream's opening and the server's greeting together. */
  connectDeadlineMs: number;
  signal?: AbortSignal | undefined;
  /** Absent: the superuser `postgres`, by peer authentication. */
  login?: Login;
  /** Postgres' major version, as far as it is known: an older server refuses settings that it does not know. */
  version?: number;
  /** What it has set besides what every session of its kind has. */
  settings?: SessionSettings;
  /**
   * What it says at its start and no more, in place of all settings: a pooler refuses what it does not know, and an
   * application's own session is as its connection string has it.
   */
  asGiven?: { options: string | undefined; applicationName: string | undefined };
  /** Whose Postgres that is, for messages of its own; absent where whoever asks names it. */
  server?: string;
}

/** The SQLSTATE of what a session threw, where it is an answer of the server's. */
export function sqlStateOf(error: unknown): string | undefined {
  const answer = error instanceof Error && error.cause instanceof pg.DatabaseError ? error.cause : error;
  return answer instanceof pg.DatabaseError ? answer.code : undefined;
}

/**
 * One Postgres session whose every use has a deadline. A session that misses one is closed: what its server
 * still does with the query is unknown.
 */
export class Session {
  private readonly client: pg.Client;
  private readonly stream: PostgresStream;
  private readonly postgres: string;
  private lostBecause: string | undefined;

  private constructor(client: pg.Client, stream: PostgresStream, server: string | undefined) {
    this.client = client;
    this.stream = stream;
    this.postgres = server === undefined ? 'Postgres' : `Postgres in ${server}`;
  }

  /**
   * Connects over `stream`, as the superuser `postgres` or with a login of its own.
   * @throws DeadlineError, or an Error that says what the server or the way to it answered
   */
  static async open(
    stream: PostgresStream,
    { database, connectDeadlineMs, signal, login, server, ...said }: SessionOptions,
  ): Promise<Session> {
    // pg takes these from the environment where its configuration cannot say no.
    delete process.env['PGREPLICATION'];
    delete process.env['PGSSLNEGOTIATION'];
    delete process.env['PGOPTIONS'];
    const client = new pg.Client({
      stream: () => stream,
      // Everything that pg would otherwise take from PGHOST, PGPORT, PGPASSWORD, PGOPTIONS, … is given here.
      host: login?.host ?? 'localhost',
      port: login?.port ?? 5432,
      user: login?.user ?? 'postgres',
      // A text that is empty would have it look in PGPASSWORD and ~/.pgpass.
      password: () => passwordOf(login),
      database,
      ssl: login?.tls ?? false,
      options: optionsOf(login, said),
      client_encoding: 'UTF8',
      application_name: said.asGiven?.applicationName ?? 'pgha',
    });
    guardAnswers(client);
    const session = new Session(client, stream, server);
    // Without a listener, a socket that dies while idle would end the process.
    client.on('error', (error) => session.markLost(toldBy(error)));
    client.on('end', () => session.markLost('the connection ended'));
    try {
      await withDeadline(
        `Postgres to accept a session on ${database}`,
        connectDeadlineMs,
        () => client.connect(),
        signal,
      );
      return session;
    } catch (error) {
      const complaint = stream.complaint();
      stream.destroy();
      // What is no Postgres is told by what it sent.
      if (error instanceof EnvironmentError) throw error;
      if (complaint) throw new Error(complaint, { cause: error });
      if (error instanceof pg.DatabaseError) error.message = toldBy(error);
      throw error;
    }
  }

  /** Why the session is over, or undefined while it lives. */
  get lost(): string | undefined {
    return this.lostBecause;
  }

  /** The id of the server's process for it; undefined where the server told none. */
  get backend(): number | undefined {
    // What the server's BackendKeyData said: pg keeps it, and its types do not tell.
    return (this.client as pg.Client & { processID: number | null }).processID ?? undefined;
  }

  private onLostListener: ((why: string) => void) | undefined;
  onLost(listener: (why: string) => void): void {
    this.onLostListener = listener;
    if (this.lostBecause !== undefined) listener(this.lostBecause);
  }

  private markLost(why: string): void {
    if (this.lostBecause !== undefined) return;
    this.lostBecause = this.stream.complaint() || why;
    this.onLostListener?.(this.lostBecause);
  }

  /** Calls `listener` once the way to the server is closed, from either end. */
  onClosed(listener: () => void): void {
    if (this.stream.closed) listener();
    else this.stream.once('close', listener);
  }

  /** Calls `listener` with the text of each warning of the server. */
  onWarning(listener: (text: string) => void): void {
    this.client.on('notice', (notice) => listener(shownText(notice.message ?? '')));
  }

  /** Runs one statement. @throws DeadlineError (and closes the session), or what the server answered */
  async query<T extends Row = Row>(
    text: string,
    values: readonly unknown[] = [],
    { deadlineMs = 5000, signal }: { deadlineMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<T[]> {
    if (this.lostBecause !== undefined)
      throw new EnvironmentError(`the session with ${this.postgres} ended: ${this.lostBecause}`);
    try {
      const answer = await withDeadline(
        `${this.postgres} to answer a query`,
        deadlineMs,
        () => this.client.query<T>(text, [...values]),
        signal,
      );
      return answer.rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError)
        throw new EnvironmentError(`${this.postgres} refused a statement: ${toldBy(error)}`, {
          cause: error,
        });
      this.markLost(toldBy(error));
      this.stream.destroy();
      if (signal?.aborted || error instanceof DeadlineError) throw error;
      throw new EnvironmentError(`the session with ${this.postgres} ended: ${this.lostBecause}`);
    }
  }

  /** Calls `listener` with each notification's payload on `channel`, from now on. */
  async listen(channel: 'state' | 'log', listener: (payload: string) => void): Promise<void> {
    this.client.on('notification', (message) => {
      if (message.channel === channel) listener(message.payload ?? '');
    });
    await this.query(`LISTEN ${channel}`);
  }

  /** Ends the session without waiting for the server. */
  close(): void {
    this.markLost('closed');
    this.stream.destroy();
  }
}

function optionsOf(
  login: Login | undefined,
  { asGiven, version = 0, settings = {} }: Pick<SessionOptions, 'asGiven' | 'version' | 'settings'>,
): string {
  if (asGiven !== undefined) return asGiven.options ?? '';
  return startupOptions({
    ...(login ? clientSettings : superuserSettings),
    ...(login ? settingsSince(version) : superuserSettingsSince(version)),
    ...settings,
  });
}

const undefinedParameter = '42704';

/**
 * Opens a session whose server may be older than it is said to be: then it gets fewer settings.
 * @param connect makes the stream for it, three times at most
 * @throws as Session.open, and as `connect`
 */
export async function openSession(
  connect: () => PostgresStream | Promise<PostgresStream>,
  options: SessionOptions & { version: number },
): Promise<Session> {
  for (const version of [options.version, 14]) {
    try {
      return await Session.open(await connect(), { ...options, version });
    } catch (error) {
      if (sqlStateOf(error) !== undefinedParameter) throw error;
    }
  }
  return await Session.open(await connect(), { ...options, version: 0 });
}

/** What a thrown thing says, of a length and in characters that fit anywhere. */
const toldBy = (error: unknown) => shownText(messageOf(error));

function passwordOf(login: Login | undefined): string {
  if (login === undefined)
    throw new EnvironmentError(
      'Postgres asks its superuser for a password where it should know the user (peer)',
    );
  return login.password;
}
