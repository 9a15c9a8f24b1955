import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { now, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { makeFolder } from '../disk/folder.ts';
import type { History, HistoryEvent } from './history.ts';

/** The first line of a journal: what it is, and what its clock's zero is to people. */
interface Head {
  journal: 'pgha';
  version: 1;
  run: string;
  clockZero: string;
}

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
  private readonly listeners = new Set<() => void>();

  private constructor(run: string, path: string, file: number) {
    this.run = run;
    this.path = path;
    this.file = file;
  }

  /** @throws EnvironmentError when there is such a file already, or none can be made */
  static create(path: string, run: string): Journal {
    const head: Head = { journal: 'pgha', version: 1, run, clockZero: wallClock(0) };
    try {
      makeFolder(dirname(path));
      const file = openSync(path, 'ax');
      writeFileSync(file, `${JSON.stringify(head)}\n`);
      return new Journal(run, path, file);
    } catch (error) {
      throw new EnvironmentError(`the journal ${path} cannot be written: ${messageOf(error)}`);
    }
  }

  /** A disk that fails does not stop the drill: the history says so, which makes its verdict inconclusive. */
  record(event: HistoryEvent): void {
    this.events.push(event);
    if (this.file !== undefined) {
      try {
        // Not writeSync, which may write a part and say nothing.
        writeFileSync(this.file, `${JSON.stringify(event)}\n`);
      } catch (error) {
        this.close();
        const why = `the journal could not be written: ${messageOf(error)}`;
        this.events.push({ kind: 'failing', at: now(), why });
      }
    }
    for (const listener of this.listeners) listener();
  }

  /**
   * Waits until `find` makes something of an event, those of the past first.
   * @throws DeadlineError, or the signal's reason
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
        signal,
      );
    } finally {
      if (look) this.listeners.delete(look);
    }
  }

  history(): History {
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
    } catch (error) {
      const why = `the journal could not be closed: ${messageOf(error)}`;
      this.events.push({ kind: 'failing', at: now(), why });
    }
  }
}

/**
 * Reads a journal, also one whose writer was killed in the middle of a line.
 * @throws EnvironmentError when it cannot be read or is damaged anywhere but at its end
 */
export function readJournal(path: string): History {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new EnvironmentError(`the journal ${path} cannot be read: ${messageOf(error)}`);
  }
  // What follows the last line break is '' or torn.
  const [first, ...lines] = text.split('\n').slice(0, -1);
  const head = first === undefined ? undefined : (parsed(path, 1, first) as Partial<Head>);
  if (head?.journal !== 'pgha' || head.version !== 1 || typeof head.run !== 'string')
    throw new EnvironmentError(`${path} is not a journal of pgha (version 1)`);
  return { run: head.run, events: lines.map((line, index) => parsed(path, index + 2, line)) };
}

function parsed(path: string, number: number, line: string): HistoryEvent {
  try {
    const event = JSON.parse(line) as HistoryEvent | null;
    if (typeof event !== 'object' || event === null || Array.isArray(event)) throw new TypeError('no event');
    return event;
  } catch {
    throw new EnvironmentError(`the journal ${path} is damaged in line ${number}`);
  }
}
