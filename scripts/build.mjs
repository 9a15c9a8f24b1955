// Builds dist/ (one ESM bundle and its entry stubs), the published address folders from actions/, the JSON
// Schema of the formation file and the tables of the documentation.
// Everything it writes is committed; CI runs it again and fails where something differs.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ncc from '@vercel/ncc';
import { parse } from 'yaml';
import { publishedSchema } from './schema.mjs';
import { writeTables } from './tables.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const bin = (name) => join(root, 'node_modules', '.bin', name);
const run = (file, ...args) => execFileSync(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });

rmSync('build', { recursive: true, force: true });
run(bin('tsc'), '-p', 'tsconfig.build.json');
// Only the OpenID tokens of @actions/core speak HTTP, and nobody here asks for one. What that brings, undici, is a third of
// the bundle and half of the time in which it loads: a module of Node's own stands in for it, and is never called.
const neverCalled = ['@actions/http-client', '@actions/http-client/lib/auth'];
const { code: bundle } = await ncc(join(root, 'build/actions/index.js'), {
  target: 'es2023',
  externals: Object.fromEntries(neverCalled.map((name) => [name, 'node:http'])),
  quiet: true,
});
// ncc takes some calls of path functions for references to assets and rewrites them into paths beside the bundle.
if (/__nccwpck_require__\.ab \+/.test(bundle))
  throw new Error('ncc rewrote a path into an asset reference; see the bundle for ".ab +"');

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
writeFileSync('dist/pgha.js', bundle);
writeFileSync('dist/package.json', '{ "type": "module" }\n');

const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
const stub = (path, name) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    `import { ${name} } from '${'../'.repeat(path.split('/').length - 2)}pgha.js';\nawait ${name}();\n`,
  );
};

const actions = readdirSync('actions').filter((name) => existsSync(join('actions', name, 'action.yml')));
for (const name of actions) {
  const source = readFileSync(join('actions', name, 'action.yml'), 'utf8');
  stub(`dist/${name}/main.js`, camel(name));
  if (parse(source).runs.post) stub(`dist/${name}/post.js`, `${camel(name)}Post`);
  // The address that users write: the same contract, one folder further up.
  mkdirSync(name, { recursive: true });
  const note = `# Written by the build from actions/${name}/action.yml: change it there.\n`;
  writeFileSync(join(name, 'action.yml'), note + source.replaceAll('../../dist/', '../dist/'));
}
if (existsSync('actions/acceptance/main.ts')) stub('dist/acceptance/main.js', 'acceptance');
if (existsSync('actions/terminal.ts')) stub('dist/terminal/main.js', 'terminal');
if (existsSync('actions/guard.ts')) stub('dist/guard/main.js', 'guard');
const { formationFile } = await import('../build/src/formation/schema.js');
writeFileSync('formation.schema.json', publishedSchema(formationFile));
mkdirSync('schemas', { recursive: true });
for (const action of ['check', 'drill']) {
  const module = await import(`../build/src/report/schema/${action}-report.js`);
  const about = {
    name: `${action}-report`,
    title: `pgha ${action} report`,
    description: `What the output \`report\` of pgha's action leads to.`,
  };
  writeFileSync(`schemas/${action}-report.schema.json`, publishedSchema(module[`${action}Report`], about));
}
const { catalogue: checks } = await import('../build/src/check/catalogue/catalogue.js');
const { catalogue: faults } = await import('../build/src/faults/catalogue.js');
writeTables({ checks, faults });
