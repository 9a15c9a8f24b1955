// Makes a release: version, changelog, tag vX.Y.Z and the moved vX. All of it happens in a temporary clone, which also
// proves that dist/ is what the sources build; this repository gets the commit and the tags at the end, or nothing.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const usage = `pgha release X.Y.Z [--dry-run] [--push]
  makes the release on main: version in package.json, CHANGELOG.md and nightly/, commit, tags vX.Y.Z and vX.
  --dry-run  does everything but touch this repository
  --push     sends main and both tags to origin, all or none
pgha release --verify vX.Y.Z
  tells whether the commit that is checked out is that release, and whether its dist/ is what its sources build
pgha release --notes X.Y.Z
  prints what CHANGELOG.md says of it`;

class Refusal extends Error {}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const minuteMs = 60_000;

function run(file, args, { cwd = root, deadlineMs = 10 * minuteMs } = {}) {
  try {
    return execFileSync(file, args, {
      cwd,
      encoding: 'utf8',
      timeout: deadlineMs,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const said = `${error.stderr ?? ''}`.trim().split('\n').slice(-5).join('\n');
    throw new Refusal(`\`${file} ${args.join(' ')}\` failed${said ? `:\n${said}` : ''}`);
  }
}
const git = (...args) => run('git', args).trim();
const lines = (text) => text.split('\n').filter(Boolean);

const changedFiles = (cwd) =>
  lines(run('git', ['status', '--porcelain'], { cwd })).map((line) => line.slice(3));

/** Numbers of a version, or undefined. */
export function parseVersion(text) {
  const match = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(text ?? '');
  return match?.slice(1).map(Number);
}

export function isNewer(version, than) {
  const [a, b] = [parseVersion(version), parseVersion(than)];
  const at = a.findIndex((number, index) => number !== b[index]);
  return at !== -1 && a[at] > b[at];
}

/** The text below a heading of the changelog, '' where it has none or nothing stands there. */
export function section(changelog, heading) {
  const start = new RegExp(`^## ${heading.replaceAll('.', '\\.')}(?: .*)?$`, 'm').exec(changelog);
  if (!start) return '';
  const rest = changelog.slice(start.index + start[0].length);
  const end = rest.search(/^## /m);
  return (end === -1 ? rest : rest.slice(0, end)).trim();
}

export function released(changelog, version, day) {
  return changelog.replace(/^## Unreleased$/m, `## Unreleased\n\n## ${version} (${day})`);
}

const read = (folder, name) => readFileSync(join(folder, name), 'utf8');
const versionOf = (folder) => JSON.parse(read(folder, 'package.json')).version;

/** Everything that stands against the release, at once. */
function obstaclesTo(version) {
  const found = [];
  const say = (wrong, what) => wrong && found.push(what);
  const branch = git('branch', '--show-current');
  say(branch !== 'main', `releases are made on main (this is ${branch || 'no branch'})`);
  const dirty = changedFiles(root);
  say(dirty.length > 0, `the tree has changes that are not committed: ${dirty.join(', ')}`);
  say(
    !isNewer(version, versionOf(root)),
    `${version} is not newer than the ${versionOf(root)} of package.json`,
  );
  const hasOrigin = lines(git('remote')).includes('origin');
  const remote = hasOrigin ? run('git', ['ls-remote', '--tags', 'origin'], { deadlineMs: minuteMs }) : '';
  const exists = git('tag', '--list', `v${version}`) !== '' || remote.includes(`refs/tags/v${version}\n`);
  say(exists, `the tag v${version} exists already: a released version never changes`);
  say(
    section(read(root, 'CHANGELOG.md'), 'Unreleased') === '',
    'CHANGELOG.md says nothing under "## Unreleased"',
  );
  return found;
}

/** What a release changes: the version and all that says it. The build writes it into the composite action as its siblings' tag. */
const saysVersion = [
  'package.json',
  'package-lock.json',
  'CHANGELOG.md',
  'nightly/action.yml',
  'nightly/github/action.yml',
];

/**
 * Builds what is in `folder` anew and compares with what is committed there.
 * @param changed files that differ by rights
 * @throws Refusal where another differs
 */
function verifyBuild(folder, changed = []) {
  console.log('building from a clean clone');
  run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--silent'], { cwd: folder });
  run('npm', ['run', '--silent', 'build'], { cwd: folder });
  const stale = changedFiles(folder).filter((path) => !changed.includes(path));
  if (stale.length > 0)
    throw new Refusal(`not what the sources build: ${stale.join(', ')}; run \`npm run build\` and commit`);
  console.log('dist/ and everything else that is generated is byte for byte what the sources build');
}

function inClone(work) {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-release-'));
  try {
    run('git', ['clone', '--quiet', '--no-hardlinks', root, folder]);
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function release(version, { dryRun, push }) {
  const found = obstaclesTo(version);
  if (found.length > 0) throw new Refusal(found.join('\n'));
  const [tag, moved] = [`v${version}`, `v${version.split('.')[0]}`];
  inClone((clone) => {
    const within = (...args) => run('git', args, { cwd: clone }).trim();
    run('npm', ['version', version, '--no-git-tag-version', '--silent'], { cwd: clone });
    const day = new Date().toISOString().slice(0, 10);
    writeFileSync(join(clone, 'CHANGELOG.md'), released(read(clone, 'CHANGELOG.md'), version, day));
    verifyBuild(clone, saysVersion);
    for (const key of ['user.name', 'user.email']) within('config', key, git('config', key));
    within('commit', '--quiet', '--all', '--message', `Release ${version}`);
    console.log(
      `\n${within('show', '--stat', '--format=%s', 'HEAD')}\n\n${section(read(clone, 'CHANGELOG.md'), version)}\n`,
    );
    if (dryRun) {
      console.log(`dry run: this repository is as it was; ${tag} would be made, and ${moved} moved to it`);
      return;
    }
    git('fetch', '--quiet', clone, 'HEAD');
    git('merge', '--quiet', '--ff-only', 'FETCH_HEAD');
    git('tag', '--annotate', tag, '--message', `pgha ${version}`);
    git('update-ref', `refs/tags/${moved}`, 'HEAD');
    console.log(`${tag} is made, and ${moved} points to it`);
    const sending = ['push', '--atomic', 'origin', 'main', `refs/tags/${tag}`, `+refs/tags/${moved}`];
    if (push) send(sending);
    else console.log(`to send them:\n  git ${sending.join(' ')}`);
  });
}

function send(args) {
  try {
    run('git', args, { deadlineMs: 5 * minuteMs });
  } catch (error) {
    throw new Refusal(`${error.message}\nnothing was sent; once that is mended:\n  git ${args.join(' ')}`);
  }
  console.log('they are at origin');
}

function verify(tag) {
  const version = versionOf(root);
  const found = [];
  if (tag !== `v${version}`) found.push(`${tag} is not the version of package.json, ${version}`);
  if (git('tag', '--points-at', 'HEAD', '--list', tag) === '')
    found.push(`${tag} is not the commit checked out`);
  if (section(read(root, 'CHANGELOG.md'), version) === '')
    found.push(`CHANGELOG.md says nothing of ${version}`);
  if (found.length > 0) throw new Refusal(found.join('\n'));
  inClone(verifyBuild);
}

function main(args) {
  const flags = args.filter((word) => word.startsWith('--'));
  const [first, ...more] = args.filter((word) => !word.startsWith('--'));
  const unknown = flags.filter((flag) => !['--dry-run', '--push', '--verify', '--notes'].includes(flag));
  if (flags.includes('--help') || first === undefined || more.length > 0 || unknown.length > 0) {
    console.log(usage);
    return flags.includes('--help') ? 0 : 3;
  }
  if (flags.includes('--verify')) verify(first);
  else if (!parseVersion(first)) throw new Refusal(`a version is X.Y.Z, such as 1.2.3 (found '${first}')`);
  else if (flags.includes('--notes')) {
    const notes = section(read(root, 'CHANGELOG.md'), first);
    if (notes === '') throw new Refusal(`CHANGELOG.md says nothing of ${first}`);
    console.log(notes);
  } else release(first, { dryRun: flags.includes('--dry-run'), push: flags.includes('--push') });
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(error.message.replace(/^/gm, 'pgha release: '));
    process.exitCode = 3;
  }
}
