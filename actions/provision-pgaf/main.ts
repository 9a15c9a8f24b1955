import { InputError, together } from '../../src/contract/errors.ts';
import type { Outcome } from '../../src/contract/outcome.ts';
import { loadFormation } from '../../src/formation/file/load.ts';
import { type Formation, formationUri } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import { onceFree } from '../../src/monitor/lock-wait.ts';
import { certificatesOf } from '../../src/provision/certificates/certificates.ts';
import { destroy } from '../../src/provision/destroy.ts';
import { accountPasswordsOf, passwordsOf } from '../../src/provision/passwords/passwords.ts';
import { type Provisioned, provision } from '../../src/provision/provision.ts';
import type { Mode } from '../../src/provision/steps.ts';
import { judgedLines } from '../../src/report/check-report.ts';
import { provisionMarkdown } from '../../src/report/provision-report.ts';
import type { InputsOf } from '../../src/runner/inputs.ts';
import {
  type ActionContext,
  type ActionResult,
  type RunStep,
  runAction,
} from '../../src/runner/run-action.ts';
import { adopted } from './adoption.ts';
import { inputs, outputs } from './contract.ts';

type Given = InputsOf<typeof inputs>;

/** @param specs of the inputs; the acceptance leaves the caller no choice of some */
export async function provisionPgaf(
  run: RunStep = runAction,
  specs: typeof inputs = inputs,
): Promise<Outcome> {
  return await run({
    name: 'provision-pgaf',
    inputs: specs,
    outputs,
    async run(given, context) {
      refuseMeaningless(given);
      if (given.mode === 'adopt') return await adopted(given, context);
      const formation = loadFormation(given.formation, context.folder);
      const incus = new Incus(formation.incus, context.log);
      const place = { formation, incus };
      if (given.mode === 'destroy') return await destroyed(given, place, context);
      return await provisioned(given, given.mode, place, context);
    },
  });
}

/** @throws InputError where an input speaks of another mode: who gives it takes that for what is done */
export function refuseMeaningless({ mode, adopt, confirm }: Pick<Given, 'mode' | 'adopt' | 'confirm'>): void {
  const errors = Object.entries({ adopt: [adopt, 'adopt'], confirm: [confirm, 'destroy'] })
    .filter(([, [value, itsMode]]) => value !== '' && mode !== itsMode)
    .map(
      ([name, [, itsMode]]) =>
        `input ${name}: has no meaning with mode: ${mode}; say mode: ${itsMode}, or leave it out`,
    );
  if (errors.length > 0) throw new InputError(errors);
}

/** A formation and the Incus server that it is on. */
interface Place {
  formation: Formation;
  incus: Incus;
}

async function provisioned(
  given: Given,
  mode: Mode,
  { formation, incus }: Place,
  { log, signal }: ActionContext,
): Promise<ActionResult> {
  const { passwords, accounts, certificates } = together({
    passwords: () =>
      passwordsOf({ application: given['app-password'], users: given['user-passwords'] }, formation, log),
    accounts: () =>
      accountPasswordsOf(
        { autoctl: given['autoctl-password'], replication: given['replication-password'] },
        formation,
      ),
    certificates: () =>
      certificatesOf(
        { ca: given['tls-ca'], certificate: given['tls-certificate'], key: given['tls-key'] },
        formation,
        Date.now(),
      ),
  });
  for (const warning of certificates?.warnings ?? []) log.warn(warning);
  const done = await provision(formation, incus, {
    mode,
    prune: given.prune,
    passwords,
    secrets: accounts,
    certificates: certificates?.members ?? new Map(),
    convergeDeadlineMs: given['converge-seconds'] * 1000,
    lockWaitMs: given['wait-for-lock-seconds'] * 1000,
    log,
    signal,
  });
  const { changed, changes, proof } = done;
  if (proof) for (const line of judgedLines(proof)) log.info(line);
  return {
    outcome: proof?.verdict.outcome ?? 'pass',
    message: told(done),
    outputs: {
      changed: String(changed),
      primary: proof?.verdict.primary ?? '',
      standbys: proof?.verdict.standbys.join(',') ?? '',
      'formation-uri': formationUri(formation),
    },
    report: {
      name: `provision-pgaf-${formation.name}`,
      content: { formation, mode, changed, changes, ...proof },
    },
    summary: provisionMarkdown(done),
  };
}

function told({ changes, proof }: Provisioned): string {
  const count = `${changes.length} change${changes.length === 1 ? '' : 's'}`;
  if (proof === undefined) return changes.length === 0 ? 'plan: nothing to change' : `plan: ${count} to make`;
  return `${changes.length === 0 ? 'nothing to change' : `${count} made`}; ${proof.verdict.message}`;
}

async function destroyed(
  given: Given,
  { formation, incus }: Place,
  { log, signal }: ActionContext,
): Promise<ActionResult> {
  const waitMs = given['wait-for-lock-seconds'] * 1000;
  const changes = await onceFree({ waitMs, log, signal }, () =>
    destroy(formation, incus, { confirmed: given.confirm, log, signal }),
  );
  const names = changes.map(({ container }) => container).join(', ');
  const message =
    changes.length === 0
      ? `formation ${formation.name} has no containers: nothing to destroy`
      : `formation ${formation.name} is destroyed: ${names}`;
  return {
    outcome: 'pass',
    message,
    outputs: { changed: String(changes.length > 0) },
    report: {
      name: `provision-pgaf-${formation.name}`,
      content: { formation, mode: 'destroy', changed: changes.length > 0, changes },
    },
    summary: `### ${message}\n`,
  };
}
