import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CancelledError,
  CommandError,
  DeadlineError,
  EnvironmentError,
} from '../../../src/contract/errors.ts';
import { runCommand } from '../../../src/incus/command.ts';
import { keptLog } from '../builders.ts';

const soon = { deadlineMs: 10_000 };
const node = (script: string, options: Partial<Parameters<typeof runCommand>[2]> = {}) =>
  runCommand(process.execPath, ['-e', script], { ...soon, ...options });

async function thrown(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('no Error was thrown');
}

/** Runs it and tells what it threw and after how long. */
async function timed(work: () => Promise<unknown>): Promise<{ error: Error; tookMs: number }> {
  const started = performance.now();
  return { error: await thrown(work()), tookMs: performance.now() - started };
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
  writeFileSync(join(folder, 'not-executable'), '#!/bin/sh\n', { mode: 0o644 });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a command that succeeds', () => {
  it('hands back its output, to the byte, and no complaint', async () => {
    expect(await node('console.error("noise"); process.stdout.write(" é\\n\\n")')).toBe(' é\n\n');
  });

  it('gets its arguments as they are: no shell reads them', async () => {
    const args = ['$HOME', '`id`', "a'b", '*', ';', '', 'two words', 'é'];
    const script = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))';
    expect(JSON.parse(await runCommand(process.execPath, ['-e', script, '--', ...args], soon))).toEqual(args);
  });

  it('gets its standard input, and its end', async () => {
    const secret = `pass\n${'x'.repeat(500_000)}`;
    expect(await runCommand('cat', [], { ...soon, stdin: secret })).toBe(secret);
    expect(await runCommand('cat', [], soon)).toBe('');
  });

  it('is not waited for once it has printed what was awaited', async () => {
    const script =
      'process.stdout.write("one\\ntw"); setTimeout(() => process.stdout.write("o\\nend\\n"), 50); setTimeout(() => {}, 60_000)';
    const started = performance.now();
    expect(await node(script, { until: '\nend\n' })).toBe('one\ntwo\nend\n');
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('is read to its end where what was awaited is not its last word', async () => {
    expect(await node('process.stdout.write("end\\nmore")', { until: 'end\n' })).toBe('end\nmore');
  });

  it('need not read its standard input', async () => {
    expect(await node('console.log("done")', { stdin: 'x'.repeat(1_000_000) })).toBe('done\n');
  });
});

describe('a command that fails', () => {
  it('is told with its argv, its exit code and the end of what it said', async () => {
    const error = await thrown(runCommand('sh', ['-c', 'echo one >&2; echo Error: two >&2; exit 7'], soon));
    expect(error).toBeInstanceOf(CommandError);
    expect(error.message).toBe(
      '`sh -c echo one >&2; echo Error: two >&2; exit 7` failed with exit code 7: one | Error: two',
    );
  });

  it('is told with its output where it complains there', async () => {
    const error = await thrown(runCommand('sh', ['-c', 'echo what apt says; exit 100'], soon));
    expect(error.message).toMatch(/failed with exit code 100: what apt says$/);
  });

  it('and reads no input is told by its exit code, not by our broken pipe', async () => {
    const error = await thrown(node('process.exit(4)', { stdin: 'x'.repeat(5_000_000) }));
    expect(error.message).toMatch(/failed with exit code 4$/);
  });

  it('is told without the text of its scripts', async () => {
    const error = await thrown(runCommand('sh', ['-c', 'exit 1\n# a long script', 'x'], soon));
    expect(error.message).toBe('`sh -c (script) x` failed with exit code 1');
  });

  it('by a signal is told with the signal', async () => {
    expect((await thrown(runCommand('sh', ['-c', 'kill -9 $$'], soon))).message).toMatch(
      /was ended by SIGKILL/,
    );
  });

  it('shows in no message and no log what it was given as input', async () => {
    const log = keptLog();
    const error = await thrown(node('process.exit(1)', { stdin: 'hunter2', log }));
    expect(`${error.message}${log.lines.join()}`).not.toContain('hunter2');
    expect(log.lines).toEqual([expect.stringMatching(/^debug run: .*node -e process\.exit\(1\)$/)]);
  });
});

describe('a command that is not there', () => {
  it('is a matter of the surroundings, with what mends it', async () => {
    const error = await thrown(runCommand('pgha-no-such-command', ['x'], soon));
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(error.message).toBe('`pgha-no-such-command` is not on PATH; install it or add its folder to PATH');
  });

  it('or may not be executed, is told so', async () => {
    const error = await thrown(runCommand(join(folder, 'not-executable'), [], soon));
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(error.message).toMatch(/may not be executed by this user; check its permissions$/);
  });
});

describe('a command that does not end', () => {
  it.each([
    ['sleeps', 'sleep', ['60']],
    ['ignores every signal that can be ignored', 'sh', ['-c', "trap '' TERM INT HUP; sleep 5; true"]],
    ['has a child that holds its output', 'sh', ['-c', 'sleep 5 & wait']],
    ['talks all the time', 'sh', ['-c', 'while true; do echo x; sleep 0.05; done']],
  ])('and %s is ended within a second of its deadline', async (_, file, args) => {
    const { error, tookMs } = await timed(() => runCommand(file, args, { deadlineMs: 300 }));
    expect(error).toBeInstanceOf(DeadlineError);
    expect(error.message).toMatch(/^gave up after 0\.3 s waiting for `/);
    expect(tookMs).toBeLessThan(1300);
  });

  it('is ended by the signal, with its reason', async () => {
    const stop = new AbortController();
    const reason = new CancelledError('cancelled by SIGTERM');
    setTimeout(() => stop.abort(reason), 100);
    const { error, tookMs } = await timed(() =>
      runCommand('sleep', ['60'], { deadlineMs: 60_000, signal: stop.signal }),
    );
    expect(error).toBe(reason);
    expect(tookMs).toBeLessThan(1100);
  });

  it('is not even begun when the signal was earlier', async () => {
    const log = keptLog();
    const reason = new CancelledError('cancelled by SIGINT');
    const options = { deadlineMs: 1000, signal: AbortSignal.abort(reason), log };
    expect(await thrown(runCommand('sleep', ['60'], options))).toBe(reason);
    expect(log.lines).toEqual([]);
  });

  it('is ended when what remains of a deadline is a fraction of a millisecond, or nothing', async () => {
    for (const deadlineMs of [0, 0.4, 20.5]) {
      const { error } = await timed(() => runCommand('sleep', ['3'], { deadlineMs }));
      expect(error).toBeInstanceOf(DeadlineError);
    }
  });
});

describe('a command that floods us', () => {
  it('with 50 MB is ended and told', async () => {
    const flood = 'const x = "x".repeat(1 << 20); for (let i = 0; i < 50; i++) process.stdout.write(x)';
    const error = await thrown(node(`${flood}; setTimeout(() => {}, 60000)`));
    expect(error).toBeInstanceOf(CommandError);
    expect(error.message).toMatch(/printed more than 16777216 bytes and was ended$/);
  });

  it('with 10 MB is heard out', async () => {
    expect(await node('process.stdout.write("x".repeat(10 << 20))')).toHaveLength(10 << 20);
  });
});
