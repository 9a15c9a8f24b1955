/**
 * The releases of pg_auto_failover that pgha knows, and what it relies on that upstream has changed since. Whatever
 * depends on the release asks here; docs/versions.md tells people the same.
 *
 * Known means: drilled (2.0 and 2.2), or alike by its sources (2.1). Between v2.0 and v2.2 upstream changed no state, no
 * order of the monitor's, no timer and nothing of the keeper's loop (`git diff v2.0 v2.2 -- src/monitor src/bin`).
 */

interface Release {
  /** Major versions of Postgres that upstream builds it for, from 13 on (PGVERSIONS in its Makefile, version_compat.h). */
  postgres: { oldest: number; newest: number };
}

const releases: Readonly<Record<string, Release>> = {
  '2.0': { postgres: { oldest: 13, newest: 15 } },
  '2.1': { postgres: { oldest: 13, newest: 16 } },
  '2.2': { postgres: { oldest: 13, newest: 17 } },
};

export const knownReleases: readonly string[] = Object.keys(releases);

/** The major versions of Postgres that a formation may have. */
export const postgresVersions = {
  oldest: Math.min(...Object.values(releases).map(({ postgres }) => postgres.oldest)),
  newest: Math.max(...Object.values(releases).map(({ postgres }) => postgres.newest)),
};

interface Reliance {
  /** What every known release does: a clause. */
  holds: string;
  /** What upstream's main branch does in its place, as of `readAt`: a clause. */
  since: string;
  /** Upstream's commit and pull request. */
  commit: string;
  pull: number;
}

/** Upstream's main branch as it was read: its extension calls itself 2.3, and no release has it. */
export const readAt = { commit: 'bc8c6ae0', date: '2026-08-03', calls: '2.3' };

/** What a part of pgha relies on, and the release after the known ones does otherwise. */
export const reliances = {
  'stop-hands-nothing-over': {
    holds: 'a keeper that is told to stop (SIGTERM) stops its Postgres and hands nothing over',
    since: 'it goes into maintenance first and has a standby promoted, and leaves it at its next start',
    commit: '9e624d49',
    pull: 1155,
  },
  'commits-wait-for-the-link': {
    holds: 'commits wait until the link to the standby is back, for as long as the monitor reaches both',
    since:
      'the monitor is meant to have the primary go on without its standby after replication_stall_timeout, and did not yet when it was tried',
    commit: '92acc7f6',
    pull: 1149,
  },
  'uri-limits-silence': {
    holds: "how long a keeper waits for the monitor's answer is what the monitor's URI says",
    since: 'limits of its own (tcp_user_timeout 10 s) take the place of those in the URI',
    commit: '27fb08a7',
    pull: 1177,
  },
  'keeper-state-file': {
    holds: "a keeper's state file has version 1",
    since: 'it has version 2',
    commit: '9e624d49',
    pull: 1155,
  },
  'orders-that-keepers-follow': {
    holds: 'a keeper follows the orders that are listed in src/monitor/transitions.ts, and no others',
    since: 'it follows 31 more',
    commit: 'bc8c6ae0',
    pull: 1185,
  },
  'quorum-holds-elections-back': {
    holds: 'an election waits for a standby of the quorum that does not report, whatever an operator does',
    since: 'pgautofailover.guard_data_loss (on by default) can be turned off, and it waits for none',
    commit: 'ca7834b5',
    pull: 1142,
  },
} as const satisfies Record<string, Reliance>;

export type RelianceName = keyof typeof reliances;

/** `2.2` of an extension's version (`2.2`) or a Debian package's (`2.2-1.pgdg12+1`); undefined for what is neither. */
function releaseOf(version: string): [major: number, minor: number] | undefined {
  const [, major, minor] = /^(?:\d+:)?(\d{1,4})\.(\d{1,4})(?!\d)/.exec(version) ?? [];
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)];
}

/**
 * Why nobody can say what this release of pg_auto_failover does, as a sentence without its full stop; undefined for a
 * known one. Pure.
 * @param version the extension's, or that of a Debian package of pg_auto_failover
 */
export function unknownRelease(version: string): string | undefined {
  const release = releaseOf(version);
  const range = `the releases that this pgha knows (${knownReleases[0]} to ${knownReleases.at(-1)})`;
  if (release === undefined) return `pg_auto_failover "${version.slice(0, 40)}" is none of ${range}`;
  const name = release.join('.');
  if (knownReleases.includes(name)) return undefined;
  const ofFirst = releaseOf(knownReleases[0] ?? '') ?? [0, 0];
  const isOlder = release[0] < ofFirst[0] || (release[0] === ofFirst[0] && release[1] < ofFirst[1]);
  return `pg_auto_failover ${name} is ${isOlder ? 'older' : 'newer'} than ${range}`;
}

/** The same for a part that relies on what the next release does otherwise, with what that is. Pure. */
export function unreliedOn(version: string, name: RelianceName): string | undefined {
  const unknown = unknownRelease(version);
  const { holds, since, commit, pull } = reliances[name];
  return (
    unknown &&
    `${unknown}; in those ${holds}, and in upstream's main branch ${since} (${commit}, #${pull}; docs/versions.md)`
  );
}

/** The packages that carry pg_auto_failover's version, as Debian, Ubuntu and PGDG name them. */
export const isReleasePackage = (name: string): boolean =>
  name === 'pg-auto-failover-cli' || /^postgresql-\d+-auto-failover$/.test(name);
