import type { Formation } from '../../formation/formation.ts';
import { isReleasePackage, knownReleases, unknownRelease } from '../../formation/releases.ts';
import type { Policy } from './apt.ts';
import type { PackageFacts } from './package-facts.ts';
import { mismatches } from './packages.ts';

/**
 * A release of pg_auto_failover that nobody here has tried is neither installed nor worked on: how a node is restarted, and
 * what keeps a cut-off primary from taking writes, are those of the known ones.
 */

/** Why a container is left alone. What is to be replaced by what a pin says is not told of. Pure. */
export function releaseErrors(formation: Formation, container: string, facts: PackageFacts): string[] {
  const replaced = new Set(mismatches(formation, facts).map(({ name }) => name));
  const unknown = [...facts.versions]
    .filter(([name]) => isReleasePackage(name) && !replaced.has(name))
    .flatMap(([, version]) => unknownRelease(version) ?? []);
  return [...new Set(unknown)].map(
    (each) =>
      `${container}: ${each}, and nothing is changed in it; use a version of pgha that knows that release (docs/versions.md); check-formation and failover-drill go on, with a warning`,
  );
}

/**
 * Why packages are not installed, with the pins for a known release where there is one. Pure.
 * @param policies what apt has of them
 * @param where their source, for people
 */
export function offeredErrors(
  packages: readonly string[],
  policies: ReadonlyMap<string, Policy>,
  where: string,
): string[] {
  const unknown = packages.filter(isReleasePackage).flatMap((name) => {
    const { candidate, versions = [] } = policies.get(name) ?? {};
    const why = candidate === undefined ? undefined : unknownRelease(candidate);
    return why === undefined ? [] : [{ name, why, versions }];
  });
  const [first] = unknown;
  if (first === undefined) return [];
  const known = [...knownReleases]
    .reverse()
    .find((release) => unknown.every(({ versions }) => versions.some((each) => each.startsWith(release))));
  const pins = unknown.map(({ name }) => `${name}: "${known}*"`).join(', ');
  const way = known === undefined ? 'choose another image or package source' : `say pins: { ${pins} }`;
  return [`postgres.packages: ${where} offers what is not known: ${first.why}; ${way} (docs/versions.md)`];
}
