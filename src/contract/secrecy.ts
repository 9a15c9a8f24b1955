/**
 * The secrets that this process was given, so that nothing it writes holds one: neither its log nor a report, nor the
 * environment of what it starts. No message should hold one to begin with; this is for the message that does, a server's
 * or a library's.
 */
const kept = new Set<string>();
let pattern: RegExp | undefined;

/** What is shorter is a syllable of something else, and would make reports unreadable. */
const shortest = 6;

/** A secret, and how it looks where it is quoted, in a URI, in JSON or in markup. */
export function formsOf(secret: string): string[] {
  const quoted = JSON.stringify(secret).slice(1, -1);
  const forms = [secret, decoded(secret), encoded(secret), quoted, inMarkup(secret), inMarkdown(secret)];
  return [...new Set(forms)].filter((form) => form.trim() !== '');
}

/** Has `concealed` and `holdsSecret` know a secret from now on. */
export function keepSecret(secret: string): void {
  for (const form of formsOf(secret)) if (form.trim().length >= shortest) kept.add(form);
  // The longest first: a line of a key is a part of it.
  const longestFirst = [...kept].sort((a, b) => b.length - a.length);
  pattern = kept.size === 0 ? undefined : new RegExp(longestFirst.map(literal).join('|'), 'g');
}

/** The text with `***` in place of every secret that was kept, and of any password in a URL. */
export function concealed(text: string): string {
  const known = pattern === undefined ? text : text.replace(pattern, '***');
  return withoutUrlPasswords(known);
}

/** The same of XML, HTML or SVG, whose own words stay what they are. */
export function concealedMarkup(markup: string): string {
  return markup.replace(/>[^<]+|="[^"]+"/g, (part) => {
    const start = part.startsWith('>') ? 1 : 2;
    return part.slice(0, start) + concealed(part.slice(start));
  });
}

/** The same of every text in a value that JSON can tell. */
export function concealedJson(value: object): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? concealed(part) : part), 2);
}

export function holdsSecret(text: string): boolean {
  return concealed(text) !== text;
}

/**
 * A password in a URL is nobody's business, wherever it came from. It goes as far as it can be one: up to the last `@` before
 * a blank, a quote or a bracket, since whoever wrote it may have left out to encode an `@`, a `/` or a `#`. What looks like a
 * port and a path is none.
 */
export function withoutUrlPasswords(text: string): string {
  return text.replace(
    /(:\/\/[^\s:@/]{0,200}):(?:(?!\d{1,5}(?:[/?#,]|\s|$))[^\s"'<>`]{1,300}|[^\s@/]{1,1000})@/g,
    '$1:***@',
  );
}

/** Names by which configurations keep passwords. Bounded, so that no text takes longer than its length. */
const secretName =
  '[\\w.-]{0,40}(?:passw(?:or)?d|passphrase|pass(?=[ \\t]*=)|secret|token|credential|private_?key|api_?key|access_?key)[\\w.-]{0,40}';
/** A line that is nothing else: its value may hold blanks. */
const wholeLine = new RegExp(`^([ \\t]*${secretName}[ \\t]*=[ \\t]*)\\S.*$`, 'gim');
/** `"NAME=value"`, as systemd has it. */
const withinQuotes = new RegExp(`(["'])(${secretName}=)(?:(?!\\1)[^\\n])+`, 'gi');
const word = new RegExp(`(\\b${secretName}[ \\t]*=[ \\t]*)("[^"\\n]*"|'[^'\\n]*'|[^\\s"'&]+)`, 'gi');

/**
 * Text of a configuration that others wrote, such as pg_autoctl.cfg, a service file or pg_hba.conf, with `***` in place of
 * what its names call a secret, and of passwords in its URLs. All else stays as it is.
 */
export function withoutPasswords(text: string): string {
  const lines = text.replace(wholeLine, '$1***').replace(withinQuotes, '$1$2***');
  return withoutUrlPasswords(lines.replace(word, '$1***'));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // Half a character is none that a URI could hold.
    return text;
  }
}

/** As src/report/ escapes. */
const inMarkup = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const inMarkdown = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]|~]/g, '\\$&');
const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
