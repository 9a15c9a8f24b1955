import * as http from 'node:http';
import * as https from 'node:https';
import type { HttpProbe } from '../formation/probes.ts';
import { BrokenError } from './broken.ts';
import { nameLookup } from './name-lookup.ts';

/** Of a body; what is beyond is not read. */
const mostBodyBytes = 64 * 1024;

/** What a probe asks for, with its secrets in their places and its CA read. */
export interface HttpRequest {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** PEM. */
  ca: string | undefined;
}

/**
 * Asks once, on a connection of its own.
 * @throws BrokenError where the answer is not a good one, and whatever the connection comes to
 */
export async function lookByHttp(asks: HttpProbe, request: HttpRequest, signal: AbortSignal): Promise<void> {
  const answer = await answerTo(asks, request, signal);
  try {
    const { statusCode = 0, headers } = answer;
    if (!isGood(statusCode, asks.status))
      throw new BrokenError(`it answered ${statusCode}${leading(headers)}`);
    const body = await bodyOf(answer);
    if (asks.body !== undefined && !body.includes(asks.body))
      throw new BrokenError(
        body.length < mostBodyBytes
          ? `its answer, ${statusCode}, does not contain the text that it should`
          : `the first ${mostBodyBytes} bytes of its answer, ${statusCode}, do not contain the text that they should`,
      );
  } finally {
    answer.destroy();
  }
}

const isGood = (status: number, good: readonly number[]) =>
  good.length === 0 ? status >= 200 && status <= 299 : good.includes(status);

/** Whoever is sent on wants to know where to, as far as it is no secret. */
function leading({ location }: http.IncomingHttpHeaders): string {
  if (location === undefined) return '';
  const to = /^(?:https?:\/\/)?[^?#@]{1,100}/.exec(location)?.[0];
  return ` and leads to ${to ?? 'elsewhere'}; redirects are not followed`;
}

async function answerTo(
  { method, verify }: HttpProbe,
  { url, headers, ca }: HttpRequest,
  signal: AbortSignal,
): Promise<http.IncomingMessage> {
  const options: https.RequestOptions = {
    method,
    signal,
    // A connection of its own: who comes anew is who a failover hurts.
    agent: false,
    lookup: nameLookup,
    headers: {
      'user-agent': 'pgha',
      accept: '*/*',
      'accept-encoding': 'identity',
      'cache-control': 'no-cache',
      ...headers,
    },
    ...(url.protocol === 'https:' && {
      rejectUnauthorized: verify,
      ...(ca !== undefined && { ca }),
      ...(!verify && { checkServerIdentity: () => undefined }),
    }),
  };
  return await new Promise((answered, failed) => {
    const ask = url.protocol === 'https:' ? https.request(url, options) : http.request(url, options);
    ask.once('response', answered);
    // It goes on to complain when what is left of the answer is thrown away.
    ask.on('error', failed);
    ask.once('upgrade', (_, socket) => {
      socket.destroy();
      failed(new BrokenError('it answered with another protocol (101)'));
    });
    ask.end();
  });
}

/** As far as it is read. */
async function bodyOf(answer: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes >= mostBodyBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, mostBodyBytes);
}
