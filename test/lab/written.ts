import { parseFormation } from '../../src/formation/file/load.ts';
import { membersOf } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import type { Session } from '../../src/postgres/session.ts';

/** Writes that go on while something is done to a formation: how many, what was lost of them, and when none came through. */

const lab = new Incus({ remote: 'local', project: 'default' });
/** Below that, writes have only waited their turn on a machine that is busy. */
const pauseMs = 1000;

export interface Written {
  acknowledged: number;
  /** Rows that were acknowledged and are not there. */
  lost: number[];
  /** The longest time from one acknowledged write to the next. */
  longestMs: number;
  /** Times without an acknowledged write, by the clock of `performance.now()`. */
  pauses: { from: number; to: number }[];
}

/** Writes one row after the other to whichever node takes writes, for as long as `work` lasts. */
export async function whileWriting(yaml: string, work: () => Promise<unknown>): Promise<Written> {
  const formation = parseFormation(yaml, 'formation.yml');
  const nodes = membersOf(formation).slice(1);
  const acknowledged: { row: number; at: number }[] = [];
  let session: Session | undefined;
  const opened = async () => {
    for (const node of nodes) {
      const open = await openMemberSession(lab, formation, node).catch(() => undefined);
      const [row] = (await open?.query('SELECT pg_is_in_recovery() AS standby').catch(() => undefined)) ?? [];
      if (row?.['standby'] === false) return open;
      open?.close();
    }
    return undefined;
  };
  const first = await opened();
  await first?.query('CREATE TABLE IF NOT EXISTS public.written (id int)');
  await first?.query('TRUNCATE public.written');
  first?.close();
  let isOver = false;
  const begun = performance.now();
  const writing = (async () => {
    for (let row = 0; !isOver; row++) {
      try {
        session ??= await opened();
        await session?.query('INSERT INTO public.written VALUES ($1)', [row], { deadlineMs: 30_000 });
        if (session) acknowledged.push({ row, at: performance.now() });
      } catch {
        session?.close();
        session = undefined;
      }
      await new Promise((next) => setTimeout(next, 20));
    }
  })();
  try {
    await work();
  } finally {
    isOver = true;
    await writing;
    session?.close();
  }
  const last = await opened();
  const rows = (await last?.query('SELECT id FROM public.written')) ?? [];
  last?.close();
  const present = new Set(rows.map(({ id }) => Number(id)));
  const times = [begun, ...acknowledged.map(({ at }) => at), performance.now()];
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged.map(({ row }) => row).filter((row) => !present.has(row)),
    longestMs: Math.max(...times.map((to, index) => to - (times[index - 1] ?? to))),
    pauses: times.flatMap((to, index) => {
      const from = times[index - 1] ?? to;
      return to - from > pauseMs ? [{ from, to }] : [];
    }),
  };
}

/** A step of a run, as its log tells it. */
export interface ToldStep {
  text: string;
  from: number;
  to: number;
}

/** Reads the steps of a run's log as its lines come. @returns those so far */
export function listenForSteps(output: NodeJS.ReadableStream | null): () => ToldStep[] {
  const steps: ToldStep[] = [];
  let rest = '';
  output?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, text, minutes = '0', seconds] =
        /^\[ *[\d.]+ s\] (.+) \((?:(\d+) min )?([\d.]+) s\)$/.exec(line) ?? [];
      const to = performance.now();
      const tookMs = (Number(minutes) * 60 + Number(seconds)) * 1000;
      if (text !== undefined) steps.push({ text, from: to - tookMs, to });
    }
  });
  return () => steps;
}

/** A change of a plan, as its report has it. */
export interface PlannedChange {
  container: string;
  what: string;
  restarts?: string | undefined;
}

/** Whether a step may make writes pause: a restart, or a hand-over. */
const mayPause = (text: string) => /\(restarts |writes (?:pause|may wait)/.test(text);

/** As the log has it, but for the width of its columns. */
const shown = ({ container, what, restarts }: PlannedChange) =>
  `${container} ${what}${restarts === undefined ? '' : ` (restarts ${restarts})`}`;
const withoutColumns = (text: string) => text.replace(/ +/g, ' ');

/** Steps that may make writes pause, and of which the plan did not tell, word for word. */
export function unplanned(steps: readonly ToldStep[], plan: readonly PlannedChange[]): string[] {
  const planned = plan.map(shown);
  return steps
    .map(({ text }) => withoutColumns(text))
    .filter((text) => mayPause(text) && !planned.includes(text));
}

/**
 * Pauses that no plan has told of: that did not begin during a step which restarts something or hands over, or went on after
 * it. The end of such a step is told within a moment, and a standby that is back has its primary's first commits to catch up
 * with.
 */
export function unannounced({ pauses }: Written, steps: readonly ToldStep[]): string[] {
  const announced = steps.filter(({ text }) => mayPause(text));
  const isDuring = (at: number, afterMs: number) =>
    announced.some((step) => at > step.from - 500 && at < step.to + afterMs);
  return pauses
    .filter(({ from, to }) => !(isDuring(from, 1000) && isDuring(to, 3000)))
    .map(({ from, to }) => {
      const near = steps.filter((step) => step.to > from - 3000 && step.from < to + 3000);
      return `${((to - from) / 1000).toFixed(1)} s, near: ${near.map(({ text }) => text).join('; ') || 'no step'}`;
    });
}
