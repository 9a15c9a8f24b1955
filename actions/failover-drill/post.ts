import { repair } from '../../src/faults/repair.ts';
import { loadFormation } from '../../src/formation/load.ts';
import { Incus } from '../../src/incus/incus.ts';
import { rawInput } from '../../src/runner/inputs.ts';
import { runPost } from '../../src/runner/run-post.ts';
import { exposedState } from './contract.ts';

/** Undoes the drill's fault once more, where main was killed before it could. */
export async function failoverDrillPost(): Promise<void> {
  await runPost(exposedState, async (drillId, log) => {
    const formation = loadFormation(
      rawInput('formation', process.env),
      process.env['GITHUB_WORKSPACE'] || process.cwd(),
    );
    const brought = await repair(formation, new Incus(formation.incus, log), log, drillId);
    if (brought.length === 0) log.info('the fault was undone already');
  });
}
