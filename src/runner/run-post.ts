import * as core from '@actions/core';
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { coreLog } from './run-action.ts';

/**
 * The way every post step runs: it acts only on the state that the main step saved. Failing here marks the
 * step as failed, since something was left undone.
 */
export async function runPost(
  stateName: string,
  work: (state: string, log: Log) => Promise<void>,
): Promise<void> {
  const state = core.getState(stateName);
  if (state === '') {
    core.info('nothing to undo');
    return;
  }
  try {
    await work(state, coreLog);
  } catch (error) {
    if (error instanceof Error && error.stack) core.debug(error.stack);
    core.error(messageOf(error));
    process.exitCode = 3;
  }
  setTimeout(() => process.exit(), 2000).unref();
}

/** Remembers something for the post step; '' forgets it. */
export function saveState(name: string, value: string): void {
  // Without a runner there is no post step, and core would print the state as an old-style command.
  if (process.env['GITHUB_STATE']) core.saveState(name, value);
}
