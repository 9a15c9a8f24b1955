import { join } from 'node:path';
import * as v from 'valibot';
import { InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { exitCodeOf } from '../contract/outcome.ts';
import { readText } from '../disk/file.ts';
import { judgeRunner, observeRunner } from '../doctor/doctor.ts';
import { doctorOutcome } from '../doctor/doctor-finding.ts';
import { factsOfMachine, factsOfSurroundings, type NamedFacts } from '../doctor/named-facts.ts';
import { loadFormation } from '../formation/file/load.ts';
import { image } from '../formation/file/words.ts';
import type { Formation } from '../formation/formation.ts';
import { runCommand } from '../incus/command.ts';
import { doctorLines } from '../report/doctor-report.ts';
import { givenInput } from './inputs.ts';
import { readFlags, runOwnCommand } from './own-command.ts';

/** `pgha doctor`: whether this runner, and with --image an image, can do what the actions need. */

const usage = `pgha doctor: whether this runner can do what the actions need; run it first, and attach it to a bug report

  --formation FILE   the formation file, for its Incus, its image and its limits (else INPUT_FORMATION, else the built-in one)
  --image IMAGE      look at this image as well, such as images:ubuntu/22.04: what pgha assumes of one, by installing
                     Postgres and making a monitor; about two minutes more
  --debug            show every command

It makes two throwaway containers and removes them. Nothing else is touched.
Exit codes: 0 everything holds; 3 something does not, or could not be looked at
`;

export interface DoctorArguments {
  formation: string;
  /** '' where no image is to be looked at. */
  image: string;
  debug: boolean;
  help: boolean;
}

/** @throws InputError with every error of the arguments */
export function parseDoctorArguments(args: readonly string[], env: NodeJS.ProcessEnv): DoctorArguments {
  const { given, debug, help, errors } = readFlags('doctor', args, ['formation', 'image']);
  const asked = { formation: givenInput('formation', env) ?? '', image: '', debug, help };
  for (const { name, value } of given) asked[name] = value;
  const isImage: boolean = v.is(image, asked.image);
  if (asked.image !== '' && !isImage)
    errors.push(
      `--image: ${JSON.stringify(asked.image.slice(0, 100))} is no Incus image such as images:ubuntu/22.04`,
    );
  if (errors.length > 0) throw new InputError(errors);
  return asked;
}

/**
 * @param args without `doctor`
 * @param root the checkout, whose version is told
 * @returns the exit code
 */
export async function runDoctor(args: readonly string[], root: string): Promise<number> {
  return await runOwnCommand(async ({ print, complain, signal }) => {
    const asked = parseDoctorArguments(args, process.env);
    if (asked.help) {
      process.stdout.write(usage);
      return 0;
    }
    const log: Log = {
      info: (line) => complain(line),
      warn: (line) => complain(line),
      debug: (line) => (asked.debug ? complain(line) : undefined),
    };
    return await examine(asked, root, { print, log }, signal);
  });
}

/** The formation to look for: of another image, its certificates are our own affair. */
function formationOf({ formation: given, image: other }: DoctorArguments): Formation {
  const formation = loadFormation(given, process.cwd());
  return other === '' ? formation : { ...formation, image: other, tls: 'self-signed' };
}

async function examine(
  asked: DoctorArguments,
  root: string,
  { print, log }: { print: (line: string) => void; log: Log },
  signal: AbortSignal,
): Promise<number> {
  const formation = formationOf(asked);
  const [seen, own] = await Promise.all([
    observeRunner(formation, { env: process.env, log, signal, withImage: asked.image !== '' }),
    factsOfCheckout(root),
  ]);
  const findings = judgeRunner(seen, formation);
  const { pair } = seen;
  const inside: NamedFacts = pair.system.is === 'seen' ? [['in it', pair.system.value]] : [];
  const facts = [
    ...own,
    ...factsOfMachine(seen.machine),
    ...factsOfSurroundings(seen.surroundings, formation),
    ...inside,
  ];
  const about = asked.image === '' ? 'this runner' : `this runner and ${asked.image}`;
  const title = `pgha doctor: ${about}, ${seen.at}, in ${seen.tookSeconds.toFixed(1)} s`;
  for (const line of doctorLines(title, findings, facts)) print(line);
  if (signal.aborted) log.warn(messageOf(signal.reason));
  return signal.aborted ? exitCodeOf('error') : exitCodeOf(doctorOutcome(findings));
}

const packageShape = v.object({ version: v.string() });

/** The version of this checkout, and its commit where it is one of git's. */
async function factsOfCheckout(root: string): Promise<NamedFacts> {
  const version = () => {
    try {
      return v.parse(packageShape, JSON.parse(readText(join(root, 'package.json'), 1024 * 1024))).version;
    } catch {
      return 'unknown version';
    }
  };
  const commit = await runCommand('git', ['-C', root, 'describe', '--always', '--dirty', '--tags'], {
    deadlineMs: 10_000,
  }).catch(() => '');
  return [['pgha', `${version()}${commit === '' ? '' : ` (${commit.trim()})`}`]];
}
