import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { now, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { concealed } from '../contract/secrecy.ts';
import { mostOfReason, shortened } from '../contract/size.ts';
import { readLines } from '../disk/file.ts';
import { makeFolder } from '../disk/folder.ts';
import { type HistoryEvent, isHistoryEvent, type WriteHistory } from './write-history.ts';

/** The first line of a journal: what it is, and what its clock's zero is to people. */
const head = v.object({
  journal: v.literal('pgha'),
  version: v.literal(1),
  run: v.string(),
  /** Nobody else reads it. */
  clockZero: v.optional(v.unknown()),
});

/**
 * On disk, and some times as much in memory. The fastest clients that may be asked for come to a tenth of it in a minute; what
 * goes beyond is a drill that lasts too long for them.
 */
const mostBytesOfJournal = 256 * 1024 ** 2;
/** Its head and its last line stand besides. */
const mostBytesRead = mostBytesOfJournal + 64 * 1024;

/**
 * The history as it grows, in memory and on disk: a line of JSON for each event, appended before anything follows
 * from it. So a write that reaches a server stands in the journal even if this process is killed meanwhile. What
 * was written is the kernel's and survives a SIGKILL; a line takes some 10 µs.
 */
export class Journal {
  readonly run: string;
  readonly path: string;
  readonly events: HistoryEvent[] = [];
  private file: number | undefined;
  private readonly mostBytes: number;
  private bytes = 0;
  private readonly hash = createHash('sha256');
  private digested: string | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly over = new AbortController();

  private constructor(run: string, path: string, file: number, mostBytes: number) {
    this.run = run;
    this.path = path;
    this.file = file;
    this.mostBytes = mostBytes;
  }

  /** Aborts when it takes no more: who writes into it has to stop. */
  get full(): AbortSignal {
    return this.over.signal;
  }

  /** @throws EnvironmentError when there is such a file already, or none can be made */
  static create(path: string, run: string, mostBytes = mostBytesOfJournal): Journal {
    const first: v.InferOutput<typeof head> = {
      journal: 'pgha',
      version: 1,
      run,
      clockZero: wallClock(0),
    };
    try {
      makeFolder(dirname(path));
      const file = openSync(path, 'ax');
      const journal = new Journal(run, path, file, mostBytes);
      journal.write(file, `${JSON.stringify(first)}\n`);
      return journal;
    } catch (error) {
      throw new EnvironmentError(`the journal ${path} cannot be written: ${messageOf(error)}`);
    }
  }

  /** A disk that fails does not stop the drill: the history says so, which makes its verdict inconclusive. */
  record(given: HistoryEvent): void {
    if (this.full.aborted) return;
    // A reason is a server's or a library's own words.
    const event = 'why' in given ? { ...given, why: shortened(concealed(given.why), mostOfReason) } : given;
    const line = `${JSON.stringify(event)}\n`;
    this.bytes += line.length;
    if (this.bytes > this.mostBytes) {
      this.end();
      return;
    }
    this.events.push(event);
    if (this.file !== undefined) {
      try {
        this.write(this.file, line);
      } catch (error) {
        this.close();
        this.digested = undefined;
        this.fail(`the journal could not be written: ${messageOf(error)}`);
      }
    }
    for (const listener of this.listeners) listener();
  }

  /** SHA-256 of the file once it is closed, in hexadecimal; undefined where it could not be written to its end. */
  get digest(): string | undefined {
    return this.digested;
  }

  /** Not by writeSync, which may write a part and say nothing. @throws as writeFileSync */
  private write(file: number, line: string): void {
    writeFileSync(file, line);
    this.hash.update(line);
  }

  private fail(why: string): void {
    this.events.push({ kind: 'failing', at: now(), why });
  }

  /** Beyond its bound it would be the disk, or the memory, that ends. What comes later is not known, and the history says so. */
  private end(): void {
    const why = `the journal holds ${Math.round(this.mostBytes / 1024 ** 2)} MiB, which is all that it takes; fewer sessions or writes per second (client-sessions, client-writes-per-second) make a smaller one`;
    const event: HistoryEvent = { kind: 'failing', at: now(), why };
    this.events.push(event);
    try {
      if (this.file !== undefined) this.write(this.file, `${JSON.stringify(event)}\n`);
    } catch {
      // It is known in memory.
    }
    this.close();
    this.over.abort(new EnvironmentError(why));
  }

  /**
   * Waits until `find` makes something of an event, those of the past first.
   * @throws DeadlineError, the signal's reason, or EnvironmentError once the journal is full
   */
  async until<T>(
    what: string,
    { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal | undefined },
    find: (event: HistoryEvent) => T | undefined,
  ): Promise<T> {
    let looked = 0;
    let look: (() => void) | undefined;
    try {
      return await withDeadline(
        what,
        deadlineMs,
        () =>
          new Promise<T>((found) => {
            look = () => {
              while (looked < this.events.length) {
                const result = find(this.events[looked++] as HistoryEvent);
                if (result !== undefined) return found(result);
              }
            };
            this.listeners.add(look);
            look();
          }),
        signal === undefined ? this.full : AbortSignal.any([signal, this.full]),
      );
    } finally {
      if (look) this.listeners.delete(look);
    }
  }

  history(): WriteHistory {
    return { run: this.run, events: [...this.events] };
  }

  /** Puts what was written onto the disk itself and ends the file; events after it are kept in memory alone. */
  close(): void {
    const file = this.file;
    this.file = undefined;
    if (file === undefined) return;
    try {
      fsyncSync(file);
    } catch {
      // Not every file can be synced (a pipe, some network file systems).
    }
    try {
      closeSync(file);
      this.digested = this.hash.digest('hex');
    } catch (error) {
      this.fail(`the journal could not be closed: ${messageOf(error)}`);
    }
  }
}

/** What a journal holds, and the SHA-256 of the file, in hexadecimal. */
export interface JournalRead {
  history: WriteHistory;
  digest: string;
}

/**
 * Reads a journal, also one whose writer was killed in the middle of a line.
 * @throws EnvironmentError when it cannot be read or is damaged anywhere but at its end
 */
export function readJournal(path: string): JournalRead {
  const events: HistoryEvent[] = [];
  let run: string | undefined;
  let number = 0;
  let damaged: EnvironmentError | undefined;
  // Whatever is wrong is told once all has been read: an error in between would be taken for one of the file's.
  const take = (line: string) => {
    number++;
    if (damaged !== undefined) return;
    const found = parsed(path, number, line);
    if (found instanceof EnvironmentError) damaged = found;
    else if (number > 1) {
      if (isHistoryEvent(found)) events.push(found);
      else
        damaged = new EnvironmentError(
          `the journal ${path} is damaged in line ${number}: what stands there is no event that this version of pgha knows`,
        );
    } else {
      if (v.is(head, found)) run = found.run;
      else damaged = noJournal(path);
    }
  };
  let digest: string;
  try {
    digest = readLines(path, mostBytesRead, take);
  } catch (error) {
    throw new EnvironmentError(`the journal ${path} cannot be read: ${messageOf(error)}`);
  }
  if (damaged !== undefined) throw damaged;
  if (run === undefined) throw noJournal(path);
  return { history: { run, events }, digest };
}

const noJournal = (path: string) => new EnvironmentError(`${path} is not a journal of pgha (version 1)`);

function parsed(path: string, number: number, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return new EnvironmentError(`the journal ${path} is damaged in line ${number}`);
  }
}
