import { type ClientUri, parseClientUri } from '../application/client-uri.ts';
import { InputError } from '../contract/errors.ts';
import { mangledBy, readTextMap } from '../formation/file/yaml.ts';

/**
 * How an action declares its inputs in code. test/unit/published/actions.test.ts compares the declaration with action.yml;
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

export const textInput: InputSpec<string> = { parse: (given) => given };
/** A password, which is one line: what was piped into a vault often ends in a line break, and no server knows it so. */
export const password: InputSpec<string> = {
  parse(given) {
    if (/[\r\n]$/.test(given) && !/[\0\r\n]./s.test(given.trimEnd()))
      throw new Error('ends in a line break, as `echo` and files end; store it in the vault without one');
    if (/[\0\r\n]/.test(given)) throw new Error('must be one line, without line breaks and NUL');
    const mangled = mangledBy(given);
    if (mangled !== undefined) throw new Error(mangled);
    return given;
  },
  secrets: (given) => [given, given.trim()],
};
/** A connection string, whose passwords are secrets by themselves as well; undefined where none is given. */
export const connectionString: InputSpec<ClientUri | undefined> = {
  parse(given) {
    if (given.trim() === '') return undefined;
    const read = parseClientUri(given);
    if ('errors' in read) throw new Error(read.errors.join('; '));
    return read.uri;
  },
  secrets: (given) => [given, ...passwordsIn(given.trim())].filter((each) => each !== ''),
};

/** What may be a password in a connection string, whatever is wrong with it: in a URI, in its parameters, or in key=value. */
function passwordsIn(uri: string): string[] {
  const [, credentials = ''] = /^(?:[a-z][a-z0-9+.-]*:\/\/)?([\s\S]*)@/i.exec(uri) ?? [];
  const colon = credentials.indexOf(':');
  const whole = credentials.slice(colon + 1);
  // One that holds what a URI ends its parts by is read in several ways, and may be shown in any of its pieces.
  const pieces = whole.split(/[@:/?#,;&\s]+/).filter((piece) => piece.length >= shortestLine);
  // libpq reads the names of parameters decoded as well.
  const plain = uri.replace(/%([2-7][0-9a-f])/gi, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  const named = [uri, plain].flatMap((text) => [
    ...text.matchAll(/(?:password|passphrase|passwd|pwd)\s*=\s*('(?:\\.|[^'\\])*'?|[^&\s]+)/gi),
  ]);
  const values = named.map(([, value = '']) => value.replace(/^'|'$/g, ''));
  // Without the sign that ends them, they look like a port.
  if (!uri.includes('@'))
    for (const [, port = ''] of uri.matchAll(/:([^:,/?]+)/g)) if (/\D/.test(port)) values.push(port);
  // A name alone is no secret, unless more than one sign could end it.
  const found = colon === -1 && !/[@/]/.test(whole) ? values : [whole, ...pieces, ...values];
  return [...new Set([...found, ...found.map(decoded)])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Text that is one secret, or a YAML map of names and secrets. */
export const secretOrMap: InputSpec<string> = { parse: (given) => given, secrets: secretsWithin };

/** The map's values; of what cannot be read as a map, every line, and what stands after its colon. */
function secretsWithin(given: string): string[] {
  const { entries, errors } = readTextMap(given);
  const values = [...entries.values()].map((entry) => entry.text);
  if (errors.length === 0) return values;
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
export const runnerName = (name: string) => `INPUT_${name.toUpperCase()}`;
/** The same for shells, which cannot pass a name with a hyphen on. */
export const shellName = (name: string) => runnerName(name).replaceAll('-', '_');

/** The raw text of an input, undefined when it is not given. */
export function givenInput(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return env[runnerName(name)] ?? env[shellName(name)];
}

/** The raw text of an input, '' when it is not given. */
export function rawInput(name: string, env: NodeJS.ProcessEnv): string {
  return givenInput(name, env) ?? '';
}

/**
 * What the log must mask: every secret of every input, and each line of one that has several, since runners
 * mask line by line. Lines that are no secret (PEM's first and last) stay readable. A private key is a secret wherever
 * it was put.
 */
export function inputSecrets(specs: InputSpecs, env: NodeJS.ProcessEnv): string[] {
  const secrets = Object.entries(specs).flatMap(([name, spec]) => {
    const given = rawInput(name, env);
    return spec.secrets?.(given) ?? given.match(privateKey) ?? [];
  });
  const lines = secrets
    .filter((whole) => lineBreak.test(whole))
    .flatMap((whole) => whole.split(lineBreak).map((line) => line.trim()))
    .filter((line) => line.length >= shortestLine && !/^-----(?:BEGIN|END) [A-Z0-9 ]+-----$/.test(line));
  return [...new Set([...secrets, ...lines])].filter((each) => each.trim() !== '');
}

const privateKey =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g;

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
 * @throws InputError with every error
 */
export function readInputs<S extends InputSpecs>(specs: S, env: NodeJS.ProcessEnv): InputsOf<S> {
  const errors: string[] = [];
  const values = Object.entries(specs).map(([name, spec]) => {
    const given = rawInput(name, env);
    try {
      return [name, spec.parse(spec.secrets || given.includes('\n') ? given : given.trim())];
    } catch (error) {
      errors.push(`input ${name}: ${(error as Error).message}${found(given, spec.secrets !== undefined)}`);
      return [name, undefined];
    }
  });
  if (errors.length > 0) throw new InputError(errors);
  return Object.fromEntries(values) as InputsOf<S>;
}

/** What was found, worded to follow what is allowed; nothing of a secret. */
function found(given: string, isSecret: boolean): string {
  if (given.trim() === '')
    return ` (found nothing: an expression such as \${{ inputs.… }} is empty where nobody was asked, as on \`schedule\`; leave the input out for its default, or end the expression in \`|| …\`)`;
  if (isSecret) return '';
  const shown = JSON.stringify(given);
  return ` (found ${shown.length > 100 ? `${shown.slice(0, 100)}…` : shown})`;
}

export function choice<T extends string>(allowed: readonly T[]): InputSpec<T> {
  return {
    parse(given) {
      const chosen = allowed.find((name) => name === given);
      if (chosen === undefined) throw new Error(`must be ${allowed.join(', ')}`);
      return chosen;
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

export function wholeNumberInput(min: number, max: number): InputSpec<number> {
  return {
    parse(given) {
      const value = Number(given);
      if (!/^\d+$/.test(given) || value < min || value > max)
        throw new Error(`must be a whole number from ${min} to ${max}`);
      return value;
    },
  };
}

export const trueOrFalseInput: InputSpec<boolean> = {
  parse(given) {
    if (given !== 'true' && given !== 'false') throw new Error('must be true or false');
    return given === 'true';
  },
};
