// Writes the tables of inputs and outputs in the READMEs, between `<!-- inputs: ACTION -->` (or `outputs`)
// and `<!-- end -->`, from action.yml. `ACTION` is a folder of actions/, or `root`. Those of the formation
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
const expectations = { failover: 'failover', none: 'no failover', either: 'either' };

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
  const file = parse(
    readFileSync(action === 'root' ? 'action.yml' : join('actions', action, 'action.yml'), 'utf8'),
  );
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
    ...readdirSync('docs')
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
    ...readdirSync('actions').map((name) => join('actions', name, 'README.md')),
  ];
  for (const path of readmes.filter((candidate) => existsSync(candidate))) {
    writeFileSync(path, withTables(readFileSync(path, 'utf8'), catalogues));
  }
}
