import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';

/** Releases in a repository of the tests' own, with an origin: this checkout's files, real git, npm and build. */

const root = join(import.meta.dirname, '..', '..');
const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter(Boolean);
const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
}, 60_000);
// npm ci and a whole build, several times over, on a machine that may be busy with a lab.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 60_000 });

let repository: string;
let origin: string;

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: repository, encoding: 'utf8' }).trim();
}

function release(...args: string[]): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/release.mjs', ...args], {
    cwd: repository,
    encoding: 'utf8',
    timeout: 300_000,
  });
  return { code: status, said: `${stdout}${stderr}` };
}

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-release-test-'));
  made.push(folder);
  [repository, origin] = [join(folder, 'work'), join(folder, 'origin.git')];
  for (const file of files) {
    mkdirSync(dirname(join(repository, file)), { recursive: true });
    cpSync(join(root, file), join(repository, file));
  }
  execFileSync('git', ['init', '--quiet', '--bare', origin]);
  git('init', '--quiet', '--initial-branch', 'main');
  for (const [key, value] of [
    ['user.name', 'test'],
    ['user.email', 'test@localhost'],
    ['commit.gpgsign', 'false'],
    ['tag.gpgsign', 'false'],
  ] as const)
    git('config', key, value);
  git('remote', 'add', 'origin', origin);
  commit('The tree of the tests');
  git('push', '--quiet', 'origin', 'main');
});

function commit(message: string): void {
  git('add', '--all');
  git('commit', '--quiet', '--message', message);
}

/** All that a release could change: commits, tags, files. */
const stateOf = () => [
  git('rev-parse', 'HEAD'),
  git('show-ref', '--tags', '--head'),
  git('status', '--porcelain'),
];

describe('a release', () => {
  it('is refused where something stands against it, all of it told at once', () => {
    git('tag', 'v0.0.9');
    git('push', '--quiet', 'origin', 'v0.0.9');
    git('tag', '--delete', 'v0.0.9'); // Somebody else made it.
    git('checkout', '--quiet', '-b', 'side');
    writeFileSync(join(repository, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n\n## 0.0.1\n\n- old\n');
    writeFileSync(join(repository, 'stray'), '');
    const before = stateOf();
    const { code, said } = release('0.0.9');
    expect(code, said).toBe(3);
    expect(said).toContain('releases are made on main (this is side)');
    expect(said).toContain('changes that are not committed: CHANGELOG.md, stray');
    expect(said).toMatch(/0\.0\.9 is not newer than the \d+\.\d+\.\d+ of package\.json/);
    expect(said).toContain('the tag v0.0.9 exists already');
    expect(said).toContain('CHANGELOG.md says nothing under "## Unreleased"');
    expect(stateOf()).toEqual(before);
  });

  it.each(['1.0', 'v1.0.0', '1.0.0-rc1', '01.0.0'])('is no version: %s', (version) => {
    expect(release(version)).toMatchObject({ code: 3, said: expect.stringContaining('a version is X.Y.Z') });
  });

  it('is refused where dist/ is not what the sources build, and nothing has changed', () => {
    appendFileSync(join(repository, 'dist', 'pgha.mjs'), '// by hand\n');
    commit('A bundle that nobody built');
    const before = stateOf();
    const { code, said } = release('9.0.0');
    expect(code, said).toBe(3);
    expect(said).toContain('not what the sources build: dist/pgha.mjs; run `npm run build` and commit');
    expect(stateOf()).toEqual(before);
  });

  it('can be rehearsed, is made, sent and verified, and is never made twice', () => {
    const before = stateOf();
    const rehearsed = release('9.4.2', '--dry-run');
    expect(rehearsed.code, rehearsed.said).toBe(0);
    expect(rehearsed.said).toContain('v9.4.2 would be made, and v9 moved to it');
    expect(stateOf()).toEqual(before);

    git('tag', 'v9'); // That of an earlier 9.x.
    git('push', '--quiet', 'origin', 'v9');
    const { code, said } = release('9.4.2', '--push');
    expect(code, said).toBe(0);
    expect(git('log', '-1', '--format=%s')).toBe('Release 9.4.2');
    expect(git('status', '--porcelain')).toBe('');
    for (const file of ['package.json', 'package-lock.json'])
      expect(JSON.parse(readFileSync(join(repository, file), 'utf8'))).toMatchObject({ version: '9.4.2' });
    // The composite action names its siblings by the tag that is made, at both of its addresses.
    for (const folder of ['nightly', 'nightly/github']) {
      const composite = readFileSync(join(repository, folder, 'action.yml'), 'utf8');
      const named = [...composite.matchAll(/uses: veza\/pgha\/([\w-]+)@(.+)/g)];
      expect(named.map(([, action, tag]) => `${action} ${tag}`)).toEqual(
        ['provision-pgaf', 'check-formation', 'failover-drill', 'alert'].map((action) => `${action} v9.4.2`),
      );
    }
    const changelog = readFileSync(join(repository, 'CHANGELOG.md'), 'utf8');
    expect(changelog).toMatch(/^## Unreleased\n\n## 9\.4\.2 \(\d{4}-\d\d-\d\d\)\n\n- /m);
    const head = git('rev-parse', 'HEAD');
    const sent = git('ls-remote', 'origin');
    for (const ref of ['refs/heads/main', 'refs/tags/v9', 'refs/tags/v9.4.2^{}'])
      expect(sent).toContain(`${head}\t${ref}`);

    expect(release('--notes', '9.4.2').said).toMatch(/^- provision-pgaf/);
    expect(release('--verify', 'v9.4.2')).toMatchObject({ code: 0 });
    expect(release('--verify', 'v9.4.1').said).toContain('v9.4.1 is not the version of package.json, 9.4.2');
    expect(release('9.4.2').said).toContain('the tag v9.4.2 exists already');
  });
});
