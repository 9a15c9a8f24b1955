import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { outcomes } from '../contract/outcome.ts';
import { makeFolder } from '../disk/folder.ts';

/** The drills so far, one a line of a file that the user keeps: JSON, appended to and never rewritten. */

const figure = v.nullable(v.number());

const entrySchema = v.object({
  /** Of the configuration: only drills of one are pooled. */
  fingerprint: v.string(),
  drill: v.string(),
  /** ISO 8601, for people. */
  at: v.string(),
  formation: v.string(),
  fault: v.string(),
  outcome: v.picklist(outcomes),
  /** Whether the fault was to lead to a promotion. */
  failover: v.boolean(),
  rtoSeconds: figure,
  clientRtoSeconds: figure,
  writeOutageSeconds: figure,
  rejoinSeconds: figure,
  acknowledgedWrites: figure,
  lostWrites: figure,
  dualPrimarySeconds: figure,
  /** The longest time without an acknowledged write, before, in and after the fault. */
  longestPauseSeconds: v.optional(figure, null),
  /** Whether it missed for another reason than its target: that is a breach of any. */
  wrong: v.optional(v.boolean(), false),
});

export type HistoryEntry = v.InferOutput<typeof entrySchema>;

export interface History {
  entries: HistoryEntry[];
  /** Lines that are none of ours: a torn one after a crash, or another program's. */
  unreadable: number;
}

/** @throws EnvironmentError when the file is there and cannot be read */
export function readHistory(path: string): History {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { entries: [], unreadable: 0 };
    throw new EnvironmentError(
      `the history of drills cannot be read from ${path}: ${messageOf(error)}; give another path`,
    );
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const entries = lines.flatMap((line) => entryOf(line) ?? []);
  return { entries, unreadable: lines.length - entries.length };
}

function entryOf(line: string): HistoryEntry | undefined {
  try {
    const parsed = v.safeParse(entrySchema, JSON.parse(line));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Appends one drill in one write, so that two runs at once, or a kill, leave whole lines. A torn line of a
 * crash is ended first.
 * @throws EnvironmentError when it cannot be written
 */
export function appendHistory(path: string, entry: HistoryEntry): void {
  try {
    const torn = endsTorn(path) ? '\n' : '';
    const file = opened(path);
    try {
      writeSync(file, `${torn}${JSON.stringify(entry)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new EnvironmentError(`the history of drills cannot be written to ${path}: ${messageOf(error)}`);
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

/** To append to. @throws as makeFolder and openSync */
function opened(path: string): number {
  makeFolder(dirname(path));
  return openSync(path, 'a', 0o644);
}

function endsTorn(path: string): boolean {
  try {
    const text = readFileSync(path, 'utf8');
    return text !== '' && !text.endsWith('\n');
  } catch {
    return false;
  }
}
