import * as v from 'valibot';
import { outcomes } from '../../contract/outcome.ts';
import { faultNames } from '../../faults/catalogue.ts';
import { faultClasses, type Prediction } from '../../prediction/prediction.ts';
import { formation, number, reportHead, seconds, text, verdict } from './report-schema.ts';

/** What JSON leaves out where it is undefined. */
const maybe = <S extends v.GenericSchema>(schema: S) => v.optional(schema);

const count = (what: string) => v.pipe(v.number(), v.integer(), v.minValue(0), v.description(what));
const list = <S extends v.GenericSchema>(schema: S, what: string) =>
  v.pipe(v.array(schema), v.description(what));

const span = v.nullable(v.object({ least: seconds('At least.'), most: seconds('At most.') }));

const part = v.object({
  least: v.number(),
  most: v.number(),
  name: v.string(),
  setting: v.nullable(v.string()),
  costSeconds: v.number(),
  gainSeconds: v.number(),
});

const fencing = v.object({
  fenced: span,
  margin: span,
  overlapSeconds: v.nullable(v.number()),
  lateSeconds: v.number(),
  overlapWhenLateSeconds: v.nullable(v.number()),
  reason: v.string(),
});

const promised = v.object({ least: v.number(), most: v.number() });

const faultPrediction = v.object({
  fault: v.picklist(faultClasses),
  promotion: span,
  notPromoted: v.nullable(v.string()),
  outage: span,
  parts: v.array(part),
  costliest: v.nullable(part),
  mayFailOver: v.nullable(
    v.object({ why: v.string(), promotion: promised, outage: promised, parts: v.array(part) }),
  ),
  fencing: v.nullable(fencing),
});

/** One schema for every fault: six would make the published file six times as long. */
const prediction = v.pipe(
  v.record(v.string(), faultPrediction),
  v.guard(
    (given): given is Prediction => faultClasses.every((name) => Object.hasOwn(given, name)),
    () => `needs each of ${faultClasses.join(', ')}`,
  ),
  v.description('What the settings in force lead to, by fault; intervals in seconds.'),
);

/** The verdict of check-formation on the formation. */
const checked = v.object({
  ...verdict.entries,
  outcome: v.picklist(['pass', 'unhealthy', 'error']),
  prediction: maybe(prediction),
});

const announcement = v.object({
  seconds: seconds('Since the fault.'),
  node: v.string(),
  reportedState: v.string(),
  goalState: v.string(),
  health: number('1 good, 0 bad, -1 unknown.'),
});

const rows = v.pipe(
  v.record(v.string(), v.array(v.strictTuple([v.number(), v.number()]))),
  v.description('Rows by connection: ranges of seq from and to, both included.'),
);

const finding = v.object({ count: count('How many.'), rows });

const ledger = v.object({
  acknowledgedWrites: count('Writes acknowledged to clients.'),
  failedWrites: count('Certainly not committed.'),
  unknownWrites: count('Neither acknowledged nor certainly not committed.'),
  unknownPresent: count('Unknown writes that stood in the last read.'),
  lost: v.pipe(finding, v.description('Acknowledged, and absent from a later read of the primary.')),
  phantoms: v.pipe(finding, v.description('Read, and never sent, or certainly not committed.')),
  vanished: v.pipe(finding, v.description('Read, not acknowledged, and absent from a later read.')),
  overlap: v.pipe(finding, v.description('Acknowledged by the old primary after the new one had begun to.')),
  unverifiedWrites: count('Acknowledged since the last read.'),
  lateBySeconds: maybe(seconds('By how much a moment may be late.')),
  inconclusive: list(v.string(), 'Why the verdict is not the whole truth.'),
  clientRtoSeconds: maybe(seconds('Fault to the first write that the new primary acknowledged to a client.')),
  writeOutageSeconds: maybe(seconds('Last acknowledged write before that one, until that one.')),
  longestPauseSeconds: maybe(seconds('The longest time without an acknowledged write.')),
  dualPrimarySeconds: maybe(seconds('For how long both primaries took writes, 0 for never.')),
  overlapSeconds: maybe(seconds('The same of writes acknowledged to clients alone.')),
  lastAcknowledgedSeconds: maybe(seconds("The old primary's last write of a client, since the fault.")),
  lastTakenSeconds: maybe(seconds("The old primary's last write of anybody, since the fault.")),
  refusedSeconds: maybe(seconds('When it first took none after that, since the fault.')),
  refusedBecause: maybe(text('And why.')),
  staleReads: count('Reads on the old primary that lacked what the new one had acknowledged.'),
  lastStaleReadSeconds: maybe(seconds('The last of them, since the fault.')),
  refusals: list(
    v.object({ node: v.string(), why: v.string(), seconds: seconds('Since the fault.') }),
    'What each node last said to a client that it did not let write.',
  ),
});

const read = v.object({
  node: v.string(),
  startedAt: v.number(),
  endedAt: v.number(),
  inRecovery: v.boolean(),
  rows,
});

const moments = (what: string) => list(v.number(), `${what} Seconds since the fault, to the hundredth.`);

const clients = v.object({
  via: v.pipe(v.picklist(['direct', 'vantage']), v.description('`vantage`: from a container.')),
  vantage: maybe(text('The container, where it was one.')),
  addedMs: number('What the way adds to a round trip. Milliseconds.'),
  sessions: count('Connections that wrote.'),
  writesPerSecond: number('Of each session, at most.'),
  journal: text("The journal's file, in the report's folder."),
  scene: v.object({
    faultAt: v.number(),
    oldPrimary: v.string(),
    newPrimary: maybe(v.string()),
    asynchronous: maybe(v.boolean()),
  }),
  reads: list(read, "The rows that stood on a node, read between two moments of the journal's clock."),
  ledger: v.pipe(ledger, v.description('What the writes prove.')),
  writeAtEnd: v.pipe(v.boolean(), v.description('Whether clients wrote on the primary when all was over.')),
  unread: list(v.string(), 'Why a read is missing.'),
  activity: list(
    v.object({
      node: v.string(),
      acknowledged: moments('Acknowledged.'),
      unknown: moments('Outcome unknown.'),
      failed: moments('Certainly not committed.'),
    }),
    "When the clients' writes on each node ended.",
  ),
});

const record = v.object({
  id: text("The drill's own."),
  formation: text("The formation's name."),
  fault: v.pipe(v.picklist(faultNames), v.description('What was inflicted; see docs/faults.md.')),
  expected: v.pipe(
    v.picklist(['failover', 'none', 'either']),
    v.description('What should come of the fault.'),
  ),
  startedAt: text('ISO 8601.'),
  rtoTargetSeconds: number('How soon a standby must be promoted. Seconds.'),
  promotionDeadlineSeconds: number('How long a promotion is waited for. Seconds.'),
  watchSeconds: number('For how long the drill looked out for a failover, where none is due. Seconds.'),
  holdBackSeconds: seconds('For how long the fault was held back once all was ready.'),
  versions: maybe(
    v.object({
      postgres: number('server_version_num of the primary.'),
      autoFailover: text("Of the monitor's extension."),
    }),
  ),
  baseline: maybe(v.pipe(checked, v.description('The formation before the fault.'))),
  primary: maybe(text('Who was primary before the fault.')),
  impossible: maybe(text('Why the fault cannot be shown on this formation.')),
  target: maybe(text('The container that the fault hit.')),
  faultAt: maybe(
    text('When the fault was issued, ISO 8601: zero of every offset. Absent: nothing was touched.'),
  ),
  injectedSeconds: maybe(seconds('When the command that injects the fault had returned.')),
  proof: maybe(text('What showed that the fault took hold.')),
  proofAtUndo: maybe(text('What showed just before the undo that it was still in force.')),
  disturbed: maybe(text('Why the fault did not last as it was meant to.')),
  promotion: maybe(
    v.object({
      node: text('The node that took over.'),
      seconds: seconds('Since the fault.'),
      at: text('ISO 8601.'),
      heardBy: v.picklist(['notification', 'table']),
    }),
  ),
  serving: maybe(
    v.pipe(v.boolean(), v.description('Whether the primary took writes when it was looked at.')),
  ),
  undoSeconds: maybe(seconds('When undoing began, since the fault.')),
  settledSeconds: maybe(seconds('When every node was converged and healthy again, since the fault.')),
  clients: maybe(v.pipe(clients, v.description("What the application's clients saw."))),
  clientsFailed: maybe(text('Why clients who were watched have no figures.')),
  clientsMissing: maybe(text("Why there are no clients' figures.")),
  handedBack: maybe(
    v.object({ seconds: seconds('Since the fault.'), because: text('Why the role was handed back.') }),
  ),
  handBackFailed: maybe(text('What kept the role from being handed back.')),
  final: maybe(v.pipe(checked, v.description('The formation afterwards.'))),
  announcements: list(announcement, 'What the monitor announced, in order; also shortly before the fault.'),
  interrupted: maybe(text('Why the drill ended before its end.')),
  undoFailed: maybe(text('What went wrong while undoing the fault.')),
  tookSeconds: seconds('The whole drill.'),
});

const drillVerdict = v.object({
  outcome: v.picklist(outcomes),
  message: text('One sentence.'),
  rtoSeconds: maybe(seconds("Fault to the monitor's announcement of the promotion.")),
  rejoinSeconds: maybe(seconds('Undo to every node converged and healthy.')),
  clientRtoSeconds: maybe(seconds('Fault to the first write acknowledged to a client by the new primary.')),
  writeOutageSeconds: maybe(
    seconds('Last acknowledged write before, to first after; without a promotion the longest pause.'),
  ),
  acknowledgedWrites: maybe(count('Writes acknowledged to clients.')),
  lostWrites: maybe(count('Acknowledged, and gone.')),
  unknownWrites: maybe(count('Neither acknowledged nor certainly not committed.')),
  dualPrimarySeconds: maybe(seconds('For how long both primaries took writes.')),
});

const quantiles = maybe(
  v.object({
    n: count('How many were measured.'),
    least: seconds('The least.'),
    median: seconds('The median.'),
    p90: seconds('What 90 % did not exceed.'),
    p95: seconds('What 95 % did not exceed.'),
    greatest: seconds('The greatest.'),
  }),
);

const needed = (share: string) =>
  v.pipe(
    v.nullable(v.number()),
    v.description(
      `Drills within the target that would prove it for ${share}; null for more than anybody runs.`,
    ),
  );

const sample = v.object({
  drills: count('Drills that tell something.'),
  breaches: count('Drills that breached their target.'),
  breachAtMost: number('At 95 % confidence, no greater share of all drills breaches the target; 0 to 1.'),
  stillNeeded: v.object({ p95: needed('95 %'), p99: needed('99 %') }),
  rto: quantiles,
  clientRto: quantiles,
  writeOutage: quantiles,
  rejoin: quantiles,
});

const proof = v.object({
  fault: v.string(),
  fingerprint: text('Of the configuration: only its drills are pooled.'),
  now: v.pipe(sample, v.description('Of this run.')),
  pooled: v.pipe(sample, v.description('Of this run and the history.')),
  regression: maybe(
    v.object({
      nowSeconds: seconds('Median RTO of this run.'),
      beforeSeconds: seconds('Median RTO of the history before it.'),
      allowedPercent: number('How much slower it may be. Per cent.'),
      failed: v.boolean(),
    }),
  ),
});

const campaign = v.object({
  formation: text("The formation's name."),
  rounds: count('How many drills were planned.'),
  seed: maybe(number('Gives the same faults at the same moments again; absent for a single drill.')),
  selfTest: v.pipe(
    v.boolean(),
    v.description('Whether writes were made to be lost, to show that they are found.'),
  ),
  drills: list(v.object({ record, verdict: drillVerdict }), 'What each drill saw, and what it amounts to.'),
  proofs: list(proof, 'What the drills prove, by fault.'),
  endedEarly: maybe(text('Why there were fewer drills than planned.')),
  trouble: list(v.string(), 'What went wrong besides the drills.'),
});

/** The JSON report of failover-drill. Offsets named `…Seconds` are from the fault, where nothing else is said. */
export const drillReport = v.object({
  ...reportHead,
  formation: maybe(v.pipe(formation, v.description('The formation file with every default filled in.'))),
  campaign: maybe(v.pipe(campaign, v.description('The drills: enough to judge and to draw them again.'))),
  faults: maybe(v.pipe(v.array(v.string()), v.description('Of bad input: every fault of it.'))),
});
