import { Duplex } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import { Session } from '../../../src/postgres/session.ts';

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

  it('of the application asks for TLS first, and gives its password to nobody who has none', async () => {
    const { stream, heard } = serverThatSays(Buffer.from('N'));
    await expect(Session.open(stream, { ...options, login })).rejects.toThrow('does not support SSL');
    expect(heard()).not.toContain('secret');
  });
});
