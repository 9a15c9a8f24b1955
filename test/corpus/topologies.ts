import type { BadFile } from './bad-file.ts';

/** Names and numbers of containers that the schema refuses. */

const nodes = (count: number) =>
  `nodes: [${Array.from({ length: count }, (_, index) => `{ name: pg${index + 1} }`).join(', ')}]\n`;

export const badTopologies: BadFile[] = [
  ...(
    [
      ['an empty name', ''],
      ['a name of 64 letters', 'a'.repeat(64)],
      ['a name with dots', 'pg.primary'],
      ['a name that starts with a digit', '1pg'],
      ['a name that starts with a hyphen', '-pg'],
      ['a name that ends with a hyphen', 'pg-'],
      ['a name with an underscore', 'pg_primary'],
      ['a name with a blank', 'pg primary'],
      ['a name with a letter that DNS has not', 'pgé'],
      ['a name with a letter that only looks like ours', 'рg'],
      ['a name with a line break', 'pg\n'],
      ['a name with a path', '../pg'],
      ['a name with a remote', 'remote:pg'],
      ['a name of nothing but a hyphen', '-'],
    ] as const
  ).map(
    ([what, name]): BadFile => [
      `a node: ${what}`,
      `nodes: [{ name: ${JSON.stringify(name)} }, { name: other }]\n`,
      '1: nodes.0.name',
      /must be a container name: letters, digits and hyphens/,
    ],
  ),
  ['no node', 'nodes: []', '1: nodes', /must hold at least 2/],
  ['one node', nodes(1), '1: nodes', /must hold at least 2.*found a list of 1/],
  ['thirteen nodes', nodes(13), '1: nodes', /must hold at most 12/],
  ['nodes as a map', 'nodes: { name: a }', '1: nodes', /must be a list of data nodes.*found a map/],
  [
    'nodes as a word and a map',
    'nodes: [a, { name: b }]',
    '1: nodes.0',
    /must be a map with the key name.*"a"/,
  ],
  ['nodes as lists', 'nodes: [[a], { name: b }]', '1: nodes.0', /must be a map with the key name.*list of 1/],
  ['nodes that are nothing', 'nodes:\n', '1: nodes', /must be a list of data nodes.*nothing/],
  ['a node without a name', 'nodes: [{}, { name: b }]', '1: nodes.0.name', /is required/],
  ['a monitor without a name', 'monitor: {}', '1: monitor.name', /is required/],
  ['a monitor as a word', 'monitor: eye', '1: monitor', /must be a map with the key name.*"eye"/],
  ['a monitor of more than letters', 'monitor: { name: "a;b" }', '1: monitor.name', /container name/],
];
