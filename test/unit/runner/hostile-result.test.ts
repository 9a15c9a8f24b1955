import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseFileCommands } from '../../../src/runner/file-commands.ts';
import { commonOutputs } from '../../../src/runner/run-action.ts';
import { type Compiled, compileSources } from '../../compiled.ts';

let folder = '';
let compiled: Compiled;
beforeAll(() => {
  compiled = compileSources();
}, 120_000);
afterAll(() => compiled.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
  return () => rmSync(folder, { recursive: true });
});

interface Ended {
  code: number | null;
  log: string;
}

/** Runs a script that has the sources at hand, as a runner would. */
async function runs(
  script: string,
  { env = {}, closed = false }: { env?: Record<string, string>; closed?: boolean } = {},
): Promise<Ended> {
  const paths = { GITHUB_OUTPUT: join(folder, 'output'), GITHUB_STEP_SUMMARY: join(folder, 'summary') };
  for (const path of Object.values(paths)) writeFileSync(path, '');
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH, GITHUB_WORKSPACE: folder, ...paths, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    if (closed) stream.destroy();
    else stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, log };
}

const outputs = () => parseFileCommands(readFileSync(join(folder, 'output'), 'utf8'));

describe('an action whose server said 1.5 MB', () => {
  const act = (result: string) => `
    const { runAction } = await import(${JSON.stringify(compiled.url('runner/run-action'))});
    const huge = 'ERROR: no '.repeat(150_000);
    const { exitCodeOf } = await import(${JSON.stringify(compiled.url('contract/outcome'))});
    process.exitCode = exitCodeOf(await runAction({ name: 'trial', inputs: {}, outputs: ['own'], run: async (_, { log }) => {
      for (const say of ['info', 'warn', 'debug']) log[say](huge);
      return ${result};
    } }));`;

  it('has outputs, log lines, a summary and a report that can be borne', async () => {
    const { code, log } = await runs(
      act(`{ outcome: 'missed', message: huge, outputs: { own: huge },
        report: { name: 'trial', content: { why: huge } }, annotations: [{ severity: 'error', title: 't', text: huge }],
        summary: ('| ' + huge.slice(0, 1000) + ' |\\n').repeat(3000) }`),
    );
    expect(code).toBe(2);
    const told = outputs();
    expect(told.get('message')?.length).toBeLessThanOrEqual(1000);
    expect(told.get('message')).toMatch(/^ERROR: no /);
    expect(told.get('own')).toBe('');
    expect(log).toContain('the output own would have 1500000 characters');
    for (const line of log.split('\n')) expect(line.length).toBeLessThan(21_000);
    const summary = readFileSync(join(folder, 'summary'));
    expect(summary.length).toBeLessThan((1024 * 1024) / 3);
    expect(summary.toString()).toContain('All of it is in the report,');
    const report = readFileSync(told.get('report') ?? '', 'utf8');
    expect(report.length).toBeLessThan(50_000);
    expect(JSON.parse(report)).toMatchObject({ outcome: 'missed', exitCode: 2 });
  });

  it('that throws it ends the same way', async () => {
    const { code, log } = await runs(act('await Promise.reject(new Error(huge))'));
    expect(code).toBe(3);
    expect(outputs().get('message')?.length).toBeLessThanOrEqual(1000);
    expect(readFileSync(join(folder, 'summary')).length).toBeLessThan(50_000);
    for (const line of log.split('\n')) expect(line.length).toBeLessThan(21_000);
  });

  it('that looks like outputs makes no output of its own', async () => {
    const text = 'no\\nexit-code=0\\nghadelimiter\\noutcome<<ghadelimiter\\npass\\nghadelimiter\\n';
    await runs(
      act(`{ outcome: 'missed', message: '${text}', outputs: { own: '${text}' },
        report: { name: 'trial', content: {} }, summary: '' }`),
    );
    const told = outputs();
    expect([...told.keys()].sort()).toEqual([...commonOutputs, 'own'].sort());
    expect(told.get('outcome')).toBe('missed');
    expect(told.get('exit-code')).toBe('2');
  });
});

describe('an action or post step that nobody reads', () => {
  const late = `await new Promise((done) => setTimeout(done, 300));`;

  it('does its work, and writes its outputs', async () => {
    const { code } = await runs(
      `const { runAction } = await import(${JSON.stringify(compiled.url('runner/run-action'))});
      await runAction({ name: 'trial', inputs: {}, outputs: [], run: async (_, { log }) => {
        ${late} for (let n = 0; n < 100; n++) { log.info('line'); log.warn('line'); } ${late}
        return { outcome: 'pass', message: 'done', outputs: {}, report: { name: 'trial', content: {} }, summary: '' };
      } });`,
      { closed: true },
    );
    expect(code).toBe(0);
    expect(outputs().get('message')).toBe('done');
  });

  const post = (work: string) => `
    const { runPost } = await import(${JSON.stringify(compiled.url('runner/run-post'))});
    const { writeFileSync } = await import('node:fs');
    await runPost({}, 'exposed', async (state, log) => {
      ${late} for (let n = 0; n < 100; n++) { log.info('line'); log.warn('line'); } ${late}
      ${work}
      writeFileSync(process.env.DONE, state);
    });`;
  const env = () => ({ STATE_exposed: 'drill', DONE: join(folder, 'done') });

  it('repairs in its post step', async () => {
    const { code } = await runs(post(''), { env: env(), closed: true });
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'done'), 'utf8')).toBe('drill');
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'])(
    'nor is it ended by %s before it has repaired',
    async (signal) => {
      const { code } = await runs(post(`process.kill(process.pid, '${signal}'); ${late}`), { env: env() });
      expect(code).toBe(0);
      expect(existsSync(join(folder, 'done'))).toBe(true);
    },
  );

  it('nor by a promise that nobody looked after, which it tells with code 3', async () => {
    const { code, log } = await runs(post(`Promise.reject(new Error('astray')); ${late}`), { env: env() });
    expect(code, log).toBe(3);
    expect(log).toContain('astray');
    expect(existsSync(join(folder, 'done'))).toBe(true);
  });
});
