import { keeperConfigPath } from '../../member/keeper-config.ts';
import { asPostgres, programsFolder } from '../../member/programs.ts';
import { runtimeFolder, runtimeFolderPath, unitOf, unitPathOf, unitText } from '../../member/unit.ts';
import type { Facts } from '../facts.ts';
import type { MemberContainer } from '../member-container.ts';
import reload from './scripts/reload-service.sh';
import restart from './scripts/restart-service.sh';

export async function ensureRuntimeFolder(container: MemberContainer, facts: Facts): Promise<void> {
  if (facts.runtimeFolder === runtimeFolder) return;
  await container.take("keep pg_autoctl's folder in /tmp", async () => {
    await container.write(runtimeFolderPath, runtimeFolder);
    const create = ['systemd-tmpfiles', '--create', runtimeFolderPath];
    await container.exec(create, { deadlineMs: 20_000 });
  });
}

/**
 * Unit file, enabled, active, and no Postgres imagined: what differs is put right.
 * @returns whether the service was started, or will be by systemd, so that it needs no reload
 */
export async function ensureService(container: MemberContainer, facts: Facts): Promise<boolean> {
  const unit = unitText(container.member, container.formation.postgres.version);
  const runs = facts.serviceActive && facts.serviceEnabled;
  if (facts.unit !== unit) {
    await container.take(`write ${unitOf(container.member)}`, async () => {
      await container.write(unitPathOf(container.member), unit);
      // systemd knows nothing older of one that was not there, and reads it when it is enabled.
      if (runs || facts.unit !== '') await systemctl(container, 'daemon-reload');
    });
  }
  if (runs && facts.mistakenPostmaster) {
    // It hangs, and would take systemd's 90 s to stop.
    await container.take('end pg_autoctl, which takes another process for its Postgres', () =>
      endService(container),
    );
    return true;
  }
  if (runs) return false;
  await container.take('start pg_autoctl', () =>
    systemctl(container, 'enable', '--now', unitOf(container.member)),
  );
  return true;
}

/** Ends pg_autoctl and its Postgres at once, for one that hangs. systemd starts it again. */
export async function endService(container: MemberContainer): Promise<void> {
  await systemctl(container, 'kill', '--signal', 'KILL', unitOf(container.member));
}

const startMs = 60_000;

/**
 * pg_autoctl of a data node, which stands still while what keeps its Postgres down is put right. One that runs may take the
 * order `catchingup`, and empty a standby's settings for it, just as it starts the mended Postgres: that comes up as a
 * second primary then, and writes WAL of its own (standby_follow_new_primary, primary_standby.c of 2.0 to 2.2; in the lab
 * 1 of 3). One that starts anew sets Postgres up before it starts it.
 */
export class Standstill {
  /** Whether its Postgres is known to be down. */
  isDown: boolean;
  private readonly container: MemberContainer;
  private isStopped = false;

  constructor(container: MemberContainer, { created, serviceActive, postgresRuns }: Facts) {
    this.container = container;
    this.isDown = created && serviceActive && !postgresRuns;
  }

  /** Before a change: stops pg_autoctl where its Postgres is down. */
  async begin(): Promise<void> {
    if (!this.isDown || this.isStopped) return;
    this.isStopped = true;
    // It ends once it gives up a start of Postgres that is under way, after ten seconds.
    await systemctl(this.container, 'stop', unitOf(this.container.member));
  }

  /** Starts pg_autoctl again, if it was stopped: also where the run is told to end. */
  async end(): Promise<void> {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.isDown = false;
    const { member } = this.container;
    await systemctl(this.container.endingWith(AbortSignal.timeout(startMs)), 'start', unitOf(member));
  }
}

/** The keeper, or the monitor's service, reads its configuration again, and so does its Postgres where it runs. */
export async function reloadService(container: MemberContainer): Promise<void> {
  await container.exec(['sh', '-c', reload, 'sh', unitOf(container.member)], { deadlineMs: 60_000 });
}

/**
 * Postgres ends and pg_autoctl, which is left running, starts it again: a second without it, and no failover
 * (a restart of pg_autoctl itself costs one with quick timings; both seen in the lab).
 */
export async function restartPostgres(container: MemberContainer): Promise<void> {
  const pgCtl = `${programsFolder(container.formation.postgres.version)}/pg_ctl`;
  const stop = [pgCtl, 'stop', '--mode', 'fast', '--timeout', '50', '--pgdata', container.member.pgdata];
  await container.exec(asPostgres(...stop), { deadlineMs: 60_000 });
}

/**
 * pg_autoctl ends and starts again, with what its service file says by now.
 * @param hba the text of a data node's pg_hba.conf, to which pg_autoctl may have added rules: it leaves that file alone
 *   from then on
 */
export async function restartService(container: MemberContainer, hba?: string): Promise<void> {
  const { member } = container;
  const files = hba === undefined ? [] : [keeperConfigPath(member), `${member.pgdata}/pg_hba.conf`];
  const command = ['sh', '-c', restart, 'sh', unitOf(member), ...files];
  await container.exec(command, { deadlineMs: 120_000, stdin: hba ?? '' });
}

async function systemctl(container: MemberContainer, ...args: string[]): Promise<void> {
  await container.exec(['systemctl', ...args], { deadlineMs: 60_000 });
}
