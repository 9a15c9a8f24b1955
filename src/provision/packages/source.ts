import { createHash } from 'node:crypto';
import type { PackageSource, SourceKind } from '../../formation/file/package-source.ts';
import { sourcesPath } from './apt-files.ts';
import type { PackageFacts } from './package-facts.ts';

/** Where packages come from: the distribution, PGDG, or a repository that the formation file names. */

/** What sets one kind of source apart from the others in a container. */
interface Kind {
  /** What people are told the packages come from, where the formation file names no repository. */
  archive: string;
  /** Whether apt is told of it: the distribution's own sources are there already. */
  hasFile: boolean;
  /**
   * Whether the image's own sources of the same archive go: an image that has PGDG's already would name two keys for one
   * address, which apt refuses altogether.
   */
  retiresOthers: boolean;
}

const kinds: Record<SourceKind, Kind> = {
  distribution: { archive: "the distribution's archive", hasFile: false, retiresOthers: false },
  pgdg: { archive: "PGDG's archive", hasFile: true, retiresOthers: true },
  repository: { archive: "PGDG's archive", hasFile: true, retiresOthers: false },
};

export const kindOf = ({ source }: PackageSource): Kind => kinds[source];

/** A repository's address and its public key. */
interface Origin {
  repository: string;
  key: string;
}

/** The source file. What the formation file leaves open comes from the distribution, and the file says so. */
export function sourcesText(source: PackageSource, codename: string, origin: Origin): string {
  const taken = [
    ...(source.repository === undefined ? ['address'] : []),
    ...(source.key === undefined ? ['key'] : []),
  ];
  const key = origin.key
    .trim()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`));
  const body = [
    ...(taken.length > 0 ? [`# From the distribution's postgresql-common: ${taken.join(', ')}.`] : []),
    'Types: deb',
    `URIs: ${origin.repository}`,
    `Suites: ${source.suite ?? `${codename}-pgdg`}`,
    `Components: ${source.component}`,
    'Signed-By:',
    ...key,
  ].join('\n');
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 16);
  return `# Written by pgha; provision-pgaf puts changes by hand back (${digest}).\n${body}\n`;
}

/** Address and key that a source file holds. */
function originIn(text: string): Origin | undefined {
  const repository = /^URIs: (\S+)$/m.exec(text)?.[1];
  const key = /^Signed-By:\n((?: .*\n)+)/m.exec(text)?.[1];
  if (repository === undefined || key === undefined) return undefined;
  return { repository, key: key.replace(/^ \.?/gm, '') };
}

/**
 * The source file as it should be, as far as that is known without asking the distribution: what it said before
 * stands in the file already. '' where it is not known; undefined where there must be none.
 */
export function knownSources(source: PackageSource, facts: PackageFacts): string | undefined {
  if (!kindOf(source).hasFile) return undefined;
  const { repository, key } = source;
  if (repository !== undefined && key !== undefined)
    return sourcesText(source, facts.codename, { repository, key });
  const before = originIn(facts.files.get(sourcesPath) ?? '');
  if (before === undefined) return '';
  const again = { repository: repository ?? before.repository, key: key ?? before.key };
  const text = sourcesText(source, facts.codename, again);
  // Where anything differs, its digest included, nothing in the file can be relied on.
  return text === facts.files.get(sourcesPath) ? text : '';
}

export function parsePgdg(output: string): Partial<Origin> {
  const repository = /^repository (https?:\/\/\S+)$/m.exec(output)?.[1];
  const key = /^key (\S+)$/m.exec(output)?.[1];
  return {
    ...(repository !== undefined && { repository: repository.replace(/\/+$/, '') }),
    ...(key !== undefined && { key: Buffer.from(key, 'base64').toString() }),
  };
}

/** What people are told the packages come from. */
export function archiveOf(source: PackageSource): string {
  return source.repository ?? kindOf(source).archive;
}
