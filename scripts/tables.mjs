// Writes the tables of inputs and outputs in the READMEs, between `<!-- inputs: ACTION -->` (or `outputs`)
// and `<!-- end -->`, from action.yml. `ACTION` is a folder of actions/, or `root`. Those of the formation
// file stand between `<!-- keys: MAP -->` and `<!-- end -->`, from formation.schema.json.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { keyRows } from './schema.mjs';

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('<', '&lt;');
const table = (rows) => rows.map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');

export function tableOf(action, kind) {
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
    input.description,
    input.default === '' ? '' : `\`${input.default}\``,
  ]);
  return `| input | meaning | default |\n| --- | --- | --- |\n${table(rows)}`;
}

export function withTables(markdown) {
  return markdown.replace(
    /(<!-- (inputs|outputs|keys): ([\w.-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start, kind, action, end) => `${start}${tableOf(action, kind)}\n${end}`,
  );
}

/** The catalogue of checks, between `<!-- checks -->` and `<!-- end -->`. */
function checksTable(catalogue) {
  const rows = catalogue.map(({ id, severity, meaning }) => [`\`${id}\``, meaning, severity]);
  return `| check | what must hold | severity |\n| --- | --- | --- |\n${table(rows)}`;
}

export function writeTables(catalogue) {
  const readmes = [
    'README.md',
    ...readdirSync('docs')
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
    ...readdirSync('actions').map((name) => join('actions', name, 'README.md')),
  ];
  for (const path of readmes.filter((candidate) => existsSync(candidate))) {
    const checks = checksTable(catalogue);
    const text = withTables(readFileSync(path, 'utf8'));
    writeFileSync(
      path,
      text.replace(
        /(<!-- checks -->\n)[\s\S]*?(<!-- end -->)/,
        (_, start, end) => `${start}${checks}\n${end}`,
      ),
    );
  }
}
