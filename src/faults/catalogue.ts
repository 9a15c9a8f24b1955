import { briefFreeze } from './catalogue/brief-freeze.ts';
import { cutThenStop } from './catalogue/cut-then-stop.ts';
import { diskFull } from './catalogue/disk-full.ts';
import { earlyReturn } from './catalogue/double/early-return.ts';
import { monitorThenStop } from './catalogue/double/monitor-then-stop.ts';
import { standbyThenStop } from './catalogue/double/standby-then-stop.ts';
import { freeze } from './catalogue/freeze.ts';
import { hostLoss } from './catalogue/host-loss.ts';
import { killNode } from './catalogue/kill-node.ts';
import { killPostgres } from './catalogue/kill-postgres.ts';
import { monitorCut } from './catalogue/monitor-cut.ts';
import { monitorFreeze } from './catalogue/monitor-freeze.ts';
import { monitorStop } from './catalogue/monitor-stop.ts';
import { networkCut } from './catalogue/network-cut.ts';
import { packetLoss } from './catalogue/packet-loss.ts';
import { reboot } from './catalogue/reboot.ts';
import { standbyCut } from './catalogue/standby-cut.ts';
import { standbyFreeze } from './catalogue/standby-freeze.ts';
import { standbyStop } from './catalogue/standby-stop.ts';
import { stop } from './catalogue/stop.ts';
import { switchover } from './catalogue/switchover.ts';
import type { Fault, Trace } from './fault.ts';

/**
 * The faults that a drill can inflict, in the order in which they are shown. Each is a file in catalogue/. States and
 * reasons are those of the releases of pg_auto_failover that are known (formation/releases.ts).
 */
const faults = {
  stop,
  'cut-then-stop': cutThenStop,
  freeze,
  'kill-node': killNode,
  'network-cut': networkCut,
  'monitor-cut': monitorCut,
  switchover,
  reboot,
  'kill-postgres': killPostgres,
  'standby-cut': standbyCut,
  'standby-stop': standbyStop,
  'standby-freeze': standbyFreeze,
  'monitor-stop': monitorStop,
  'monitor-freeze': monitorFreeze,
  'disk-full': diskFull,
  'brief-freeze': briefFreeze,
  'packet-loss': packetLoss,
  'host-loss': hostLoss,
  'monitor-then-stop': monitorThenStop,
  'standby-then-stop': standbyThenStop,
  'early-return': earlyReturn,
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;
export const faultNames = Object.keys(faults) as FaultName[];
export const faultCatalogue: Readonly<Record<FaultName, Fault>> = faults;
/** All that any of them may leave behind. */
export const traces: readonly Trace[] = [
  ...new Set(Object.values<Fault>(faults).flatMap(({ leaves }) => (leaves ? [leaves] : []))),
];

export function isFaultName(name: unknown): name is FaultName {
  return typeof name === 'string' && Object.hasOwn(faults, name);
}

const outcomes: Record<Fault['expected'], string> = {
  failover: 'A failover is expected',
  none: 'No failover is expected',
  either: 'A failover may come of it or not',
  outage: 'An outage is expected',
  'by-placement': 'What is expected follows from where the containers are',
};

/** A fault for people, two sentences: what is done, and what is expected of it. */
export function describeFault(name: FaultName): string {
  const { does, expected, because } = faultCatalogue[name];
  return `${does}. ${outcomes[expected]}: ${because}.`;
}
