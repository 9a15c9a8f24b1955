import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lab/harness.ts';

/** Runs workflows by a real runner, which finds this checkout's files as veza/pgha@v1, and at the tag of its version. */

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
/** By which the composite action calls its siblings. */
export const ownTag = `v${version}`;

/** Searched for in every log: what the runner is given as secrets, and what is within them. */
export const secrets = {
  APP_PASSWORD: "hunter2-'quoted'-password",
  USER_PASSWORDS: 'reporter: Reporter-own-77',
  ALERT_WEBHOOK: 'http://127.0.0.1:9/Nobody-listens-here',
};
export const reporterPassword = 'Reporter-own-77';

export interface Runner {
  readonly name: string;
  /** The logs of all runs that have ended. */
  readonly logs: string[];
  /** Everything that it runs lies in here. */
  readonly folder: string;
  open(): Promise<void>;
  close(): Promise<void>;
  /** @param workflow path of a workflow's file, relative to this checkout */
  start(workflow: string, options?: RunOptions): Promise<WorkflowRun>;
  run(workflow: string, options?: RunOptions): Promise<Ended>;
}

export interface WorkflowRun {
  /** Resolves once the log says `wanted`; rejects after `deadlineMs`. */
  says(wanted: RegExp, deadlineMs?: number): Promise<void>;
  /** Cancels the run, as a person does in the runner's web page. */
  cancel(): Promise<void>;
  ended: Promise<Ended>;
}

export interface Ended {
  /** Whether the runner called the run a success. */
  succeeded: boolean;
  /** The log, debug lines and all; what a step printed stands behind `| `. */
  log: string;
  /** What steps said by `seen NAME JSON`. */
  seen: Map<string, unknown>;
  /** The names of the files in each artifact. */
  uploads: Map<string, string[]>;
}

export interface RunOptions {
  event?: string;
  /** Files of the repository that the workflow belongs to, by path. */
  files?: Record<string, string>;
  /** Folder with the `node` that the runner finds. */
  node?: string;
  /** Further secrets, by name. */
  secrets?: Record<string, string>;
  /** A tag that is pushed as well; a runner that is a command does not look at that. */
  tag?: string;
}

/** A log without what the runner says of its own doings, for people. */
export function told(log: string): string {
  return log
    .split('\n')
    .filter((line) => !/\[DEBUG\]|level=debug|::set-output::|::debug::|⚙/.test(line))
    .join('\n');
}

export function seenIn(log: string): Map<string, unknown> {
  const lines = [...log.matchAll(/^.*?\| seen ([\w-]+) (\{.*\})\s*$/gm)];
  return new Map(lines.map(([, name = '', json = '']) => [name, JSON.parse(json)]));
}
