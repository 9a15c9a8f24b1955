import { type Moment, now, toSeconds } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import { EnvironmentError } from '../../contract/errors.ts';
import { containerTarget } from '../../formation/command-line.ts';
import { nodeNameOf } from '../../formation/formation.ts';
import { monitorUri } from '../../member/keeper-config.ts';
import { programsFolder } from '../../member/programs.ts';
import { tlsOptions } from '../../member/tls.ts';
import type { MemberContainer } from '../member-container.ts';
import { pgAutoctl } from './autoctl.ts';
import end from './scripts/end-creation.sh';
import look from './scripts/look-at-creation.sh';
import makeParent from './scripts/make-parent.sh';

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
/** For so long one is ended that does not end. */
const undeadMs = 60_000;

/** What `look` found. */
export interface CreationLook {
  /** Size of the member's data so far. */
  bytes: number;
  /** The `pg_autoctl create` that run, by process id in the container. */
  pids: number[];
}

export function parseCreationLook(output: string): CreationLook {
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
export async function create(container: MemberContainer): Promise<void> {
  const { formation, member, monitor } = container;
  await untilLeftoverEnds(container);
  const common = [
    ...['--pgdata', member.pgdata, '--pgport', String(formation.postgres.port), '--hostname', member.host],
    ...['--skip-pg-hba', ...tlsOptions(formation)],
    ...['--pgctl', `${programsFolder(formation.postgres.version)}/pg_ctl`],
  ];
  const node = formation.nodes.find(({ name }) => name === member.name);
  const args =
    node === undefined
      ? ['create', 'monitor', ...common]
      : [
          ...[
            'create',
            'postgres',
            ...common,
            '--name',
            nodeNameOf(formation, member.name),
            '--formation',
            formation.name,
          ],
          ...['--candidate-priority', String(node.candidatePriority)],
          ...['--replication-quorum', String(node.quorum), '--monitor', monitorUri(formation, monitor, '')],
        ];
  await whileItGrows(container, (inner) => pgAutoctl(inner, args, createDeadlineMs));
}

/** Makes the folder that the data directory is to stand in, and looks at what is there of it. */
async function makeFolderAndLook(container: MemberContainer): Promise<CreationLook> {
  const { member } = container;
  const parent = member.pgdata.replace(/\/[^/]*$/, '');
  const command = ['sh', '-c', `${makeParent}${look}`, 'sh', member.pgdata, parent];
  return parseCreationLook(await container.read(command, { deadlineMs: 60_000 }));
}

/**
 * Waits for the creation that a killed run has left behind, and ends one that is stuck.
 * @throws EnvironmentError where it does not end, as a process that waits for its disk does not
 */
async function untilLeftoverEnds(container: MemberContainer): Promise<void> {
  const { formation, name } = container;
  const begun = now();
  const growth = new Growth(begun);
  let endedAt: Moment | undefined;
  for (;;) {
    const { bytes, pids } = await makeFolderAndLook(container);
    if (pids.length === 0) return;
    const isUndead = endedAt !== undefined && now() - endedAt > undeadMs;
    if (isUndead || now() - begun > createDeadlineMs)
      throw new EnvironmentError(
        `a pg_autoctl create that an earlier run has left in ${name} does not end (process ${pids.join(', ')}); restart the container (incus restart --force ${containerTarget(formation, name)}), and run this again`,
      );
    if (growth.stillMs(bytes, now()) > stalledAfterMs) {
      endedAt ??= now();
      for (const pid of pids) {
        const command = ['sh', '-c', end, 'sh', String(pid)];
        await container.exec(command, { deadlineMs: 40_000 });
      }
    }
    await sleep(leftoverPollMs, container.signal);
  }
}

/** Runs `work`, and aborts it when the member's data has stopped growing. */
async function whileItGrows(
  container: MemberContainer,
  work: (container: MemberContainer) => Promise<void>,
): Promise<void> {
  const { formation, name, signal } = container;
  signal.throwIfAborted();
  const stalled = new AbortController();
  const either = AbortSignal.any([signal, stalled.signal]);
  const inner = container.endingWith(either);
  const growth = new Growth(now());
  const watch = async () => {
    for (;;) {
      await sleep(lookMs, either);
      const found = await makeFolderAndLook(inner).catch(() => undefined);
      // A container that cannot be looked at makes no progress that anyone could see.
      const stillMs = growth.stillMs(found?.bytes ?? -1, now());
      if (stillMs > stalledAfterMs) {
        stalled.abort(
          new EnvironmentError(
            `pg_autoctl create in ${name} has copied nothing for ${toSeconds(stillMs).toFixed(0)} s; \`incus exec ${containerTarget(formation, name)} -- ps -u postgres f\` shows what it waits for`,
          ),
        );
      }
    }
  };
  const watching = watch().catch(() => {});
  try {
    await work(inner);
  } finally {
    stalled.abort();
    await watching;
  }
}
