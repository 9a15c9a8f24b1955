// Builds dist/ (one ESM bundle, its entry stubs, and what they begin with), the published address folders from actions/, the JSON
// Schema of the formation file and the tables of the documentation.
// Everything it writes is committed; CI runs it again and fails where something differs.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ncc from '@vercel/ncc';
import { parse } from 'yaml';
import { writeNightly } from './nightly.mjs';
import { publishedSchema } from './schema.mjs';
import { scriptsAsModules } from './scripts-as-modules.mjs';
import { writeFaultLists, writeRootInputs, writeTables } from './tables.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const bin = (name) => join(root, 'node_modules', '.bin', name);
const run = (file, ...args) => execFileSync(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });

rmSync('build', { recursive: true, force: true });
run(bin('tsc'), '-p', 'tsconfig.build.json');
scriptsAsModules('build');
// Only the OpenID tokens of @actions/core speak HTTP, and nobody here asks for one. What that brings, undici, is a third of
// the bundle and half of the time in which it loads: a module of Node's own stands in for it, and is never called.
const neverCalled = ['@actions/http-client', '@actions/http-client/lib/auth'];
const { code: bundle, assets } = await ncc(join(root, 'build/actions/index.js'), {
  target: 'es2023',
  externals: Object.fromEntries(neverCalled.map((name) => [name, 'node:http'])),
  license: 'licenses.txt',
  quiet: true,
});
// ncc takes some calls of path functions for references to assets and rewrites them into paths beside the bundle.
if (/__nccwpck_require__\.ab \+/.test(bundle))
  throw new Error('ncc rewrote a path into an asset reference; see the bundle for ".ab +"');

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
writeFileSync('dist/pgha.mjs', bundle);
// Most of what the bundle contains asks that its licence goes with it.
writeFileSync('dist/licenses.txt', assets['licenses.txt'].source);
// The entries are read by whatever Node a runner has, which may be too old to know a module.
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n');
for (const name of ['start.cjs', 'load.cjs']) copyFileSync(join('actions', name), join('dist', name));

const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
/** @param kind how an entry tells what went wrong, see actions/start.cjs */
const stub = (path, name, kind) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `require('../start.cjs')('${name}', '${kind}');\n`);
};

const { faultCatalogue: faults, describeFault } = await import('../build/src/faults/catalogue.js');
writeFaultLists(Object.keys(faults), describeFault);
const { inputs: ofAcceptance } = await import('../build/actions/acceptance/contract.js');
writeRootInputs(Object.keys(ofAcceptance));
writeNightly();

const actions = readdirSync('actions').filter((name) => existsSync(join('actions', name, 'action.yml')));
for (const name of actions) {
  const source = readFileSync(join('actions', name, 'action.yml'), 'utf8');
  stub(`dist/${name}/main.js`, camel(name), 'main');
  if (parse(source).runs.post) stub(`dist/${name}/post.js`, `${camel(name)}Post`, 'post');
  // The address that users write: the same contract, one folder further up.
  mkdirSync(name, { recursive: true });
  const note = `# Written by the build from actions/${name}/action.yml: change it there.\n`;
  writeFileSync(join(name, 'action.yml'), note + source.replaceAll('../../dist/', '../dist/'));
}
if (existsSync('actions/acceptance/main.ts')) stub('dist/acceptance/main.js', 'acceptance', 'main');
if (existsSync('actions/terminal.ts')) stub('dist/terminal/main.js', 'terminal', 'terminal');
if (existsSync('actions/guard.ts')) stub('dist/guard/main.js', 'guard', 'guard');
const { formationFile } = await import('../build/src/formation/file/schema.js');
writeFileSync('formation.schema.json', publishedSchema(formationFile));
mkdirSync('schemas', { recursive: true });
for (const [action, room] of Object.entries({ check: 'check', drill: 'campaign' })) {
  const module = await import(`../build/src/${room}/json-report.js`);
  const about = {
    name: `${action}-report`,
    title: `pgha ${action} report`,
    description: `What the output \`report\` of pgha's action leads to.`,
  };
  writeFileSync(`schemas/${action}-report.schema.json`, publishedSchema(module[`${action}Report`], about));
}
const { checkCatalogue: checks } = await import('../build/src/check/catalogue/catalogue.js');
writeTables({ checks, faults });
