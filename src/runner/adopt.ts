import { resolve } from 'node:path';
import { type AdoptionAsked, adoptionKeys, takeOver } from '../adoption/asked.ts';
import { adopt } from '../adoption/new-file.ts';
import { observe } from '../check/observe.ts';
import { judge } from '../check/verdict.ts';
import { InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Formation } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { judgedLines } from '../report/check-report.ts';
import { readFlags, runOwnCommand } from './own-command.ts';

/** `pgha adopt`: writes the formation file of a formation that is there already. */

const usage = `pgha adopt: writes the file of a formation that is there already, whoever made it; it only reads

  --monitor CONTAINER  the container of its monitor (else the only one in the project)
  --formation NAME     its name on the monitor (else the only one that has nodes there)
  --nodes NODE=CONTAINER,…
                       the containers of nodes whose address does not tell, by what the monitor calls them
  --database NAME      the application's database (else the one with the most transactions)
  --user NAME          the application's role (else the owner of that database)
  --remote NAME        remote of the incus client (else local)
  --project NAME       its project (else default)
  --output FILE        what to write (else formation.yml); a file that is there is left alone; - prints it
  --debug              show every command

Exit codes: 0 the file is written; 3 it is not
`;

export interface AdoptionArguments extends AdoptionAsked {
  output: string;
  debug: boolean;
  help: boolean;
}

/** @throws InputError with every error of the arguments */
export function parseAdoptionArguments(args: readonly string[]): AdoptionArguments {
  const { given, debug, help, errors } = readFlags('adopt', args, [...adoptionKeys, 'output']);
  const asked: AdoptionArguments = { output: 'formation.yml', containers: new Map(), debug, help };
  for (const { name, value } of given)
    if (name === 'output') asked.output = value;
    else errors.push(...takeOver(asked, name, value).map((error) => `--${name}: ${error}`));
  if (errors.length > 0) throw new InputError(errors);
  return asked;
}

/** @param args without `adopt`. @returns the exit code */
export async function runAdopt(args: readonly string[]): Promise<number> {
  return await runOwnCommand(async ({ print, complain, signal }) => {
    const asked = parseAdoptionArguments(args);
    if (asked.help) {
      process.stdout.write(usage);
      return 0;
    }
    const log: Log = {
      info: complain,
      warn: (line) => complain(`warning: ${line}`),
      debug: (line) => (asked.debug ? complain(line) : undefined),
    };
    const { output } = asked;
    const path = output === '-' ? undefined : resolve(process.cwd(), output);
    const { text, formation, incus } = await adopt(asked, {
      file: path === undefined ? undefined : { path, given: output, by: '--output' },
      named: (key) => `--${key}`,
      log,
      signal,
    });
    if (path === undefined) process.stdout.write(text);
    else await tellNext(formation, incus, output, { print, log, signal });
    return 0;
  });
}

/** What check-formation says of the formation by its new file, and what one may do with it. */
async function tellNext(
  formation: Formation,
  incus: Incus,
  output: string,
  { print, log, signal }: { print: (line: string) => void; log: Log; signal: AbortSignal },
): Promise<void> {
  print(`${output} describes formation ${formation.name}. Read it, and say in it what it does not know.`);
  try {
    const observation = await observe(formation, incus, { signal });
    const verdict = judge(observation, formation);
    for (const line of judgedLines({ verdict, observation })) print(line);
    print(`check-formation: ${verdict.message}`);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`the formation could not be checked: ${messageOf(error)}`);
  }
  print(`next: ./pgha check-formation --formation ${output}`);
}
