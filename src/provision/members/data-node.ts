import { messageOf } from '../../contract/errors.ts';
import { keeps, type Member } from '../../formation/formation.ts';
import {
  hasMonitorUri,
  hasTls,
  isImpatient,
  isMonitorDisabled,
  partitionTimeoutOf,
} from '../../member/keeper-config.ts';
import { nodeHba } from '../../member/pg-hba.ts';
import type { Context } from '../context.ts';
import { type Facts, isBlank } from '../facts.ts';
import type { MemberContainer } from '../member-container.ts';
import { setMonitorUri, setPartitionTimeout } from './autoctl.ts';
import { create } from './creation.ts';
import { ensureFile, layGround } from './groundwork.ts';
import { rememberStandby } from './remembered-standby.ts';
import { makeTablespaceFolders, repairStopped } from './repair.ts';
import { ensureRunning } from './running.ts';
import { reloadService, Standstill } from './service.ts';
import { changeSettings, settingsToChange } from './settings-change.ts';

/** One data node: made ready, created, or put right where it has its data. */

/** A large cache on a slow disk; the base backup goes on without. */
const checkpointDeadlineMs = 120_000;

/**
 * Puts what `pg_autoctl create` needs into the container of a data node that has nothing of it yet: nodes are created one
 * after the other, so what can be done before is done while the monitor is made.
 */
export async function prepareDataNode(ctx: Context, node: Member): Promise<void> {
  const facts = ctx.factsOf(node);
  if (ctx.steps.planning || !isBlank(facts)) return;
  await layGround(ctx, ctx.container(node, ctx.steps.within), facts);
  ctx.prepared.add(node.name);
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
  const { steps } = ctx;
  await steps.take(node.name, 'create the node', async () => {
    const within = () => ctx.container(node, steps.within);
    if (!ctx.prepared.has(node.name)) await layGround(ctx, within(), ctx.factsOf(node));
    if (source) {
      await checkpoint(ctx, source);
      await makeTablespaceFolders(ctx, within());
    }
    await create(within());
    const [facts] = await Promise.all([ctx.readFacts(node), rememberStandby(within(), false)]);
    await bringDataNodeUp(ctx, within(), facts, { hosts, registers: false });
    ctx.facts.set(node.name, facts);
    await ctx.despiteRestart(node, async () => {
      const settings = await settingsToChange(ctx, node);
      if (settings) await changeSettings(ctx, within(), settings);
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
 * @param hosts of every data node that may connect
 * @param registers whether it is about to register at a new monitor, and is told its address by that
 */
export async function bringDataNodeUp(
  ctx: Context,
  container: MemberContainer,
  facts: Facts,
  { hosts, registers }: { hosts: readonly string[]; registers: boolean },
): Promise<void> {
  const { formation, member: node, steps } = container;
  const standstill = new Standstill(container, facts);
  const still = container.preparedBy(() => standstill.begin());
  const wantedHba = nodeHba(formation, ctx.monitor.host, hosts);
  const seconds = formation.timings.networkPartitionTimeoutSeconds;
  const clock = partitionTimeoutOf(facts.keeperConfig) !== seconds;
  const isTold = !(registers && isMonitorDisabled(facts.keeperConfig));
  const setUri = (within: MemberContainer, keeperConfig: string) =>
    within.take("set the monitor's connection string", () => setMonitorUri(within, keeperConfig));
  const isTlsRight = hasTls(formation, facts.keeperConfig);
  const uri = isTold && isTlsRight && !hasMonitorUri(formation, ctx.monitor, facts.keeperConfig);
  let certificate = false;
  let hba = false;
  try {
    certificate = await layGround(ctx, still, facts);
    await repairStopped(ctx, still, facts, standstill);
    hba = !keeps(formation, 'access') && (await ensureFile(still, 'pg_hba.conf', facts.hba, wantedHba));
    // Here, since each command that sets something ends with a reload (reload-service.sh says what that does otherwise).
    if (clock) {
      const what = `set network_partition_timeout to ${seconds} s`;
      await still.take(what, () => setPartitionTimeout(still));
    }
    if (uri) await setUri(still, facts.keeperConfig);
  } finally {
    await standstill.end();
  }
  await ensureRunning(ctx, container, facts, certificate || hba || clock || uri);
  if (isTlsRight || !isTold) return;
  // `enable ssl` has written its parameters into the string; what else was in it stays as it was made.
  if (steps.planning) {
    if (!isImpatient(facts.keeperConfig)) await setUri(container, facts.keeperConfig);
    return;
  }
  const { keeperConfig } = await ctx.readFacts(node);
  if (hasMonitorUri(formation, ctx.monitor, keeperConfig)) return;
  await setUri(container, keeperConfig);
  await reloadService(container);
}

/** A keeper that fences itself when it is cut off, whatever it has seen so far. */
export async function ensureFencing(ctx: Context, node: Member, facts: Facts): Promise<void> {
  if (facts.standbyMemory !== 'no') return;
  const container = ctx.container(node);
  await container.take('have its keeper remember a standby, so that it fences itself in a cut', () =>
    rememberStandby(container, true),
  );
}
