import type { Log } from '../../src/contract/log.ts';
import type { Outcome } from '../../src/contract/outcome.ts';
import { undoDrill, undoInterrupted } from '../../src/faults/undo-interrupted.ts';
import { loadFormation } from '../../src/formation/file/load.ts';
import { Incus } from '../../src/incus/incus.ts';
import { commandInput } from '../../src/runner/command-input.ts';
import { rawInput } from '../../src/runner/inputs.ts';
import { runPost } from '../../src/runner/run-post.ts';
import { inputs } from '../acceptance/contract.ts';
import { exposedState } from './contract.ts';
import { readExposed } from './exposed-state.ts';

/** Undoes the drill's fault once more, where main was killed before it could: whatever has become of the formation's file. */
export async function failoverDrillPost(): Promise<Outcome> {
  return await runPost(inputs, exposedState, async (state, log) => {
    const left = readExposed(state);
    const brought =
      left === undefined
        ? await undoByFile(state, log)
        : await undoDrill(left.containers, Incus.byAny(left, log), log, {
            onlyDrill: left.drill,
            powerOn: powerOn(),
          });
    if (brought.length === 0) log.info('the fault was undone already');
  });
}

/** Main has read it, or was given none. */
function powerOn(): readonly string[] | undefined {
  try {
    return commandInput.parse(rawInput('power-on-command', process.env));
  } catch {
    return undefined;
  }
}

async function undoByFile(drill: string, log: Log): Promise<string[]> {
  const folder = process.env['GITHUB_WORKSPACE'] || process.cwd();
  const formation = loadFormation(rawInput('formation', process.env), folder);
  return await undoInterrupted(formation, Incus.byAny(formation.incus, log), log, drill);
}
