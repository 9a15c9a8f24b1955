import * as v from 'valibot';
import type { Probe, ProbeKind } from '../probes.ts';
import { secretPattern } from '../probes.ts';
import { boundedList, durationSeconds, host, key, map, record, trueOrFalse, wholeNumber } from './words.ts';

/** `probes` of the formation file: what a user's own services must answer while the formation is drilled. */

const oneLine = (message: string, most: number) =>
  v.pipe(v.string(message), v.regex(new RegExp(`^[^\\n\\r\\0]{1,${most}}$`), message));

const probeName = v.pipe(
  v.string('must be a name'),
  v.regex(
    /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/,
    'must be the name of a probe: lower-case letters, digits and "-", at most 40',
  ),
);

const secretMessage = 'must be the name of a secret, such as secret:api-token';
const secret = v.pipe(v.string(secretMessage), v.regex(secretPattern, secretMessage));

const urlMessage =
  'must be an http or https URL without a user, a password and a fragment, such as https://api.example.org/healthz, or the name of a secret that holds one, such as secret:api-url';
const url = v.pipe(
  v.string(urlMessage),
  v.regex(
    new RegExp(`^(?:https?://[^\\s@/?#]+(?:[/?][^\\s#]*)?|${secretPattern.source.slice(1, -1)})$`),
    urlMessage,
  ),
  v.maxLength(2000, 'must have at most 2000 characters'),
  v.check((text) => secretPattern.test(text) || URL.canParse(text), urlMessage),
);

const uriMessage =
  'must be a postgres:// URI without a password, such as postgres://app@pgbouncer.example:6432/app, or the name of a secret that holds one, such as secret:app-uri';
const uri = v.pipe(
  v.string(uriMessage),
  v.regex(
    new RegExp(
      `^(?:postgres(?:ql)?://(?:[^\\s:@/?#]+@)?[^\\s@/?#]+(?:/[^\\s?#]*)?(?:\\?[^\\s#]*)?|${secretPattern.source.slice(1, -1)})$`,
    ),
    uriMessage,
  ),
  v.regex(/^(?!.*[?&](?:password|passfile|sslpassword)=)/i, uriMessage),
  v.maxLength(2000, 'must have at most 2000 characters'),
);

const statusMessage = 'must be a status from 100 to 599, or a list of such';
const status = v.pipe(
  v.number(statusMessage),
  v.integer(statusMessage),
  v.minValue(100, statusMessage),
  v.maxValue(599, statusMessage),
);

const headerName = v.pipe(
  v.string('must be the name of a header'),
  v.regex(
    /^(?!(?:connection|content-length|transfer-encoding|expect|upgrade|te|trailer)$)[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/i,
    'must be the name of a header, and none that belongs to the connection itself',
  ),
);
const headerMessage =
  'must be text on one line of printable ASCII, at most 4000 characters, or the name of a secret, such as secret:api-token';
const headerValue = v.pipe(v.string(headerMessage), v.regex(/^[ -~]{0,4000}$/, headerMessage));

const file = oneLine('must be the path of a file', 1000);

const http = map(
  {
    url: key(url, 'What is asked for. It holds no password: where it must, it is `secret:NAME`.'),
    method: v.optional(
      key(v.picklist(['GET', 'HEAD', 'POST'], 'must be GET, HEAD or POST'), 'The request, without a body.'),
      'GET',
    ),
    headers: v.optional(
      key(
        record(headerName, headerValue, 'must be a map of headers'),
        'Headers of the request. The value of one that is secret is `secret:NAME`.',
      ),
      {},
    ),
    status: v.optional(
      key(
        v.union([status, boundedList(status, 'statuses', 1, 20)], statusMessage),
        'Which status is good, or which are. By default any from 200 to 299. Redirects are not followed.',
      ),
    ),
    body: v.optional(
      key(
        v.pipe(
          v.string('must be text'),
          v.regex(/^[^\0]{1,1000}$/, 'must be text of at most 1000 characters'),
        ),
        'Text that the first 64 KiB of the answer must contain.',
      ),
    ),
    within: v.optional(
      key(durationSeconds(0.001, 60), 'In how many seconds the whole answer must have come to be good.'),
    ),
    ca: v.optional(
      key(
        file,
        "File with the CA certificates that the server's is verified by (PEM), relative to the workspace. By default those that Node knows.",
      ),
    ),
    verify: v.optional(key(trueOrFalse, "Whether the server's certificate is verified."), true),
  },
  'must be a map with the key url',
);

const tcp = map(
  {
    host: key(host, 'Host name or address.'),
    port: key(wholeNumber(1, 65535), 'Port that must take a connection.'),
  },
  'must be a map with the keys host and port',
);

const cellMessage = 'must be how many rows there must be, or a list of rows, each a list of values';
const cell = v.union([v.string(), v.pipe(v.number(), v.finite()), v.boolean(), v.null()], cellMessage);
const rows = v.union(
  [
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1000)),
    v.pipe(v.array(v.pipe(v.array(cell), v.minLength(1), v.maxLength(20))), v.minLength(1), v.maxLength(20)),
  ],
  cellMessage,
);

const sql = map(
  {
    uri: key(
      uri,
      'Connection string. It holds no password: that is `password`, or the whole is `secret:NAME`.',
    ),
    password: v.optional(key(secret, 'The password, as `secret:NAME`.')),
    query: v.optional(
      key(
        v.pipe(v.string('must be SQL'), v.regex(/^[^\0]{1,4000}$/, 'must be SQL of at most 4000 characters')),
        'One statement, which is run on a new connection.',
      ),
      'SELECT 1',
    ),
    rows: v.optional(
      key(
        rows,
        'How many rows must come of it, or which: a list of rows, each a list of values. By default any.',
      ),
    ),
    ca: v.optional(
      key(file, 'File with the CA certificates for `sslmode=verify-ca` or `verify-full` (PEM).'),
    ),
  },
  'must be a map with the key uri',
);

const command = v.pipe(
  boundedList(
    v.pipe(
      v.string('must be text'),
      v.regex(/^[^\0]{0,2000}$/, 'must be text of at most 2000 characters, without NUL'),
    ),
    'a program and its arguments',
    1,
    64,
  ),
  v.check((argv) => argv[0] !== '', 'must begin with a program'),
);

const probe = map(
  {
    name: key(probeName, 'Its name in reports.'),
    http: v.optional(key(http, 'It asks an HTTP server.')),
    tcp: v.optional(key(tcp, 'It opens a TCP connection.')),
    sql: v.optional(key(sql, 'It runs SQL.')),
    command: v.optional(
      key(
        command,
        'It runs a command on the runner: a program and its arguments, without a shell. Exit code 0 is good.',
      ),
    ),
    stdin: v.optional(key(secret, 'What the command reads from its standard input, as `secret:NAME`.')),
    interval: v.optional(
      key(
        durationSeconds(0.1, 60),
        'From one look to the next, as far as its answer has come by then. Seconds.',
      ),
      0.5,
    ),
    timeout: v.optional(key(durationSeconds(0.1, 60), 'How long the whole answer may take. Seconds.'), 2),
    'abort-when': v.optional(
      key(
        durationSeconds(0.1, 3600),
        'How long it may stay broken during a fault. When it is longer, the drill undoes the fault at once and ends with code 2. Seconds. By default as long as it likes.',
      ),
    ),
  },
  'must be a map with the key name and one of http, tcp, sql and command',
);

export const probeList = boundedList(probe, 'probes', 0, 20);

export type ProbeInFile = v.InferOutput<typeof probe>;

/** The kinds that a probe may be of, of which it has one. */
export const probeKinds = ['http', 'tcp', 'sql', 'command'] as const;

/** What no single key of a probe shows, by the key that people should look at. */
export function probeErrors(probes: readonly ProbeInFile[]): { path: (string | number)[]; text: string }[] {
  return probes.flatMap((each, index) => {
    const errors: { path: (string | number)[]; text: string }[] = [];
    const kinds = probeKinds.filter((kind) => each[kind] !== undefined);
    if (kinds.length !== 1)
      errors.push({
        path: [index],
        text: `${each.name} must have one of ${probeKinds.join(', ')}, and has ${kinds.length === 0 ? 'none' : kinds.join(' and ')}`,
      });
    if (probes.findIndex(({ name }) => name === each.name) < index)
      errors.push({ path: [index, 'name'], text: `${each.name} is named twice` });
    if (each.http?.within !== undefined && each.http.within > each.timeout)
      errors.push({
        path: [index, 'http', 'within'],
        text: `${each.http.within} s is longer than its timeout of ${each.timeout} s`,
      });
    if (each.http?.ca !== undefined && (!each.http.verify || each.http.url.startsWith('http:')))
      errors.push({
        path: [index, 'http', 'ca'],
        text: 'there is nothing to verify by it: it is for https with verify: true',
      });
    if (each.stdin !== undefined && each.command === undefined)
      errors.push({ path: [index, 'stdin'], text: 'it is for a command' });
    return errors;
  });
}

export function toProbe(given: ProbeInFile): Probe {
  return {
    name: given.name,
    intervalSeconds: given.interval,
    timeoutSeconds: given.timeout,
    abortSeconds: given['abort-when'],
    asks: asked(given),
  };
}

function asked({ http: web, tcp: port, sql: database, command: argv, stdin }: ProbeInFile): ProbeKind {
  if (web !== undefined) {
    const { status: good, within, ...rest } = web;
    return {
      kind: 'http',
      ...rest,
      status: good === undefined ? [] : [good].flat(),
      withinSeconds: within,
    };
  }
  if (port !== undefined) return { kind: 'tcp', ...port };
  if (database !== undefined) return { kind: 'sql', ...database };
  return { kind: 'command', argv: argv ?? [], stdin };
}
