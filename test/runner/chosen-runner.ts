import { CommandRunner } from './command-runner.ts';
import type { Runner } from './runner.ts';
import { ServerRunner } from './server/server-runner.ts';

/** The runner that PGHA_TEST_RUNNER names: a server's, or one that is a command. */
export function chosenRunner(): Runner {
  const name = process.env['PGHA_TEST_RUNNER'] || 'act';
  return ServerRunner.isOne(name) ? new ServerRunner(name) : new CommandRunner(name);
}

/**
 * Whether later jobs get a failed job's outputs. Of a server, Forgejo's runner tells it those of jobs that succeeded alone
 * (Fire in internal/pkg/report/reporter.go).
 */
export const tellsOutputsOfFailedJobs = ({ name }: Runner) => name !== 'gitea-server/forgejo-runner';
