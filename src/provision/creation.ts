import { type Moment, now, seconds } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { EnvironmentError } from '../contract/errors.ts';
import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { monitorUri } from '../member/keeper-config.ts';
import { tlsOptions } from '../member/tls.ts';
import { pgAutoctl } from './autoctl.ts';

/** `pg_autoctl create …`, which makes a member's data directory: a standby's by copying all data of its primary. */

/**
 * A base backup takes as long as there is data; one whose files do not grow for so long is stuck. It begins with a
 * checkpoint, which lasts 4.5 minutes where Postgres has its defaults.
 */
const stalledAfterMs = 420_000;
/** No copy takes that long; there is a deadline to everything. */
const createDeadlineMs = 24 * 3_600_000;
const lookMs = 10_000;
const leftoverPollMs = 300;

/**
 * The folder of the data directory, $1: of postgres, and for it alone. postgres makes it where it may. Root does
 * so only on a way that is root's alone, since on one of postgres' a link could lead it anywhere.
 */
const makeParent = `
make_parent() {
runuser -u postgres -- sh -c 'mkdir -p -m 700 "$1" && chmod 700 "$1"' sh "$1" 2> /dev/null && return 0
each=$1
while [ "$each" != / ]; do
  if [ -e "$each" ] || [ -L "$each" ]; then
    [ "$(stat -c %u "$each")" -eq 0 ] || { echo "$1 cannot be made: $each is not root's, nor may postgres make folders in it" >&2; exit 1; }
  fi
  each=$(dirname "$each")
done
install -d -o postgres -g postgres -m 0700 "$1"
}
`;

/**
 * Makes the folder of the data directory, $2. Tells the bytes in the data directory, $1, and in what will become it
 * (pg_autoctl copies into backup/NAME beside it); then the ids of the `pg_autoctl create` that run: a client of
 * Incus that is killed leaves its command running in the container (seen in the lab).
 */
const look = `
${makeParent}
make_parent "$2" || exit 1
echo "bytes $(du -scb "$1" "$2/backup" 2> /dev/null | tail -n 1 | cut -f1)"
for each in $(pgrep -u postgres -x pg_autoctl); do
  case $(tr '\\0' ' ' < "/proc/$each/cmdline" 2> /dev/null) in
    *"pg_autoctl create "*) [ "$(ps -o comm= -p "$(ps -o ppid= -p "$each" | tr -d ' ')" 2> /dev/null)" = pg_autoctl ] || echo "pid $each" ;;
  esac
done
exit 0
`;

/**
 * Ends a process by id, $1, in peace or, after ten seconds, not. Its name is looked at again, as the id may have
 * gone to another.
 */
const end = `
for signal in TERM KILL; do
  [ "$(ps -o comm= -p "$1" 2> /dev/null)" = pg_autoctl ] || exit 0
  kill -s "$signal" "$1"
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2> /dev/null || exit 0; sleep 1; done
done
exit 0
`;

/** What `look` found. */
export interface Look {
  /** Size of the member's data so far. */
  bytes: number;
  /** The `pg_autoctl create` that run, by process id in the container. */
  pids: number[];
}

export function parseLook(output: string): Look {
  const numbers = (key: string) =>
    output
      .split('\n')
      .flatMap((line) => (line.startsWith(`${key} `) ? [Number(line.slice(key.length))] : []));
  return { bytes: numbers('bytes')[0] || 0, pids: numbers('pid').filter((pid) => pid > 1) };
}

/** Tells a copy that goes on from one that is stuck, by its size and the time of each look at it. */
export class Growth {
  private bytes = -1;
  private grewAt: Moment;

  constructor(at: Moment) {
    this.grewAt = at;
  }

  /** Milliseconds for which the size has not changed. */
  stillMs(bytes: number, at: Moment): number {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.grewAt = at;
    }
    return at - this.grewAt;
  }
}

/**
 * `pg_autoctl create …`, which initialises the data directory and registers the node. Only where no
 * postgresql.conf stands; an interrupted create is finished by running it again (upstream's own rule). One that a
 * killed run left running is let finish first, as pg_autoctl refuses to run twice.
 *
 * @throws EnvironmentError when the data stops growing, CommandError when pg_autoctl fails
 */
export async function create(
  incus: Incus,
  formation: Formation,
  member: Member,
  monitor: Member,
  signal?: AbortSignal,
): Promise<void> {
  await leftoverEnds(incus, member, signal);
  const common = [
    ...['--pgdata', member.pgdata, '--pgport', String(formation.postgres.port), '--hostname', member.host],
    ...['--skip-pg-hba', ...tlsOptions(formation)],
    ...['--pgctl', `/usr/lib/postgresql/${formation.postgres.version}/bin/pg_ctl`],
  ];
  const node = formation.nodes.find(({ name }) => name === member.name);
  const args =
    node === undefined
      ? ['create', 'monitor', ...common]
      : [
          ...['create', 'postgres', ...common, '--name', member.name, '--formation', formation.name],
          ...['--candidate-priority', String(node.candidatePriority)],
          ...['--replication-quorum', String(node.quorum), '--monitor', monitorUri(formation, monitor)],
        ];
  await whileItGrows(incus, member, signal, (inner) =>
    pgAutoctl(incus, formation, member.name, args, createDeadlineMs, inner),
  );
}

/** The folder of the data is there then. */
async function lookAt(incus: Incus, member: Member, signal?: AbortSignal): Promise<Look> {
  const parent = member.pgdata.replace(/\/[^/]*$/, '');
  const command = ['sh', '-c', look, 'sh', member.pgdata, parent];
  return parseLook(await incus.read(member.name, command, { deadlineMs: 60_000, signal }));
}

/** Waits for the creation that a killed run has left behind, and ends one that is stuck. */
async function leftoverEnds(incus: Incus, member: Member, signal?: AbortSignal): Promise<void> {
  const growth = new Growth(now());
  for (;;) {
    const { bytes, pids } = await lookAt(incus, member, signal);
    if (pids.length === 0) return;
    if (growth.stillMs(bytes, now()) > stalledAfterMs) {
      for (const pid of pids) {
        const command = ['sh', '-c', end, 'sh', String(pid)];
        await incus.exec(member.name, command, { deadlineMs: 40_000, signal });
      }
    }
    await sleep(leftoverPollMs, signal);
  }
}

/** Runs `work`, and aborts it when the member's data has stopped growing. */
async function whileItGrows(
  incus: Incus,
  member: Member,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });
  const growth = new Growth(now());
  const watch = async () => {
    for (;;) {
      await sleep(lookMs, controller.signal);
      const found = await lookAt(incus, member, controller.signal).catch(() => undefined);
      // A container that cannot be looked at makes no progress that anyone could see.
      const stillMs = growth.stillMs(found?.bytes ?? -1, now());
      if (stillMs > stalledAfterMs) {
        controller.abort(
          new EnvironmentError(
            `pg_autoctl create in ${member.name} has copied nothing for ${seconds(stillMs).toFixed(0)} s; \`incus exec ${member.name} -- ps -u postgres f\` shows what it waits for`,
          ),
        );
      }
    }
  };
  const watching = watch().catch(() => {});
  try {
    await work(controller.signal);
  } finally {
    signal?.removeEventListener('abort', abort);
    controller.abort();
    await watching;
  }
}
