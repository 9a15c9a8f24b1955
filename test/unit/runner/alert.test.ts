import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inputs } from '../../../actions/alert/contract.ts';
import { alertText, evaluated, parseResults, runAddress, sendAlert } from '../../../src/runner/alert.ts';
import { parseFileCommands } from '../../../src/runner/file-commands.ts';
import { type Compiled, compileSources } from '../../compiled.ts';

/** The message about what did not pass: its words, its run's address, and how it reaches a webhook. */

interface Sent {
  url: string;
  type: string | undefined;
  body: string;
}

const sent: Sent[] = [];
const asked: string[] = [];
/** What the server's API says of the run; undefined where it has no such thing. */
let run: string | undefined;
let server: Server;
let address: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    if (method === 'GET') {
      asked.push(`${url} ${headers.authorization}`);
      response.statusCode = run === undefined ? 404 : 200;
      response.end(run ?? '{"message":"not found"}');
      return;
    }
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      sent.push({ url, type: headers['content-type'], body });
      if (url === '/moved') response.writeHead(302, { Location: '/elsewhere' });
      else if (url === '/gone') response.writeHead(410);
      if (url !== '/silent') response.end('thanks');
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  sent.length = 0;
  asked.length = 0;
  run = undefined;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const nothing = { formation: '', outcome: '', message: '', rtoSeconds: '', run: 'https://ci/run' };

describe('the message', () => {
  it.each([
    [
      'a drill that missed its target',
      'provision-pgaf: skipped\ncheck-formation: success\nfailover-drill: failure\nupload: success',
      { formation: 'formation.yml', outcome: 'missed', message: 'It took too long', rtoSeconds: '71.250' },
      'formation.yml: failover-drill failed. missed: It took too long. RTO: 71.250 s. https://ci/run',
    ],
    [
      'a check that failed, so that nothing was drilled',
      'check-formation: failure\nfailover-drill: skipped',
      { outcome: 'unhealthy', message: 'Two "nodes" $(are) `down`.' },
      'check-formation failed. failover-drill never started. unhealthy: Two "nodes" $(are) `down`. RTO: not measured. https://ci/run',
    ],
    [
      'reports that could not be uploaded after a drill that passed',
      'failover-drill: success\nupload: failure',
      { outcome: 'pass', message: 'All is well.', rtoSeconds: '9.1' },
      'upload failed. pass: All is well. RTO: 9.1 s. https://ci/run',
    ],
    [
      'a job that was cancelled, and left nothing',
      'backend: success\nfailover-drill: cancelled',
      {},
      'failover-drill was cancelled. No verdict. RTO: not measured. https://ci/run',
    ],
    [
      'an end that the runner does not tell, in a formation that is YAML',
      'failover-drill:',
      { formation: 'nodes:\n- name: a\n' },
      'YAML in the input formation: failover-drill ended, and nobody knows how. No verdict. RTO: not measured. https://ci/run',
    ],
    [
      'nothing that failed',
      'one: success\ntwo: skipped',
      {},
      'Nothing failed. No verdict. RTO: not measured. https://ci/run',
    ],
    [
      'steps of which nobody said how they ended',
      '',
      { outcome: 'missed', message: 'It took too long' },
      'Nobody said how the steps ended. missed: It took too long. RTO: not measured. https://ci/run',
    ],
    [
      'steps none of which began',
      'check: skipped\ndrill: skipped',
      {},
      'check never started. drill never started. No verdict. RTO: not measured. https://ci/run',
    ],
    [
      'a verdict that speaks against the steps, as where a job goes on after an error',
      'drill: success',
      { outcome: 'missed', message: 'A write was lost.' },
      'missed: A write was lost. RTO: not measured. https://ci/run',
    ],
  ])('tells of %s', (_, results, told, text) => {
    expect(alertText(parseResults(results), { ...nothing, ...told })).toBe(text);
  });

  it('is one line, and no longer than people read', () => {
    const message = `one\ntwo ${'x'.repeat(50_000)}`;
    const text = alertText(parseResults('drill: failure'), { ...nothing, outcome: 'error', message });
    expect(text).toMatch(/^drill failed\. error: one two x+… \(\d+ more characters\)\. RTO/);
    expect(text.length).toBeLessThan(1200);
    const told = { ...nothing, rtoSeconds: `1\n${'2'.repeat(5000)}` };
    const long = alertText(parseResults(`${'y'.repeat(5000)}: failure`), told);
    expect(long).toMatch(
      /^y+… \(\d+ more characters\) failed\. No verdict\. RTO: 1 2+… \(\d+ more characters\) s\./,
    );
    expect(long.length).toBeLessThan(500);
  });

  it('takes an expression that a runner left as it was for nothing', () => {
    expect(evaluated(`\${{ steps.drill.outputs.outcome }}`)).toBe('');
    expect(inputs.token.secrets?.(`\${{ github.token }}`)).toEqual(['']);
    expect(parseResults(`drill: \${{ needs.drill.result }}`)).toEqual([{ name: 'drill', result: '' }]);
  });

  it('is refused results that are none', () => {
    expect(() => parseResults('drill: failure\nsuccess')).toThrow(/lines of `name: result`/);
  });
});

describe('the address of the run', () => {
  const env = () => ({
    GITHUB_API_URL: `${address}/api/v1`,
    GITHUB_SERVER_URL: 'https://ci',
    GITHUB_REPOSITORY: 'veza/backend',
    GITHUB_RUN_ID: '272',
  });

  it.each([
    [
      "Gitea's, which may be the number",
      '{"id":272,"url":"https://ci/api/v1/repos/veza/backend/actions/runs/272","html_url":"https://ci/veza/backend/actions/runs/43","repository":{"html_url":"https://ci/veza/backend"}}',
      'https://ci/veza/backend/actions/runs/43',
    ],
    [
      "GitHub's, in lines",
      '{\n  "id": 272,\n  "html_url": "https://github.com/veza/backend/actions/runs/272",\n  "url": "https://api.github.com/repos/veza/backend/actions/runs/272"\n}',
      'https://github.com/veza/backend/actions/runs/272',
    ],
    ['that of all runs, where the server does not say', undefined, 'https://ci/veza/backend/actions'],
    ['that of all runs, where it says nothing of use', '<html>', 'https://ci/veza/backend/actions'],
    ['that of all runs, where it says null', 'null', 'https://ci/veza/backend/actions'],
    [
      'that of all runs, where it says something else than a run',
      '{"html_url":"javascript:alert()"}',
      'https://ci/veza/backend/actions',
    ],
    [
      'that of all runs, where it says more than an address has',
      `{"html_url":"https://ci/veza/backend/actions/runs/${'9'.repeat(500_000)}"}`,
      'https://ci/veza/backend/actions',
    ],
    [
      'that of all runs, where it does not come to an end',
      `"${'x'.repeat(3_000_000)}"`,
      'https://ci/veza/backend/actions',
    ],
  ])('is %s', async (_, answer, link) => {
    run = answer;
    expect(await runAddress(env(), 'of-the-job')).toBe(link);
    expect(asked).toEqual(['/api/v1/repos/veza/backend/actions/runs/272 Bearer of-the-job']);
  });

  it('is asked for without a token where there is none, and not at all from a terminal', async () => {
    await runAddress(env(), '');
    expect(asked).toEqual(['/api/v1/repos/veza/backend/actions/runs/272 undefined']);
    expect(await runAddress({}, 'of-the-job')).toBe('from a terminal');
    expect(asked).toHaveLength(1);
  });
});

describe('a webhook', () => {
  it.each([
    ['text', 'text/plain; charset=utf-8', 'It "failed": ä'],
    ['json', 'application/json', '{"text":"It \\"failed\\": ä"}'],
  ] as const)('is sent %s', async (format, type, body) => {
    await sendAlert(`${address}/alert?key=1`, 'It "failed": ä', { format });
    expect(sent).toEqual([{ url: '/alert?key=1', type, body }]);
  });

  it.each([
    ['/gone', 'the webhook answered 410, so nobody was told'],
    // Followed, it would be a GET, and pass.
    ['/moved', 'the webhook answered 302, so nobody was told'],
  ])('that answers otherwise is told of: %s', async (path, said) => {
    await expect(sendAlert(`${address}${path}`, 'text', { format: 'text' })).rejects.toThrow(said);
    expect(sent).toHaveLength(1);
    expect(asked).toEqual([]);
  });

  it('that nobody listens at is told of, without its address', async () => {
    const error = await sendAlert('http://127.0.0.1:9/S3cret-path', 'text', { format: 'text' }).catch(
      (thrown: unknown) => thrown,
    );
    expect(String(error)).toMatch(
      /could not be reached \(\w[\w ]+\), so nobody was told; look at its address/,
    );
    expect(String(error)).not.toMatch(/127\.0\.0\.1|S3cret/);
  });

  it('that does not answer is not waited for once the run is told to stop', async () => {
    const stop = new AbortController();
    const sending = sendAlert(`${address}/silent`, 'text', { format: 'text', signal: stop.signal });
    setTimeout(() => stop.abort(new Error('stopped')), 200);
    const startedAt = performance.now();
    await expect(sending).rejects.toThrow();
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it.each([
    'hooks.example.com/x',
    'ftp://a/b',
    'https://user:S3cret@a/b',
    'http://',
    'https://a/S3cret\nhttps://b/x',
    'https://a/S3 cret',
  ])('is refused as %s', (given) => {
    expect(() => inputs.webhook.parse(given)).toThrow(/^must be (?:an|one)(?!.*S3)/);
  });
});

describe('the action', () => {
  let compiled: Compiled;
  let folder: string;
  beforeAll(() => {
    compiled = compileSources();
    folder = mkdtempSync(join(tmpdir(), 'pgha-alert-'));
  });
  afterAll(() => {
    compiled.remove();
    rmSync(folder, { recursive: true });
  });

  /** As a runner starts it: its output and everything that it wrote. */
  async function start(given: Record<string, string>) {
    const output = join(folder, 'output');
    writeFileSync(output, '');
    const script = `
      const { alert } = await import(${JSON.stringify(compiled.url('../actions/alert/main'))});
      process.exitCode = { pass: 0, error: 3 }[await alert()] ?? 99;`;
    const defaults = Object.fromEntries(Object.keys(inputs).map((name) => [name, '']));
    const all = Object.entries({ ...defaults, format: 'text', results: 'failover-drill: failure', ...given });
    const env = {
      PATH: process.env['PATH'],
      GITHUB_WORKSPACE: folder,
      GITHUB_OUTPUT: output,
      RUNNER_DEBUG: '1',
      ...Object.fromEntries(all.map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
    };
    const ended = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env,
    }).then(
      ({ stdout, stderr }) => ({ code: 0, log: stdout + stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        log: error.stdout + error.stderr,
      }),
    );
    return { ...ended, outputs: parseFileCommands(readFileSync(output, 'utf8')) };
  }

  it('sends one message and tells it, and shows no secret', async () => {
    const webhook = `${address}/S3cret-path`;
    const { code, log, outputs } = await start({ webhook, token: 'S3cret-token', outcome: 'missed' });
    expect(code, log).toBe(0);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.body).toBe('failover-drill failed. missed. RTO: not measured. from a terminal');
    expect(log).toContain(sent[0]?.body);
    expect(outputs.get('outcome')).toBe('pass');
    expect(log).toContain(`::add-mask::${webhook}`);
    expect(log.replaceAll(/^::add-mask::.*$/gm, '')).not.toContain('S3cret');
  });

  it.each([
    [{ webhook: '' }, /input webhook: there is none, so nobody was told/],
    [
      { webhook: 'http://127.0.0.1:9/S3cret-path' },
      /the webhook could not be reached \(.+\), so nobody was told/,
    ],
    [{ webhook: 'S3cret-path' }, /input webhook: must be an http or https address/],
    [{ webhook: 'http://127.0.0.1:9/S3cret-path', results: 'S' }, /input results: must be lines of/],
  ])('fails with code 3 where nobody was told: %j', async (given, said) => {
    const { code, log, outputs } = await start(given);
    expect(code, log).toBe(3);
    expect(outputs.get('message')).toMatch(said);
    expect(log.replaceAll(/^::add-mask::.*$/gm, '')).not.toContain('S3cret');
  });
});
