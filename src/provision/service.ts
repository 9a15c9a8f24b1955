import type { Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { unitName, unitPath, unitText } from '../member/unit.ts';
import type { Facts } from './facts.ts';
import { asPostgres, writeFile } from './files.ts';
import type { Steps } from './steps.ts';

export const runtimeFolderPath = '/etc/tmpfiles.d/pgha.conf';

/**
 * pg_autoctl keeps its process ids in /tmp/pg_autoctl, and ends for good when they are gone: with exit code 0, so
 * that systemd leaves it and its Postgres down (seen in the lab). This keeps the folder from what cleans /tmp
 * by age, and from local users, who could otherwise make it first.
 */
const runtimeFolder = `# Written by pgha; provision-pgaf puts changes by hand back.
d /tmp/pg_autoctl 0700 postgres postgres -
`;

export async function ensureRuntimeFolder(
  incus: Incus,
  member: Member,
  facts: Facts,
  steps: Steps,
  signal?: AbortSignal,
): Promise<void> {
  if (facts.runtimeFolder === runtimeFolder) return;
  await steps.take(member.name, "keep pg_autoctl's folder in /tmp", async () => {
    await writeFile(incus, member.name, runtimeFolderPath, runtimeFolder, {}, signal);
    const create = ['systemd-tmpfiles', '--create', runtimeFolderPath];
    await incus.exec(member.name, create, { deadlineMs: 20_000, signal });
  });
}

/**
 * Unit file, enabled, active, and no Postgres imagined: what differs is put right.
 * @returns whether the service was started, or will be by systemd, so that it needs no reload
 */
export async function ensureService(
  incus: Incus,
  member: Member,
  postgresVersion: number,
  facts: Facts,
  steps: Steps,
  signal?: AbortSignal,
): Promise<boolean> {
  const unit = unitText(member, postgresVersion);
  const runs = facts.serviceActive && facts.serviceEnabled;
  if (facts.unit !== unit) {
    await steps.take(member.name, 'write pg_autoctl.service', async () => {
      await writeFile(incus, member.name, unitPath, unit, {}, signal);
      // systemd knows nothing older of one that was not there, and reads it when it is enabled.
      if (runs || facts.unit !== '') await systemctl(incus, member, ['daemon-reload'], signal);
    });
  }
  if (runs && facts.mistakenPostmaster) {
    // It hangs, and would take systemd's 90 s to stop.
    await steps.take(member.name, 'end pg_autoctl, which takes another process for its Postgres', () =>
      systemctl(incus, member, ['kill', '--signal', 'KILL', unitName], signal),
    );
    return true;
  }
  if (runs) return false;
  await steps.take(member.name, 'start pg_autoctl', () =>
    systemctl(incus, member, ['enable', '--now', unitName], signal),
  );
  return true;
}

/** The keeper, or the monitor's service, reads its configuration again, and so does its Postgres. */
export async function reloadService(incus: Incus, member: Member, signal?: AbortSignal): Promise<void> {
  await systemctl(incus, member, ['reload', unitName], signal);
}

/**
 * Postgres ends and pg_autoctl, which is left running, starts it again: a second without it, and no failover
 * (a restart of pg_autoctl itself costs one with quick timings; both seen in the lab).
 */
export async function restartPostgres(
  incus: Incus,
  member: Member,
  postgresVersion: number,
  signal?: AbortSignal,
): Promise<void> {
  const pgCtl = `/usr/lib/postgresql/${postgresVersion}/bin/pg_ctl`;
  const stop = [pgCtl, 'stop', '--mode', 'fast', '--timeout', '50', '--pgdata', member.pgdata];
  await incus.exec(member.name, asPostgres(...stop), {
    deadlineMs: 60_000,
    signal,
  });
}

async function systemctl(
  incus: Incus,
  member: Member,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  await incus.exec(member.name, ['systemctl', ...args], { deadlineMs: 60_000, signal });
}
