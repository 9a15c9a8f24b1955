import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { applicationAccess } from '../../src/application/access.ts';
import { uriAccess } from '../../src/application/uri-access.ts';
import { type CampaignOptions, campaign } from '../../src/campaign/campaign.ts';
import type { CampaignRecord } from '../../src/campaign/campaign-record.ts';
import { figuresOf } from '../../src/campaign/figures.ts';
import { roundedUp } from '../../src/campaign/proof.ts';
import { replayed } from '../../src/campaign/replay.ts';
import { judgeCampaign } from '../../src/campaign/verdict.ts';
import { InputError, together } from '../../src/contract/errors.ts';
import type { Outcome } from '../../src/contract/outcome.ts';
import { mostOfEach, shortened } from '../../src/contract/size.ts';
import { type ClientsOptions, preludeSeconds } from '../../src/drill/clients.ts';
import { faultCatalogue } from '../../src/faults/catalogue.ts';
import { formationSource, loadFormation } from '../../src/formation/file/load.ts';
import { parseProbes } from '../../src/formation/file/probe-list.ts';
import { type Formation, isAsynchronous, isLab } from '../../src/formation/formation.ts';
import { requireLab } from '../../src/incus/environment.ts';
import { Incus } from '../../src/incus/incus.ts';
import { placeholderPassword } from '../../src/postgres/placeholder.ts';
import { readyProbes } from '../../src/probes/ready.ts';
import {
  campaignHtml,
  campaignJunit,
  campaignLines,
  campaignMarkdown,
  campaignPicture,
} from '../../src/report/campaign-report.ts';
import { probesOutput } from '../../src/report/probes-report.ts';
import type { InputsOf } from '../../src/runner/inputs.ts';
import {
  type ActionContext,
  type ActionResult,
  type RunStep,
  reportFolder,
  runAction,
} from '../../src/runner/run-action.ts';
import { saveState } from '../../src/runner/run-post.ts';
import { exposedState, inputs, outputs } from './contract.ts';
import { exposedText } from './exposed-state.ts';

type Given = InputsOf<typeof inputs>;

export async function failoverDrill(by: RunStep = runAction): Promise<Outcome> {
  return await by({ name: 'failover-drill', inputs, outputs, run });
}

async function run(given: Given, context: ActionContext): Promise<ActionResult> {
  const { log, folder } = context;
  if (given.replay !== '') {
    const again = replayed(resolve(folder, given.replay), log);
    return resultOf(again.campaign, again.formation, '-replayed', context);
  }
  // Who reads the log of a drill sees first which formation it is about to hurt.
  log.info(`formation file: ${formationSource(given.formation)}`);
  const formation = loadFormation(given.formation, folder);
  const options = optionsOf(given, formation, context);
  const incus = Incus.byAny(formation.incus, log);
  if (isLab(formation))
    await requireLab(formation, incus, given['self-test'] ? 'input self-test' : undefined, context.signal);
  const record = await campaign(formation, incus, options);
  return resultOf(record, formation, '', context);
}

/** @throws InputError with everything that does not fit together */
function optionsOf(
  given: Given,
  formation: Formation,
  { log, signal, folder }: ActionContext,
): CampaignOptions {
  const access = accessOf(given, formation);
  const byUri = uriAccessOf(given, formation, access);
  const errors = [
    ...(byUri !== undefined && 'errors' in byUri
      ? byUri.errors.map((each) => `input client-uri: ${each}`)
      : []),
    ...(given['require-client-evidence'] && 'missing' in access
      ? [`input require-client-evidence: ${access.missing}`]
      : []),
    ...(given['regression-percent'] !== undefined && given['history-file'] === ''
      ? ['input regression-percent: there is nothing to compare with; give history-file as well']
      : []),
    ...('access' in access ? tooSlowForTheLeast(given) : []),
    ...(given['self-test'] ? unfitForSelfTest(given, formation, access) : []),
  ];
  const [off, on] = [given['power-off-command'], given['power-on-command']];
  errors.push(...unfitForHosts(given));
  const drilled = given['self-test'] ? (['cut-then-stop'] as const) : given.fault;
  const rounds = given.rounds ?? drilled.length;
  if (new Set(drilled).size < drilled.length)
    errors.push('input fault: a fault is named twice; `rounds` says how often each is drilled');
  if (rounds < drilled.length)
    errors.push(
      `input rounds: ${rounds} drill${rounds === 1 ? '' : 's'} cannot show ${drilled.length} faults; leave it empty for one of each`,
    );
  const { probes } = together({
    others: () => {
      if (errors.length > 0) throw new InputError(errors);
    },
    probes: () =>
      readyProbes(parseProbes(given.probes) ?? formation.probes ?? [], {
        secrets: given['probe-secrets'],
        folder,
      }),
  });
  const targetMs = given['rto-target-seconds'] * 1000;
  const held = given['hold-seconds'];
  return {
    rounds,
    faults: drilled,
    seed: given.seed ?? randomInt(2 ** 31),
    historyPath: given['history-file'] === '' ? undefined : resolve(folder, given['history-file']),
    regressionPercent: given['regression-percent'],
    selfTest: given['self-test'],
    drill: {
      host: given.host,
      power: off === undefined || on === undefined ? undefined : { off, on },
      rtoTargetMs: targetMs,
      promotionDeadlineMs: Math.max(given['promotion-deadline-seconds'] * 1000, targetMs),
      rejoinDeadlineMs: given['rejoin-deadline-seconds'] * 1000,
      overrideHold: given['override-hold'],
      lockWaitMs: given['wait-for-lock-seconds'] * 1000,
      holdMs: held === undefined ? undefined : held * 1000,
      handBack: given['restore-primary'],
      clients: {
        access,
        byUri: byUri && 'access' in byUri ? byUri.access : undefined,
        // Who demands the evidence is told why there is none.
        required: given['require-client-evidence'] || given['self-test'],
        published: given['accept-published-table'],
        sessions: given['client-sessions'],
        writesPerSecond: given['client-writes-per-second'],
        leastAtRisk: given['least-writes-at-risk'],
        folder: reportFolder(given['report-folder'], folder),
      },
      probes,
      log,
      signal,
      onExposed: (id) => saveState(exposedState, id === undefined ? '' : exposedText(id, formation)),
    },
  };
}

/** A host is lost by one fault alone, and what takes its power is no use without what brings it back. */
function unfitForHosts(given: Given): string[] {
  const [off, on] = [given['power-off-command'], given['power-on-command']];
  const losesHost = given.fault.some((name) => faultCatalogue[name].hits === 'host');
  const named = [
    ...(given.host === 'primary' ? [] : ['host']),
    ...(off === undefined ? [] : ['power-off-command']),
    ...(on === undefined ? [] : ['power-on-command']),
  ];
  return [
    ...(losesHost || given['self-test']
      ? []
      : named.map((name) => `input ${name}: it is of the fault host-loss, which is not drilled`)),
    ...(off !== undefined && on === undefined
      ? ['input power-off-command: give power-on-command as well, or nobody could bring the host back']
      : []),
    ...(on !== undefined && off === undefined
      ? [
          'input power-on-command: give power-off-command as well; without it containers are stopped, and started again',
        ]
      : []),
  ];
}

/** Nobody should wait longer for the fault. */
const longestPreludeSeconds = 300;

function tooSlowForTheLeast(given: Given): string[] {
  const [sessions, rate, least] = [
    given['client-sessions'],
    given['client-writes-per-second'],
    given['least-writes-at-risk'],
  ];
  const takes = preludeSeconds(least, sessions, rate);
  if (takes <= longestPreludeSeconds) return [];
  return [
    `input least-writes-at-risk: ${least} writes take ${Math.round(takes)} s at ${rate} a second from each of ${sessions} client-sessions, and the fault may wait for ${longestPreludeSeconds} s; ask for fewer, or raise client-writes-per-second`,
  ];
}

/** In a formation that is declared a lab the placeholder stands for a password that was not given, as in provision-pgaf. */
function accessOf(given: Given, formation: Formation): ClientsOptions['access'] {
  const own = passwordOf(given, formation);
  const assumed = own === '' && isLab(formation);
  const password = assumed ? placeholderPassword : own;
  const found = applicationAccess(formation, { password, ca: given['tls-ca'] });
  return 'access' in found ? { ...found, assumed } : found;
}

/** That of the connection string is the role's own too, where it names no other role. */
function passwordOf({ 'app-password': password, 'client-uri': uri }: Given, { postgres }: Formation): string {
  if (password !== '' || (uri?.user ?? postgres.user) !== postgres.user) return password;
  return uri?.password ?? '';
}

/** Clients by the connection string are beside those that go straight to the nodes, and not in place of them. */
function uriAccessOf(
  given: Given,
  formation: Formation,
  access: ClientsOptions['access'],
): ReturnType<typeof uriAccess> | undefined {
  const uri = given['client-uri'];
  if (uri === undefined) return undefined;
  if ('missing' in access) return { errors: [access.missing] };
  const password = given['app-password'] || (isLab(formation) ? placeholderPassword : '');
  return uriAccess(uri, formation, { password, ca: given['tls-ca'] });
}

function unfitForSelfTest(
  { fault }: Given,
  formation: Formation,
  access: ClientsOptions['access'],
): string[] {
  return [
    ...(isLab(formation)
      ? []
      : [
          `input self-test: it loses acknowledged writes on purpose, and formation ${formation.name} is not declared \`environment: lab\``,
        ]),
    ...(isAsynchronous(formation)
      ? []
      : [
          `input self-test: commits of formation ${formation.name} wait for a standby, so that none can be lost; its file must say \`replication: { sync-standbys: 0, quorum: false }\``,
        ]),
    ...(fault.every((name) => name === 'stop' || name === 'cut-then-stop')
      ? []
      : ['input self-test: it has a fault of its own, cut-then-stop; leave the input fault out']),
    ...('missing' in access ? [`input self-test: ${access.missing}`] : []),
  ];
}

function resultOf(
  record: CampaignRecord,
  formation: unknown,
  suffix: string,
  { log }: ActionContext,
): ActionResult {
  const verdict = judgeCampaign(record);
  for (const line of campaignLines(record, verdict)) log.info(line);
  const figures = figuresOf(record);
  const last = record.drills.at(-1)?.record;
  return {
    ...verdict,
    outputs: {
      'rto-seconds': figure(figures.rtoSeconds),
      'client-rto-seconds': figure(figures.clientRtoSeconds),
      'write-outage-seconds': figure(figures.writeOutageSeconds),
      'client-uri-rto-seconds': figure(figures.uriRtoSeconds),
      'client-uri-outage-seconds': figure(figures.uriOutageSeconds),
      'client-uri-adds-seconds': figure(figures.uriAddsSeconds),
      'rejoin-seconds': figure(figures.rejoinSeconds),
      'acknowledged-writes': count(figures.acknowledgedWrites),
      'writes-at-risk': count(figures.writesAtRisk),
      'writes-in-flight': count(figures.writesInFlight),
      'lost-writes': count(figures.lostWrites),
      'unknown-writes': count(figures.unknownWrites),
      'dual-primary-seconds': figure(figures.dualPrimarySeconds),
      'predicted-rto-seconds': figure(figures.predictedRtoSeconds),
      'old-primary': last?.primary ?? '',
      'new-primary': last?.promotion?.node ?? '',
      probes: JSON.stringify(probesOutput(record.drills.map((each) => each.record))),
      drills: JSON.stringify(
        record.drills.map(({ record: one, verdict: judged }) => ({
          drill: one.id,
          fault: one.fault,
          ...judged,
          message: shortened(judged.message, mostOfEach(record.drills.length)),
          oldPrimary: one.primary ?? null,
          newPrimary: one.promotion?.node ?? null,
        })),
      ),
      'breach-probability': bound(figures.breachProbability),
    },
    report: {
      name: `failover-drill-${record.formation}-${record.drills[0]?.record.id ?? 'none'}${suffix}`,
      content: { formation, campaign: record },
    },
    picture: campaignPicture(record),
    files: [
      { output: 'junit', extension: '.junit.xml', content: campaignJunit(record, verdict) },
      { output: 'html', extension: '.html', content: campaignHtml(record, verdict) },
    ],
    summary: campaignMarkdown(record, verdict),
  };
}

/** Rounded up: no less than what is proven. */
const bound = (share: number | undefined) => (share === undefined ? '' : roundedUp(share, 4).toFixed(4));
const figure = (seconds: number | undefined) => seconds?.toFixed(3) ?? '';
const count = (writes: number | undefined) => (writes === undefined ? '' : String(writes));
