import { type DoctorFinding, fails, holds, judged, unknown } from './doctor-finding.ts';
import type { Machine } from './machine.ts';

/** What of this machine the actions need, and what mends it where it is not there. Pure. */
export function machineFindings(machine: Machine): DoctorFinding[] {
  return [
    linux(machine),
    ownHost(machine),
    node(machine),
    user(machine),
    home(machine),
    clientFolder(machine),
    temporaryFolder(machine),
    lease(machine),
  ];
}

function linux({ platform, system, kernel }: Machine): DoctorFinding {
  return platform === 'linux'
    ? holds('linux', `${system || 'Linux'}, kernel ${kernel}`)
    : fails('linux', `this is ${platform}`, 'Let the jobs run on a Linux host.');
}

function ownHost({ container, job, startedFromOutside: outside }: Machine): DoctorFinding {
  const id = 'own-host';
  if (container === undefined) return holds(id, 'this is no container, as far as it shows');
  if (job === undefined) return holds(id, `this is a container (${container}), and no job's own`);
  const remedy =
    'Let the job run on the host. On Gitea and Forgejo a label such as self-hosted:host does that. In a workflow leave out `container:`.';
  const sign = `${container} is the sign of a container`;
  if (outside.is !== 'seen') return unknown(id, `${sign}, and ${outside.why}`, remedy);
  if (outside.value)
    return fails(
      id,
      `this job runs in a container (${container}): a drill's guard ends with it, and the fault stays`,
      remedy,
    );
  return unknown(
    id,
    `${sign}, in which the runner itself runs: if it ends with the job, so does a drill's guard, and the fault stays`,
    remedy,
  );
}

export const oldestNode = 20;

function node({ node: { version, path, onPath }, job }: Machine): DoctorFinding {
  const id = 'node';
  const remedy = `Put Node ${oldestNode} or 24 first on the PATH of the runner's user.`;
  const brings =
    job === 'github' ? " GitHub's runner brings its own for the actions, and needs none on PATH." : '';
  if (onPath.is === 'unseen') return unknown(id, onPath.why);
  if (onPath.is === 'refused')
    return fails(
      id,
      `there is no \`node\` on PATH that answers (${onPath.why}); this ran on ${version}, ${path}`,
      remedy + brings,
    );
  const major = Number(/^v(\d+)\./.exec(onPath.value)?.[1]);
  if (Number.isNaN(major))
    return fails(id, `the \`node\` on PATH calls itself ${JSON.stringify(onPath.value)}`, remedy + brings);
  return major >= oldestNode
    ? holds(id, `Node ${onPath.value.slice(1)} is on PATH`)
    : fails(id, `the \`node\` on PATH is ${onPath.value}, which is too old`, remedy + brings);
}

function user({ user: found }: Machine): DoctorFinding {
  const remedy =
    "Have the runner run as a user that `getent passwd` knows. The drill's guard asks for that user's home.";
  return judged('user', found, remedy, ({ name, uid }) => `${name} (${uid})`);
}

/** A guard's log has a few lines a drill. */
const leastFreeBytes = 1024 * 1024;

function home({ stateFolder, jobFolders, job }: Machine): DoctorFinding {
  const id = 'home';
  const remedy =
    "Give the runner's user a home that it may write to and that stays. The drill's guard keeps its log there.";
  return judged(id, stateFolder, remedy, ({ path, freeBytes }) => {
    if (freeBytes < leastFreeBytes)
      return fails(id, `the disk of ${path} has ${freeBytes} bytes left`, 'Make room on it.');
    const within = jobFolders.find((folder) => isWithin(path, folder));
    if (within !== undefined)
      return fails(id, `${path} is in ${within}, which the runner empties after the job`, remedy);
    return job === undefined
      ? `${path} can be written to`
      : `${path} can be written to, and is none of the job's folders`;
  });
}

function clientFolder({ clientFolder: path, jobFolders, job }: Machine): DoctorFinding {
  const id = 'client-folder';
  const within = jobFolders.find((folder) => isWithin(path, folder));
  if (within !== undefined)
    return fails(
      id,
      `the client of Incus keeps its remotes and keys in ${path}, which the runner empties after the job: a drill's guard could not reach Incus then`,
      'Leave HOME and INCUS_CONF as the system has them for the runner. A folder that stays will do as well.',
    );
  return holds(id, job === undefined ? `${path}, at this terminal; a job may have another HOME` : path);
}

function temporaryFolder({ temporaryFolder: found }: Machine): DoctorFinding {
  return judged(
    'temporary-folder',
    found,
    'Make that folder writable, or name another in TMPDIR.',
    ({ path }) => `${path} can be written to`,
  );
}

function lease({ lease: found }: Machine): DoctorFinding {
  return judged(
    'drill-mark',
    found,
    "A drill marks on this machine that it is under way, by a socket in Linux's abstract namespace. Let the runner's service have sockets of the family AF_UNIX (RestrictAddressFamilies=).",
    () => 'a drill can mark on this machine that it is under way',
  );
}

const isWithin = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
