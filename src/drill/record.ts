import * as v from 'valibot';
import { vias } from '../application/route.ts';
import { verdict } from '../check/verdict.ts';
import { count, list, maybe, number, seconds, text } from '../contract/shape.ts';
import { activity, burst, ledger, ledgerRead, roles, throughput } from '../evidence/record.ts';
import { faultNames } from '../faults/catalogue.ts';
import { expectations, memberRoles } from '../faults/fault.ts';
import { probeRecord, tripRecord } from '../probes/record.ts';

/**
 * What a drill saw, as plain data: verdict, tables and pictures are pure functions of it, so that a recorded
 * drill can be judged and drawn again. Times named `…Seconds` are offsets from the fault on the drill's
 * monotonic clock; `…At` are wall-clock stamps for people.
 */

/** Where a moment is not known to a tenth of a second. */
const between = maybe(
  v.pipe(
    v.object({ least: seconds('The earliest.'), most: seconds('The latest.') }),
    v.description('Between these it lies for certain; absent where it is known to a tenth of a second.'),
  ),
);

const told = v.object({ seconds: seconds('Since the fault.'), between });

/** A moment, and the two between which it lies for certain where it is not known to a tenth of a second. */
export type Told = v.InferOutput<typeof told>;

const announcement = v.object({
  ...told.entries,
  node: v.string(),
  reportedState: v.string(),
  goalState: v.string(),
  health: number('1 good, 0 bad, -1 unknown.'),
});

export type RecordedAnnouncement = v.InferOutput<typeof announcement>;

/** What was kept of the application's clients: their journal lies beside the report, and is judged again by it. */
const clients = v.object({
  via: v.pipe(v.picklist(vias), v.description('`vantage`: from a container.')),
  vantage: maybe(text('The container, where it was one.')),
  addedMs: number('What the way adds to a round trip. Milliseconds.'),
  sessions: count('Connections that wrote.'),
  writesPerSecond: number('Of each session, at most.'),
  /** When they wrote faster than that, until the writes at risk were there; undefined where they never did. */
  burst: maybe(burst),
  /** Undefined in what earlier releases recorded. */
  throughput: maybe(v.pipe(throughput, v.description('What servers took of the writes that were offered.'))),
  /** Undefined where it asked for none, as before they were counted. */
  leastWritesAtRisk: maybe(count('How many writes at risk the drill asked for.')),
  journal: text("The journal's file, in the report's folder."),
  /** Undefined also in what earlier releases recorded. */
  journalDigest: maybe(text('SHA-256 of that file, where it was written to its end.')),
  scene: roles,
  /** On the primary after the fault, as often as they were read. */
  reads: list(ledgerRead, "The rows that stood on a node, read between two moments of the journal's clock."),
  ledger: v.pipe(ledger, v.description('What the writes prove.')),
  writeAtEnd: v.pipe(v.boolean(), v.description('Whether clients wrote on the primary when all was over.')),
  /** Undefined where nobody went by the application's own connection string, as in older reports. */
  byUri: maybe(
    v.pipe(
      v.object({
        hosts: list(v.string(), 'Its hosts and their ports.'),
        ledTo: maybe(text('The address of the server that it led to before the fault, as that says.')),
        via: v.picklist(vias),
        addedMs: number('What that adds to a round trip. Milliseconds.'),
        notes: list(v.string(), 'What the clients did otherwise than libpq would by that string.'),
      }),
      v.description("How as many clients more went by the application's own connection string (client-uri)."),
    ),
  ),
  writeAtEndByUri: maybe(
    v.pipe(v.boolean(), v.description('Whether they wrote by client-uri when all was over.')),
  ),
  unread: list(v.string(), 'Why a read is missing.'),
  activity: list(activity, "When the clients' writes on each node ended."),
});

export type ClientsRecord = v.InferOutput<typeof clients>;

export const drillRecord = v.object({
  id: text("The drill's own."),
  formation: text("The formation's name."),
  fault: v.pipe(v.picklist(faultNames), v.description('What was inflicted; see docs/faults.md.')),
  expected: v.pipe(v.picklist(expectations), v.description('What should come of the fault.')),
  startedAt: text('ISO 8601.'),
  rtoTargetSeconds: number('How soon a standby must be promoted. Seconds.'),
  promotionDeadlineSeconds: number('How long a promotion is waited for. Seconds.'),
  /** Undefined in what earlier releases recorded: they passed a formation that was healthy later than this. */
  rejoinDeadlineSeconds: maybe(
    number('How soon every node must be converged and healthy, once the fault is undone. Seconds.'),
  ),
  watchSeconds: number('For how long the drill looked out for a failover, where none is due. Seconds.'),
  /** So that it falls anywhere among the health checks. */
  holdBackSeconds: seconds('For how long the fault was held back once all was ready.'),
  holdSeconds: maybe(seconds('For how long the fault was to be held, once it was in force.')),
  load: maybe(
    v.pipe(
      v.object({
        sessions: count('Connections that wrote.'),
        writesPerSecond: number('Of each, at most.'),
        via: v.picklist(vias),
        byUri: maybe(list(v.string(), 'Hosts of client-uri, by which as many more wrote.')),
      }),
      v.description('What clients asked of the formation; absent where none were watched.'),
    ),
  ),
  /** Empty where Incus is no cluster. */
  locations: maybe(
    v.pipe(
      v.record(v.string(), v.string()),
      v.description('The member of the cluster that each container was on.'),
    ),
  ),
  versions: maybe(
    v.object({
      postgres: number('server_version_num of the primary.'),
      autoFailover: text("Of the monitor's extension."),
    }),
  ),
  /** Nothing was touched then, and the formation need not have been read. */
  held: maybe(text('What kept the drill from beginning: a hold, or the hours in which drills are allowed.')),
  overridden: maybe(text('What would have kept it from beginning, and was overridden.')),
  /** Its outcome decides whether there is a fault at all. */
  baseline: maybe(v.pipe(verdict, v.description('The formation before the fault.'))),
  primary: maybe(text('Who was primary before the fault.')),
  /** Nothing was touched then. */
  impossible: maybe(text('Why the fault cannot be shown on this formation.')),
  target: maybe(text('The container that the fault hit; of several the first of `targets`.')),
  /** Undefined in what earlier releases recorded: they hit one. */
  targets: maybe(
    list(
      v.object({
        container: v.string(),
        role: v.picklist(memberRoles),
        fellSeconds: maybe(seconds('When it fell, where several were to fall at one moment.')),
      }),
      'Every container that the fault hit, with what it was before.',
    ),
  ),
  host: maybe(text('The host that was lost.')),
  because: maybe(text('Why that was expected, where it follows from where the containers were.')),
  fellApartMs: maybe(
    number('From the first that fell to the last, by a clock that they share. Milliseconds.'),
  ),
  faultAt: maybe(
    text('When the fault was issued, ISO 8601: zero of every offset. Absent: nothing was touched.'),
  ),
  injectedSeconds: maybe(seconds('When the command that injects the fault had returned.')),
  /** Undefined where nothing did. */
  proof: maybe(text('What showed that the fault took hold.')),
  proofAtUndo: maybe(text('What showed just before the undo that it was still in force.')),
  disturbed: maybe(
    text('Why the fault did not last as it was meant to, or its times are not to be trusted.'),
  ),
  promotion: maybe(
    v.object({
      node: text('The node that took over.'),
      ...told.entries,
      at: text('ISO 8601.'),
      heardBy: v.pipe(
        v.picklist(['notification', 'event', 'table']),
        v.description(
          '`event`: nobody listened then, and the monitor wrote down when; `table`: nothing tells when, only the state.',
        ),
      ),
    }),
  ),
  /** Where it should have stayed primary. */
  serving: maybe(
    v.pipe(v.boolean(), v.description('Whether the primary took writes when it was looked at.')),
  ),
  undoSeconds: maybe(seconds('When undoing began, since the fault.')),
  /** As the monitor or a later check had it. */
  settledSeconds: maybe(seconds('When every node was converged and healthy again, since the fault.')),
  settledBetween: between,
  settledUntold: maybe(text('Why it cannot be told whether that came in time.')),
  /** Undefined where none were watched to the end. */
  clients: maybe(v.pipe(clients, v.description("What the application's clients saw."))),
  /** What was seen could not be judged. */
  clientsFailed: maybe(text('Why clients who were watched have no figures.')),
  clientsMissing: maybe(text("Why there are no clients' figures.")),
  /** Undefined where none were asked, as in what earlier releases recorded. */
  probes: maybe(list(probeRecord, "What services of the user's own answered.")),
  /** Nothing was touched then. */
  probesBroken: maybe(list(v.string(), 'Probes that did not hold before the fault, each with its answer.')),
  tripped: maybe(v.pipe(tripRecord, v.description('The probe for which the fault was undone at once.'))),
  /** When the role was back at the node that had it before. */
  handedBack: maybe(v.object({ ...told.entries, because: text('Why the role was handed back.') })),
  handBackFailed: maybe(text('What kept the role from being handed back.')),
  final: maybe(v.pipe(verdict, v.description('The formation afterwards.'))),
  announcements: list(announcement, 'What the monitor announced, in order; also shortly before the fault.'),
  blind: maybe(
    list(
      v.object({
        from: seconds('Since the fault.'),
        to: maybe(seconds('Since the fault; absent where it was not seen again.')),
        why: text('Why it was not seen.'),
      }),
      'When nobody saw what the monitor did.',
    ),
  ),
  interrupted: maybe(text('Why the drill ended before its end.')),
  /** The container may need a hand. */
  undoFailed: maybe(text('What went wrong while undoing the fault.')),
  tookSeconds: seconds('The whole drill.'),
});

export type DrillRecord = v.InferOutput<typeof drillRecord>;

/** Who told of a promotion. */
export type HeardBy = NonNullable<DrillRecord['promotion']>['heardBy'];
