import { together } from '../../src/contract/errors.ts';
import { type Formation, formationUri } from '../../src/formation/formation.ts';
import { loadFormation } from '../../src/formation/load.ts';
import { Incus } from '../../src/incus/incus.ts';
import { certificatesOf } from '../../src/provision/certificates.ts';
import { destroy } from '../../src/provision/destroy.ts';
import { accountPasswordsOf, passwordsOf } from '../../src/provision/passwords.ts';
import { type Provisioned, provision } from '../../src/provision/provision.ts';
import type { Mode } from '../../src/provision/steps.ts';
import { judgedLines } from '../../src/report/check-report.ts';
import { provisionMarkdown } from '../../src/report/provision-report.ts';
import type { InputsOf } from '../../src/runner/inputs.ts';
import { type ActionContext, type ActionResult, type Run, runAction } from '../../src/runner/run-action.ts';
import { inputs, outputs } from './contract.ts';

type Given = InputsOf<typeof inputs>;

/** @param specs of the inputs; the acceptance leaves the caller no choice of some */
export async function provisionPgaf(run: Run = runAction, specs: typeof inputs = inputs): Promise<void> {
  await run({
    name: 'provision-pgaf',
    inputs: specs,
    outputs,
    async run(given, context) {
      const formation = loadFormation(given.formation, context.folder);
      const incus = new Incus(formation.incus, context.log);
      if (given.mode === 'destroy') return await destroyed(given, formation, incus, context);
      return await provisioned(given, given.mode, formation, incus, context);
    },
  });
}

async function provisioned(
  given: Given,
  mode: Mode,
  formation: Formation,
  incus: Incus,
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
  formation: Formation,
  incus: Incus,
  { log, signal }: ActionContext,
): Promise<ActionResult> {
  const changes = await destroy(formation, incus, { confirmed: given.confirm, log, signal });
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
