import { basename } from 'node:path';
import type { Log } from '../contract/log.ts';
import { runCommand } from '../incus/command.ts';
import type { Lease } from '../incus/lease.ts';

/** A host's real power switch: commands as lists of arguments, which are run without a shell. */
export interface PowerSwitch {
  off: readonly string[];
  on: readonly string[];
}

/** One that waits until the host is up again takes as long as that. */
const deadlineMs = 180_000;
const mostBytes = 1024 * 1024;

/**
 * Runs one of them. What it is given is shown to nobody: it may be what lets it in at a power switch.
 * @throws as runCommand
 */
export async function runSwitch(
  [program = '', ...args]: readonly string[],
  options: { log?: Log | undefined; lease?: Pick<Lease, 'fd'> | undefined; signal?: AbortSignal } = {},
): Promise<void> {
  const shownArgs = args.length === 0 ? [] : [`(${args.length} arguments)`];
  await runCommand(program, args, { ...options, deadlineMs, shownArgs, maxBytes: mostBytes });
}

/** Of the command that brings the power back, for people: its program, and no more. */
export const shownSwitch = ([program = '']: readonly string[]): string => basename(program);
