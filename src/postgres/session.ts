import pg from 'pg';
import { withDeadline } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import type { SqlStream } from '../incus/sql-stream.ts';

export type Row = Record<string, unknown>;

export interface SessionOptions {
  database: string;
  /** For the stream's opening and the server's greeting together. */
  connectDeadlineMs: number;
  signal?: AbortSignal | undefined;
}

/**
 * One Postgres session whose every use has a deadline. A session that misses one is closed: what its server
 * still does with the query is unknown.
 */
export class Session {
  private readonly client: pg.Client;
  private readonly stream: SqlStream;
  private lostBecause: string | undefined;

  private constructor(client: pg.Client, stream: SqlStream) {
    this.client = client;
    this.stream = stream;
  }

  /**
   * Connects as the superuser `postgres` over `stream`.
   * @throws DeadlineError, or an Error that says what the server or the way to it answered
   */
  static async open(
    stream: SqlStream,
    { database, connectDeadlineMs, signal }: SessionOptions,
  ): Promise<Session> {
    // pg takes these from the environment where its configuration cannot say no.
    delete process.env['PGREPLICATION'];
    delete process.env['PGSSLNEGOTIATION'];
    const client = new pg.Client({
      stream: () => stream,
      // Everything that pg would otherwise take from PGHOST, PGPORT, PGPASSWORD, PGOPTIONS, … is given here.
      host: 'localhost',
      port: 5432,
      user: 'postgres',
      password: '',
      database,
      ssl: false,
      options: '-c search_path=pg_catalog',
      client_encoding: 'UTF8',
      application_name: 'pgha',
    });
    const session = new Session(client, stream);
    // Without a listener, a socket that dies while idle would end the process.
    client.on('error', (error) => session.markLost(messageOf(error)));
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
      const isSilent = error instanceof DeadlineError || signal?.aborted;
      const complaint = isSilent ? stream.complaint() : await stream.lastWords();
      stream.destroy();
      // What is no Postgres is told by what it sent.
      if (error instanceof EnvironmentError) throw error;
      throw complaint ? new Error(complaint, { cause: error }) : error;
    }
  }

  /** Why the session is over, or undefined while it lives. */
  get lost(): string | undefined {
    return this.lostBecause;
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

  /** Runs one statement. @throws DeadlineError (and closes the session), or what the server answered */
  async query<T extends Row = Row>(
    text: string,
    values: readonly unknown[] = [],
    { deadlineMs = 5000, signal }: { deadlineMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<T[]> {
    if (this.lostBecause !== undefined)
      throw new EnvironmentError(`the session with Postgres ended: ${this.lostBecause}`);
    try {
      const answer = await withDeadline(
        'Postgres to answer a query',
        deadlineMs,
        () => this.client.query<T>(text, [...values]),
        signal,
      );
      return answer.rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError)
        throw new EnvironmentError(`Postgres refused a statement: ${messageOf(error)}`);
      this.markLost(messageOf(error));
      this.stream.destroy();
      if (signal?.aborted || error instanceof DeadlineError) throw error;
      throw new EnvironmentError(`the session with Postgres ended: ${this.lostBecause}`);
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
