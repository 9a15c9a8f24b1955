import { EnvironmentError } from '../../contract/errors.ts';
import type { Member } from '../../formation/formation.ts';
import { readOtherFormations } from '../../monitor/nodes.ts';
import { waitForNetwork } from '../containers/network.ts';
import type { Context } from '../context.ts';
import { namedPrimary, untilPrimary } from '../nodes/primary.ts';
import { switchOver } from '../nodes/switch-over.ts';
import type { Survey } from '../survey.ts';
import type { Move } from './place.ts';

export interface MoveOptions {
  survey: Survey;
  /** Waits until the monitor has every node where it wants it. */
  settle: () => Promise<void>;
  convergeDeadlineMs: number;
}

/**
 * Moves containers to the hosts that the file wants them on, one after the other: standbys first, then the monitor, and a
 * primary once another node has taken over from it. Each is stopped meanwhile, since Incus moves a running container with
 * CRIU alone. A run that is killed in between leaves a stopped container on one of the two hosts; the next one starts it there,
 * and moves it if it must.
 */
export async function moveInTurn(
  ctx: Context,
  moves: readonly Move[],
  { survey, settle, convergeDeadlineMs }: MoveOptions,
): Promise<void> {
  const { steps, monitor } = ctx;
  const due = ctx.members.flatMap((member) => {
    const move = moves.find(({ name }) => name === member.name);
    return move === undefined ? [] : [{ member, move }];
  });
  if (due.length === 0) return;
  if (!steps.planning) await settle();
  // Nobody stops a node of which it is not known that another is the primary.
  const primaryNow = () => (steps.planning ? namedPrimary(ctx) : untilPrimary(ctx, convergeDeadlineMs));
  const first = await primaryNow();
  const rank = (member: Member) => (member === first ? 2 : member === monitor ? 1 : 0);
  for (const { member, move } of due.sort((a, b) => rank(a.member) - rank(b.member))) {
    // A run that was killed may have sent it on its way.
    if (!steps.planning && (await ctx.incus.instance(member.name, ctx.signal))?.location === move.to)
      continue;
    if (member !== monitor && member === (await primaryNow())) {
      await switchOver(ctx, member, settle);
      if (!steps.planning && member === (await primaryNow()))
        throw new EnvironmentError(
          `${member.name} is the primary still, and no primary is moved; run this again`,
        );
    }
    await moveOne(ctx, member, move, survey);
    if (!steps.planning) await settle();
  }
}

async function moveOne(ctx: Context, member: Member, { from, to }: Move, survey: Survey): Promise<void> {
  const container = ctx.container(member);
  const { incus, signal } = ctx;
  const besides = member === ctx.monitor ? `; ${await withoutMonitor(ctx, survey)}` : '';
  await container.take(
    `move from ${from} to ${to}${besides}`,
    async () => {
      survey.locks?.forgo(member.name);
      ctx.closeSession(member);
      await incus.stop(member.name, signal);
      await incus.move(member.name, to, signal);
      await incus.start(member.name, signal);
      await waitForNetwork(container);
      await survey.locks?.addNew(member.name);
      await ctx.answering(member);
    },
    'pg_autoctl and Postgres',
  );
}

/**
 * What it means that the monitor is away, also to other formations that it serves: they are warned of, and not asked. Their own
 * files may want it elsewhere.
 */
export async function withoutMonitor(
  ctx: Pick<Context, 'formation' | 'monitor' | 'steps'>,
  survey: Pick<Survey, 'openMonitor'>,
): Promise<string> {
  const session = await survey.openMonitor(false);
  if (session === undefined)
    return 'nobody can fail over meanwhile, and which other formations it serves is not known';
  const others = await readOtherFormations(session, ctx.formation.name);
  if (others.length === 0) return 'nobody can fail over meanwhile';
  const names = others.join(', ');
  ctx.steps.warn(
    `${ctx.monitor.name} serves ${names} too: while it is moved, none of these can fail over; their files must want it on the same host (monitor.target, hosts), or say keep: [monitor]`,
  );
  return `nobody can fail over meanwhile, nor in ${names}`;
}
