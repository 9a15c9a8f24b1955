import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
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

/** Remotes of the same cluster that answer, by name. Never throws but what the signal says. */
export async function answeringNeighbours(remote: string, signal?: AbortSignal): Promise<string[]> {
  try {
    const own = await certificateOf(remote);
    if (own === undefined) return [];
    const options = { deadlineMs: listDeadlineMs, signal };
    const text = await runCommand('incus', ['remote', 'list', '--format', 'json'], options);
    const remotes = Object.entries(answerOf('remotes', remotesShape, JSON.parse(text)));
    const others = remotes.filter(
      ([name, { Protocol, Public }]) => name !== remote && Protocol === 'incus' && !Public,
    );
    const certified = await Promise.all(
      others.map(async ([name]) => ((await certificateOf(name)) === own ? [name] : [])),
    );
    const asked = certified.flat().slice(0, most);
    const answers = await Promise.all(
      asked.map(async (name) => ((await doesAnswer(name, signal)) ? [name] : [])),
    );
    return answers.flat().sort();
  } catch {
    signal?.throwIfAborted();
    return [];
  }
}

/** A certificate's fingerprint; undefined where the client keeps none, as for one that a public authority has signed. */
async function certificateOf(remote: string): Promise<string | undefined> {
  const folder = process.env['INCUS_CONF'] || join(homedir(), '.config', 'incus');
  try {
    const path = join(folder, 'servercerts', `${remote}.crt`);
    const pem = await withDeadline(path, listDeadlineMs, (signal) => readFile(path, { signal }));
    return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
  } catch {
    return undefined;
  }
}

async function doesAnswer(remote: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await runCommand('incus', ['query', `${remote}:/1.0`], { deadlineMs: answerDeadlineMs, signal });
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}
