import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import { Journal, readJournal } from '../../../src/evidence/journal.ts';
import { judgeLedger } from '../../../src/evidence/ledger/ledger.ts';
import type { HistoryEvent } from '../../../src/evidence/write-history.ts';
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

const readEvents = (path: string) => [...readJournal(path).history.events];
const roles = { faultAt: 0, oldPrimary: 'alpha', newPrimary: 'beta' };
const invoked = (seq: number): HistoryEvent => ({ kind: 'invoked', connection: 'app1.1', seq, at: seq / 7 });
const refused = (why: string): HistoryEvent => ({ kind: 'refused', actor: 'witness', node: 'é', why, at: 1 });

/** A process that records invocation after invocation, and prints the number of each once it is recorded. */
function startWriter(path: string, shell = ''): ReturnType<typeof spawn> {
  const script = `
    const { Journal } = await import(${JSON.stringify(compiled.url('evidence/journal'))});
    const { writeSync } = await import('node:fs');
    const journal = Journal.create(process.argv[1], 'run');
    for (let seq = 1; ; seq++) {
      if (!journal.record({ kind: 'invoked', connection: 'app1.1', seq, at: performance.now() })) {
        const events = [...journal.history().events];
        console.log(JSON.stringify({ why: events.at(-1).why, kept: events.length, over: journal.full.reason.message }));
        break;
      }
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
    expect(readEvents(path)).toEqual(events);
    expect([...journal.history().events]).toEqual(events);
  });

  it('knows the digest of its file once that is whole, by which a changed one is told', () => {
    const path = nextPath();
    const journal = Journal.create(path, 'run');
    for (let seq = 1; seq <= 50; seq++) journal.record(refused(`é${'\u{1f40c}'.repeat(seq)}`));
    expect(journal.digest).toBeUndefined();
    journal.close();
    const text = readFileSync(path, 'utf8');
    expect(journal.digest).toBe(createHash('sha256').update(text).digest('hex'));
    expect(readJournal(path).digest).toBe(journal.digest);
    writeFileSync(path, text.replace('\n', '\n{"kind":"ending","at":14000}\n'));
    expect(readJournal(path).digest).not.toBe(journal.digest);
  });

  it('of which many are read in a fraction of the memory that one text of it would take', {
    timeout: 300_000,
  }, () => {
    const path = nextPath();
    const line = `${JSON.stringify(refused('no room'))}\n`;
    writeFileSync(path, `{"journal":"pgha","version":1,"run":"run","clockZero":""}\n`);
    for (let part = 0; part < 64; part++)
      appendFileSync(path, line.repeat(Math.floor(1024 ** 2 / line.length)));
    const script = `
      import { readJournal } from '${compiled.url('evidence/journal')}';
      let length = 0;
      for (const _ of readJournal(process.argv[1]).history.events) length++;
      console.log(JSON.stringify({ length, mebibytes: process.resourceUsage().maxRSS / 1024 }));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script, path], {
      encoding: 'utf8',
    });
    const { length, mebibytes } = JSON.parse(said) as { length: number; mebibytes: number };
    expect(length).toBe(64 * Math.floor(1024 ** 2 / line.length));
    expect(mebibytes).toBeLessThan(250);
  });

  it('is kept and judged in the same memory however many writes it holds', { timeout: 300_000 }, () => {
    // As objects, these writes would take some times the heap that the process is given.
    const [writes, sessions, heapMebibytes] = [200_000, 200, 32];
    const script = `
      import { Journal, readJournal } from '${compiled.url('evidence/journal')}';
      import { judgedAtOnce } from '${compiled.url('evidence/ledger/ledger')}';
      const [path, writes, sessions] = [process.argv[1], Number(process.argv[2]), Number(process.argv[3])];
      const journal = Journal.create(path, 'run');
      const name = (of) => 'app' + (of + 1) + '.1';
      for (let of = 0; of < sessions; of++)
        journal.record({ kind: 'connected', at: of / 1e3, connection: name(of), actor: 'application', node: 'alpha' });
      for (let write = 0; write < writes; write++) {
        const key = { connection: name(write % sessions), seq: Math.floor(write / sessions) + 1 };
        journal.record({ kind: 'invoked', ...key, at: write + 1 });
        journal.record({ kind: 'acknowledged', ...key, at: write + 1.5, timeline: 1 });
      }
      journal.close();
      const rows = Object.fromEntries(
        Array.from({ length: sessions }, (_, of) => [name(of), [[1, writes / sessions]]]));
      const read = { node: 'alpha', startedAt: writes + 2, endedAt: writes + 3, inRecovery: false, rows };
      const roles = { faultAt: writes / 2, oldPrimary: 'alpha', newPrimary: undefined };
      const of = ({ ledger, throughput, activity }) => ({
        acknowledged: ledger.acknowledgedWrites, atRisk: ledger.writesAtRisk, lost: ledger.lost.count,
        phantoms: ledger.phantoms.count, before: throughput.before, moments: activity[0].acknowledged.length,
      });
      const live = of(judgedAtOnce(journal.history(), [read], roles));
      const again = of(judgedAtOnce(readJournal(path).history, [read], roles));
      console.log(JSON.stringify({ live, again, mebibytes: process.resourceUsage().maxRSS / 1024 }));`;
    const node = [`--max-old-space-size=${heapMebibytes}`, '--input-type=module', '-e', script];
    const said = execFileSync(process.execPath, [...node, nextPath(), `${writes}`, `${sessions}`], {
      encoding: 'utf8',
    });
    const { live, again, mebibytes } = JSON.parse(said) as Record<'live' | 'again', unknown> & {
      mebibytes: number;
    };
    expect(live).toMatchObject({
      ...{ acknowledged: writes, atRisk: writes / 2 - 1, lost: 0, phantoms: 0 },
      before: { writesPerSecond: expect.closeTo(1000, 0) as number },
    });
    expect(again).toEqual(live);
    expect(mebibytes).toBeLessThan(200);
  });

  it('has every event on disk as soon as it is recorded', () => {
    const path = nextPath();
    const journal = Journal.create(path, 'run');
    for (let seq = 1; seq <= 20; seq++) {
      journal.record(invoked(seq));
      expect(readEvents(path)).toHaveLength(seq);
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
        expect(readEvents(path)).toEqual(events.slice(0, lines));
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
      const seqs = readEvents(path).map((event) => (event.kind === 'invoked' ? event.seq : 0));
      expect(recorded).toBeGreaterThan(0);
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => index + 1));
      // One more may be on disk whose number was not printed any more.
      expect(seqs.length - recorded).toBeOneOf([0, 1]);
    }
  });

  it.each([
    '{}',
    '{"kind":"zzz","at":1}',
    '{"kind":"acknowledged"}',
    '{"kind":"failing","at":1,"why":{"a":1}}',
    '{"kind":"refused","at":1,"actor":"application","node":"n"}',
    '{"kind":"ending","at":"x"}',
    '{"kind":"looked","witness":"writer"}',
    '{"kind":"stalled","at":1,"longestMs":null}',
    '{"kind":"probed","invokedAt":1,"at":2,"connection":"c","row":{"connection":"d"},"present":true}',
    '[]',
    'null',
  ])('is damaged where %s stands, which nobody can judge', (line) => {
    const path = nextPath();
    writeFileSync(path, `{"journal":"pgha","version":1,"run":"r"}\n${JSON.stringify(invoked(1))}\n${line}\n`);
    expect(() => readJournal(path)).toThrow('is damaged in line 3');
  });

  it('says so when the disk takes no more, and takes nothing itself from then on', async () => {
    const path = nextPath();
    const child = startWriter(path, "trap '' XFSZ; ulimit -f 8;");
    let printed = '';
    child.stdout?.on('data', (text: Buffer) => {
      printed += text.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    const { why, kept, over } = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as {
      why: string;
      kept: number;
      over: string;
    };
    expect(code).toBe(0);
    expect(why).toContain('the journal could not be written: EFBIG');
    expect(over).toBe(why);
    const left = readEvents(path);
    expect(left.length).toBeGreaterThan(10);
    expect(kept).toBe(left.length + 1);
    expect(left.map((event) => event.kind === 'invoked' && event.seq)).toEqual(
      Array.from({ length: left.length }, (_, index) => index + 1),
    );
  });
});

describe('a journal of what a server said', () => {
  const huge = 'no '.repeat(500_000);

  it('keeps of each reason what a person reads of it', () => {
    const path = nextPath();
    const journal = Journal.create(path, 'run');
    for (let seq = 1; seq <= 100; seq++) {
      journal.record({ kind: 'unknown', connection: 'app1.1', seq, at: seq, why: huge });
      journal.record(refused(huge));
    }
    journal.close();
    expect(statSync(path).size).toBeLessThan(300_000);
    expect(readEvents(path)).toEqual([...journal.history().events]);
  });

  it('has an end: it says so, takes no more, and ends whoever writes and waits', async () => {
    const path = nextPath();
    const journal = Journal.create(path, 'run', 10_000);
    const waiting = journal.until('what never comes', { deadlineMs: 60_000 }, () => undefined);
    const ended = expect(waiting).rejects.toThrow('which is all that it takes');
    for (let seq = 1; seq <= 1000; seq++) journal.record(invoked(seq));
    await ended;
    expect(journal.full.aborted).toBe(true);
    expect(statSync(path).size).toBeLessThan(11_000);
    const events = [...journal.history().events];
    expect(readEvents(path)).toEqual(events);
    expect(events.at(-1)).toMatchObject({ kind: 'failing' });
    expect(judgeLedger(journal.history(), [], roles).inconclusive.join()).toContain('all that it takes');
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
