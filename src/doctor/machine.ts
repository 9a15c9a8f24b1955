import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, homedir, release, tmpdir, totalmem, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../contract/errors.ts';
import { stateFolder } from '../drill/guard.ts';
import { runCommand } from '../incus/command.ts';
import { holdLease } from '../incus/lease.ts';
import { refused, type Seen, seen, unseen } from './doctor-finding.ts';
import { lookSafely } from './look-safely.ts';

/** This machine, as a runner's user sees it. */
export interface Machine {
  platform: string;
  arch: string;
  kernel: string;
  /** PRETTY_NAME of /etc/os-release. */
  system: string;
  cpus: number;
  memoryBytes: number;
  /** What says that this is a container; undefined where nothing does. */
  container: string | undefined;
  /** Whether this was started from outside its container, as the steps of a job in a container are. */
  startedFromOutside: Seen<boolean>;
  /** Whose job this runs in; undefined at a terminal. */
  job: 'github' | 'gitea' | 'forgejo' | 'act' | 'a runner' | undefined;
  user: Seen<{ name: string; uid: number; home: string }>;
  /** The Node that runs this, and the version of the one that is on PATH. */
  node: { version: string; path: string; onPath: Seen<string> };
  /** Where a drill's guard writes its log. */
  stateFolder: Seen<FolderSeen>;
  /** Where the client of Incus keeps remotes and keys. */
  clientFolder: string;
  temporaryFolder: Seen<FolderSeen>;
  /** Folders that a runner empties when its job ends, as its variables name them. */
  jobFolders: string[];
  /** The kernel's mark that a drill is under way (src/incus/lease.ts). */
  lease: Seen<true>;
}

/** A folder that can be written to, or made. */
export interface FolderSeen {
  path: string;
  freeBytes: number;
}

const commandDeadlineMs = 10_000;

/** Looks, and changes nothing but for a file that is removed at once. */
export async function observeMachine(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Machine> {
  const [onPath, lease, user, state, temporary] = await Promise.all([
    lookSafely(async () => {
      const said = await runCommand('node', ['--version'], { deadlineMs: commandDeadlineMs, signal });
      return said.trim().slice(0, 40);
    }, signal),
    lookSafely(async () => {
      const held = await holdLease(randomBytes(6).toString('hex'));
      held.release();
      return true as const;
    }, signal),
    // A user that the system does not know has none.
    lookSafely(async () => {
      const { username: name, uid, homedir: home } = userInfo();
      return { name, uid, home };
    }),
    lookSafely(async () => stateFolder()).then(writable),
    writable(seen(tmpdir())),
  ]);
  return {
    platform: process.platform,
    arch: arch(),
    kernel: release(),
    system: systemName(contentOf('/etc/os-release')),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    container: signOfContainer(env),
    startedFromOutside: startedFromOutside(),
    job: jobOf(env),
    user,
    node: { version: process.version, path: process.execPath, onPath },
    stateFolder: state,
    clientFolder: resolve(env['INCUS_CONF'] || join(env['HOME'] || homedir(), '.config', 'incus')),
    temporaryFolder: temporary,
    jobFolders: jobFoldersOf(env),
    lease,
  };
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, 65_536);
  } catch {
    return '';
  }
}

export function systemName(osRelease: string): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? '';
}

/** What Docker, Podman and systemd leave for those within (systemd's container interface). */
function signOfContainer(env: NodeJS.ProcessEnv): string | undefined {
  const file = ['/.dockerenv', '/run/.containerenv'].find((path) => existsSync(path));
  return file ?? (env['container'] ? `the variable container=${env['container']}` : undefined);
}

/**
 * Walks up to the first process whose parent cannot be seen from here. A container's own processes all descend from its
 * process 1; what `docker exec` or its like starts has a parent outside, which reads as 0 (pid_namespaces(7)).
 */
function startedFromOutside(): Seen<boolean> {
  let pid = process.pid;
  for (let steps = 0; steps < mostAncestors; steps++) {
    const parent = /^PPid:\s+(\d+)$/m.exec(contentOf(`/proc/${pid}/status`))?.[1];
    if (parent === undefined) return unseen(`/proc/${pid}/status could not be read`);
    if (parent === '0') return seen(pid !== 1);
    pid = Number(parent);
  }
  return unseen(`more than ${mostAncestors} processes stand above this one`);
}

const mostAncestors = 1000;

export function jobOf(env: NodeJS.ProcessEnv): Machine['job'] {
  // Each of them calls itself GitHub's as well.
  if (env['ACT'] === 'true') return 'act';
  if (env['FORGEJO_ACTIONS'] === 'true') return 'forgejo';
  if (env['GITEA_ACTIONS'] === 'true') return 'gitea';
  if (env['GITHUB_ACTIONS'] === 'true') return 'github';
  return env['CI'] === 'true' ? 'a runner' : undefined;
}

export function jobFoldersOf(env: NodeJS.ProcessEnv): string[] {
  const names = ['GITHUB_WORKSPACE', 'RUNNER_TEMP', 'RUNNER_WORKSPACE'];
  return [...new Set(names.flatMap((name) => (env[name] ? [resolve(env[name])] : [])))];
}

/** Whether files can be written into a folder, or into the one in which it would be made. */
async function writable(folder: Seen<string>): Promise<Seen<FolderSeen>> {
  if (folder.is !== 'seen') return folder;
  const path = folder.value;
  let there = path;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  let trial: string | undefined;
  try {
    trial = mkdtempSync(join(there, '.pgha-doctor-'));
    writeFileSync(join(trial, 'trial'), 'x'.repeat(4096));
    const { bavail, bsize } = statfsSync(there);
    return seen({ path, freeBytes: bavail * bsize });
  } catch (error) {
    return refused(`nothing can be written to ${path}: ${messageOf(error)}`);
  } finally {
    if (trial !== undefined) rmSync(trial, { recursive: true, force: true });
  }
}
