import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/contract/errors.ts';
import { parseProbes } from '../../../src/formation/file/probe-list.ts';
import { LateAnswerError } from '../../../src/probes/broken.ts';
import { readyProbes } from '../../../src/probes/ready.ts';

/** One look by each kind of probe, at real servers and commands of this machine. SQL has its server in the lab. */

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', () => up()));
  closing.push(() => {
    server.close();
    (server as Partial<HttpServer>).closeAllConnections?.();
  });
  return (server.address() as AddressInfo).port;
}
const served = async (listener: RequestListener) =>
  `http://127.0.0.1:${await listening(createServer(listener))}/health`;

const folder = mkdtempSync(join(tmpdir(), 'pgha-probes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What one look comes to: `good`, or why not. */
async function looked(
  probe: Record<string, unknown>,
  secrets: Record<string, string> = {},
  signal = new AbortController().signal,
): Promise<string> {
  const probes = parseProbes(JSON.stringify([{ name: 'api', timeout: 1, ...probe }])) ?? [];
  const [ready] = readyProbes(probes, { secrets: new Map(Object.entries(secrets)), folder });
  try {
    await ready?.look(signal);
    return 'good';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('an HTTP probe', () => {
  it('is good with any status from 200 to 299, and not with others', async () => {
    const url = await served((_, answer) => answer.writeHead(204).end());
    expect(await looked({ http: { url } })).toBe('good');
    expect(await looked({ http: { url, status: 200 } })).toBe('it answered 204');
    expect(await looked({ http: { url, status: [200, 204] } })).toBe('good');
  });

  it('holds the body against its text, and reads no more of it than it must', async () => {
    const url = await served((_, answer) => answer.end('{"db":"öK"}'));
    expect(await looked({ http: { url, body: '"db":"öK"' } })).toBe('good');
    expect(await looked({ http: { url, body: 'nothing' } })).toBe(
      'its answer, 200, does not contain the text that it should',
    );
    const endless = await served((_, answer) => {
      const pour = () => {
        while (answer.write('x'.repeat(16_384)));
      };
      answer.on('drain', pour);
      pour();
    });
    expect(await looked({ http: { url: endless } })).toBe('good');
    expect(await looked({ http: { url: endless, body: 'y' } })).toMatch(
      /^the first 65536 bytes of its answer/,
    );
  });

  it('gives a server that never answers, or never ends its answer, its time-out', async () => {
    const silent = await served(() => {});
    expect(await looked({ http: { url: silent }, timeout: 0.2 })).toBe('no answer in 0.2 s');
    const begun = await served((_, answer) => {
      answer.write('x');
    });
    expect(await looked({ http: { url: begun }, timeout: 0.2 })).toBe('no answer in 0.2 s');
    const never = await listening(createTcpServer(() => {}));
    expect(await looked({ http: { url: `http://127.0.0.1:${never}/` }, timeout: 0.2 })).toBe(
      'no answer in 0.2 s',
    );
  });

  it('is broken by a good answer that comes too late', async () => {
    const url = await served((_, answer) => void setTimeout(() => answer.end(), 150));
    expect(await looked({ http: { url, within: 0.05 } })).toMatch(
      /^its answer took 0\.\d+ s, and may take 0\.05 s$/,
    );
    expect(await looked({ http: { url, within: 1 } })).toBe('good');
  });

  it('follows no redirect, and tells where it leads', async () => {
    const url = await served((_, answer) =>
      answer.writeHead(302, { location: 'https://login.example/in?token=abcdefgh' }).end(),
    );
    expect(await looked({ http: { url } })).toBe(
      'it answered 302 and leads to https://login.example/in; redirects are not followed',
    );
    expect(await looked({ http: { url, status: 302 } })).toBe('good');
  });

  it('sends its headers, with secrets in their places', async () => {
    const heard: unknown[] = [];
    const url = await served((request, answer) => {
      heard.push([request.method, request.headers['authorization'], request.headers['x-plain']]);
      answer.end();
    });
    const headers = { Authorization: 'secret:token', 'X-Plain': 'as it is' };
    expect(
      await looked({ http: { url: 'secret:url', method: 'POST', headers } }, { token: 'Bearer abc', url }),
    ).toBe('good');
    expect(heard).toEqual([['POST', 'Bearer abc', 'as it is']]);
  });

  it('tells what is no HTTP, nobody who listens, and a connection that is closed', async () => {
    const strange = await listening(createTcpServer((socket) => socket.end('220 mail\r\n')));
    expect(await looked({ http: { url: `http://127.0.0.1:${strange}/` } })).toMatch(/Parse Error/);
    const closed = await listening(createTcpServer((socket) => socket.destroy()));
    expect(await looked({ http: { url: `http://127.0.0.1:${closed}/` } })).toBe(
      'the connection was closed without an answer',
    );
    const server = createTcpServer();
    const port = await listening(server);
    server.close();
    expect(await looked({ http: { url: `http://127.0.0.1:${port}/` } })).toBe('the connection was refused');
    expect(await looked({ http: { url: 'http://nobody.invalid/' } })).toMatch(/^its name /);
  });

  it('ends when it is aborted', async () => {
    const url = await served(() => {});
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 50);
    expect(await looked({ http: { url }, timeout: 60 }, {}, stop.signal)).toBe('enough');
  });
});

describe('an HTTPS probe', () => {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'ca.pem')];
  beforeAll(() => {
    execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
        ],
        ...['-keyout', key, '-out', certificate, '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=DNS:localhost'],
      ],
      { stdio: 'ignore' },
    );
  });

  it('verifies by the CA file, by its host name, or not at all', async () => {
    const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_, answer) =>
      answer.end(),
    );
    const port = await listening(server);
    const at = (host: string) => `https://${host}:${port}/`;
    expect(await looked({ http: { url: at('localhost') } })).toMatch(/self-signed certificate/);
    expect(await looked({ http: { url: at('localhost'), ca: 'ca.pem' } })).toBe('good');
    expect(await looked({ http: { url: at('127.0.0.1'), ca: certificate } })).toMatch(/does not match/);
    expect(await looked({ http: { url: at('127.0.0.1'), verify: false } })).toBe('good');
  });
});

describe('a TCP probe', () => {
  it('is good where a connection is taken', async () => {
    const server = createTcpServer();
    const port = await listening(server);
    expect(await looked({ tcp: { host: '127.0.0.1', port } })).toBe('good');
    server.close();
    expect(await looked({ tcp: { host: '127.0.0.1', port } })).toBe('the connection was refused');
  });
});

describe('an SQL probe', () => {
  it('goes on to the next host from one that is silent, and tells of each', async () => {
    const silent = await listening(createTcpServer(() => {}));
    const gone = createTcpServer();
    const closed = await listening(gone);
    gone.close();
    const at = (...ports: number[]) => ports.map((port) => `127.0.0.1:${port}`).join(',');
    const uri = `postgres://u@${at(silent, closed)}/d`;
    expect(await looked({ sql: { uri }, timeout: 1 })).toMatch(
      /^127\.0\.0\.1: no session in 0\.5 s; 127\.0\.0\.1: connect ECONNREFUSED/,
    );
    expect(await looked({ sql: { uri: `postgres://u@${at(silent)}/d` }, timeout: 0.3 })).toMatch(
      /in 0\.3 s$/,
    );
    expect(await looked({ sql: { uri: `postgres://u@${at(closed)}/d` } })).toBe('the connection was refused');
    const strange = await listening(createTcpServer((socket) => socket.end('220 mail\r\n')));
    expect(await looked({ sql: { uri: `postgres://u@${at(strange)}/d?sslmode=disable` } })).not.toBe('good');
  });
});

describe('a command probe', () => {
  it('is good where it ends with code 0, and tells what it said where it does not', async () => {
    expect(await looked({ command: ['true'] })).toBe('good');
    expect(await looked({ command: ['sh', '-c', 'echo no service >&2; exit 3'] })).toBe(
      'it failed with exit code 3: no service',
    );
    expect(await looked({ command: ['/no/such/program'] })).toMatch(/No such file/);
  });

  it('reads its secret from standard input, and has none in its environment', async () => {
    process.env['INPUT_PROBE-SECRETS'] = 'key=hush-hush-hush';
    const script = 'read -r given; [ "$given" = hush-hush-hush ] && ! env | grep -q hush';
    expect(
      await looked({ command: ['sh', '-c', script], stdin: 'secret:key' }, { key: 'hush-hush-hush' }),
    ).toBe('good');
    delete process.env['INPUT_PROBE-SECRETS'];
  });

  it('is ended with all that it started where it hangs, and where it prints without end', async () => {
    const mark = join(folder, 'children');
    const hangs = ['sh', '-c', `sleep 300 & echo $! > ${mark}; wait`];
    expect(await looked({ command: hangs, timeout: 3 })).toBe('no answer in 3 s');
    const child = Number(readFileSync(mark, 'utf8'));
    const isThere = () => {
      try {
        return !readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z ');
      } catch {
        return false;
      }
    };
    for (let tries = 0; isThere() && tries < 100; tries++) await new Promise((next) => setTimeout(next, 20));
    expect(isThere()).toBe(false);
    expect(await looked({ command: ['yes'], timeout: 20 })).toMatch(/^it printed more than 1048576 bytes/);
  });
});

describe('probes that cannot be asked', () => {
  const refused = (probes: object[], secrets: Record<string, string> = {}) => {
    try {
      readyProbes(parseProbes(JSON.stringify(probes)) ?? [], {
        secrets: new Map(Object.entries(secrets)),
        folder,
      });
      return [];
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      return (error as InputError).errors;
    }
  };

  it('are told all at once, without what secrets hold', () => {
    writeFileSync(join(folder, 'empty.pem'), '');
    execFileSync('mkfifo', [join(folder, 'pipe.pem')]);
    const errors = refused(
      [
        { name: 'a', http: { url: 'secret:one', headers: { X: 'secret:two' } } },
        { name: 'b', http: { url: 'secret:ftp' } },
        { name: 'c', http: { url: 'https://x/', ca: 'pipe.pem' } },
        { name: 'd', http: { url: 'https://x/', ca: 'empty.pem' } },
        { name: 'e', http: { url: 'https://x/', ca: '/nowhere/ca.pem' } },
        { name: 'f', sql: { uri: 'secret:uri' } },
        { name: 'g', sql: { uri: 'postgres://a@b/c', password: 'secret:none' } },
      ],
      { ftp: 'ftp://hush', uri: 'postgres://a:hush@b/c?sslcert=hush' },
    );
    expect(errors).toEqual([
      'probe a: the input probe-secrets has no one, which it needs',
      'probe a: the input probe-secrets has no two, which it needs',
      'probe b: the secret ftp must be an http or https URL',
      'probe c: the CA file pipe.pem cannot be read: it is a pipe, not a file',
      'probe d: the CA file empty.pem holds no certificate (PEM)',
      'probe e: the CA file /nowhere/ca.pem cannot be read: no such file',
      'probe f: the secret uri has a parameter besides sslmode, target_session_attrs, application_name, connect_timeout',
      'probe g: the input probe-secrets has no none, which it needs',
    ]);
  });

  it('know an answer that is late from one that is wrong', async () => {
    const url = await served(() => {});
    const [ready] = readyProbes(parseProbes(`[{ name: a, timeout: 0.2, http: { url: '${url}' } }]`) ?? [], {
      secrets: new Map(),
      folder,
    });
    await expect(ready?.look(new AbortController().signal)).rejects.toBeInstanceOf(LateAnswerError);
  });
});
