import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterAll, expect, it } from 'vitest';
import { FrameReader, frame } from '../../../src/incus/relay/relay-frames.ts';
import relayScript from '../../../src/incus/relay/scripts/relay.pl';

/** What runs in a container, here without one: a relay whose client is gone holds its lock until another ends it by its name. */

const folder = mkdtempSync(join(tmpdir(), 'pgha-relay-'));
const lock = join(folder, 'lock');
const running: ChildProcessByStdio<Writable, Readable, null>[] = [];
afterAll(() => {
  for (const each of running) each.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function relay(...names: string[]) {
  const child = spawn('perl', ['-e', relayScript, ...names], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.push(child);
  const heard: string[] = [];
  const frames = new FrameReader((_, kind, body) => heard.push(`${kind}${body}`));
  child.stdout.on('data', (bytes: Buffer) => frames.push(bytes));
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  const locks = async (): Promise<boolean> => {
    child.stdin.write(frame(1, 'l', `e ${lock}`));
    for (;;) {
      const answer = heard.find((each) => each.startsWith('x'));
      if (answer !== undefined) return answer === 'x0';
      await new Promise((next) => setTimeout(next, 10));
    }
  };
  return { ended, locks };
}

it('a relay ends those of the names that it is given, and no other', async () => {
  const lost = relay('1111aaaa');
  const bystander = relay('2222bbbb');
  expect(await lost.locks()).toBe(true);
  expect(await bystander.locks()).toBe(false);
  expect(await relay('3333cccc', '4444dddd').locks()).toBe(false);
  expect(await relay('5555eeee', '4444dddd', '1111aaaa').locks()).toBe(true);
  await lost.ended;
  expect(running.map(({ exitCode, signalCode }) => exitCode ?? signalCode)).toEqual([0, null, null, null]);
});
