import { parse } from 'yaml';
import { unfitYaml } from '../formation/file/yaml.ts';
import type { InputSpec } from './inputs.ts';

/** Of arguments, and of characters in all. */
const most = { arguments: 64, characters: 8192 };

/** Options that a password follows, and what stands before one in the same argument. */
const beforeSecret = /^--?(?:P|pw|pass(?:word|phrase|wd)?|token|secret|api-?key)$/i;
const withSecret = /^-*[\w-]*(?:pass(?:word|phrase|wd)?|token|secret|key)[\w-]*[=:](.+)$/is;

/** A command as a list of its arguments, in YAML or JSON, which is run without a shell; undefined where none is given. */
export const commandInput: InputSpec<readonly string[] | undefined> = {
  parse(given) {
    if (given.trim() === '') return undefined;
    const words = wordsIn(given);
    if (words === undefined || words.length === 0 || words.length > most.arguments)
      throw new Error(
        `must be a list of a program and its arguments in YAML or JSON, such as [/usr/bin/ipmitool, chassis, power, "on"], at most ${most.arguments} of them and ${most.characters} characters`,
      );
    const [program = ''] = words;
    if (words.some((word) => word.includes('\0'))) throw new Error('must be without NUL');
    // The guard stands in no folder of the job.
    if (program === '' || (program.includes('/') && !program.startsWith('/')))
      throw new Error('must begin with a program on PATH, or with its absolute path');
    return words;
  },
  secrets(given) {
    const words = wordsIn(given) ?? [];
    return words.flatMap((word, index) => {
      const [, value] = withSecret.exec(word) ?? [];
      if (value !== undefined) return [value];
      return index > 0 && beforeSecret.test(words[index - 1] ?? '') ? [word] : [];
    });
  },
};

/** Texts as they stand: `on` is no truth value. Undefined for what is no list of texts. Never throws. */
function wordsIn(given: string): string[] | undefined {
  if (given.length > most.characters || unfitYaml(given) !== undefined) return undefined;
  try {
    const value: unknown = parse(given, { schema: 'failsafe', maxAliasCount: 0, logLevel: 'silent' });
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}
