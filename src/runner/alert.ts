import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, ExpectedError, InputError, onOneLine } from '../contract/errors.ts';
import { mostOfMessage, shortened } from '../contract/size.ts';
import { formationSource } from '../formation/file/load.ts';

/** A message about steps or jobs that did not pass: what it says, where its run is found, and how it is sent. */

/** How one step or job ended, in the runner's own word. */
export interface StepResult {
  name: string;
  /** `success`, `failure`, `cancelled`, `skipped`, or '' where nobody knows. */
  result: string;
}

/** What is told, besides how the steps ended; '' is what nobody knows. */
export interface AlertFacts {
  formation: string;
  outcome: string;
  message: string;
  rtoSeconds: string;
  /** Where the run is found. */
  run: string;
}

const answerMs = 10_000;
const deliveryMs = 20_000;
const maxBytes = 1024 * 1024;

/**
 * Lines of `name: result`.
 * @throws Error whose message says what is allowed
 */
export function parseResults(text: string): StepResult[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.map((line) => {
    const [, name, result = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined) throw new Error('must be lines of `name: result`, one for each step or job');
    return { name: name.trim(), result: evaluated(result) };
  });
}

/** Some runners pass an expression on as it stands where there is no value (docs/runner.md). */
export const evaluated = (text: string): string => (text.includes('${{') ? '' : text.trim());

/** The message, on one line. Pure. */
export function alertText(results: readonly StepResult[], told: AlertFacts): string {
  const about = told.formation === '' ? '' : `${formationSource(told.formation)}: `;
  const verdict = [told.outcome, told.message].filter((text) => text !== '').join(': ');
  const sentences = [
    ...endings(results, told.outcome),
    verdict === '' ? 'No verdict.' : sentence(shortened(onOneLine(verdict, ' '), mostOfMessage)),
    told.rtoSeconds === ''
      ? 'RTO: not measured.'
      : `RTO: ${shortened(onOneLine(told.rtoSeconds, ' '), mostOfName)} s.`,
  ];
  return `${about}${sentences.join(' ')} ${told.run}`;
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`);

const words: Record<string, string> = { failure: 'failed', cancelled: 'was cancelled' };

/** Of a step's name, and of a figure. */
const mostOfName = 100;
/** Of the address of a run; a longer one is none. */
const mostOfAddress = 2000;

/** What did not pass, and what never began because of it. @param outcome of the verdict, which may speak against the steps */
function endings(results: readonly StepResult[], outcome: string): string[] {
  if (results.length === 0) return ['Nobody said how the steps ended.'];
  const first = results.findIndex(({ result }) => result !== 'success' && result !== 'skipped');
  // Nothing that ran failed; and where nothing ran, that is what there is to tell.
  const hasRun = results.some(({ result }) => result === 'success');
  if (first === -1 && hasRun) return outcome === '' || outcome === 'pass' ? ['Nothing failed.'] : [];
  return results.slice(Math.max(0, first)).flatMap(({ name, result }) => {
    const shown = shortened(name, mostOfName);
    if (result === 'success') return [];
    if (result === 'skipped') return [`${shown} never started.`];
    return [`${shown} ${words[result] ?? 'ended, and nobody knows how'}.`];
  });
}

/**
 * Where people find this run, as its server says: the last part is the run's id on GitHub and newer Gitea, its number on
 * older Gitea and on Forgejo. Where the server does not say it, the address of all runs, which is right everywhere.
 */
export async function runAddress(
  env: NodeJS.ProcessEnv,
  token: string,
  signal?: AbortSignal,
): Promise<string> {
  const { GITHUB_SERVER_URL: server = '', GITHUB_REPOSITORY: repository = '' } = env;
  const { GITHUB_API_URL: api = '', GITHUB_RUN_ID: id = '' } = env;
  const all = server && repository ? `${server}/${repository}/actions` : 'from a terminal';
  if (!api || !repository || !id) return all;
  try {
    const url = `${api}/repos/${repository}/actions/runs/${id}`;
    const answer = await withDeadline(
      'the address of the run',
      answerMs,
      (abort) => ask(url, token, abort),
      signal,
    );
    const address = (JSON.parse(answer) as { html_url?: unknown } | null)?.html_url;
    return typeof address === 'string' &&
      address.length <= mostOfAddress &&
      /^https?:\/\/\S+\/actions\/runs\/\S+$/.test(address)
      ? address
      : all;
  } catch {
    signal?.throwIfAborted();
    return all;
  }
}

async function ask(url: string, token: string, signal: AbortSignal): Promise<string> {
  const headers = token === '' ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers, redirect: 'error', signal });
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > maxBytes) throw new EnvironmentError('the answer is too long');
  }
  return text;
}

/** @throws Error whose message says what is allowed; '' is for who sends to find fault with */
export function parseWebhook(text: string): string {
  const url = text.trim();
  // A URL's reader takes them out: of two addresses it would make one.
  if (/\s/.test(url)) throw new Error('must be one address, without blanks and line breaks in it');
  if (url !== '' && !(URL.canParse(url) && /^https?:\/\//i.test(url)))
    throw new Error('must be an http or https address');
  if (url !== '' && (new URL(url).username !== '' || new URL(url).password !== ''))
    throw new Error('must be an address without a user and a password in it, which cannot be sent that way');
  return url;
}

/** What a webhook takes: `text` as it is, or `json` with it under the key `text`. */
export const alertFormats = ['text', 'json'] as const;
export type AlertFormat = (typeof alertFormats)[number];

/**
 * Sends a message to a webhook.
 * @throws ExpectedError that says what came back, and nothing of the address
 */
export async function sendAlert(
  webhook: string,
  text: string,
  { format, signal }: { format: AlertFormat; signal?: AbortSignal },
): Promise<void> {
  if (webhook === '')
    throw new InputError([
      'input webhook: there is none, so nobody was told; give the secret that holds its address',
    ]);
  const isJson = format === 'json';
  const request = {
    method: 'POST',
    headers: { 'Content-Type': isJson ? 'application/json' : 'text/plain; charset=utf-8' },
    body: isJson ? JSON.stringify({ text }) : text,
    // One that is followed becomes a GET, and the message is lost.
    redirect: 'manual',
  } as const;
  const post = async (abort: AbortSignal) => {
    const response = await fetch(webhook, { ...request, signal: abort });
    await response.body?.cancel();
    return response;
  };
  try {
    const { ok, status } = await withDeadline("the webhook's answer", deliveryMs, post, signal);
    if (!ok) throw new EnvironmentError(`the webhook answered ${status}, so nobody was told; ${next}`);
  } catch (error) {
    if (error instanceof ExpectedError) throw error;
    throw new EnvironmentError(
      `the webhook could not be reached (${codeOf(error)}), so nobody was told; ${next}`,
    );
  }
}

const next = 'look at its address, and whether this runner reaches it';

/** The messages of `fetch` may quote the address, which is a secret; the code of its cause does not. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && /^\w+$/.test(code) ? code : 'no reason given';
}
