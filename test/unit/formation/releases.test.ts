import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  isReleasePackage,
  knownReleases,
  postgresVersions,
  type RelianceName,
  readAt,
  reliances,
  unknownRelease,
  unreliedOn,
} from '../../../src/formation/releases.ts';

describe('a release of pg_auto_failover', () => {
  it.each([
    ['2.0'],
    ['2.1'],
    ['2.2'],
    ['2.0-1+b3'],
    ['2.1-3.pgdg110+1'],
    ['2.2-1.pgdg12+1'],
    ['2.2.1-1'],
    ['1:2.2-1'],
  ])('%s is known', (version) => expect(unknownRelease(version)).toBeUndefined());

  it.each([
    ['2.3', 'pg_auto_failover 2.3 is newer than the releases that this pgha knows (2.0 to 2.2)'],
    ['2.3-1.pgdg13+1', 'pg_auto_failover 2.3 is newer than the releases that this pgha knows (2.0 to 2.2)'],
    ['2.20-1', 'pg_auto_failover 2.20 is newer than the releases that this pgha knows (2.0 to 2.2)'],
    ['10.0', 'pg_auto_failover 10.0 is newer than the releases that this pgha knows (2.0 to 2.2)'],
    ['1.6.4-1', 'pg_auto_failover 1.6 is older than the releases that this pgha knows (2.0 to 2.2)'],
    ['dummy', 'pg_auto_failover "dummy" is none of the releases that this pgha knows (2.0 to 2.2)'],
    ['', 'pg_auto_failover "" is none of the releases that this pgha knows (2.0 to 2.2)'],
  ])('%j is not', (version, sentence) => expect(unknownRelease(version)).toBe(sentence));

  it('brings what a part relies on, and what upstream does instead', () => {
    expect(unreliedOn('2.2', 'stop-hands-nothing-over')).toBeUndefined();
    expect(unreliedOn('2.3', 'stop-hands-nothing-over')).toMatch(
      /^pg_auto_failover 2\.3 is newer .*; in those a keeper that is told to stop .*, and in upstream's main branch it goes into maintenance first .*\(9e624d49, #1155; docs\/versions\.md\)$/,
    );
  });

  it('is told by the packages that carry it', () => {
    const names = ['pg-auto-failover-cli', 'postgresql-16-auto-failover', 'postgresql-16', 'libpq5'];
    expect(names.filter(isReleasePackage)).toEqual(names.slice(0, 2));
  });

  it('is for these versions of Postgres', () => {
    expect(postgresVersions).toEqual({ oldest: 13, newest: 17 });
  });
});

describe('docs/versions.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/versions.md'), 'utf8');

  it('has every known release, and where upstream was read', () => {
    for (const release of knownReleases) expect(page).toContain(`| ${release} |`);
    expect(page).toContain(readAt.commit);
    expect(page).toContain(readAt.calls);
  });

  it.each(Object.keys(reliances) as RelianceName[])('says what %s rests on', (name) => {
    const { commit, pull } = reliances[name];
    const row = page.split('\n').find((line) => line.includes(`\`${name}\``));
    expect(row).toContain(commit);
    expect(row).toContain(`#${pull}`);
  });
});
