import { Duplex } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import { Session, sqlStateOf } from '../../../src/postgres/session.ts';

/** A server that says the same to whoever connects, and what was said to it. */
function serverThatSays(answer: Buffer) {
  const heard: Buffer[] = [];
  const stream = Object.assign(
    new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        heard.push(bytes);
        if (heard.length === 1) stream.push(answer);
        done();
      },
    }),
    {
      complaint: () => '',
      connect: () => setImmediate(() => stream.emit('connect')),
      setNoDelay() {},
      setKeepAlive() {},
    },
  );
  return { stream, heard: () => Buffer.concat(heard).toString('latin1') };
}

function message(type: string, ...body: number[]): Buffer {
  return Buffer.from([type.charCodeAt(0), 0, 0, 0, body.length + 4, ...body]);
}

const options = { database: 'postgres', connectDeadlineMs: 2000 };
const login = { user: 'veza', password: 'secret', host: 'pg', port: 5432, tls: {} };

describe('a session', () => {
  it.each([
    ['an error whose end pg would look for for ever', message('E')],
    ['a notice of that kind', message('N', 0x53)],
    ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
    ['a way to log in that pg does not know (GSSAPI)', message('R', 0, 0, 0, 7)],
    ['a way to log in without a name', message('R')],
    ['a row that is shorter than its columns', message('D', 0, 9)],
    ['a row of less than no columns', message('D', 0xff, 0xff)],
  ])('ends by an error, and nothing else does, where the server sends %s', async (_, answer) => {
    const { stream } = serverThatSays(answer);
    await expect(Session.open(stream, options)).rejects.toThrow(/no Postgres|cannot be read/);
    await expect(Session.open(serverThatSays(answer).stream, options)).rejects.toThrow(EnvironmentError);
    expect(stream.destroyed).toBe(true);
  });

  it.each([
    ['clear text', message('R', 0, 0, 0, 3)],
    ['MD5', message('R', 0, 0, 0, 5, 1, 2, 3, 4)],
  ])('of the superuser gives no password to a server that asks for one in %s', async (_, answer) => {
    vi.stubEnv('PGPASSWORD', 'of-somebody-else');
    const { stream, heard } = serverThatSays(answer);
    await expect(Session.open(stream, options)).rejects.toThrow('asks its superuser for a password');
    expect(heard()).not.toContain('of-somebody-else');
    vi.unstubAllEnvs();
  });

  it('tells the server at its start what it has set, before anything that others have by default', async () => {
    const { stream, heard } = serverThatSays(message('E'));
    await expect(Session.open(stream, { ...options, version: 17 })).rejects.toThrow();
    for (const setting of [
      'search_path=pg_catalog,pg_temp',
      'default_transaction_isolation=read\\ committed',
      'statement_timeout=0',
      'transaction_timeout=0',
    ])
      expect(heard()).toContain(`-c ${setting}`);
  });

  it('does not keep an error of megabytes, nor what a terminal would obey', async () => {
    const long = `SFATAL\0C57P03\0Mno\u001b[2J${'x'.repeat(1_500_000)}\0\0`;
    const head = Buffer.alloc(5);
    head.write('E');
    head.writeUInt32BE(long.length + 4, 1);
    const { stream } = serverThatSays(Buffer.concat([head, Buffer.from(long)]));
    const error = await Session.open(stream, options).catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message.length).toBeLessThan(600);
    expect((error as Error).message).toMatch(/^no\\u001b\[2Jx+… \(\d+ bytes in all\)$/);
    expect(sqlStateOf(error)).toBe('57P03');
  });

  it('says whose Postgres does not answer a statement, and which process there has it', async () => {
    const greeting = [
      message('R', 0, 0, 0, 0),
      message('K', 0, 0, 4, 0xd2, 0, 0, 0, 1),
      message('Z', 'I'.charCodeAt(0)),
    ];
    const { stream } = serverThatSays(Buffer.concat(greeting));
    const session = await Session.open(stream, { ...options, server: 'pgaf-replica' });
    expect(session.backend).toBe(1234);
    await expect(session.query('SELECT 1', [], { deadlineMs: 30 })).rejects.toThrow(
      /^gave up after 0\.03 s waiting for Postgres in pgaf-replica to answer a query$/,
    );
    await expect(session.query('SELECT 1')).rejects.toThrow(
      /^the session with Postgres in pgaf-replica ended: gave up/,
    );
  });

  it('of the application asks for TLS first, and gives its password to nobody who has none', async () => {
    const { stream, heard } = serverThatSays(Buffer.from('N'));
    await expect(Session.open(stream, { ...options, login })).rejects.toThrow('does not support SSL');
    expect(heard()).not.toContain('secret');
  });
});
