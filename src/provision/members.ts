import { retryUntil } from '../clock/deadline.ts';
import { DeadlineError, messageOf, NotConvergedError } from '../contract/errors.ts';
import { type Member, sslMode } from '../formation/formation.ts';
import { monitorHba, monitorIdent, nodeHba } from '../member/hba.ts';
import { hasMonitorUri, hasTls, isMonitorDisabled, partitionTimeoutOf } from '../member/keeper-config.ts';
import { autoctlRole } from '../member/roles.ts';
import { dataNodeSettings, monitorSettings } from '../member/settings.ts';
import { authorityFile } from '../member/tls.ts';
import { unitName } from '../member/unit.ts';
import type { Session } from '../postgres/session.ts';
import { enableTls, setMonitorUri, setPartitionTimeout } from './autoctl.ts';
import type { Context } from './context.ts';
import { create } from './creation.ts';
import { type Facts, readFacts } from './facts.ts';
import { rememberStandby } from './fencing.ts';
import { writeFile } from './files.ts';
import { disableDistributionClusters, installPackages, packageWork } from './packages.ts';
import { ensureFormation } from './policy.ts';
import { ensurePasswordFile, ensureRolePassword } from './secrets.ts';
import { ensureRuntimeFolder, ensureService, reloadService, restartPostgres } from './service.ts';
import { applySettings, type SettingsDifference, settingsDifference } from './settings.ts';
import type { Steps } from './steps.ts';
import { ensureCertificate } from './tls.ts';

/** Brings single members, monitor and data nodes, to what the formation asks of them. */

/** A large cache on a slow disk; the base backup goes on without. */
const checkpointDeadlineMs = 120_000;

/** Packages, the distribution's cluster: what a container needs before anything of ours runs in it. */
export async function installMember(ctx: Context, member: Member): Promise<void> {
  const { formation, incus, steps, signal } = ctx;
  const facts = ctx.factsOf(member).packages;
  const work = packageWork(formation, facts);
  const { version } = formation.postgres;
  if (work.length > 0) {
    const isNew = !facts.versions.has(`postgresql-${version}`);
    const what = isNew ? `Postgres ${version} and pg_auto_failover` : work.join(', ');
    await steps.take(member.name, `install ${what}`, () =>
      installPackages(incus, formation, member.name, facts, signal),
    );
    if (!steps.planning) ctx.facts.set(member.name, await readFacts(ctx.relay(member), member, signal));
  }
  const { distributionClusters } = ctx.factsOf(member);
  if (distributionClusters.length > 0) {
    await steps.take(
      member.name,
      `disable the distribution's cluster ${distributionClusters.join(', ')}`,
      () => disableDistributionClusters(incus, member.name, { distributionClusters }, signal),
    );
  }
}

/**
 * Puts what `pg_autoctl create` needs into the container of a data node that has nothing of it yet: nodes are created one
 * after the other, so what can be done before is done while the monitor is made.
 */
export async function prepareDataNode(ctx: Context, node: Member): Promise<void> {
  const facts = ctx.factsOf(node);
  const isBlank = facts.keeperConfig === '' && facts.postgresVersion === undefined;
  if (ctx.steps.planning || !isBlank) return;
  await beforeCreation(ctx, node, facts, ctx.steps.within);
  ctx.prepared.add(node.name);
}

/** The monitor: created or put right, answering, with its accounts, clocks and the formation. */
export async function monitorUp(ctx: Context, hosts: readonly string[]): Promise<void> {
  const { formation, incus, steps, signal, monitor } = ctx;
  const facts = ctx.factsOf(monitor);
  if (facts.created) return await converge(steps, facts);
  await steps.take(monitor.name, 'create the monitor', async () => {
    await beforeCreation(ctx, monitor, facts, steps.within);
    await create(incus, formation, monitor, monitor, signal);
    await converge(steps.within, await readFacts(ctx.relay(monitor), monitor, signal));
  });

  async function converge(taking: Steps, now: Facts): Promise<void> {
    const certificate = await beforeCreation(ctx, monitor, now, taking);
    const hba = await ensureFile(ctx, monitor, 'pg_hba.conf', now.hba, monitorHba(hosts), taking);
    const ident = await ensureFile(ctx, monitor, 'pg_ident.conf', now.ident, monitorIdent(), taking);
    const session = await runs(ctx, monitor, now, taking, certificate || hba || ident);
    if (session === undefined) return;
    await ensureRolePassword(session, monitor.name, autoctlRole, ctx.secrets.autoctl, taking);
    const settings = monitorSettings(formation.timings);
    const difference = await settingsDifference(session, settings, now.managedSettings);
    if (difference.needed) await applySettings(incus, monitor, session, difference, taking, signal);
    await ensureFormation(session, formation, taking);
  }
}

/**
 * A data node without data: created, registered, put right, answering, with its settings in force.
 * @param source the node that takes writes, whose data it will copy; undefined for the first of a formation
 */
export async function createDataNode(
  ctx: Context,
  node: Member,
  hosts: readonly string[],
  source: Member | undefined,
): Promise<void> {
  const { formation, incus, steps, signal, monitor } = ctx;
  await steps.take(node.name, 'create the node', async () => {
    if (!ctx.prepared.has(node.name)) await beforeCreation(ctx, node, ctx.factsOf(node), steps.within);
    if (source) await checkpoint(ctx, source);
    await create(incus, formation, node, monitor, signal);
    const [facts] = await Promise.all([
      readFacts(ctx.relay(node), node, signal),
      rememberStandby(incus, node, false, signal),
    ]);
    await dataNodeUp(ctx, node, facts, hosts, steps.within);
    ctx.facts.set(node.name, facts);
    await ctx.despiteRestart(node, async () => {
      const settings = await settingsToChange(ctx, node);
      if (settings) await changeSettings(ctx, node, settings, steps.within);
    });
  });
}

/**
 * A base backup begins with a checkpoint, and pg_autoctl asks for a slow one: 0.1 s for each page that was changed
 * since the last, up to minutes (95 s in the lab for one new database). After a quick one it has nothing to write.
 */
async function checkpoint(ctx: Context, source: Member): Promise<void> {
  try {
    const session = await ctx.answering(source);
    await session.query('CHECKPOINT', [], { deadlineMs: checkpointDeadlineMs, signal: ctx.signal });
  } catch (error) {
    ctx.signal.throwIfAborted();
    // The base backup takes longer then.
    ctx.steps.note(`no checkpoint on ${source.name}: ${messageOf(error)}`);
    ctx.closeSession(source);
  }
}

/**
 * A data node that has its data: files, certificate, clock, service. Its settings come later, node by node.
 * @param registers whether it is about to register at a new monitor, and is told its address by that
 */
export async function dataNodeUp(
  ctx: Context,
  node: Member,
  facts: Facts,
  hosts: readonly string[],
  steps: Steps,
  registers = false,
): Promise<void> {
  const { formation, incus, signal } = ctx;
  const certificate = await beforeCreation(ctx, node, facts, steps);
  const hba = await ensureFile(
    ctx,
    node,
    'pg_hba.conf',
    facts.hba,
    nodeHba(formation, ctx.monitor.host, hosts),
    steps,
  );
  const seconds = formation.timings.networkPartitionTimeoutSeconds;
  const clock = partitionTimeoutOf(facts.keeperConfig) !== seconds;
  if (clock) {
    await steps.take(node.name, `set network_partition_timeout to ${seconds} s`, () =>
      setPartitionTimeout(incus, formation, node, signal),
    );
  }
  const uri =
    !(registers && isMonitorDisabled(facts.keeperConfig)) &&
    hasTls(formation, facts.keeperConfig) &&
    !hasMonitorUri(formation, ctx.monitor, facts.keeperConfig);
  if (uri) {
    await steps.take(node.name, "set the monitor's connection string", () =>
      setMonitorUri(incus, formation, node, ctx.monitor, signal),
    );
  }
  await runs(ctx, node, facts, steps, certificate || hba || clock || uri);
}

/** A keeper that fences itself when it is cut off, whatever it has seen so far. */
export async function ensureFencing(ctx: Context, node: Member, facts: Facts): Promise<void> {
  const { incus, steps, signal } = ctx;
  if (facts.standbyMemory !== 'no') return;
  await steps.take(node.name, 'have its keeper remember a standby, so that it fences itself in a cut', () =>
    rememberStandby(incus, node, true, signal),
  );
}

/** What is to be changed of a node's settings; undefined where nothing is. */
export async function settingsToChange(ctx: Context, node: Member): Promise<SettingsDifference | undefined> {
  const session = await ctx.answering(node);
  const wanted = dataNodeSettings(ctx.formation);
  const found = await settingsDifference(session, wanted, ctx.factsOf(node).managedSettings);
  return found.needed ? found : undefined;
}

/** Changes a node's settings, and restarts its Postgres where one of them takes that. */
export async function changeSettings(
  ctx: Context,
  node: Member,
  difference: SettingsDifference,
  steps: Steps,
): Promise<void> {
  const { formation, incus, signal } = ctx;
  const session = await ctx.answering(node);
  await applySettings(incus, node, session, difference, steps, signal);
  const { restart } = difference;
  if (restart.length === 0) return;
  await steps.take(node.name, `restart Postgres for ${restart.join(', ')}`, async () => {
    ctx.closeSession(node);
    await restartPostgres(incus, node, formation.postgres.version, signal);
    await ctx.answering(node);
  });
}

/** What stands outside the data directory, and must be there before `pg_autoctl create`. */
async function beforeCreation(ctx: Context, member: Member, facts: Facts, steps: Steps): Promise<boolean> {
  const { incus, signal } = ctx;
  const [, , certificate] = await Promise.all([
    ensureRuntimeFolder(incus, member, facts, steps, signal),
    ensurePasswordFile(incus, member, ctx.secrets, facts, steps, signal),
    ensureCertificate(incus, member, ctx.certificates.get(member.name), facts, steps, signal),
  ]);
  return certificate;
}

/**
 * The service runs, with the formation's TLS mode, and has read what changed.
 * @returns its session; undefined in a plan where the service does not run
 */
async function runs(
  ctx: Context,
  member: Member,
  facts: Facts,
  steps: Steps,
  changed: boolean,
): Promise<Session | undefined> {
  const { formation, incus, signal } = ctx;
  // What was read of it may be minutes old, and one that has come to itself is left alone.
  const isDoubtful = facts.mistakenPostmaster && !steps.planning;
  const latest = isDoubtful ? await readFacts(ctx.relay(member), member, signal) : facts;
  const started = await ensureService(incus, member, formation.postgres.version, latest, steps, signal);
  const enabled = hasTls(formation, facts.keeperConfig);
  // `enable ssl` reloads it as well, and a second reload is lost while the first is under way (below).
  if (changed && enabled && !started && !steps.planning) await reloadService(incus, member, signal);
  if (steps.planning && started) return undefined;
  const before = await ctx.despiteRestart(member, () => tlsState(ctx, member));
  if (enabled && before.hasAuthority && before.hasMode) return await ctx.answering(member);
  const what = enabled ? 'reload pg_autoctl, which has not taken' : 'enable';
  await steps.take(member.name, `${what} tls: ${formation.tls}`, async () => {
    if (enabled) await reloadService(incus, member, signal);
    else await enableTls(incus, formation, member, signal);
    await tlsTaken(ctx, member, before);
  });
  return await ctx.answering(member);
}

interface TlsState {
  isStandby: boolean;
  startedAt: string;
  /** Whether Postgres has the formation's CA, or none where there is none. */
  hasAuthority: boolean;
  /** Whether a standby follows its primary by the formation's mode; true of what follows nobody. */
  hasMode: boolean;
}

async function tlsState(ctx: Context, member: Member): Promise<TlsState> {
  const session = await ctx.open(member);
  const [row] = await session.query(
    `SELECT pg_is_in_recovery() AS standby, pg_postmaster_start_time()::text AS started,
            current_setting('ssl_ca_file') = $1 AS authority,
            NOT pg_is_in_recovery() OR current_setting('primary_conninfo') !~ 'sslmode='
              OR current_setting('primary_conninfo') ~ $2 AS mode`,
    [authorityFile(ctx.formation), `sslmode=${sslMode(ctx.formation)}( |$)`],
  );
  return {
    isStandby: row?.['standby'] === true,
    startedAt: String(row?.['started']),
    hasAuthority: row?.['authority'] === true,
    hasMode: row?.['mode'] === true,
  };
}

const tlsDeadlineMs = 10_000;
const tlsReloads = 5;

/**
 * Waits until Postgres has taken what `pg_autoctl enable ssl` left to the keeper, which restarts a standby for it
 * (seen in the lab): what follows would come upon a formation that is about to lose its standby. It is told again
 * where it does not: a reload that is asked for while one is under way is forgotten (asked_to_reload is cleared at
 * the end of keeper_call_reload_hooks, pg_auto_failover 2.0 to 2.2, keeper.c; seen in CI).
 * @throws NotConvergedError
 */
async function tlsTaken(ctx: Context, member: Member, before: TlsState): Promise<void> {
  const { formation, incus, signal } = ctx;
  for (let reloads = 0; ; reloads++) {
    try {
      await retryUntil(
        `Postgres in ${member.name} to take tls: ${formation.tls}`,
        { deadlineMs: tlsDeadlineMs, pauseMs: 200, signal },
        async () => {
          const now = await tlsState(ctx, member);
          // It is restarted for a change of its file alone, which an earlier reload may have made.
          const isRestarted = before.hasMode || now.startedAt !== before.startedAt || reloads > 0;
          return (now.hasAuthority && now.hasMode && (!now.isStandby || isRestarted)) || undefined;
        },
      );
      return;
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      if (reloads === tlsReloads) {
        throw new NotConvergedError(
          `Postgres in ${member.name} has not taken tls: ${formation.tls} in ${((reloads + 1) * tlsDeadlineMs) / 1000} s, though pg_autoctl was told to ${reloads + 1} times; \`journalctl -u ${unitName}\` in the container says why`,
        );
      }
      await reloadService(incus, member, signal);
    }
  }
}

/** A file of the data directory, written where it differs. @returns whether it did */
async function ensureFile(
  ctx: Context,
  member: Member,
  name: string,
  found: string,
  wanted: string,
  steps: Steps,
): Promise<boolean> {
  if (found === wanted) return false;
  const placement = { owner: 'postgres', mode: '0600', folderOf: 'postgres' } as const;
  await steps.take(member.name, `write ${name}`, () =>
    writeFile(ctx.incus, member.name, `${member.pgdata}/${name}`, wanted, placement, ctx.signal),
  );
  return true;
}
