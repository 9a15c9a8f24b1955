import { toSeconds } from '../../clock/clock.ts';
import { healthCheckMs, reportMs, reportWayMs } from '../../formation/detection.ts';
import { type Formation, keeps } from '../../formation/formation.ts';
import {
  type Timings,
  type TimingsProfile,
  timingsProfileNames,
  timingsProfiles,
} from '../../formation/timings.ts';
import type { LiveSettings } from '../../prediction/basis.ts';
import { predict } from '../../prediction/prediction.ts';
import { meetsTarget } from '../../prediction/target.ts';
import type { Check, Problem } from '../check.ts';
import { liveSettings, unpredictable } from '../live-settings.ts';
import { Remedies } from '../remedies/remedies.ts';
import { answeringContainers, onContainers } from './from-observation.ts';

/** Whether the formation, as it is set, can do what is asked of it when something fails. */

const rtoTarget: Check = {
  id: 'rto-target',
  meaning: 'the settings let a standby take over within the target, whatever fails',
  severity: 'error',
  unasked: (_, { rtoTargetSeconds }) =>
    rtoTargetSeconds === undefined ? 'no rto-target-seconds was given' : undefined,
  problems(observation, formation, { rtoTargetSeconds }) {
    if (rtoTargetSeconds === undefined) return [];
    const unpredicted = unpredictable(observation);
    if (unpredicted !== undefined)
      return [
        {
          subject: formation.name,
          evidence: `nobody can tell from the settings whether ${rtoTargetSeconds} s are kept: ${unpredicted}`,
          remedy: { say: 'drill it, which measures (failover-drill)' },
          severity: 'warning',
        },
      ];
    const live = liveSettings(observation, formation);
    // Nothing is known to be kept that nobody could read.
    if (live === undefined) return undefined;
    const { meets, sentence } = meetsTarget(predict(live), rtoTargetSeconds);
    if (meets === 'yes') return [];
    return [
      {
        subject: formation.name,
        evidence: sentence,
        remedy: { say: quicker(live, formation, rtoTargetSeconds) },
        severity: meets === 'no' ? 'error' : 'warning',
      },
    ];
  },
  // What another node's loss brings is not to be told twice; with unequal releases nobody can tell.
  follows: {
    'failover-possible': 'any',
    'sync-standbys-possible': 'any',
    'keepers-fence': 'any',
    'versions-equal': 'any',
  },
};

/** Which of the profiles meet the target, by the same model. */
function quicker(live: LiveSettings, formation: Formation, targetSeconds: number): string {
  const enough = timingsProfileNames.filter(
    (name) =>
      // Whoever has asked for it is not sent back to upstream's.
      (name !== 'upstream' || name === formation.timingsName) &&
      meetsTarget(predict(underProfile(live, name)), targetSeconds).meets === 'yes',
  );
  if (enough.length === 0)
    return 'no profile meets that target for certain: raise it, or give clocks of your own (timings) by what docs/timings.md says of them';
  const choose = `choose a profile that meets it (timings: ${enough.join(' or ')}) in the formation file`;
  if (keeps(formation, 'monitor'))
    return `${choose}; provision-pgaf leaves the clocks of a monitor that is kept (keep: monitor), so set those there as docs/timings.md has them, then run it`;
  return enough.some((name) => name === formation.timingsName)
    ? 'run provision-pgaf, which puts the clocks of the formation file in force'
    : `${choose}, and run provision-pgaf`;
}

function underProfile(live: LiveSettings, name: TimingsProfile): LiveSettings {
  const { networkPartitionTimeoutSeconds, walSenderTimeoutMs, ...monitor } = timingsProfiles[name];
  const nodes = live.nodes.map((node) => ({ ...node, networkPartitionTimeoutSeconds, walSenderTimeoutMs }));
  return { ...live, monitor, nodes };
}

const cuts = ['full-cut', 'monitor-cut'] as const;

function asIfNear(live: LiveSettings): LiveSettings {
  return { ...live, nodes: live.nodes.map((node) => ({ ...node, monitorRoundTripMs: 0 })) };
}

/** How long two primaries may take writes in a cut only because hosts are as far apart as they are, in seconds. */
function overlapByDistance(live: LiveSettings): number {
  const overlap = (of: LiveSettings) => {
    const predicted = predict(of);
    return Math.max(...cuts.map((cut) => predicted[cut].fencing?.overlapSeconds ?? 0));
  };
  return overlap(asIfNear(live)) > 0 ? 0 : overlap(live);
}

const oneWriterInCuts: Check = {
  id: 'one-writer-in-cuts',
  meaning: 'a primary that is cut off stops taking writes before another one starts',
  severity: 'warning',
  follows: { 'keepers-fence': 'any', 'matches-file': 'any' },
  problems(observation, formation, asked) {
    const live = liveSettings(observation, formation);
    if (live === undefined) return [];
    // What the distance adds is told by hosts-near-enough, with what mends it.
    const predicted = predict(asIfNear(live));
    return cuts.flatMap((cut): Problem[] => {
      const { fencing } = predicted[cut];
      if (fencing === null || fencing.overlapSeconds === 0) return [];
      const howLong =
        fencing.overlapSeconds === null ? 'as long as it is cut off' : `up to ${fencing.overlapSeconds} s`;
      return [
        {
          subject: formation.name,
          evidence: `after a ${cut} two nodes may take writes for ${howLong}: ${fencing.reason}`,
          remedy: new Remedies(formation, asked).provision(
            ['balanced', 'fast'].includes(formation.timingsName)
              ? `under the profile ${formation.timingsName} there is no such time: run provision-pgaf, which puts its clocks in place${keeps(formation, 'monitor') ? ', but for those of a monitor that is kept (keep: monitor)' : ''}; where it has nothing to change, something else sets them (a command line, ALTER ROLE, ALTER DATABASE)`
              : 'choose the profile balanced or fast (docs/timings.md), and run provision-pgaf',
          ),
        },
      ];
    });
  },
};

const keepersFence: Check = {
  id: 'keepers-fence',
  meaning:
    'a primary that is cut off from everything stops itself: it does not if its keeper has never seen a standby',
  severity: 'warning',
  problems: (observation, formation, asked) =>
    answeringContainers(observation)
      .filter(([name, { standbyMemory }]) => name !== formation.monitor.name && standbyMemory === 'no')
      .map(([name]) => ({
        subject: name,
        evidence: 'its keeper does not remember a standby (last_secondary_contact is 0)',
        remedy: new Remedies(formation, asked).provision(),
      })),
};

const hostsNearEnough: Check = {
  id: 'hosts-near-enough',
  meaning:
    "the way between the monitor's host and a node's leaves reports and health checks the time that they have",
  severity: 'warning',
  follows: { 'matches-file': 'any' },
  problems(observation, formation, asked) {
    const clocks = observation.monitor.ok ? observation.monitor.value.clocks : {};
    const given = {
      nodeConsideredUnhealthyTimeoutMs: clocks['node_considered_unhealthy_timeout'],
      healthCheckTimeoutMs: clocks['health_check_timeout'],
    };
    const ways = answeringContainers(observation).flatMap(([name, { monitorRoundTripMs }]) =>
      monitorRoundTripMs === undefined ? [] : [{ name, roundTripMs: monitorRoundTripMs }],
    );
    if (!isKnown(given) || ways.length === 0) return undefined;
    const live = liveSettings(observation, formation);
    const overlapSeconds = live === undefined ? 0 : overlapByDistance(live);
    const farthest = Math.max(...ways.map(({ roundTripMs }) => roundTripMs));
    return ways.flatMap(({ name, roundTripMs }) => {
      const tight = tightFor(roundTripMs, given);
      if (overlapSeconds > 0 && roundTripMs === farthest)
        tight.push(
          `after a cut two nodes may take writes for ${overlapSeconds} s, as the last report may be so old`,
        );
      if (tight.length === 0) return [];
      const enough = timingsProfileNames.filter(
        (profile) => tightFor(roundTripMs, timingsProfiles[profile]).length === 0,
      );
      const choose = enough.length > 0 ? `choose timings: ${enough.join(' or ')}, or ` : '';
      return {
        subject: name,
        evidence: `a round trip to the monitor takes ${Math.round(roundTripMs)} ms: ${tight.join(', and ')}; a little more, and a healthy node counts as lost`,
        remedy: new Remedies(formation, asked).provision(
          `bring them nearer to each other; otherwise ${choose}give longer clocks of your own (docs/timings.md), and run provision-pgaf`,
        ),
      };
    });
  },
};

type Patience = Pick<Timings, 'nodeConsideredUnhealthyTimeoutMs' | 'healthCheckTimeoutMs'>;

const isKnown = (given: Record<keyof Patience, number | undefined>): given is Patience =>
  given.nodeConsideredUnhealthyTimeoutMs !== undefined && given.healthCheckTimeoutMs !== undefined;

/** What takes more than half of its time, as the other half is for a busy machine and for what comes late. */
function tightFor(roundTripMs: number, patience: Patience): string[] {
  const parts: [string, number, string, number][] = [
    [
      'reports come',
      reportMs + reportWayMs(roundTripMs),
      'apart, of the',
      patience.nodeConsideredUnhealthyTimeoutMs,
    ],
    ['a health check takes', healthCheckMs(roundTripMs), 'of the', patience.healthCheckTimeoutMs],
  ];
  return parts
    .filter(([, takesMs, , mostMs]) => takesMs > mostMs / 2)
    .map(
      ([what, takesMs, of, mostMs]) =>
        `${what} ${toSeconds(Math.round(takesMs))} s ${of} ${toSeconds(mostMs)} s that the monitor waits`,
    );
}

export const objectiveChecks: readonly Check[] = [
  rtoTarget,
  oneWriterInCuts,
  hostsNearEnough,
  onContainers(keepersFence),
];
