import type { Log } from '../contract/log.ts';
import type { FaultName } from '../faults/catalogue.ts';
import type { PowerSwitch } from '../faults/power-switch.ts';
import type { ReadyProbe } from '../probes/ready.ts';
import type { ClientsOptions } from './clients.ts';

export interface DrillOptions {
  fault: FaultName;
  /** Whose host is lost (`primary`, `standby`, `monitor`), or which, where a fault is of a host. */
  host: string;
  /** What takes a host's power; undefined: its containers are stopped. */
  power: PowerSwitch | undefined;
  rtoTargetMs: number;
  /** How long to wait for a promotion; beyond the target, so that a miss is measured and not guessed. */
  promotionDeadlineMs: number;
  /** How long the formation may take to be healthy again once the fault is undone. */
  rejoinDeadlineMs: number;
  /** Whether it begins although drills are held (docs/operations.md). */
  overrideHold: boolean;
  /** How long it waits for another run on the formation to end; 0: it does not. */
  lockWaitMs: number;
  /** How long the fault is held; undefined: as long as the fault and the formation's timings call for. */
  holdMs: number | undefined;
  /** For how long the fault is held back once everything is ready. */
  holdBackMs: number;
  clients: ClientsOptions;
  /** What services of the user's own must answer; empty: none is asked. */
  probes: readonly ReadyProbe[];
  /** Whether the primary is to be the same afterwards. */
  handBack: boolean;
  log: Log;
  signal: AbortSignal;
  /** Called with the drill's id before a container is touched, and with undefined once that is undone. */
  onExposed(drill: string | undefined): void;
}
