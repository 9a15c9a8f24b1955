import { drill } from '../../src/drill/drill.ts';
import { judgeDrill } from '../../src/drill/verdict.ts';
import { loadFormation } from '../../src/formation/load.ts';
import { Incus } from '../../src/incus/incus.ts';
import { drillLines, drillMarkdown } from '../../src/report/drill-report.ts';
import { drillTimeline } from '../../src/report/timeline.ts';
import { type Run, runAction } from '../../src/runner/run-action.ts';
import { saveState } from '../../src/runner/run-post.ts';
import { exposedState, inputs, outputs } from './contract.ts';

export async function failoverDrill(run: Run = runAction): Promise<void> {
  await run({
    name: 'failover-drill',
    inputs,
    outputs,
    async run(given, { log, signal, folder }) {
      const formation = loadFormation(given.formation, folder);
      const targetMs = given['rto-target-seconds'] * 1000;
      const held = given['hold-seconds'];
      const record = await drill(formation, new Incus(formation.incus, log), {
        fault: given.fault,
        rtoTargetMs: targetMs,
        promotionDeadlineMs: Math.max(given['promotion-deadline-seconds'] * 1000, targetMs),
        rejoinDeadlineMs: given['rejoin-deadline-seconds'] * 1000,
        holdMs: held === undefined ? undefined : held * 1000,
        log,
        signal,
        onExposed: (id) => saveState(exposedState, id ?? ''),
      });
      const verdict = judgeDrill(record);
      for (const line of drillLines(record, verdict)) log.info(line);
      const figure = (value: number | undefined) => (value === undefined ? '' : value.toFixed(3));
      return {
        outcome: verdict.outcome,
        message: verdict.message,
        outputs: {
          'rto-seconds': figure(verdict.rtoSeconds),
          'rejoin-seconds': figure(verdict.rejoinSeconds),
          'old-primary': record.primary ?? '',
          'new-primary': record.promotion?.node ?? '',
        },
        report: {
          name: `failover-drill-${formation.name}-${record.id}`,
          content: { formation, verdict, record },
        },
        picture: drillTimeline(record, verdict),
        summary: drillMarkdown(record, verdict),
      };
    },
  });
}
