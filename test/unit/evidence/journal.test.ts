import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import type { HistoryEvent } from '../../../src/evidence/history.ts';
import { Journal, readJournal } from '../../../src/evidence/journal.ts';
import { type Compiled, compileSources } from '../../compiled.ts';

let folder = '';
let compiled: Compiled;
let files = 0;
const nextPath = () => join(folder, `journal-${++files}.jsonl`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
  compiled = compileSources();
}, 120_000);
afterAll(() => {
  rmSync(folder, { recursive: true });
  compiled.remove();
});

const invoked = (seq: number): HistoryEvent => ({ kind: 'invoked', connection: 'app1.1', seq, at: seq / 7 });
const refused = (why: string): HistoryEvent => ({ kind: 'refused', actor: 'witness', node: 'é', why, at: 1 });

/** A process that records invocation after invocation, and prints the number of each once it is recorded. */
function startWriter(path: string, shell = ''): ReturnType<typeof spawn> {
  const script = `
    const { Journal } = await import(${JSON.stringify(compiled.url('evidence/journal'))});
    const { writeSync } = await import('node:fs');
    const journal = Journal.create(process.argv[1], 'run');
    for (let seq = 1; ; seq++) {
      journal.record({ kind: 'invoked', connection: 'app1.1', seq, at: performance.now() });
      const last = journal.events.at(-1);
      if (last.kind === 'failing') { console.log(JSON.stringify({ why: last.why, kept: journal.events.length })); break; }
      writeSync(1, seq + '\\n');
    }`;
  const node = [process.execPath, '--input-type=module', '-e', script, path];
  return shell === ''
    ? spawn(node[0] as string, node.slice(1))
    : spawn('sh', ['-c', `${shell} exec "$@"`, 'sh', ...node]);
}

describe('a journal', () => {
  it('is read back as it was recorded', () => {
    const path = nextPath();
    const journal = Journal.create(path, 'run');
    const events = [invoked(1), refused('"no"\n\u2028 entry'), invoked(2)];
    for (const event of events) journal.record(event);
    journal.close();
    expect(readJournal(path)).toEqual({ run: 'run', events });
    expect(journal.history()).toEqual({ run: 'run', events });
  });

  it('has every event on disk as soon as it is recorded', () => {
    const path = nextPath();
    const journal = Journal.create(path, 'run');
    for (let seq = 1; seq <= 20; seq++) {
      journal.record(invoked(seq));
      expect(readJournal(path).events).toHaveLength(seq);
    }
    journal.close();
  });

  it('cut off at any byte after its first line gives every whole event before that', () => {
    const path = nextPath();
    const journal = Journal.create(path, 'run');
    const events = [invoked(1), refused('père'), invoked(2), invoked(3)];
    for (const event of events) journal.record(event);
    journal.close();
    const bytes = readFileSync(path);
    const head = bytes.indexOf('\n') + 1;
    fc.assert(
      fc.property(fc.integer({ min: head, max: bytes.length }), (length) => {
        writeFileSync(path, bytes.subarray(0, length));
        const lines = bytes.subarray(head, length).filter((byte) => byte === 10).length;
        expect(readJournal(path).events).toEqual(events.slice(0, lines));
      }),
    );
  });

  it('does not write over another, and a damaged or foreign one is told', () => {
    const path = nextPath();
    Journal.create(path, 'run').close();
    expect(() => Journal.create(path, 'run')).toThrow(EnvironmentError);
    expect(() => Journal.create('/proc/none/journal', 'run')).toThrow('/proc/none/journal cannot be written');
    expect(() => readJournal(join(folder, 'none'))).toThrow('cannot be read');
    writeFileSync(path, '{"journal":"other"}\n');
    expect(() => readJournal(path)).toThrow('is not a journal of pgha');
    writeFileSync(path, '');
    expect(() => readJournal(path)).toThrow('is not a journal of pgha');
    writeFileSync(path, '{"journal":"pgha","version":1,"run":"r"}\n{"kind":\n{}\n');
    expect(() => readJournal(path)).toThrow('is damaged in line 2');
  });

  it('loses nothing that it had recorded when its process is killed at any moment', async () => {
    for (const delayMs of [0, 7, 40]) {
      const path = nextPath();
      const child = startWriter(path);
      let printed = '';
      child.stdout?.on('data', (text: Buffer) => {
        printed += text.toString();
      });
      await once(child.stdout as NodeJS.ReadableStream, 'data');
      await new Promise((next) => setTimeout(next, delayMs));
      child.kill('SIGKILL');
      await once(child, 'close');
      const recorded = Number(printed.split('\n').at(-2));
      const seqs = readJournal(path).events.map((event) => (event.kind === 'invoked' ? event.seq : 0));
      expect(recorded).toBeGreaterThan(0);
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => index + 1));
      // One more may be on disk whose number was not printed any more.
      expect(seqs.length - recorded).toBeOneOf([0, 1]);
    }
  });

  it('says so when the disk takes no more, keeps the events in memory, and ends nothing', async () => {
    const path = nextPath();
    const child = startWriter(path, "trap '' XFSZ; ulimit -f 8;");
    let printed = '';
    child.stdout?.on('data', (text: Buffer) => {
      printed += text.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    const { why, kept } = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as {
      why: string;
      kept: number;
    };
    expect(code).toBe(0);
    expect(why).toContain('the journal could not be written: EFBIG');
    expect(readJournal(path).events.length).toBeGreaterThan(10);
    expect(readJournal(path).events.length).toBe(kept - 2);
  });
});

describe('waiting for an event', () => {
  const soon = { deadlineMs: 1000 };
  const third = (event: HistoryEvent) =>
    event.kind === 'invoked' && event.seq === 3 ? event.seq : undefined;

  it('finds one of the past and one to come', async () => {
    const journal = Journal.create(nextPath(), 'run');
    journal.record(invoked(3));
    expect(await journal.until('it', soon, third)).toBe(3);
    const later = journal.until('it', soon, (event) => (event.kind === 'refused' ? event.why : undefined));
    journal.record(invoked(4));
    journal.record(refused('no'));
    expect(await later).toBe('no');
    journal.close();
  });

  it('ends at its deadline, and with its signal', async () => {
    const journal = Journal.create(nextPath(), 'run');
    await expect(journal.until('a write', { deadlineMs: 20 }, third)).rejects.toThrow('waiting for a write');
    const aborted = AbortSignal.abort(new Error('stop'));
    await expect(journal.until('it', { ...soon, signal: aborted }, third)).rejects.toThrow('stop');
    journal.close();
  });
});
