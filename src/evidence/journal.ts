import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { type Moment, now, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { concealed } from '../contract/secrecy.ts';
import { mostOfReason, shortened } from '../contract/size.ts';
import { linesFrom, readLines } from '../disk/file.ts';
import { makeFolder } from '../disk/folder.ts';
import { Sightings } from './sightings.ts';
import { type HistoryEvent, isHistoryEvent, type WriteHistory } from './write-history.ts';

/** The first line of a journal: what it is, and what its clock's zero is to people. */
const head = v.object({
  journal: v.literal('pgha'),
  version: v.literal(1),
  run: v.string(),
  /** Nobody else reads it. */
  clockZero: v.optional(v.unknown()),
});

/** On disk: an hour of a thousand writes a second takes six tenths of it. What goes beyond is a drill that lasts too long for them. */
const mostBytesOfJournal = 1024 ** 3;
/** Its head and its last line stand besides. */
const mostBytesRead = mostBytesOfJournal + 64 * 1024;
/** Where an event of some moment stands in the file is known this exactly. */
const markEveryBytes = 64 * 1024;

/**
 * The history as it grows, on disk: a line of JSON for each event, appended before anything follows from it. So a write
 * that reaches a server stands in the journal even if this process is killed meanwhile. What was written is the
 * kernel's and survives a SIGKILL; a line takes some 10 µs. In memory is only what is asked for while it grows.
 */
export class Journal {
  readonly run: string;
  readonly path: string;
  readonly sightings = new Sightings();
  private file: number | undefined;
  private readonly mostBytes: number;
  /** As they stand in the file. */
  private bytes = 0;
  private readonly marks: { at: Moment; offset: number }[] = [];
  /** What the file could not take. */
  private readonly unwritten: HistoryEvent[] = [];
  private readonly hash = createHash('sha256');
  private digested: string | undefined;
  private readonly listeners = new Set<(event: HistoryEvent) => void>();
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

  /**
   * A disk that takes no more ends it, and the history says so, which makes its verdict inconclusive.
   * @returns whether it stands there now: a write that does not must not be sent
   */
  record(given: HistoryEvent): boolean {
    if (this.full.aborted) return false;
    // A reason is a server's or a library's own words.
    const event = 'why' in given ? { ...given, why: shortened(concealed(given.why), mostOfReason) } : given;
    if (!this.append(event)) return false;
    this.sightings.take(event);
    for (const listener of this.listeners) listener(event);
    return true;
  }

  private append(event: HistoryEvent): boolean {
    const { file, bytes } = this;
    if (file === undefined) return false;
    try {
      const line = `${JSON.stringify(event)}\n`;
      if (bytes + line.length > this.mostBytes) {
        this.end(
          `the journal holds ${Math.round(this.mostBytes / 1024 ** 2)} MiB, which is all that it takes; fewer sessions or writes per second (client-sessions, client-writes-per-second) make a smaller one`,
        );
        return false;
      }
      this.write(file, line);
    } catch (error) {
      this.end(
        `the journal could not be written: ${messageOf(error)}; make room for ${this.path}, or give report-folder another disk`,
      );
      return false;
    }
    if (bytes - (this.marks.at(-1)?.offset ?? Number.NEGATIVE_INFINITY) >= markEveryBytes)
      this.marks.push({ at: event.at, offset: bytes });
    return true;
  }

  /** SHA-256 of the file once it is closed, in hexadecimal; undefined where it could not be written to its end. */
  get digest(): string | undefined {
    return this.digested;
  }

  /** @throws what the disk answered, of a line of which a part may stand there then */
  private write(file: number, line: string): void {
    const bytes = Buffer.from(line);
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    this.bytes += bytes.length;
    this.hash.update(bytes);
  }

  /** What comes later is not known, and the history says so. */
  private end(why: string): void {
    const event: HistoryEvent = { kind: 'failing', at: now(), why };
    const { file } = this;
    let isWhole = false;
    try {
      // Half of a line may stand there.
      if (file !== undefined) {
        ftruncateSync(file, this.bytes);
        this.write(file, `${JSON.stringify(event)}\n`);
        isWhole = true;
      }
    } catch {
      // It is known in memory.
    }
    if (!isWhole) this.unwritten.push(event);
    this.close();
    if (!isWhole) this.digested = undefined;
    this.sightings.take(event);
    this.over.abort(new EnvironmentError(why));
  }

  /**
   * Waits until `find` makes something of an event, those of the past first.
   * @param options.since no earlier events are of use
   * @throws DeadlineError, the signal's reason, or EnvironmentError once the journal takes no more
   */
  async until<T>(
    what: string,
    {
      deadlineMs,
      signal,
      since,
    }: { deadlineMs: number; signal?: AbortSignal | undefined; since?: Moment | undefined },
    find: (event: HistoryEvent) => T | undefined,
  ): Promise<T> {
    let look: ((event: HistoryEvent) => void) | undefined;
    try {
      return await withDeadline(
        what,
        deadlineMs,
        () =>
          new Promise<T>((found) => {
            look = (event) => {
              const result = find(event);
              if (result !== undefined) found(result);
            };
            for (const event of this.eventsSince(since)) {
              const result = find(event);
              if (result !== undefined) return found(result);
            }
            this.listeners.add(look);
          }),
        signal === undefined ? this.full : AbortSignal.any([signal, this.full]),
      );
    } finally {
      if (look) this.listeners.delete(look);
    }
  }

  private *eventsSince(since: Moment | undefined): Generator<HistoryEvent> {
    if (since !== undefined && since >= now()) return;
    const mark = since === undefined ? undefined : this.marks.findLast(({ at }) => at < since);
    yield* eventsIn(this.path, mark?.offset, this.bytes);
    yield* this.unwritten;
  }

  /** As far as it goes. */
  history(): WriteHistory {
    const [path, until, unwritten] = [this.path, this.bytes, [...this.unwritten]];
    return {
      run: this.run,
      events: {
        *[Symbol.iterator]() {
          yield* eventsIn(path, undefined, until);
          yield* unwritten;
        },
      },
    };
  }

  /** Puts what was written onto the disk itself and ends the file: it takes no more. */
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
      this.unwritten.push({
        kind: 'failing',
        at: now(),
        why: `the journal could not be closed: ${messageOf(error)}`,
      });
    }
  }
}

/** The events of a file that is known to hold such. @param from a byte with which a line begins; absent: after the head */
function* eventsIn(path: string, from: number | undefined, until: number): Generator<HistoryEvent> {
  let isHead = from === undefined;
  for (const line of linesFrom(path, from, until)) {
    if (!isHead) yield JSON.parse(line) as HistoryEvent;
    isHead = false;
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
  let run: string | undefined;
  let number = 0;
  let bytes = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  let isInOrder = true;
  let damaged: EnvironmentError | undefined;
  // Whatever is wrong is told once all has been read: an error in between would be taken for one of the file's.
  const take = (line: string) => {
    number++;
    if (damaged !== undefined) return;
    bytes += Buffer.byteLength(line) + 1;
    const found = parsed(path, number, line);
    if (found instanceof EnvironmentError) damaged = found;
    else if (number > 1) {
      if (isHistoryEvent(found)) {
        isInOrder &&= found.at >= lastAt;
        lastAt = found.at;
      } else
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
  const events = { [Symbol.iterator]: () => eventsIn(path, undefined, bytes) };
  // One process writes them as they come. What was put together of several has to be sorted, and fits into memory.
  return { history: { run, events: isInOrder ? events : [...events] }, digest };
}

const noJournal = (path: string) => new EnvironmentError(`${path} is not a journal of pgha (version 1)`);

function parsed(path: string, number: number, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return new EnvironmentError(`the journal ${path} is damaged in line ${number}`);
  }
}
