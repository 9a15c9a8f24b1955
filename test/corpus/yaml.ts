/** Files that are no YAML, or none for a formation; the first error is told. */

const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...[...'bcdefghi'].map((name, index) => {
    const before = 'abcdefgh'[index];
    return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`;
  }),
].join('\n');

/** What it is, the text, and where the first error is told. */
export const badYaml: [what: string, text: string, says: RegExp][] = [
  ['a key given twice', 'formation: a\nenvironment: lab\nformation: b\n', /^f\.yaml:3: /],
  ['a nested key given twice', 'postgres:\n  version: 16\n  version: 15\n', /^f\.yaml:3: /],
  ['a key given twice in a flow map', 'monitor: { name: a, name: b }\n', /^f\.yaml:1: /],
  ['two documents', 'formation: a\n---\nformation: b\n', /^f\.yaml:2: /],
  ['two documents, the first one ended', 'formation: a\n...\nformation: b\n', /^f\.yaml:3: /],
  ['indentation by tabs', 'postgres:\n\tversion: 16\n', /^f\.yaml:2: .*[Tt]ab/],
  ['indentation that goes back half-way', 'postgres:\n  version: 16\n user: veza\n', /^f\.yaml:3: /],
  ['a string without its end', 'environment: lab\nformation: "abc\n', /^f\.yaml:[23]: /],
  ['a flow map without its end', 'monitor: { name: a\n', /^f\.yaml:[12]: /],
  ['a flow list without its end', 'nodes: [{ name: a }, { name: b }\n', /^f\.yaml:[12]: /],
  ['a value after a map on one line', 'postgres: version: 16\n', /^f\.yaml:1: /],
  ['an alias of nothing', 'monitor: *m\n', /^f\.yaml/],
  ['an alias bomb', bomb, /^f\.yaml/],
  ['a tag that is not known', 'formation: !secret vault/name\n', /^f\.yaml:1: .*!secret/],
  [
    "a tag of somebody's language",
    'formation: !!js/function "function () {}"\n',
    /^f\.yaml:1: .*js\/function/,
  ],
  ['a directive that is not known', '%PGHA 1\n---\nformation: a\n', /^f\.yaml:1: .*PGHA/],
  ['a character that starts nothing', 'formation: @default\n', /^f\.yaml:1: /],
  ['control characters', '\0\u0001\u0002', /^f\.yaml:1: /],
  ['nesting without end, in lists', '['.repeat(5000), /^f\.yaml/],
  ['nesting without end, in balanced lists', `formation: ${'['.repeat(5000)}${']'.repeat(5000)}`, /^f\.yaml/],
  ['nesting without end, in maps', '{a: '.repeat(5000), /^f\.yaml/],
  ['nesting without end, in block lists', '- '.repeat(5000), /^f\.yaml/],
  [
    'nesting without end, by indentation',
    Array.from({ length: 600 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    /^f\.yaml/,
  ],
  [
    'a value that a shell would expand, in a flow map',
    `monitor: { name: \${NAME} }\n`,
    /^f\.yaml:1: .*\$\{NAME\} is not expanded in this file/,
  ],
  ['a merge of what is not there', '<<: *base\n', /^f\.yaml/],
  ['an alias of itself', 'nodes: &n [*n, *n]\n', /^f\.yaml/],
];

/** Files whose root is no map: what it is, the text, and what is found. */
export const badRoots: [what: string, text: string, found: string][] = [
  ['a word', 'hello', 'a text'],
  ['a number', '42', 'a number'],
  ['a boolean', 'true', 'a boolean'],
  ['a list', '- formation\n- environment\n', 'a list of 2'],
  ['a password', 'hunter2-of-the-vault', 'a text'],
  ["a shell's file", 'APP_PASSWORD=hunter2\nX=1\n', 'a text'],
  ['an empty list', '[]', 'a list of 0'],
  ['a string', '"formation: default"', 'a text'],
];
