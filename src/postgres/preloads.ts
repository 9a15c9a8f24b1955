import { type Row, type Session, sqlStateOf } from './session.ts';
import { serverSettings } from './startup.ts';

/** Libraries that sessions load as they begin: one that is to load what is not there is refused (load_libraries, miscinit.c). */

export const preloads = ['session_preload_libraries', 'local_preload_libraries'] as const;

export const isPreload = ({ name }: { name: string }): boolean => preloads.some((each) => each === name);

interface Preload {
  name: string;
  value: string;
}

/** One setting of the server's, with those of its libraries that are not there, and those that are. */
export interface MissingLibraries {
  name: string;
  missing: string[];
  there: string[];
}

/** SQL for the columns that `missingLibraries` takes. */
export const preloadsSql = `
  ${serverSettings([...preloads, 'dynamic_library_path'])} AS preloads,
  (SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR') AS libdir`;

/**
 * Looks, as a superuser, for what the server has sessions load, and what `others` do, which hang on roles and databases.
 * @param row one with the columns of `preloadsSql`
 * @returns what is not there: of the server's own, and by setting; nothing where it cannot be told
 */
export async function missingLibraries(
  session: Pick<Session, 'query'>,
  row: Row | undefined,
  others: readonly Preload[],
): Promise<{ ofServer: MissingLibraries[]; missing: (setting: Preload) => string[] }> {
  const settings = (row?.['preloads'] ?? {}) as Partial<Record<string, string>>;
  const own = preloads.map((name) => ({ name, value: settings[name] ?? '' }));
  const folders = { path: settings['dynamic_library_path'] ?? '', libdir: String(row?.['libdir'] ?? '') };
  const files = new Map(
    [...own, ...others].flatMap(({ name, value }) =>
      librariesOf(value).map((library): [string, string[]] => [
        `${name} ${library}`,
        filesOf(name, library, folders),
      ]),
    ),
  );
  const there = files.size === 0 ? undefined : await thereOf(session, [...files.values()].flat());
  const missing = ({ name, value }: Preload) =>
    there === undefined
      ? []
      : librariesOf(value).filter(
          (library) => !files.get(`${name} ${library}`)?.some((file) => there.has(file)),
        );
  const ofServer = own.map((each): MissingLibraries => {
    const lacks = missing(each);
    const has = librariesOf(each.value).filter((library) => !lacks.includes(library));
    return { name: each.name, missing: lacks, there: has };
  });
  return { ofServer: ofServer.filter((each) => each.missing.length > 0), missing };
}

/** Undefined where a file's folder cannot be read. */
async function thereOf(
  session: Pick<Session, 'query'>,
  files: readonly string[],
): Promise<ReadonlySet<string> | undefined> {
  try {
    const rows = await session.query(
      'SELECT path FROM unnest($1::text[]) AS path WHERE (pg_stat_file(path, true)).size IS NOT NULL',
      [files],
    );
    return new Set(rows.map(({ path }) => String(path)));
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error;
    return undefined;
  }
}

/** The names in such a list (SplitDirectoriesString, varlena.c). Pure. */
export function librariesOf(value: string): string[] {
  return [...value.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,"]+?))\s*(?:,|$)/g)]
    .map(([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain)
    .filter((name) => name !== '');
}

/** Where Postgres looks for a library, in its order (expand_dynamic_library_name, dfmgr.c; load_libraries). Pure. */
export function filesOf(
  setting: string,
  library: string,
  { path, libdir }: { path: string; libdir: string },
): string[] {
  const name =
    setting === 'local_preload_libraries' && !library.includes('/') ? `$libdir/plugins/${library}` : library;
  const within = (folder: string) => folder.replace(/^\$libdir(?=\/|$)/, libdir);
  const places = name.includes('/')
    ? [within(name)]
    : path.split(':').map((folder) => `${within(folder)}/${name}`);
  return places.flatMap((place) => [place, `${place}.so`]);
}
