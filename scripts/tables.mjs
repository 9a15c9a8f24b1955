// Writes the tables of inputs and outputs in the READMEs, between `<!-- inputs: ACTION -->` (or `outputs`)
// and `<!-- end -->`, from action.yml. `ACTION` is a folder of actions/, `nightly` or `root`. Those of the formation
// file stand between `<!-- keys: MAP -->` and `<!-- end -->`, from formation.schema.json; the drill's faults
// between `<!-- faults: all -->` and `<!-- end -->`, and the checks likewise, from the catalogues as just compiled.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { keyRows } from './schema.mjs';

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('<', '&lt;');
const table = (rows) => rows.map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');

// Of a description of several lines the first is for tables; what follows is told in full elsewhere.
const firstLine = (text) => text.split('\n')[0];
const expectations = {
  failover: 'failover',
  none: 'no failover',
  outage: 'an outage, until it is undone',
  either: 'either',
  'by-placement': 'by the placement',
};

export function tableOf(action, kind, { faults, checks }) {
  if (kind === 'faults') {
    const rows = Object.entries(faults).map(([name, { does, expected, because }]) => [
      `\`${name}\``,
      does,
      expectations[expected],
      because,
    ]);
    return `| fault | what is done | expected | because |\n| --- | --- | --- | --- |\n${table(rows)}`;
  }
  if (kind === 'checks') {
    const rows = checks.map(({ id, severity, meaning }) => [`\`${id}\``, meaning, severity]);
    return `| check | what must hold | severity |\n| --- | --- | --- |\n${table(rows)}`;
  }
  if (kind === 'keys') {
    const rows = keyRows(JSON.parse(readFileSync('formation.schema.json', 'utf8')), action);
    return `| key | meaning | allowed | default |\n| --- | --- | --- | --- |\n${table(rows)}`;
  }
  const elsewhere = { root: 'action.yml', nightly: join('nightly', 'action.yml') };
  const file = parse(readFileSync(elsewhere[action] ?? join('actions', action, 'action.yml'), 'utf8'));
  const entries = Object.entries(file[kind] ?? {});
  if (kind === 'outputs') {
    return `| output | meaning |\n| --- | --- |\n${table(entries.map(([name, { description }]) => [`\`${name}\``, description]))}`;
  }
  const rows = entries.map(([name, input]) => [
    `\`${name}\``,
    firstLine(input.description),
    input.default === '' ? '' : `\`${input.default}\``,
  ]);
  return `| input | meaning | default |\n| --- | --- | --- |\n${table(rows)}`;
}

export function withTables(markdown, catalogues) {
  return markdown.replace(
    /(<!-- (inputs|outputs|keys|faults|checks): ([\w.-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start, kind, action, end) => `${start}${tableOf(action, kind, catalogues)}\n${end}`,
  );
}

export function writeTables(catalogues) {
  const readmes = [
    'README.md',
    join('nightly', 'README.md'),
    ...readdirSync('docs')
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
    ...readdirSync('actions').map((name) => join('actions', name, 'README.md')),
  ];
  for (const path of readmes.filter((candidate) => existsSync(candidate))) {
    writeFileSync(path, withTables(readFileSync(path, 'utf8'), catalogues));
  }
}

/** An input's lines in action.yml, by its name. */
function inputsOf(action) {
  const text = readFileSync(join('actions', action, 'action.yml'), 'utf8');
  const [, inputs] = /^inputs:\n((?: {2}.*\n)*)/m.exec(text);
  return new Map(inputs.split(/(?=^ {2}[\w-]+:$)/m).map((lines) => [/^ {2}([\w-]+):/.exec(lines)[1], lines]));
}

/**
 * The root action takes what its three actions take, as they say it. Where two say it differently, it is said as
 * provisioning does, or else as the drill does.
 * @param names the inputs of an acceptance (actions/acceptance/contract.ts)
 */
export function writeRootInputs(names) {
  const [provision, check, drill] = ['provision-pgaf', 'check-formation', 'failover-drill'].map(inputsOf);
  const all = new Map([
    ...provision,
    ...[...check].filter(([name]) => !drill.has(name)),
    ...drill,
    ...provision,
  ]);
  const lines = [...all].map(([name, each]) => (names.includes(name) ? each : ''));
  replaceIn('action.yml', /(^inputs:\n)(?: {2}.*\n)*/m, lines.join(''));
}

/**
 * The faults where an input names them: in the descriptions of action.yml and as choices of the workflow that pgha ships.
 * @param names in the order of the catalogue
 * @param describe a fault's name to its two sentences
 */
export function writeFaultLists(names, describe) {
  const lines = names.map((name) => `      ${name}: ${describe(name)}\n`).join('');
  const drill = join('actions', 'failover-drill', 'action.yml');
  replaceIn(drill, /(\n {2}fault:\n {4}description: \|-\n.*\n)[\s\S]*?(?= {4}default:)/, lines);
  const choices = names.map((name) => `          - ${name}\n`).join('');
  replaceIn(
    join('.gitea', 'workflows', 'nightly-drill.yml'),
    /(\n {6}fault:\n {8}description: .*\n {8}type: choice\n {8}options:\n)[\s\S]*?(?= {8}default:)/,
    choices,
  );
}

function replaceIn(path, pattern, text) {
  const before = readFileSync(path, 'utf8');
  if (!pattern.test(before)) throw new Error(`${path} has no place for what the build writes there`);
  writeFileSync(
    path,
    before.replace(pattern, (_, start) => start + text),
  );
}
