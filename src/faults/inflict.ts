import type { FaultName } from './catalogue.ts';
import { cutThenStop } from './cut-then-stop.ts';
import { diskFull } from './disk.ts';
import type { Prepare } from './fault.ts';
import { monitorCut, networkCut, packetLoss, standbyCut } from './links.ts';
import { freeze, monitorPowerCut, powerCut, restart } from './power.ts';
import { killNode, killPostgres } from './processes.ts';
import { switchover } from './switchover.ts';

/** How each fault of the catalogue is inflicted and proven. */
export const prepare: Readonly<Record<FaultName, Prepare>> = {
  stop: powerCut,
  'cut-then-stop': cutThenStop,
  freeze,
  'kill-node': killNode,
  'network-cut': networkCut,
  'monitor-cut': monitorCut,
  switchover,
  reboot: restart,
  'kill-postgres': killPostgres,
  'standby-cut': standbyCut,
  'standby-stop': powerCut,
  'monitor-stop': monitorPowerCut,
  'disk-full': diskFull,
  'brief-freeze': freeze,
  'packet-loss': packetLoss,
};
