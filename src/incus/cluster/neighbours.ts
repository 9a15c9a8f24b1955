import { createHash, X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { withDeadline } from '../../clock/deadline.ts';
import { answerOf } from '../answers.ts';
import { runCommand } from '../command.ts';

/**
 * The other remotes of this user that are members of the same cluster: all members of one show the same certificate
 * (`cluster.crt`), and the client keeps that of every remote that was added (`servercerts/NAME.crt`).
 */

const listDeadlineMs = 3000;
const answerDeadlineMs = 2000;
/** That many are asked. */
const most = 8;

const remotesShape = {
  is: 'a list of remotes',
  schema: v.record(v.string(), v.object({ Protocol: v.string(), Public: v.optional(v.boolean(), false) })),
};

const serverShape = {
  is: 'what a server says of itself',
  schema: v.object({ environment: v.object({ certificate_fingerprint: v.string() }) }),
};

/**
 * Remotes of the same cluster, by name, as the client's own files tell. The server is asked only where these have others and
 * none of its own, as for the socket of this machine; the client only where another remote shows the same certificate. Never
 * throws but what the signal says.
 */
export async function neighboursOf(remote: string, signal?: AbortSignal): Promise<string[]> {
  try {
    const kept = await withDeadline(serverCertificates(), listDeadlineMs, () =>
      readdir(serverCertificates()),
    );
    const named = kept.flatMap((file) => (file.endsWith('.crt') ? [file.slice(0, -'.crt'.length)] : []));
    if (!named.some((name) => name !== remote)) return [];
    const own = (await certificateOf(remote)) ?? (await certificateBy(remote, signal));
    const others = await Promise.all(
      named.map(async (name) => (name !== remote && (await certificateOf(name)) === own ? [name] : [])),
    );
    const certified = others.flat();
    if (certified.length === 0) return [];
    const options = { deadlineMs: listDeadlineMs, signal };
    const text = await runCommand('incus', ['remote', 'list', '--format', 'json'], options);
    const remotes = answerOf('remotes', remotesShape, JSON.parse(text));
    return certified
      .filter((name) => remotes[name]?.Protocol === 'incus' && !remotes[name].Public)
      .sort()
      .slice(0, most);
  } catch {
    signal?.throwIfAborted();
    return [];
  }
}

/** Those that answer. Never throws but what the signal says. */
export async function answeringNeighbours(remote: string, signal?: AbortSignal): Promise<string[]> {
  const asked = await neighboursOf(remote, signal);
  const answers = await Promise.all(
    asked.map(async (name) => ((await doesAnswer(name, answerDeadlineMs, signal)) ? [name] : [])),
  );
  return answers.flat();
}

/** A certificate's fingerprint; undefined where the client keeps none, as for one that a public authority has signed. */
async function certificateOf(remote: string): Promise<string | undefined> {
  try {
    const path = join(serverCertificates(), `${remote}.crt`);
    const pem = await withDeadline(path, listDeadlineMs, (signal) => readFile(path, { signal }));
    return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
  } catch {
    return undefined;
  }
}

/** The same as its server tells it. Throws as runCommand, and where that tells none. */
async function certificateBy(remote: string, signal?: AbortSignal): Promise<string> {
  const options = { deadlineMs: answerDeadlineMs, signal };
  const text = await runCommand('incus', ['query', `${remote}:/1.0`], options);
  return answerOf('/1.0', serverShape, JSON.parse(text)).environment.certificate_fingerprint;
}

/** Whether the server of a remote answers in time. Never throws but what the signal says. */
export async function doesAnswer(remote: string, deadlineMs: number, signal?: AbortSignal): Promise<boolean> {
  try {
    await runCommand('incus', ['query', `${remote}:/1.0`], { deadlineMs, signal });
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

const serverCertificates = () =>
  join(process.env['INCUS_CONF'] || join(homedir(), '.config', 'incus'), 'servercerts');
