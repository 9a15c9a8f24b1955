import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse } from 'yaml';
import { InputError, messageOf } from '../contract/errors.ts';
import { nearest } from '../contract/spelling.ts';
import { openAnything, readTextOrPipe } from '../disk/file.ts';
import { runAdopt } from './adopt.ts';
import { runDoctor } from './doctor.ts';
import { parseFileCommands, parseWorkflowLine, withoutCommands } from './file-commands.ts';
import { givenInput } from './inputs.ts';
import { endingSignals, outliveReaders } from './outlive.ts';
import { unknownInputsIn } from './unknown-inputs.ts';

/** What action.yml says of an action, as far as a runner needs it. */
interface ActionFile {
  description: string;
  inputs?: Record<string, { description: string; default?: string }>;
  outputs?: Record<string, { description: string }>;
  runs: { main: string; post?: string };
}

interface Invocation {
  action: string;
  inputs: Record<string, string>;
  /** Where the outputs go as JSON, and the job summary as Markdown: opened before anything is done. */
  results: Result[];
  debug: boolean;
}

interface Result {
  flag: string;
  path: string;
  file: number;
}

/** No input needs more; see src/formation/file/yaml.ts. */
const maxBytes = 1024 * 1024;
/** For what is piped into a file's flag, such as a vault's answer. */
const pipeDeadlineMs = 60_000;

/**
 * Runs an action from a terminal as a runner would: inputs with their defaults from action.yml, main, then
 * post with the state that main saved, outputs printed. The exit code is main's, or post's where that is
 * higher.
 *
 * @param args `ACTION [--input value | --input-file path] … [--outputs file] [--summary file] [--debug]`
 * @param root the folder that holds actions/ and dist/
 * @param secretInputs names of inputs that must not be given as flags: argv is public
 */
export async function runFromTerminal(
  args: readonly string[],
  root: string,
  secretInputs: readonly string[],
): Promise<number> {
  // A reader that leaves early (`| head`) must not end us before the action has.
  outliveReaders();
  if (args.length === 0 || args[0] === '--help' || args[0] === '-h') {
    process.stdout.write(usage(root));
    return args.length === 0 ? 3 : 0;
  }
  if (args[0] === 'doctor') return await runDoctor(args.slice(1), root);
  if (args[0] === 'adopt') return await runAdopt(args.slice(1));
  let invocation: Invocation;
  let file: ActionFile;
  try {
    file = readActionFile(args[0] ?? '', root);
    if (args.includes('--help') || args.includes('-h')) {
      process.stdout.write(actionUsage(args[0] ?? '', file, secretInputs));
      return 0;
    }
    invocation = parseArguments(args, file, secretInputs);
  } catch (error) {
    const errors = error instanceof InputError ? error.errors : [messageOf(error)];
    for (const each of errors) process.stderr.write(`pgha: ${each}\n`);
    return 3;
  }
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), 'pgha-'));
  } catch (error) {
    const said = messageOf(error).replace(/,? mkdtemp .*/, '');
    process.stderr.write(
      `pgha: no folder can be made in ${tmpdir()} (${said}): make it, or name another in TMPDIR\n`,
    );
    return 3;
  }
  try {
    return await runSteps(invocation, file, root, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const actionNames = (root: string) =>
  readdirSync(join(root, 'actions')).filter((name) => existsSync(join(root, 'actions', name, 'action.yml')));

function readActionFile(action: string, root: string): ActionFile {
  const names = actionNames(root);
  if (!names.includes(action))
    throw new InputError([`there is no action ${JSON.stringify(action)}; there are ${names.join(', ')}`]);
  return parse(readFileSync(join(root, 'actions', action, 'action.yml'), 'utf8')) as ActionFile;
}

function usage(root: string): string {
  const lines = actionNames(root).map(
    (name) => `  pgha ${name.padEnd(18)} ${readActionFile(name, root).description}`,
  );
  return `${lines.join('\n')}\n\`pgha ACTION --help\` shows an action's inputs and outputs.\n`;
}

function actionUsage(action: string, file: ActionFile, secretInputs: readonly string[]): string {
  const inputs = Object.entries(file.inputs ?? {}).map(([name, input]) => {
    const flag = secretInputs.includes(name) ? `--${name}-file PATH` : `--${name} VALUE`;
    const description = input.description.trim().replaceAll('\n', `\n${' '.repeat(39)}`);
    return `  ${flag.padEnd(36)} ${description}${input.default ? ` Default: ${input.default}` : ''}`;
  });
  const outputs = Object.entries(file.outputs ?? {}).map(
    ([name, output]) => `  ${name.padEnd(36)} ${output.description}`,
  );
  const own = [
    ['--outputs FILE', 'Write the outputs to FILE as JSON.'],
    ['--summary FILE', 'Write the job summary (Markdown) to FILE.'],
    ['--debug', 'Show the debug log.'],
  ].map(([flag = '', text = '']) => `  ${flag.padEnd(36)} ${text}`);
  return [
    `pgha ${action}: ${file.description}`,
    'inputs (or from the environment, such as INPUT_REPORT_FOLDER; or any from a file: --NAME-file PATH):',
    ...inputs,
    'outputs:',
    ...outputs,
    'of the terminal itself:',
    ...own,
    '',
  ].join('\n');
}

function parseArguments(
  args: readonly string[],
  file: ActionFile,
  secretInputs: readonly string[],
): Invocation {
  const known = Object.keys(file.inputs ?? {});
  const errors: string[] = [];
  const invocation: Invocation = {
    action: args[0] ?? '',
    inputs: {},
    results: [],
    debug: false,
  };
  const wanted = new Map<string, string>();
  const strange = unknownInputsIn({ ...process.env, ACT: 'true' }, known, {
    defaultOf: (name) => file.inputs?.[name]?.default,
  });
  errors.push(...strange.errors.map((error) => `environment: ${error}`));
  const rest = args.slice(1);
  while (rest.length > 0) {
    const argument = rest.shift() ?? '';
    if (argument === '--debug') {
      invocation.debug = true;
      continue;
    }
    const [flag = '', inline] = splitFlag(argument);
    const isFile = flag.endsWith('-file') && known.includes(flag.slice(0, -5));
    const takesValue = isFile || known.includes(flag) || flag === 'outputs' || flag === 'summary';
    // Only a flag that is known takes the next word with it; so the error of each word is told.
    const value = inline ?? (takesValue ? rest.shift() : undefined);
    if (takesValue && value === undefined) errors.push(`--${flag} needs a value`);
    else if (flag === 'outputs' || flag === 'summary') wanted.set(flag, value ?? '');
    else if (secretInputs.includes(flag)) {
      errors.push(
        `--${flag} would show the secret in the process list; use --${flag}-file PATH or the environment variable INPUT_${flag.toUpperCase().replaceAll('-', '_')}`,
      );
    } else if (known.includes(flag)) invocation.inputs[flag] = value ?? '';
    else if (isFile) {
      try {
        invocation.inputs[flag.slice(0, -5)] = readTextOrPipe(value ?? '', maxBytes, pipeDeadlineMs).replace(
          /\r?\n$/,
          '',
        );
      } catch (error) {
        // Somebody may have given the secret itself in place of its file.
        const shown = secretInputs.includes(flag.slice(0, -5)) ? 'what it names, a path' : value;
        errors.push(`--${flag}: cannot read ${shown}: ${messageOf(error)}`);
      }
    } else {
      // Its value may be a secret whose flag is misspelt.
      if (flag !== '' && inline === undefined && rest[0]?.startsWith('-') === false) rest.shift();
      errors.push(
        unknownFlag(flag === '' ? argument.replace(/=[\s\S]*/, '=…') : `--${flag}`, known, invocation.action),
      );
    }
  }
  if (errors.length > 0) throw new InputError(errors);
  invocation.results = ['outputs', 'summary'].flatMap((flag) => {
    const path = wanted.get(flag);
    if (path === undefined) return [];
    try {
      return [{ flag, path, file: openAnything(path) }];
    } catch (error) {
      errors.push(`--${flag}: cannot write ${path}: ${messageOf(error)}`);
      return [];
    }
  });
  if (errors.length > 0) throw new InputError(errors);
  return invocation;
}

function unknownFlag(shown: string, known: readonly string[], action: string): string {
  const meant = nearest(shown.replace(/^-+/, ''), [...known, 'outputs', 'summary', 'debug']);
  const flags = [...known, 'outputs', 'summary', 'debug'].map((name) => `--${name}`);
  return `${shown} is not known${meant === undefined ? '' : ` (is --${meant} meant?)`}; ${action} takes ${flags.join(', ')}`;
}

function splitFlag(argument: string): [string | undefined, string | undefined] {
  const match = /^--?([A-Za-z][\w-]*)(?:=([\s\S]*))?$/.exec(argument);
  return [match?.[1], match?.[2]];
}

async function runSteps(
  invocation: Invocation,
  file: ActionFile,
  root: string,
  folder: string,
): Promise<number> {
  const { action, debug } = invocation;
  const entry = (relative: string) => join(root, 'actions', action, relative);
  const paths = {
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_STATE: join(folder, 'state'),
    GITHUB_STEP_SUMMARY: join(folder, 'summary'),
  };
  for (const path of Object.values(paths)) writeFileSync(path, '');
  const inputs = Object.fromEntries(
    Object.entries(file.inputs ?? {}).map(([name, input]) => [
      `INPUT_${name.toUpperCase()}`,
      invocation.inputs[name] ?? givenInput(name, process.env) ?? input.default ?? '',
    ]),
  );
  // A runner passes the inputs under their own names alone.
  const surroundings = Object.entries(process.env).filter(([name]) => !name.startsWith('INPUT_'));
  const env = { ...Object.fromEntries(surroundings), ...paths, ...inputs };

  const mainCode = await runEntry(entry(file.runs.main), env, debug);
  let postCode = 0;
  if (file.runs.post) {
    const states = [...parseFileCommands(readFileSync(paths.GITHUB_STATE, 'utf8'))].map(([name, value]) => [
      `STATE_${name}`,
      value,
    ]);
    // Where there is nothing to undo, a person need not read so.
    if (states.some(([, value]) => value !== ''))
      postCode = await runEntry(entry(file.runs.post), { ...env, ...Object.fromEntries(states) }, debug);
  }
  const outputs = Object.fromEntries(parseFileCommands(readFileSync(paths.GITHUB_OUTPUT, 'utf8')));
  printOutputs(outputs);
  const contents: Record<string, string> = {
    outputs: `${JSON.stringify(outputs, null, 2)}\n`,
    summary: readFileSync(paths.GITHUB_STEP_SUMMARY, 'utf8'),
  };
  const written = invocation.results.map((result) => writeResult(result, contents[result.flag] ?? ''));
  if (written.includes(false)) return 3;
  // Whoever ends without its outputs did not conclude anything: node's own 1 is not our `unhealthy`.
  return Math.max(mainCode !== 0 && outputs['exit-code'] === undefined ? 3 : mainCode, postCode);
}

/** Writes what --outputs or --summary asked for. Returns whether that went well. */
function writeResult({ flag, path, file }: Result, content: string): boolean {
  try {
    if (fstatSync(file).isFile()) ftruncateSync(file);
    writeFileSync(file, content);
    closeSync(file);
    return true;
  } catch (error) {
    process.stderr.write(`pgha: --${flag}: cannot write ${path}: ${messageOf(error)}\n`);
    return false;
  }
}

function printOutputs(outputs: Record<string, string>): void {
  const width = Math.max(0, ...Object.keys(outputs).map((name) => name.length));
  process.stdout.write('outputs:\n');
  for (const [name, value] of Object.entries(outputs))
    process.stdout.write(`${withoutCommands(`  ${name.padEnd(width)} = ${value}`)}\n`);
}

/**
 * Runs one entry in a process group of its own, so that Ctrl-C reaches it once, as the signal we pass on,
 * and its children not at all.
 */
async function runEntry(path: string, env: NodeJS.ProcessEnv, debug: boolean): Promise<number> {
  const child = spawn(process.execPath, [path], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  const signals = endingSignals;
  for (const signal of signals) process.on(signal, forward);
  const masks: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (raw) => {
    const { kind, text } = parseWorkflowLine(raw);
    if (kind === 'mask' && text !== '') masks.push(text);
    if (kind === 'mask' || kind === 'command' || kind === 'annotation' || (kind === 'debug' && !debug))
      return;
    const shown = masks.reduce((line, mask) => line.replaceAll(mask, '***'), text);
    // A runner may read this as well: what a command carried had its line breaks escaped.
    process.stdout.write(`${withoutCommands(kind === 'text' ? shown : `${kind}: ${shown}`)}\n`);
  });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(code ?? (signal ? 3 : 0)));
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}
