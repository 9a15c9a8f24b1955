import * as v from 'valibot';
import { key, map, record, wordOrMap, words } from './words.ts';

/** postgres.packages of the formation file: where the packages of a formation come from. */

/** The kinds of package sources. What each takes in a container is in src/provision/packages/source.ts. */
const kinds = ['pgdg', 'distribution', 'repository'] as const;
export type SourceKind = (typeof kinds)[number];

export interface PackageSource {
  source: SourceKind;
  /** Base URL of the apt repository; absent: PGDG's own. */
  repository?: string | undefined;
  /** Suite; absent: `<codename>-pgdg`, as PGDG lays it out. */
  suite?: string | undefined;
  component: string;
  /** The repository's public key, ASCII-armoured; absent: PGDG's own. */
  key?: string | undefined;
  /** Proxy for apt, http or https. */
  proxy?: string | undefined;
  /** Versions by package, as apt_preferences takes them. */
  pins: Record<string, string>;
  /** Packages besides those that a formation needs. */
  extra: string[];
}

const aptName = v.pipe(
  v.string('must be a name'),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}$/,
    'must be an apt suite or component: letters, digits, ".", "_", "/", "+" or "-"',
  ),
);

const url = (message: string) =>
  v.pipe(
    v.string(message),
    v.regex(/^https?:\/\/[A-Za-z0-9[][A-Za-z0-9._:[\]/~+-]{0,999}$/, message),
    v.check((text) => URL.canParse(text), message),
  );

const repositoryUrl = url('must be the http or https URL of an apt repository, without a password');
const proxyUrl = url('must be the http or https URL of a proxy, without a password');

const publicKey = v.pipe(
  v.string('must be an ASCII-armoured public key'),
  v.regex(
    /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*-----END PGP PUBLIC KEY BLOCK-----/,
    'must be an ASCII-armoured public key, from its BEGIN to its END line',
  ),
);

/** Debian's rule for package names (Debian policy 5.6.1). */
const packageName = v.pipe(
  v.string('must be a package'),
  v.regex(
    /^[a-z0-9][a-z0-9+.-]{1,99}$/,
    'must be the name of a Debian package: lower-case letters, digits, "+", "." or "-"',
  ),
);

/** A version, or the start of one and an asterisk (apt_preferences). */
const pinMessage = 'must be a version as text, or the start of one and "*", such as "2.1*"';
const versionPin = v.pipe(v.string(pinMessage), v.regex(/^[0-9][A-Za-z0-9.+~:-]{0,98}\*?$/, pinMessage));

/** What may be said of it. */
export const packages = wordOrMap(
  ['pgdg', 'distribution'],
  map(
    {
      source: v.optional(
        key(
          v.picklist(kinds, 'must be pgdg, distribution or repository'),
          'Where Postgres and pg_auto_failover come from. By default `repository` if one is given, else `pgdg`.',
        ),
      ),
      repository: v.optional(
        key(
          repositoryUrl,
          "URL of your apt repository. With `source: pgdg` it is a mirror of PGDG, signed with PGDG's own key.",
        ),
      ),
      suite: v.optional(
        key(
          aptName,
          'Suite of the repository. By default the one that PGDG uses, `noble-pgdg` on Ubuntu 24.04.',
        ),
      ),
      component: v.optional(key(aptName, 'Component of the repository. By default `main`.')),
      key: v.optional(key(publicKey, 'Public key that signs the repository, ASCII-armoured.')),
      proxy: v.optional(key(proxyUrl, 'Proxy that apt uses, for http and https.')),
      pins: v.optional(
        key(
          record(packageName, versionPin, 'must be a map of packages and versions'),
          'Versions by package, as apt_preferences takes them: a version, or its start and `*`.',
        ),
      ),
      extra: v.optional(
        key(
          words(packageName, 'packages', 1, 100),
          'Packages to install in addition, such as those of extensions.',
        ),
      ),
    },
    'must be a map',
  ),
  'must be pgdg, distribution, or a map with source, repository (http or https URL), suite, component, key (an ASCII-armoured public key), proxy, pins and extra',
);

type Given = v.InferOutput<typeof packages>;

/** A repository of one's own needs no word for it. */
function sourceOf({ source, repository }: Exclude<Given, string>): SourceKind {
  return source ?? (repository === undefined ? 'pgdg' : 'repository');
}

export function toPackageSource(given: Given): PackageSource {
  if (typeof given === 'string') return { source: given, component: 'main', pins: {}, extra: [] };
  return {
    source: sourceOf(given),
    repository: given.repository,
    suite: given.suite,
    component: given.component ?? 'main',
    key: given.key,
    proxy: given.proxy,
    pins: given.pins ?? {},
    extra: given.extra ?? [],
  };
}

/** Errors that no single key shows, by the key that people should look at. */
export function packageSourceErrors(given: Given): { key: string; text: string }[] {
  if (typeof given === 'string') return [];
  const errors: { key: string; text: string }[] = [];
  const source = sourceOf(given);
  if (source === 'repository') {
    if (given.repository === undefined)
      errors.push({ key: 'repository', text: 'is required with source: repository' });
    if (given.key === undefined)
      errors.push({
        key: 'key',
        text: 'is required with a repository, or its packages cannot be trusted: an ASCII-armoured public key',
      });
  }
  if (source === 'pgdg' && given.key !== undefined && given.repository === undefined)
    errors.push({ key: 'repository', text: 'is required with a key of your own' });
  if (source === 'distribution') {
    for (const key of ['repository', 'suite', 'component', 'key'] as const)
      if (given[key] !== undefined) errors.push({ key, text: 'has no meaning with source: distribution' });
  }
  return errors;
}
