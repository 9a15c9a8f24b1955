import { mangledBy } from '../formation/file/yaml.ts';
import type { InputSpec } from './inputs.ts';
import { connectionString } from './inputs.ts';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Of a secret of several words, those that are not known to everybody are masked by themselves. */
const shortestWord = 8;

/** Lines of `NAME=VALUE`. What the lines hold is in no message. */
export const namedSecrets: InputSpec<ReadonlyMap<string, string>> = {
  parse(given) {
    const found = new Map<string, string>();
    for (const { number, name, value } of linesOf(given)) {
      if (value === undefined || !namePattern.test(name))
        throw new Error(
          `must be lines of NAME=VALUE, the names of letters, digits, ".", "_" and "-"; line ${number} is none`,
        );
      if (found.has(name)) throw new Error(`has a name twice, in line ${number}`);
      if (value === '') throw new Error(`has no value in line ${number}; is the secret set?`);
      const mangled = mangledBy(value);
      if (mangled !== undefined || value.includes('\0'))
        throw new Error(`has a value in line ${number} that ${mangled ?? 'holds NUL'}`);
      found.set(name, value);
    }
    return found;
  },
  secrets: (given) =>
    linesOf(given).flatMap(({ name, value }) => (value === undefined ? [name] : partsOf(value))),
};

interface SecretLine {
  number: number;
  name: string;
  value: string | undefined;
}

function linesOf(given: string): SecretLine[] {
  return given.split(/\r\n|\r|\n/).flatMap((line, index): SecretLine[] => {
    if (line.trim() === '') return [];
    const at = line.indexOf('=');
    if (at < 0) return [{ number: index + 1, name: line.trim(), value: undefined }];
    return [{ number: index + 1, name: line.slice(0, at).trim(), value: line.slice(at + 1).trim() }];
  });
}

/** A value, and what would give it away by itself: the password of a URI, the token of a header, a parameter of a URL. */
function partsOf(value: string): string[] {
  const words = value.split(/\s+/).filter((word) => word.length >= shortestWord);
  const parameters = [...value.matchAll(/[?&][^=&#\s]+=([^&#\s]+)/g)].map(([, each = '']) => each);
  const [, credentials] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\s]*)@/i.exec(value) ?? [];
  return [
    value,
    ...words,
    ...parameters.filter((each) => each.length >= shortestWord),
    ...(credentials?.includes(':') ? (connectionString.secrets?.(value) ?? []) : []),
    // As it is sent to an HTTP server.
    ...(credentials === undefined ? [] : [Buffer.from(decoded(credentials)).toString('base64')]),
  ].filter((each) => each !== '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
