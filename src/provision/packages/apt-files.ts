import type { PackageSource } from '../../formation/file/package-source.ts';

/** The files that pgha writes for apt. */

/** The package source, with its key inside it (apt 2.3.10 and later: Ubuntu 22.04, Debian 12). */
export const sourcesPath = '/etc/apt/sources.list.d/pgha.sources';
export const proxyPath = '/etc/apt/apt.conf.d/99pgha';
export const pinsPath = '/etc/apt/preferences.d/pgha';
export const packageFiles = [sourcesPath, proxyPath, pinsPath].join(' ');

/** @param found by path, those that a container has */
export function differs(
  found: { files: ReadonlyMap<string, string> },
  path: string,
  wanted: string | undefined,
): boolean {
  return found.files.get(path) !== wanted;
}

export function proxyText({ proxy }: PackageSource): string | undefined {
  if (proxy === undefined) return undefined;
  return `// Written by pgha.\nAcquire::http::Proxy "${proxy}";\nAcquire::https::Proxy "${proxy}";\n`;
}

/** Above 1000, a pin holds even where the version installed is a later one. */
export function pinsText({ pins }: PackageSource): string | undefined {
  const all = Object.entries(pins).sort(([a], [b]) => (a < b ? -1 : 1));
  if (all.length === 0) return undefined;
  const stanzas = all.map(([name, pin]) => `Package: ${name}\nPin: version ${pin}\nPin-Priority: 1001\n`);
  return `# Written by pgha.\n\n${stanzas.join('\n')}`;
}
