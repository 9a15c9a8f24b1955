import { resolve } from 'node:path';
import * as core from '@actions/core';
import { CancelledError, ExpectedError, InputError, messageOf, onOneLine } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { exitCodeOf, type Outcome } from '../contract/outcome.ts';
import { concealed, concealedJson, concealedMarkup, formsOf, keepSecret } from '../contract/secrecy.ts';
import { mostOfMessage, shortened, shortenedMarkdown } from '../contract/size.ts';
import { waitsForReader, writeText } from '../disk/file.ts';
import { makeFolder } from '../disk/folder.ts';
import { declaredDefaults, nightlyInputs } from './defaults.ts';
import { withoutCommands } from './file-commands.ts';
import {
  forgetSecrets,
  type InputSpecs,
  type InputsOf,
  inputSecrets,
  rawInput,
  readInputs,
} from './inputs.ts';
import { endingSignals, outliveReaders, quietly } from './outlive.ts';
import { unknownInputsIn } from './unknown-inputs.ts';

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

/** dist/<action>/main.js of the checkout that runs. */
const [, entry = ''] = process.argv;
const nightly = nightlyInputs(entry);

/** Every action has it: where the JSON report goes. */
export const reportFolderInput = 'report-folder';

/** @param folder what a relative path is relative to */
export function reportFolder(given: string, folder: string): string {
  return resolve(folder, given || 'pgha-reports');
}

/** A line of the log, such as the errors of a whole file. */
const mostOfLine = 20_000;
/** GitHub takes 1 MiB from a step, and the acceptance's step has three actions that tell of themselves. */
const mostOfSummary = 300 * 1024;
/** GitHub takes 1 MiB from a job. A value that is cut is no value; what comes near this is text of a server's. */
const mostOfOutput = 400_000;

/**
 * Warnings and debug lines go by commands of the runner, which escape what they carry. No line is longer than a reader can
 * bear, and none keeps what is done from being done.
 */
export const coreLog: Log & { error(line: string): void } = {
  info: (line) => quietly(() => core.info(withoutCommands(shortened(concealed(line), mostOfLine)))),
  warn: (line) => quietly(() => core.warning(shortened(concealed(line), mostOfLine))),
  error: (line) => quietly(() => core.error(shortened(concealed(line), mostOfLine))),
  debug: (line) => quietly(() => core.debug(shortened(concealed(line), mostOfLine))),
};

/** What a runner names its files by. */
const runnerFiles = ['GITHUB_OUTPUT', 'GITHUB_STATE', 'GITHUB_STEP_SUMMARY'] as const;

/** Runs one action; what a step of runInOrder is given to run its own by. */
export type RunStep = <S extends InputSpecs>(action: Action<S>) => Promise<Outcome>;

/**
 * The way every action runs: inputs read and secrets masked, one abort signal for SIGINT, SIGTERM and our
 * own bugs, all outputs and the report written before it returns.
 *
 * @returns how it ended; the process' exit code is for the entry to set. Two seconds later nothing keeps the process
 */
export const runAction: RunStep = (action) => runInOrder([(run) => run(action)], action.inputs);

/**
 * Runs several actions as one step of a workflow, each as it runs by itself, until one does not pass. Outputs of
 * one name are those of the last that ran.
 *
 * @param inputs of all of them: what is wrong with any is told before the first does anything
 * @param outputs names that are written empty first, so that all are there however far it comes
 * @returns how the last that ran ended
 */
export async function runInOrder(
  steps: readonly ((run: RunStep) => Promise<Outcome>)[],
  inputs: InputSpecs,
  outputs: readonly string[] = [],
): Promise<Outcome> {
  const stop = new AbortController();
  for (const name of endingSignals) {
    process.on(name, () => stop.abort(new CancelledError(`cancelled by ${name}`)));
  }
  // Of promises that nobody looks after as well.
  process.on('uncaughtException', (error) => stop.abort(error));
  // A runner that went away must not keep a drill from putting things right.
  outliveReaders();
  const silent = runnerFiles.filter((name) => waitsForReader(process.env[name] ?? ''));
  if (silent.length > 0) {
    console.error(`${silent.join(', ')}: a pipe that nobody reads; nothing was done. Name a file there`);
    return 'error';
  }
  // Each takes its secrets out of the environment; the next may ask for the same.
  const given = { ...process.env };

  maskSecrets(inputs, given);
  try {
    for (const name of outputs) core.setOutput(name, '');
  } catch {
    // The first action that writes its own tells of it.
  }
  const amiss = amissIn(inputs, given);
  let outcome: Outcome = 'pass';
  for (const step of steps) {
    outcome = await step((action) => runOne(action, given, stop.signal, amiss));
    if (outcome !== 'pass') break;
  }
  // Nothing should be left that keeps the process; if something is, the runner does not wait for it.
  setTimeout(() => process.exit(), 2000).unref();
  return outcome;
}

async function runOne<S extends InputSpecs>(
  action: Action<S>,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  amiss: readonly string[],
): Promise<Outcome> {
  const folder = env['GITHUB_WORKSPACE'] || process.cwd();
  let result: ActionResult;
  try {
    if (amiss.length > 0) throw new InputError(amiss);
    const given = readInputs(action.inputs, env);
    forgetSecrets(action.inputs, process.env);
    signal.throwIfAborted();
    result = withoutSecrets(await action.run(given, { log: coreLog, signal, folder }));
  } catch (error) {
    result = withoutSecrets(failureOf(action.name, error));
  }
  try {
    await publish(action, result, reportFolder(rawInput(reportFolderInput, env), folder));
    return result.outcome;
  } catch (error) {
    // Without its outputs the verdict does not reach the workflow.
    coreLog.error(
      `${action.name}: the outputs could not be written: ${messageOf(error)}; the verdict was: ${result.message}`,
    );
    return 'error';
  }
}

/** What is wrong with the inputs of a step. What only looks strange is warned of. */
function amissIn(specs: InputSpecs, env: NodeJS.ProcessEnv): string[] {
  const around = { defaultOf: declaredDefaults(entry), nightly };
  const { errors, warnings } = unknownInputsIn(env, Object.keys(specs), around);
  for (const warning of warnings) coreLog.warn(warning);
  try {
    readInputs(specs, env);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    errors.push(...error.errors);
  }
  return errors;
}

/** Has the runner mask every secret of the inputs, before anything else is said, and everything we write leave them out. */
export function maskSecrets(specs: InputSpecs, env: NodeJS.ProcessEnv): void {
  const secretInputs = Object.keys(specs).filter((name) => specs[name]?.secrets);
  const strange = unknownInputsIn(env, Object.keys(specs), { secretInputs, nightly }).secrets;
  for (const value of [...inputSecrets(specs, env), ...strange]) {
    for (const form of formsOf(value)) quietly(() => core.setSecret(form));
    keepSecret(value);
  }
}

/** What is written of a result. No message holds a secret of ours; one of a server or of a library might. */
function withoutSecrets(result: ActionResult): ActionResult {
  const { message, outputs, report, picture, files, annotations, summary } = result;
  return {
    ...result,
    message: concealed(message),
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, concealed(value)])),
    report: { ...report, content: JSON.parse(concealedJson(report.content)) as object },
    ...(picture !== undefined && { picture: concealedMarkup(picture) }),
    ...(files && { files: files.map((file) => ({ ...file, content: concealedMarkup(file.content) })) }),
    ...(annotations && { annotations: annotations.map((each) => ({ ...each, text: concealed(each.text) })) }),
    summary: concealed(summary),
  };
}

function failureOf(name: string, error: unknown): ActionResult {
  const known = error instanceof ExpectedError;
  if (error instanceof Error && error.stack) coreLog.debug(error.stack);
  const message = known
    ? told(error)
    : `internal error of pgha, please report it with the debug log: ${messageOf(error)}`;
  return {
    outcome: known ? error.outcome : 'error',
    message,
    outputs: {},
    // `faults` is the published name: schemas/ has it.
    report: { name, content: error instanceof InputError ? { faults: error.errors } : {} },
    summary: '',
  };
}

/** Of the errors of an input, all. */
const told = (error: unknown) =>
  error instanceof InputError ? onOneLine(error.message, ' | ').trim() : messageOf(error);

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
    message: shortened(message, mostOfMessage),
    report,
  };
  for (const name of [...commonOutputs, ...action.outputs]) core.setOutput(name, bounded(name, values[name]));
  await writeSummary(
    result.summary || `### ❌ ${action.name}: ${shortened(message, mostOfLine).replaceAll('<', '&lt;')}\n`,
    report,
  );
  for (const { severity, title, text } of result.annotations ?? [])
    quietly(() => (severity === 'error' ? core.error : core.warning)(shortened(text, mostOfLine), { title }));
  if (outcome === 'pass') coreLog.info(`${action.name}: ${message}`);
  else coreLog.error(`${action.name}: ${message}`);
  if (report) coreLog.info(`report: ${report}`);
  if (report && result.picture) coreLog.info(`picture: ${report.replace(/\.json$/, '.svg')}`);
  for (const file of files) coreLog.info(`${file.output}: ${besides(report, file)}`);
}

function bounded(name: string, value = ''): string {
  if (value.length <= mostOfOutput) return value;
  coreLog.warn(
    `the output ${name} would have ${value.length} characters, and is left empty; the report has it`,
  );
  return '';
}

async function writeSummary(text: string, report: string): Promise<void> {
  if (!process.env['GITHUB_STEP_SUMMARY']) return;
  const where = report === '' ? 'the log' : `the report, ${report}`;
  try {
    const shown = shortenedMarkdown(
      text,
      mostOfSummary,
      `Cut here: a runner takes no more. All of it is in ${where}`,
    );
    await core.summary.addRaw(shown, true).write();
  } catch (error) {
    coreLog.warn(`the job summary could not be written: ${messageOf(error)}`);
  }
}

const besides = (report: string, { extension }: ReportFile) => report.replace(/\.json$/, extension);

/** No text of a report is longer than one of the log. */
const bearable = (_: string, value: unknown) =>
  typeof value === 'string' ? shortened(value, mostOfLine) : value;

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
    writeText(
      path,
      `${JSON.stringify({ action, outcome, exitCode: exitCodeOf(outcome), message, ...report.content }, bearable, 2)}\n`,
    );
    if (picture) writeText(`${folder}/${report.name}.svg`, picture);
    for (const file of files) writeText(besides(path, file), file.content);
    return path;
  } catch (error) {
    coreLog.warn(
      `the report could not be written to ${path}: ${messageOf(error)}; set the input ${reportFolderInput} to a folder that is writable`,
    );
    return '';
  }
}
