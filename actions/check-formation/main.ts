import { uriAccess } from '../../src/application/uri-access.ts';
import type { Subject } from '../../src/check/many.ts';
import { checkFormations, formationsBeside } from '../../src/check/many.ts';
import { together } from '../../src/contract/errors.ts';
import { type Outcome, worstOutcome } from '../../src/contract/outcome.ts';
import { mostOfEach, shortened } from '../../src/contract/size.ts';
import { formationPath, loadFormation } from '../../src/formation/file/load.ts';
import { formationUri } from '../../src/formation/formation.ts';
import {
  annotationsOf,
  checkLines,
  checkMarkdown,
  checkMessage,
  failedChecks,
  fencingMargin,
  holdLines,
  nodesOutput,
  outcomeOf,
} from '../../src/report/check-report.ts';
import { checkJunit } from '../../src/report/junit/check-junit.ts';
import type { InputsOf } from '../../src/runner/inputs.ts';
import {
  type ActionContext,
  type ActionResult,
  type RunStep,
  runAction,
} from '../../src/runner/run-action.ts';
import { inputs, outputs } from './contract.ts';

type Given = InputsOf<typeof inputs>;

/** @param specs of the inputs; the acceptance leaves the caller no choice of some */
export async function checkFormation(
  by: RunStep = runAction,
  specs: typeof inputs = inputs,
): Promise<Outcome> {
  return await by({ name: 'check-formation', inputs: specs, outputs, run });
}

async function run(given: Given, { log, signal, folder }: ActionContext): Promise<ActionResult> {
  const subjects = subjectsOf(given, folder);
  const [first] = subjects as [Subject, ...Subject[]];
  if (given.formations.trim() === everyOther) {
    const beside = await formationsBeside(first.formation, log, signal);
    const asked = { rtoTargetSeconds: given['rto-target-seconds'], withoutFile: true };
    subjects.push(...beside.map((formation) => ({ formation, asked })));
  }
  const checked = await checkFormations(subjects, {
    waitMs: given['wait-seconds'] * 1000,
    failOn: given['fail-on'],
    log,
    signal,
  });
  for (const line of checkLines(checked)) log.info(line);
  const outcome = worstOutcome(checked.map(outcomeOf));
  const [leading] = checked;
  const verdict = leading?.judged ? leading.verdict : undefined;
  return {
    outcome,
    message: checkMessage(checked),
    outputs: {
      healthy: outcome === 'error' ? '' : String(outcome === 'pass'),
      primary: verdict?.primary ?? '',
      standbys: verdict?.standbys.join(',') ?? '',
      nodes: JSON.stringify(leading?.judged ? nodesOutput(leading) : []),
      'formation-uri': formationUri(first.formation),
      'predicted-rto-seconds': figure(verdict?.prediction?.['crash-stop'].promotion?.most),
      'fencing-margin-seconds': figure(fencingMargin(verdict?.prediction)),
      'failed-checks': failedChecks(checked, 'error').join(','),
      warnings: failedChecks(checked, 'warning').join(','),
      formations: JSON.stringify(
        checked.map((each) => ({
          formation: each.formation.name,
          outcome: outcomeOf(each),
          message: shortened(each.judged ? each.verdict.message : each.failed, mostOfEach(checked.length)),
          primary: (each.judged && each.verdict.primary) || null,
        })),
      ),
      held: leading?.judged ? holdLines(leading).join('; ') : '',
    },
    report: { name: `check-formation-${first.formation.name}`, content: { formations: checked } },
    files: [{ output: 'junit', extension: '.junit.xml', content: checkJunit(checked, given['fail-on']) }],
    annotations: annotationsOf(checked),
    summary: checkMarkdown(checked),
  };
}

const figure = (seconds: number | undefined) => seconds?.toFixed(3) ?? '';

/** Undefined also where it could not be gone by, for want of a password or a CA: then its words are judged alone. */
function byUriOf(given: Given, formation: Subject['formation']): Subject['byUri'] {
  const uri = given['client-uri'];
  const found = uri && uriAccess(uri, formation, { password: given['app-password'], ca: given['tls-ca'] });
  return found && 'access' in found ? found.access : undefined;
}

/** The word in place of paths. */
const everyOther = 'monitor';

function subjectsOf(given: Given, folder: string): Subject[] {
  const common = { rtoTargetSeconds: given['rto-target-seconds'], clientUri: given['client-uri'] };
  const more = given.formations.trim();
  const paths = more === everyOther ? [] : more.split('\n').map((line) => line.trim());
  const texts = [given.formation, ...paths.filter((path) => path !== '')];
  // The errors of all files are told at once.
  const loaded = together(
    Object.fromEntries(texts.map((text, index) => [index, () => loadFormation(text, folder)])),
  );
  return texts.map((text, index) => ({
    formation: loaded[index] as Subject['formation'],
    asked: {
      ...common,
      formationPath: formationPath(text),
      // It belongs to one application, as the password does.
      ...(index > 0 && { clientUri: undefined }),
    },
    ...(index === 0 && {
      credentials: { password: given['app-password'], ca: given['tls-ca'] },
      byUri: byUriOf(given, loaded[index] as Subject['formation']),
    }),
  }));
}
