import { retryUntil } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError } from '../contract/errors.ts';
import type { Incus } from '../incus/incus.ts';
import type { Prepare } from './fault.ts';

const unit = 'pg_autoctl.service';
/** In /run: a restart of the container takes it away by itself. */
const dropIn = `/run/systemd/system/${unit}.d/pgha-drill.conf`;

const deadlineMs = 30_000;
/** A killed process is gone within milliseconds, unless its host is busy. */
const goneMs = 3000;

/** Process id of Postgres in the data directory `$1`, and when it started, in the kernel's ticks. */
const identify = `
pid=$(head -n 1 "$1/postmaster.pid") && set -- $(cat "/proc/$pid/stat") && [ "$2" = '(postgres)' ] || exit 1
echo "$pid \${22}"
`;

/** Kills the process \`$1\` if it is still the one that started at \`$2\`. */
const kill = `
pid=$1 since=$2
set -- $(cat "/proc/$pid/stat") && [ "\${22}" = "$since" ] && kill -KILL "$pid"
`;

/** Says \`there\` while the process runs; one that nobody has reaped yet does not. */
const look = `
pid=$1 since=$2
set -- $(cat "/proc/$pid/stat" 2>/dev/null)
if [ "\${22-}" = "$since" ] && [ "$3" != Z ]; then echo there; else echo gone; fi
`;

/** Postgres alone. Its keeper finds out by itself and starts it again. */
export const killPostgres: Prepare = async ({ incus }, { name, pgdata }, signal) => {
  const said = await incus.read(name, ['sh', '-c', identify, 'sh', pgdata], { deadlineMs, signal });
  const identity = /^(\d+) (\d+)$/.exec(said.trim());
  if (!identity) throw new EnvironmentError(`the process of Postgres in ${name} could not be told: ${said}`);
  const [, pid = '', since = ''] = identity;
  return {
    inject: () => incus.exec(name, ['sh', '-c', kill, 'sh', pid, since], { deadlineMs }),
    proof: () =>
      retryUntil(`Postgres in ${name} to be gone`, { deadlineMs: goneMs, pauseMs: 100 }, async (inner) => {
        const options = { deadlineMs, signal: inner };
        const found = await incus.read(name, ['sh', '-c', look, 'sh', pid, since], options);
        return found.trim() === 'gone' ? `the process ${pid} of Postgres is gone` : undefined;
      }).catch(unproven),
  };
};

/** Names of the processes that must not be there, and the unit's state. */
const survivors = `
for comm in /proc/[0-9]*/comm; do
  read -r name 2>/dev/null <"$comm" && case $name in pg_autoctl | postgres) echo "$name" ;; esac
done
systemctl show --property=ActiveState --value "$1"
`;

/** The unit restarts on failure (RestartSec=1), which would make a second's outage of it. */
const keepDown = `
mkdir -p "\${2%/*}" && printf '[Service]\\nRestart=no\\n' >"$2" && systemctl daemon-reload &&
[ "$(systemctl show --property=Restart --value "$1")" = no ]
`;

/** Keeper and Postgres, for good: the loss of a node whose container goes on. */
export const killNode: Prepare = async ({ incus }, { name }) => ({
  arm: () => incus.exec(name, ['sh', '-c', keepDown, 'sh', unit, dropIn], { deadlineMs }),
  // Every process of the unit, Postgres and its sessions included.
  inject: () => incus.exec(name, ['systemctl', 'kill', '--signal=KILL', unit], { deadlineMs }),
  proof: () =>
    retryUntil(`pg_autoctl in ${name} to be gone`, { deadlineMs: goneMs, pauseMs: 100 }, async (inner) => {
      const options = { deadlineMs, signal: inner };
      const found = (await incus.read(name, ['sh', '-c', survivors, 'sh', unit], options)).trim();
      return found === 'failed' || found === 'inactive'
        ? `no process of pg_autoctl or Postgres is left, and ${unit} is ${found}`
        : undefined;
    }).catch(unproven),
});

function unproven(error: unknown): undefined {
  if (!(error instanceof DeadlineError)) throw error;
}

/** The drop-in goes last: whoever is killed here leaves it for the next to find. */
const bringBack = `
[ -e "$2" ] || exit 0
systemctl start "$1" && rm -f "$2" && systemctl daemon-reload && echo started
`;

/** Undoes killNode. @returns whether there was anything to undo */
export async function restoreUnit(incus: Incus, container: string, signal?: AbortSignal): Promise<boolean> {
  const command = ['sh', '-c', bringBack, 'sh', unit, dropIn];
  return (await incus.read(container, command, { deadlineMs, signal })).trim() === 'started';
}
