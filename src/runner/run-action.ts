import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as core from '@actions/core';
import {
  CancelledError,
  CommandError,
  DeadlineError,
  EnvironmentError,
  InputError,
  messageOf,
  NotConvergedError,
} from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { exitCodeOf, type Outcome } from '../contract/outcome.ts';
import { makeFolder } from '../disk/folder.ts';
import { withoutCommands } from './file-commands.ts';
import { forgetSecrets, type InputSpecs, type InputsOf, rawInput, readInputs, secretsOf } from './inputs.ts';

/** What a use case hands back to the runner. */
export interface ActionResult {
  outcome: Outcome;
  /** One sentence. */
  message: string;
  /** The action's own outputs, by name; one that is missing is written empty. */
  outputs: Record<string, string>;
  /** File name of the JSON report, and its content besides `outcome` and `message`. */
  report: { name: string; content: object };
  /** A picture beside the report, under the same name: SVG. */
  picture?: string;
  /** Further files beside the report: what to call each in the log and in an output, its ending, and its content. */
  files?: readonly ReportFile[];
  /** Lines that a runner shows at the top of the job, besides the verdict. */
  annotations?: readonly Annotation[];
  /** Markdown for the job summary. */
  summary: string;
}

export interface ReportFile {
  /** Its output's name, such as `junit`. */
  output: string;
  extension: string;
  content: string;
}

export interface Annotation {
  severity: 'warning' | 'error';
  title: string;
  text: string;
}

export interface ActionContext {
  log: Log;
  /** Aborts when the run is told to stop. What must happen all the same must not depend on it. */
  signal: AbortSignal;
  /** What relative paths in inputs are relative to. */
  folder: string;
}

export interface Action<S extends InputSpecs> {
  name: string;
  inputs: S;
  /** The action's own outputs, besides the common ones. */
  outputs: readonly string[];
  run(inputs: InputsOf<S>, context: ActionContext): Promise<ActionResult>;
}

/** Written by every action, whatever happens. */
export const commonOutputs = ['exit-code', 'outcome', 'message', 'report'] as const;

/** Every action has it: where the JSON report goes. */
export const reportFolderInput = 'report-folder';

/** @param folder what a relative path is relative to */
export function reportFolder(given: string, folder: string): string {
  return resolve(folder, given || 'pgha-reports');
}

/** Warnings and debug lines go by commands of the runner, which escape what they carry. */
export const coreLog: Log = {
  info: (line) => core.info(withoutCommands(line)),
  warn: (line) => core.warning(line),
  debug: core.debug,
};

/** Runs one action; what a step of runInOrder is given to run its own by. */
export type Run = <S extends InputSpecs>(action: Action<S>) => Promise<void>;

/**
 * The way every action runs: inputs read and secrets masked, one abort signal for SIGINT, SIGTERM and our
 * own bugs, all outputs and the report written before the exit code is set.
 */
export const runAction: Run = (action) => runInOrder([(run) => run(action)]);

/**
 * Runs several actions as one step of a workflow, each as it runs by itself, until one does not pass. Outputs of
 * one name are those of the last that ran.
 *
 * @param outputs names that are written empty first, so that all are there however far it comes
 */
export async function runInOrder(
  steps: readonly ((run: Run) => Promise<void>)[],
  outputs: readonly string[] = [],
): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => stop.abort(new CancelledError(`cancelled by ${name}`)));
  }
  process.on('uncaughtException', (error) => stop.abort(error));
  // A runner that went away must not keep a drill from putting things right.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  // Each takes its secrets out of the environment; the next may ask for the same.
  const given = { ...process.env };

  try {
    for (const name of outputs) core.setOutput(name, '');
  } catch {
    // The first action that writes its own tells of it.
  }
  for (const step of steps) {
    await step((action) => runOne(action, given, stop.signal));
    if (process.exitCode !== 0) break;
  }
  // Nothing should be left that keeps the process; if something is, the runner does not wait for it.
  setTimeout(() => process.exit(), 2000).unref();
}

async function runOne<S extends InputSpecs>(
  action: Action<S>,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const folder = env['GITHUB_WORKSPACE'] || process.cwd();
  let result: ActionResult;
  try {
    for (const value of secretsOf(action.inputs, env)) core.setSecret(value);
    const given = readInputs(action.inputs, env);
    forgetSecrets(action.inputs, process.env);
    signal.throwIfAborted();
    result = await action.run(given, { log: coreLog, signal, folder });
  } catch (error) {
    result = failureOf(action.name, error);
  }
  process.exitCode = exitCodeOf(result.outcome);
  try {
    await publish(action, result, reportFolder(rawInput(reportFolderInput, env), folder));
  } catch (error) {
    // Without its outputs the verdict does not reach the workflow.
    process.exitCode = exitCodeOf('error');
    console.error(
      `${action.name}: the outputs could not be written: ${messageOf(error)}; the verdict was: ${result.message}`,
    );
  }
}

function failureOf(name: string, error: unknown): ActionResult {
  const known = [
    InputError,
    EnvironmentError,
    CommandError,
    DeadlineError,
    CancelledError,
    NotConvergedError,
  ].some((kind) => error instanceof kind);
  if (error instanceof Error && error.stack) core.debug(error.stack);
  const message = known
    ? messageOf(error)
    : `internal error of pgha, please report it with the debug log: ${messageOf(error)}`;
  return {
    outcome: error instanceof NotConvergedError ? 'missed' : 'error',
    message,
    outputs: {},
    report: { name, content: error instanceof InputError ? { faults: error.faults } : {} },
    summary: '',
  };
}

async function publish<S extends InputSpecs>(
  action: Action<S>,
  result: ActionResult,
  folder: string,
): Promise<void> {
  const { outcome, message } = result;
  const report = writeReport(folder, action.name, result);
  const files = report === '' ? [] : (result.files ?? []);
  const values: Record<string, string> = {
    ...result.outputs,
    ...Object.fromEntries(files.map((file) => [file.output, besides(report, file)])),
    'exit-code': String(exitCodeOf(outcome)),
    outcome,
    message,
    report,
  };
  for (const name of [...commonOutputs, ...action.outputs]) core.setOutput(name, values[name] ?? '');
  if (process.env['GITHUB_STEP_SUMMARY']) {
    const text = result.summary || `### ❌ ${action.name}: ${message.replaceAll('<', '&lt;')}\n`;
    try {
      await core.summary.addRaw(text, true).write();
    } catch (error) {
      core.warning(`the job summary could not be written: ${messageOf(error)}`);
    }
  }
  for (const { severity, title, text } of result.annotations ?? [])
    (severity === 'error' ? core.error : core.warning)(text, { title });
  if (outcome === 'pass') coreLog.info(`${action.name}: ${message}`);
  else core.error(`${action.name}: ${message}`);
  if (report) core.info(`report: ${report}`);
  if (report && result.picture) core.info(`picture: ${report.replace(/\.json$/, '.svg')}`);
  for (const file of files) core.info(`${file.output}: ${besides(report, file)}`);
}

const besides = (report: string, { extension }: ReportFile) => report.replace(/\.json$/, extension);

/** The report's path, or '' when it cannot be written: that alone fails no run. */
function writeReport(
  folder: string,
  action: string,
  { outcome, message, report, picture, files = [] }: ActionResult,
): string {
  // Not path.resolve: ncc takes a call with a template for a reference to an asset and rewrites it.
  const path = `${folder}/${report.name}.json`;
  try {
    makeFolder(folder);
    writeFileSync(
      path,
      `${JSON.stringify({ action, outcome, exitCode: exitCodeOf(outcome), message, ...report.content }, null, 2)}\n`,
    );
    if (picture) writeFileSync(`${folder}/${report.name}.svg`, picture);
    for (const file of files) writeFileSync(besides(path, file), file.content);
    return path;
  } catch (error) {
    core.warning(
      `the report could not be written to ${path}: ${messageOf(error)}; set the input ${reportFolderInput} to a folder that is writable`,
    );
    return '';
  }
}
