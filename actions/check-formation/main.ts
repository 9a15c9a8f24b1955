import { observe } from '../../src/check/observe.ts';
import { judge } from '../../src/check/verdict.ts';
import { formationUri } from '../../src/formation/formation.ts';
import { loadFormation } from '../../src/formation/load.ts';
import { Incus } from '../../src/incus/incus.ts';
import { checkLines, checkMarkdown } from '../../src/report/check-report.ts';
import { type Run, runAction } from '../../src/runner/run-action.ts';
import { inputs, outputs } from './contract.ts';

export async function checkFormation(run: Run = runAction): Promise<void> {
  await run({
    name: 'check-formation',
    inputs,
    outputs,
    async run({ formation: given }, { log, signal, folder }) {
      const formation = loadFormation(given, folder);
      const observation = await observe(formation, new Incus(formation.incus, log), signal);
      const verdict = judge(observation, formation);
      for (const line of checkLines(observation, verdict)) log.info(line);
      return {
        outcome: verdict.outcome,
        message: verdict.message,
        outputs: {
          healthy: verdict.outcome === 'error' ? '' : String(verdict.outcome === 'pass'),
          primary: verdict.primary ?? '',
          standbys: verdict.standbys.join(','),
          'formation-uri': formationUri(formation),
          'failed-checks': verdict.findings
            .filter((finding) => finding.status === 'fail')
            .map((finding) => finding.check)
            .join(','),
        },
        report: { name: `check-formation-${formation.name}`, content: { formation, verdict, observation } },
        summary: checkMarkdown(observation, verdict),
      };
    },
  });
}
