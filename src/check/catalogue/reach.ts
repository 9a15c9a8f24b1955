import type { Formation } from '../../formation/formation.ts';
import { isSucceeded, type MonitorNode, writableStates } from '../../monitor/nodes.ts';
import { canFollow } from '../../monitor/transitions.ts';
import type { Asked, Check, Problem, Remedy } from '../check.ts';
import type { Observation } from '../observation.ts';
import { otherPrimary } from '../remedies/anew.ts';
import { Remedies } from '../remedies/remedies.ts';
import type { ObservedStartup } from '../trouble-probe.ts';
import { answeringNodes, isSilent, lifeSign, monitorNodes, onContainers } from './from-observation.ts';
import { openFiles, servicesRun, unitFile } from './services.ts';
import { postgresStarts, troubleOf } from './starts.ts';

/** Whether the members run and answer. */

/** What Postgres, and our way to it, say of one that is not there yet. */
const recovering = /is starting up|not yet accepting connections|recovers it from a crash/;

/** An error of pg_autoctl's that is older has to do with something else: it tries again every ten seconds. */
const recentSeconds = 30;

/** A member whose Postgres could not be read, and why. */
interface Unread {
  container: string;
  failed: string;
}

/** Why a member's Postgres could not be read, with the remedy that fits the state of its container. */
function unreachable(
  observation: Observation,
  formation: Formation,
  asked: Asked,
  { container, failed }: Unread,
): Problem {
  const remedies = new Remedies(formation, asked);
  const row = monitorNodes(observation)?.find((node) => node.name === container);
  const known: Record<string, Remedy> = {
    missing: remedies.provision(),
    Stopped: { say: 'start it', run: remedies.incus('start', container) },
    Frozen: frozen(observation, remedies, container),
  };
  const status = observation.instances[container]?.status ?? 'missing';
  // A keeper that was restarted with an order that it cannot follow leaves its Postgres down.
  if (status === 'Running' && row !== undefined && !canFollow(row))
    return { subject: container, evidence: failed, remedy: remedies.takeOrderBack(row) };
  if (status === 'Running' && row !== undefined && isHung(observation, row))
    return { subject: container, evidence: failed, remedy: remedies.endService(container) };
  const why = remedies.journal(container);
  let evidence = failed;
  const error = troubleOf(observation, container)?.keeper.lastError;
  if (
    status === 'Running' &&
    error !== undefined &&
    error.secondsAgo < recentSeconds &&
    !recovering.test(failed)
  )
    evidence = `${failed}; pg_autoctl says: ${error.message}`;
  const startup = troubleOf(observation, container)?.postgres.startup;
  if (status === 'Running' && recovering.test(failed) && startup !== undefined && isForsaken(startup))
    return forsaken(observation, remedies, { container, failed }, startup);
  const otherwise = recovering.test(failed)
    ? {
        ...why,
        say: 'it is recovering from a crash: check again in a while; if it stays like this, read why',
      }
    : why;
  return {
    subject: container,
    evidence,
    remedy:
      known[status] ?? (status === 'Running' ? otherwise : notRunning(observation, remedies, container)),
  };
}

/** In such a container nothing can be run: that of a host that is away is told as Error, and others are on their way. */
function notRunning({ instances }: Observation, remedies: Remedies, container: string): Remedy {
  const { status, location, unheard } = instances[container] ?? {};
  if (unheard !== undefined)
    return { say: `bring ${location ?? 'its host'} back; this shows the hosts`, look: remedies.hosts() };
  if (location === undefined)
    return {
      say: `Incus has the container as ${status}: check again in a while; this shows what it knows`,
      look: remedies.incus('info', container),
    };
  return {
    say: `Incus has the container as ${status}: see whether its host ${location} is there and in order, and bring that back`,
    look: remedies.hosts(),
  };
}

/** All that a standby waits for is tried again within ten seconds (wal_retrieve_retry_interval, and pg_autoctl). */
const forsakenSeconds = 30;

/** A standby that does nothing, though it has long been started, and has no walreceiver. */
function isForsaken({ ageSeconds, isStill, receives }: ObservedStartup): boolean {
  return ageSeconds > forsakenSeconds && isStill && !receives;
}

/** Where its history has parted from the primary's, a new start does not help (seen in the lab). */
function forsaken(
  observation: Observation,
  remedies: Remedies,
  { container: name, failed }: Unread,
  startup: ObservedStartup,
): Problem {
  const primary = otherPrimary(observation, name);
  const orAnew =
    primary === undefined
      ? ''
      : `; only where that does not end it, delete the container and run provision-pgaf again: the node is then made anew from ${primary}`;
  const why = /FATAL:? +(.*)/.exec(startup.failure)?.[1];
  const evidence = `${failed}: it waits for WAL that nothing brings it, ${startup.ageSeconds.toFixed(0)} s after its start, and has no walreceiver`;
  return {
    subject: name,
    evidence: why === undefined ? evidence : `${evidence}; the last one said: ${why}`,
    remedy: remedies.provision(
      `${why === undefined ? '' : 'where that still holds, mend it first; otherwise '}run provision-pgaf, which watches it for half a minute, and starts it anew if it does nothing all the while${orAnew}`,
    ),
  };
}

/** Resumed, an old primary would take writes until its keeper hears of the new one; started, its keeper asks first. */
function frozen(observation: Observation, remedies: Remedies, container: string): Remedy {
  const resume = { say: 'resume it', run: remedies.incus('resume', container) };
  if (container === remedies.monitor) return resume;
  const nodes = monitorNodes(observation);
  const succeeded = nodes && isSucceeded(container, nodes);
  if (succeeded === false) return resume;
  const other = answeringNodes(observation).find(([, node]) => !node.inRecovery && !node.readOnly)?.[0];
  if (succeeded || other !== undefined)
    return {
      say: `${succeeded ? 'another node has taken over' : `${other} takes writes`}, so do not resume it: restart it, and its keeper asks the monitor first`,
      run: `${remedies.incus('stop --force', container)} && ${remedies.incus('start', container)}`,
    };
  return nodes === undefined
    ? {
        say: `bring ${remedies.monitor} back first, and check again: whether another node has taken over, after which this one must not simply go on, is not known without it`,
      }
    : remedies.provision();
}

/**
 * A pg_autoctl that waits for a Postgres which is gone, for ever (one that ended while it was starting, seen in the
 * lab). A keeper that copies or rewinds its data is silent as well, and is in none of these states.
 */
function isHung(observation: Observation, node: MonitorNode): boolean {
  const trouble = troubleOf(observation, node.name);
  return (
    trouble !== undefined &&
    !trouble.postgres.runs &&
    !trouble.keeper.copies &&
    isSilent(observation, node) &&
    [...writableStates, 'secondary'].includes(node.reportedState)
  );
}

/** What keeps any member's Postgres from answering. */
const keptDown: Check['follows'] = {
  'hosts-online': 'same',
  'no-interrupted-drill': 'same',
  'postgres-starts': 'same',
  'services-run': 'same',
  'disk-space': 'same',
};

const monitorReachable: Check = {
  id: 'monitor-reachable',
  meaning: 'without its monitor the formation keeps serving but cannot fail over',
  severity: 'error',
  follows: keptDown,
  problems(observation, formation, asked) {
    const { monitor } = observation;
    if (monitor.ok) return [];
    const { name: container } = formation.monitor;
    if (lifeSign(observation, formation, container) !== undefined) return undefined;
    return [unreachable(observation, formation, asked, { container, failed: monitor.failed })];
  },
};

const nodesReachable: Check = {
  id: 'nodes-reachable',
  meaning: 'every data node runs a Postgres that answers',
  severity: 'error',
  follows: {
    ...keptDown,
    'no-maintenance': 'same',
    'wal-agrees': 'same',
    'versions-equal': 'any',
    'own-sessions': 'any',
  },
  problems(observation, formation, asked) {
    const unread = Object.entries(observation.nodes).flatMap(([name, read]) =>
      read.ok ? [] : [{ container: name, failed: read.failed }],
    );
    // One that others hear from may answer: who would ask it cannot.
    const lost = unread.filter(({ container }) => lifeSign(observation, formation, container) === undefined);
    return unread.length > 0 && lost.length === 0
      ? undefined
      : lost.map((each) => unreachable(observation, formation, asked, each));
  },
};

export const reachChecks: readonly Check[] = [
  postgresStarts,
  monitorReachable,
  nodesReachable,
  ...[servicesRun, unitFile, openFiles].map(onContainers),
];
