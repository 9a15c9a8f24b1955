import type { Formation } from '../../formation/formation.ts';
import { differs, pinsPath, pinsText, proxyPath, proxyText, sourcesPath } from './apt-files.ts';
import type { PackageFacts } from './package-facts.ts';
import { knownSources } from './source.ts';

/**
 * Where a container's packages come from, and which ones it has. What pgha writes for apt is three files of its
 * own; they and the installed packages are facts, so a second run changes nothing.
 */

/** The packages that a member of the formation needs (names as PGDG, Debian and Ubuntu have them), and the extra ones. */
export function packagesOf({ postgres }: Formation): string[] {
  const { version, packages } = postgres;
  return [
    ...new Set([
      `postgresql-${version}`,
      `postgresql-${version}-auto-failover`,
      'pg-auto-failover-cli',
      'python3-psycopg2',
      // pgha makes and examines certificates with it.
      'openssl',
      ...packages.extra,
    ]),
  ];
}

/** What is not as the formation asks for, in words; none when there is nothing to do. */
export function packageWork(formation: Formation, facts: PackageFacts): string[] {
  const missing = packagesOf(formation).filter((name) => !facts.versions.has(name));
  const repinned = mismatches(formation, facts).map(({ name, pin }) => `${name} ${pin}`);
  const source = formation.postgres.packages;
  const files = [
    ...(differs(facts, sourcesPath, knownSources(source, facts)) ? ['the package source'] : []),
    ...(differs(facts, proxyPath, proxyText(source)) ? ["apt's proxy"] : []),
    ...(differs(facts, pinsPath, pinsText(source)) ? ['the version pins'] : []),
  ];
  return [...files, ...missing, ...repinned];
}

/**
 * Why the packages of a container that holds data cannot be brought to the formation file: another version under
 * a Postgres that runs is an upgrade, which goes node by node and is not done here.
 */
export function pinErrors(formation: Formation, container: string, facts: PackageFacts): string[] {
  return mismatches(formation, facts).map(
    ({ name, pin, version }) =>
      `postgres.packages.pins: ${name} is pinned to ${pin}, and ${container}, which holds data, runs ${version}; the version of a running formation is not changed here: pin ${version}, or change it by hand on one node after the other, standbys first (apt-get install ${name}=VERSION), and run this again`,
  );
}

export function mismatches(formation: Formation, { versions }: PackageFacts) {
  return Object.entries(formation.postgres.packages.pins).flatMap(([name, pin]) => {
    const version = versions.get(name);
    return version === undefined || matchesPin(version, pin) ? [] : [{ name, pin, version }];
  });
}

/** As apt_preferences compares a version with a pin. */
export function matchesPin(version: string, pin: string): boolean {
  return pin.endsWith('*') ? version.startsWith(pin.slice(0, -1)) : version === pin;
}
