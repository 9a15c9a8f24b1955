import * as core from '@actions/core';
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { exitCodeOf, type Outcome } from '../contract/outcome.ts';
import type { InputSpecs } from './inputs.ts';
import { endingSignals, outliveReaders } from './outlive.ts';
import { coreLog, maskSecrets } from './run-action.ts';

/**
 * The way every post step runs: it acts only on the state that the main step saved. Failing here marks the
 * step as failed, since something was left undone. It is the last to put things right, and has deadlines of its own: it
 * goes on when it is told to end, when nobody reads its log, and after a bug of ours beside its work.
 *
 * @returns how it ended
 */
export async function runPost(
  specs: InputSpecs,
  stateName: string,
  work: (state: string, log: Log) => Promise<void>,
): Promise<Outcome> {
  outliveReaders();
  for (const name of endingSignals) process.on(name, () => {});
  let outcome: Outcome = 'pass';
  const failed = (error: unknown) => {
    outcome = 'error';
    if (error instanceof Error && error.stack) coreLog.debug(error.stack);
    coreLog.error(messageOf(error));
  };
  process.on('uncaughtException', (error) => {
    failed(error);
    // It may come after the return.
    process.exitCode = exitCodeOf(outcome);
  });
  maskSecrets(specs, process.env);
  const state = core.getState(stateName);
  if (state === '') {
    coreLog.info('nothing to undo');
    return outcome;
  }
  try {
    await work(state, coreLog);
  } catch (error) {
    failed(error);
  }
  setTimeout(() => process.exit(), 2000).unref();
  return outcome;
}

/** Remembers something for the post step; '' forgets it. */
export function saveState(name: string, value: string): void {
  // Without a runner there is no post step, and core would print the state as an old-style command.
  if (process.env['GITHUB_STATE']) core.saveState(name, value);
}
