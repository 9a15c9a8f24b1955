import { InputError } from '../contract/errors.ts';
import { readTextMap } from '../formation/yaml.ts';

/**
 * How an action declares its inputs in code. The test `contract` holds the declaration against action.yml;
 * defaults stand in action.yml alone, since every runner applies them.
 */
export interface InputSpec<T> {
  /** @throws Error whose message says what is allowed */
  parse(text: string): T;
  /** Of the text given, what the log masks before anything else happens. Never throws. */
  secrets?(text: string): readonly string[];
}

export type InputSpecs = Record<string, InputSpec<unknown>>;
export type InputsOf<S extends InputSpecs> = { [K in keyof S]: S[K] extends InputSpec<infer T> ? T : never };

const lineBreak = /\r\n|\r|\n/;

/** Masked by themselves, shorter lines of a longer secret would garble a log and hide nothing. */
const shortestLine = 4;

export const text: InputSpec<string> = { parse: (given) => given };
export const secret: InputSpec<string> = { parse: (given) => given, secrets: (given) => [given] };
/** A connection string, whose password is a secret by itself as well. */
export const secretUri: InputSpec<string> = {
  parse: (given) => given.trim(),
  secrets(given) {
    const password = /^[a-z]+:\/\/[^:@/]*:([^@]*)@/.exec(given.trim())?.[1] ?? '';
    return [given, password, decoded(password)].filter((each) => each !== '');
  },
};

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** Text that is one secret, or a YAML map of names and secrets. */
export const secretOrMap: InputSpec<string> = { parse: (given) => given, secrets: secretsWithin };

/** The map's values; of what cannot be read as a map, every line, and what stands after its colon. */
function secretsWithin(given: string): string[] {
  const { entries, faults } = readTextMap(given);
  const values = [...entries.values()].map((entry) => entry.text);
  if (faults.length === 0) return values;
  const rest = given
    .split(lineBreak)
    .filter((line) => line.includes(': '))
    .map((line) => withoutQuotes(line.slice(line.indexOf(': ') + 2).trim()))
    .filter((text) => text.length >= shortestLine);
  return [...values, given, ...rest];
}

const withoutQuotes = (text: string) => text.replace(/^["']/, '').replace(/["']$/, '');

/** An input whose value is ours to say, whatever is given. */
export function always<const T>(value: T): InputSpec<T> {
  return { parse: () => value };
}

/** Seconds, fractions allowed. */
export function secondsInput(min: number, max: number): InputSpec<number> {
  return {
    parse(given) {
      const value = Number(given);
      if (given === '' || !/^\d+(?:\.\d+)?$/.test(given) || value < min || value > max) {
        throw new Error(`must be seconds from ${min} to ${max}, such as ${Math.min(Math.max(60, min), max)}`);
      }
      return value;
    },
  };
}

/** An input that may be left empty. */
export function optional<T>(spec: InputSpec<T>): InputSpec<T | undefined> {
  return { parse: (given) => (given === '' ? undefined : spec.parse(given)) };
}

/** The environment variable that a runner passes an input by. */
const runnerName = (name: string) => `INPUT_${name.toUpperCase()}`;
/** The same for shells, which cannot pass a name with a hyphen on. */
const shellName = (name: string) => runnerName(name).replaceAll('-', '_');

/** The raw text of an input, '' when it is not given. */
export function rawInput(name: string, env: NodeJS.ProcessEnv): string {
  return env[runnerName(name)] ?? env[shellName(name)] ?? '';
}

/**
 * What the log must mask: every secret of every input, and each line of one that has several, since runners
 * mask line by line. Lines that are no secret (PEM's first and last) stay readable.
 */
export function secretsOf(specs: InputSpecs, env: NodeJS.ProcessEnv): string[] {
  const secrets = Object.entries(specs).flatMap(([name, spec]) => spec.secrets?.(rawInput(name, env)) ?? []);
  const lines = secrets
    .filter((whole) => lineBreak.test(whole))
    .flatMap((whole) => whole.split(lineBreak).map((line) => line.trim()))
    .filter((line) => line.length >= shortestLine && !/^-----(?:BEGIN|END) [A-Z0-9 ]+-----$/.test(line));
  return [...new Set([...secrets, ...lines])].filter((each) => each.trim() !== '');
}

/** Takes the secrets out of the environment, which every process that we start would inherit. */
export function forgetSecrets(specs: InputSpecs, env: NodeJS.ProcessEnv): void {
  for (const [name, spec] of Object.entries(specs))
    if (spec.secrets) {
      delete env[runnerName(name)];
      delete env[shellName(name)];
    }
}

/**
 * Reads every declared input.
 * @throws InputError with every fault
 */
export function readInputs<S extends InputSpecs>(specs: S, env: NodeJS.ProcessEnv): InputsOf<S> {
  const faults: string[] = [];
  const values = Object.entries(specs).map(([name, spec]) => {
    const given = rawInput(name, env);
    try {
      return [name, spec.parse(spec.secrets || given.includes('\n') ? given : given.trim())];
    } catch (error) {
      faults.push(
        `input ${name}: ${(error as Error).message} (found ${spec.secrets ? 'something else' : JSON.stringify(given)})`,
      );
      return [name, undefined];
    }
  });
  if (faults.length > 0) throw new InputError(faults);
  return Object.fromEntries(values) as InputsOf<S>;
}

export function choice<T extends string>(allowed: readonly T[]): InputSpec<T> {
  return {
    parse(given) {
      const found = allowed.find((name) => name === given);
      if (found === undefined) throw new Error(`must be ${allowed.join(', ')}`);
      return found;
    },
  };
}

/** One or more, separated by commas or line breaks. */
export function listOf<T>(spec: InputSpec<T>): InputSpec<[T, ...T[]]> {
  return {
    parse(given) {
      const parts = given.split(/[,\n]/).map((part) => part.trim());
      const [first, ...others] = parts.filter((part) => part !== '').map((part) => spec.parse(part));
      if (first === undefined) throw new Error('must name at least one');
      return [first, ...others];
    },
  };
}

/** A plain number, fractions allowed. */
export function numberInput(min: number, max: number): InputSpec<number> {
  return {
    parse(given) {
      const value = Number(given);
      if (!/^\d+(?:\.\d+)?$/.test(given) || value < min || value > max)
        throw new Error(`must be a number from ${min} to ${max}`);
      return value;
    },
  };
}

export function wholeNumber(min: number, max: number): InputSpec<number> {
  return {
    parse(given) {
      const value = Number(given);
      if (!/^\d+$/.test(given) || value < min || value > max)
        throw new Error(`must be a whole number from ${min} to ${max}`);
      return value;
    },
  };
}

export const trueOrFalse: InputSpec<boolean> = {
  parse(given) {
    if (given !== 'true' && given !== 'false') throw new Error('must be true or false');
    return given === 'true';
  },
};
