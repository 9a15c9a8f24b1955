import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Scripts for containers are files beside the code that sends them; among compiled modules each is a module with one text.
 * @param compiled the folder that tsc wrote to: src/ and more below it
 */
export function scriptsAsModules(compiled) {
  const inSrc = (folder, kind) =>
    readdirSync(join(folder, 'src'), { recursive: true })
      .filter((name) => kind.test(name))
      .map((name) => join('src', name));
  for (const path of inSrc(root, /\.(pl|sh)$/)) {
    const module = join(compiled, `${path}.js`);
    mkdirSync(dirname(module), { recursive: true });
    writeFileSync(module, `export default ${JSON.stringify(readFileSync(join(root, path), 'utf8'))};\n`);
  }
  for (const name of inSrc(compiled, /(?<!\.(pl|sh))\.js$/)) {
    const path = join(compiled, name);
    const code = readFileSync(path, 'utf8');
    const mended = code.replace(/ from '(\.[^']*\.(?:pl|sh))';$/gm, " from '$1.js';");
    if (mended !== code) writeFileSync(path, mended);
  }
}
