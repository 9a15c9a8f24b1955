import { closeSync, fstatSync, fsyncSync, ftruncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { outcomes } from '../contract/outcome.ts';
import { FileError, openToAppend, readText } from '../disk/file.ts';
import { makeFolder } from '../disk/folder.ts';

/** The drills so far, one a line of a file that the user keeps: JSON, appended to and never rewritten. */

/** What a drill measures is finite and not negative; anything else was not written by one. */
const measure = v.pipe(v.number(), v.finite(), v.minValue(0));
const figure = v.nullable(measure);
/** Missing in what earlier releases wrote. */
const laterFigure = v.optional(figure, null);

/** The clocks of two machines that write to one file may differ by so much. */
const clockMarginMs = 86_400_000;

const entrySchema = v.object({
  /** Of the configuration: only drills of one are pooled. */
  fingerprint: v.pipe(v.string(), v.nonEmpty()),
  /** Its own: whatever stands here twice is one drill. */
  drill: v.pipe(v.string(), v.nonEmpty()),
  /** ISO 8601, for people. */
  at: v.pipe(
    v.string(),
    v.check((at) => !(Date.parse(at) > Date.now() + clockMarginMs), 'lies in the future'),
    v.check((at) => !Number.isNaN(Date.parse(at)), 'is no time'),
  ),
  formation: v.string(),
  fault: v.string(),
  outcome: v.picklist(outcomes),
  /** Whether the fault was to lead to a promotion. */
  failover: v.boolean(),
  rtoSeconds: figure,
  /** Where it is not known to a tenth of a second: the latest it can have been. */
  rtoAtMostSeconds: laterFigure,
  /** For how long a promotion that was due was seen not to come. */
  unpromotedSeconds: laterFigure,
  clientRtoSeconds: figure,
  writeOutageSeconds: figure,
  rejoinSeconds: figure,
  acknowledgedWrites: figure,
  /** Those that it says something of that none is lost; null where nobody counted them. */
  writesAtRisk: laterFigure,
  lostWrites: figure,
  dualPrimarySeconds: figure,
  /** The longest time without an acknowledged write, before, in and after the fault. */
  longestPauseSeconds: laterFigure,
  /** Whether it missed for another reason than its target: that is a breach of any. Null where nobody said. */
  wrong: v.optional(v.nullable(v.boolean()), null),
});

export type HistoryEntry = v.InferOutput<typeof entrySchema>;

export interface DrillHistory {
  entries: HistoryEntry[];
  /** Lines that are none of ours, or say what no drill does, with why: they count for nothing. */
  unreadable: UnreadableLine[];
}

export interface UnreadableLine {
  /** From 1. */
  line: number;
  why: string;
}

/** A hundred thousand drills. */
const maxBytes = 64 * 1024 * 1024;

/** @throws EnvironmentError when the file is there and cannot be read, or is of something else: nothing is appended to that */
export function readHistory(path: string): DrillHistory {
  let text: string;
  try {
    text = readText(path, maxBytes);
  } catch (error) {
    if (error instanceof FileError && error.code === 'ENOENT') return { entries: [], unreadable: [] };
    throw new EnvironmentError(
      `the history of drills cannot be read from ${path}: ${messageOf(error)}; give another path`,
    );
  }
  // A line that was torn, or spoilt, begins as one of ours all the same.
  if (text.trim() !== '' && !/^\{[ \t]*"/m.test(text))
    throw new EnvironmentError(
      `${path} is no history of drills, but something else, which is left as it is: give the path of a file of its own`,
    );
  const entries: HistoryEntry[] = [];
  const unreadable: UnreadableLine[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const found = entryOf(line);
    if (typeof found === 'string') unreadable.push({ line: index + 1, why: found });
    else entries.push(found);
  }
  return { entries, unreadable };
}

/** The entry, or why the line is none. */
function entryOf(line: string): HistoryEntry | string {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return 'it is no whole JSON';
  }
  const parsed = v.safeParse(entrySchema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  return `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`;
}

/**
 * Appends one drill as a whole line. A torn line of a crash is ended first. What there is no room for is taken back, so
 * that it tears no line of those that follow.
 * @throws EnvironmentError when it cannot be written
 */
export function appendHistory(path: string, entry: HistoryEntry): void {
  try {
    const torn = endsTorn(path) ? '\n' : '';
    const file = opened(path);
    try {
      appendWhole(file, Buffer.from(`${torn}${JSON.stringify(entry)}\n`));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new EnvironmentError(
      `the history of drills cannot be written to ${path}, so that this drill will not count there: ${messageOf(error)}; make room or give another path`,
    );
  }
}

/** A disk that fills up takes a part of what is written, and says so by its length alone. */
function appendWhole(file: number, line: Buffer): void {
  const before = fstatSync(file).size;
  let written = 0;
  try {
    while (written < line.length) {
      const length = writeSync(file, line, written);
      if (length === 0) throw new Error('no room is left');
      written += length;
    }
  } catch (error) {
    // Only if nobody else has written since.
    if (written > 0 && fstatSync(file).size === before + written) ftruncateSync(file, before);
    throw error;
  }
}

/** Makes the file where there is none. @throws EnvironmentError when it cannot be written */
export function tryHistory(path: string): void {
  try {
    closeSync(opened(path));
  } catch (error) {
    throw new EnvironmentError(
      `the history of drills cannot be written to ${path}: ${messageOf(error)}; give another path`,
    );
  }
}

/** To append to. @throws as makeFolder and openToAppend */
function opened(path: string): number {
  makeFolder(dirname(path));
  return openToAppend(path);
}

/** @throws as readText */
function endsTorn(path: string): boolean {
  try {
    const text = readText(path, maxBytes);
    return text !== '' && !text.endsWith('\n');
  } catch (error) {
    if (error instanceof FileError && error.code === 'ENOENT') return false;
    throw error;
  }
}
