import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type Moment, now } from '../clock/clock.ts';

/**
 * Files that somebody named. What they name may be a pipe, on which opening or reading waits for whoever is at its
 * other end, and no signal is heard meanwhile; or a device that never ends. So these are told at once.
 */

/** Why a file cannot be used, worded to follow its name and a colon. */
export class FileError extends Error {
  override readonly name = 'FileError';
  /** @param code as the system has it, such as ENOENT; undefined where the file is not of the kind wanted */
  constructor(
    message: string,
    readonly code: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const mebibyte = 1024 * 1024;
const lineBreak = 0x0a;

/**
 * Reads a whole file as text.
 * @param maxBytes of one that is larger, nothing is read
 * @throws FileError
 */
export function readText(path: string, maxBytes: number): string {
  return withFile(path, constants.O_RDONLY, (file, { size }) => {
    if (size > maxBytes) throw tooLarge(size, maxBytes);
    const parts: Buffer[] = [];
    let total = 0;
    // Files of /proc have no size, and others may grow meanwhile.
    for (;;) {
      const part = Buffer.alloc(Math.min(mebibyte, Math.max(4096, size - total + 1)));
      const length = readSync(file, part);
      if (length === 0) return Buffer.concat(parts, total).toString('utf8');
      total += length;
      if (total > maxBytes) throw tooLarge(total, maxBytes);
      parts.push(part.subarray(0, length));
    }
  });
}

/**
 * Reads a whole file line by line, of which one that no line break ends is none. Not as one text, which takes some times as
 * much memory as the file.
 * @param maxBytes of a file that is larger, nothing is read
 * @returns the SHA-256 of all that was read, in hexadecimal
 * @throws FileError, and whatever `take` throws
 */
export function readLines(path: string, maxBytes: number, take: (line: string) => void): string {
  return withFile(path, constants.O_RDONLY, (file, { size }) => {
    if (size > maxBytes) throw tooLarge(size, maxBytes);
    const hash = createHash('sha256');
    const part = Buffer.alloc(mebibyte);
    let begun: Buffer[] = [];
    for (let total = 0; ; ) {
      const length = readSync(file, part);
      if (length === 0) return hash.digest('hex');
      total += length;
      if (total > maxBytes) throw tooLarge(total, maxBytes);
      const read = part.subarray(0, length);
      hash.update(read);
      let from = 0;
      for (let to = read.indexOf(lineBreak); to >= 0; to = read.indexOf(lineBreak, from)) {
        const line = read.subarray(from, to);
        take((begun.length === 0 ? line : Buffer.concat([...begun, line])).toString('utf8'));
        begun = [];
        from = to + 1;
      }
      if (from < length) begun.push(Buffer.from(read.subarray(from)));
    }
  });
}

/**
 * The lines of a file from a byte on, one after the other, of which one that no line break ends is none.
 * @param until no byte beyond is read
 * @throws FileError
 */
export function* linesFrom(path: string, from = 0, until = Number.POSITIVE_INFINITY): Generator<string> {
  const { file } = opened(path, constants.O_RDONLY);
  try {
    const part = Buffer.alloc(mebibyte / 4);
    let begun: Buffer[] = [];
    for (let at = from; at < until; ) {
      const length = readSync(file, part, 0, Math.min(part.length, until - at), at);
      if (length === 0) return;
      at += length;
      const read = part.subarray(0, length);
      let begin = 0;
      for (let to = read.indexOf(lineBreak); to >= 0; to = read.indexOf(lineBreak, begin)) {
        const line = read.subarray(begin, to);
        yield (begun.length === 0 ? line : Buffer.concat([...begun, line])).toString('utf8');
        begun = [];
        begin = to + 1;
      }
      if (begin < length) begun.push(Buffer.from(read.subarray(begin)));
    }
  } finally {
    closeSync(file);
  }
}

/**
 * As `readText` of a pipe, such as a shell's `<(…)`, which is waited for that long.
 * @throws FileError
 */
export function readTextOrPipe(path: string, maxBytes: number, deadlineMs: number): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return readText(path, maxBytes);
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw explained(error, path);
  }
  try {
    return readPipe(file, maxBytes, now() + deadlineMs);
  } finally {
    closeSync(file);
  }
}

function readPipe(file: number, maxBytes: number, until: Moment): string {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const parts: Buffer[] = [];
  for (let total = 0; ; ) {
    const part = Buffer.alloc(4096);
    try {
      const length = readSync(file, part);
      if (length === 0 && total === 0) throw new FileError('it is a pipe that nobody writes to', undefined);
      if (length === 0) return Buffer.concat(parts).toString('utf8');
      total += length;
      if (total > maxBytes) throw tooLarge(total, maxBytes);
      parts.push(part.subarray(0, length));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      if (now() > until) throw new FileError('it is a pipe that does not come to its end', undefined);
      Atomics.wait(pause, 0, 0, 20);
    }
  }
}

/** Whether something of that name is there, be it a link that leads nowhere. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Writes a whole file where there is none, or none at all. @throws FileError, also where something of that name is there */
export function createText(path: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  let file: number;
  try {
    file = openSync(path, O_WRONLY | O_CREAT | O_EXCL, 0o644);
  } catch (error) {
    throw explained(error, path);
  }
  try {
    writeFileSync(file, text);
  } catch (error) {
    // Half of it would be in the way of the next, and read for the whole.
    rmSync(path, { force: true });
    throw explained(error, path);
  } finally {
    closeSync(file);
  }
}

/** Writes a whole file, over what was there. @throws FileError */
export function writeText(path: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_TRUNC } = constants;
  withFile(path, O_WRONLY | O_CREAT | O_TRUNC, (file) => writeFileSync(file, text));
}

/** A file to append to, made where there is none; it is the caller's to close. @throws FileError */
export function openToAppend(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT } = constants;
  return opened(path, O_WRONLY | O_APPEND | O_CREAT).file;
}

/**
 * Something to write to, for whoever may name a terminal or a pipe as well; it is the caller's to close.
 * @throws FileError, also for a pipe that nobody reads, which would be waited for
 */
export function openAnything(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0o644);
  } catch (error) {
    throw explained(error, path);
  }
}

/** Whether to open a path for writing would wait for somebody to read it. */
export function waitsForReader(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return false;
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENXIO';
  }
}

function withFile<T>(path: string, flags: number, use: (file: number, stats: Stats) => T): T {
  const { file, stats } = opened(path, flags);
  try {
    return use(file, stats);
  } catch (error) {
    throw error instanceof FileError ? error : explained(error, path);
  } finally {
    closeSync(file);
  }
}

function opened(path: string, flags: number): { file: number; stats: Stats } {
  let file: number | undefined;
  try {
    // Opening alone does something to some devices.
    const before = statSync(path, { throwIfNoEntry: false });
    if (before !== undefined) demandFile(before);
    file = openSync(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY, 0o644);
    const stats = fstatSync(file);
    demandFile(stats);
    return { file, stats };
  } catch (error) {
    if (file !== undefined) closeSync(file);
    throw error instanceof FileError ? error : explained(error, path);
  }
}

function demandFile(stats: Stats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory()
    ? 'a folder'
    : stats.isFIFO()
      ? 'a pipe'
      : stats.isSocket()
        ? 'a socket'
        : 'a device';
  throw new FileError(`it is ${kind}, not a file`, undefined);
}

const tooLarge = (bytes: number, maxBytes: number) =>
  new FileError(`it has ${bytes} bytes; at most ${maxBytes} are read`, undefined);

function explained(error: unknown, path: string): FileError {
  const code = (error as NodeJS.ErrnoException).code;
  return new FileError(reason(code, path), code, { cause: error });
}

function reason(code: string | undefined, path: string): string {
  switch (code) {
    case 'ENOENT':
      return leadsNowhere(path) ? 'it is a link that leads nowhere' : 'no such file';
    case 'EEXIST':
      return 'it is there already';
    case 'EACCES':
    case 'EPERM':
      return 'this user has no permission for it';
    case 'ELOOP':
      return 'its links lead in a circle';
    case 'ENOTDIR':
      return 'something in its path is not a folder';
    case 'EISDIR':
      return 'it is a folder, not a file';
    case 'ENXIO':
      return 'it is a pipe that nobody reads, or a socket';
    case 'ENOSPC':
      return 'the disk is full';
    case 'EROFS':
      return 'its file system is read-only';
    default:
      return code === undefined || code.startsWith('ERR_') ? 'it is no path' : code;
  }
}

function leadsNowhere(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
