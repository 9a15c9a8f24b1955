import { isMap, isScalar, Lexer, LineCounter, Parser, parseDocument, Scalar } from 'yaml';

/** No formation, and no map of passwords or certificates, needs more; a larger text is somebody's mistake. */
export const maxBytes = 256 * 1024;

/** A formation nests six levels; far below what overflows the stack, which V8 does not always survive. */
const maxNesting = 50;

/** Why a text is not even handed to the YAML parser, worded to follow its name and a colon. */
export function unfitYaml(text: string): string | undefined {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) return `${bytes} bytes; at most ${maxBytes} are read`;
  if (nestsTooDeeply(text)) return `is nested too deeply; at most ${maxNesting} levels are read`;
  return undefined;
}

/** Reads the text's tokens only, which takes no recursion. */
function nestsTooDeeply(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > maxNesting) return true;
  }
  return false;
}

/** A YAML map of names and texts. */
export interface TextMap {
  entries: ReadonlyMap<string, { text: string; line: number }>;
  /** Sentences, each with its line, and none with anything of the text: it may be secret, keys included. */
  errors: readonly string[];
}

const inQuotes =
  'put a text that holds : # or starts with one of & * ! % @ [ { | > in quotes, such as \'a: "b" #c\'';

/**
 * Reads a map whose values are texts as they stand: `00123` and `true` are no number and no truth value.
 * Never throws. What cannot be read is left out and told as an error.
 */
export function readTextMap(text: string): TextMap {
  const entries = new Map<string, { text: string; line: number }>();
  const unfit = unfitYaml(text);
  if (unfit !== undefined) return { entries, errors: [unfit] };
  const lines = new LineCounter();
  const document = parseDocument(text, {
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error',
  });
  const at = (offset: number) => `line ${lines.linePos(offset).line}`;
  // The library's own messages repeat what they stumbled over.
  const errors = [...document.errors, ...document.warnings].map(({ code, pos }) =>
    code === 'DUPLICATE_KEY'
      ? `${at(pos[0])}: repeats a name; every name may be there once`
      : `${at(pos[0])}: not valid YAML; ${inQuotes}`,
  );
  const { contents } = document;
  if (contents !== null && !isMap(contents)) return { entries, errors: ['must be a map of names'] };
  for (const { key, value } of contents?.items ?? []) {
    if (!isScalar(key) || typeof key.value !== 'string' || !key.range) {
      errors.push(`${at(contents?.range?.[0] ?? 0)}: must be a map of names`);
      continue;
    }
    const line = at(key.range[0]);
    if (!isScalar(value) || typeof value.value !== 'string') {
      errors.push(`${line}: must be a text; ${inQuotes}`);
      continue;
    }
    // YAML takes the rest of a password for a comment, and would make it shorter without a word.
    const after = text.slice(value.range?.[1]);
    if (value.type === Scalar.PLAIN && (value.anchor !== undefined || /^[ \t]+#/.test(after)))
      errors.push(`${line}: holds a YAML comment or anchor; ${inQuotes}`);
    entries.set(key.value, { text: value.value, line: lines.linePos(key.range[0]).line });
  }
  return { entries, errors: [...new Set(errors)] };
}

/**
 * What an editor or a wrong encoding has made of a text that must be exact, worded to follow its name; undefined where
 * nothing shows. What is no UTF-8 arrives as U+FFFD, and would be set as a password that nobody can type.
 */
export function mangledBy(text: string): string | undefined {
  if (text.startsWith('\ufeff'))
    return 'begins with a byte order mark, as some editors write one; store it without';
  return text.includes('\ufffd') ? 'holds what is no UTF-8; store it in that encoding' : undefined;
}
