import { type Moment, now } from '../../../clock/clock.ts';
import { everyOne } from '../../../clock/every-one.ts';
import type { Member } from '../../../formation/formation.ts';
import type { Incus } from '../../../incus/incus.ts';
import type { Fallen, Targets } from '../../fault.ts';

/** Containers that are stopped by force, some before others. */
export class Stops {
  private readonly incus: Incus;
  private readonly at = new Map<string, Moment>();

  constructor(incus: Incus) {
    this.incus = incus;
  }

  /** Side by side. @throws as Incus.forceStop, once all have been tried */
  async stop(...members: readonly Member[]): Promise<void> {
    await everyOne(
      members.map(({ name }) => name),
      async (name) => {
        await this.incus.forceStop(name);
        this.at.set(name, now());
      },
    );
  }

  /** When each was down at the latest. */
  fell(): Fallen {
    return { at: this.at, apartMs: undefined };
  }

  /** @returns what shows that all of these are gone, undefined while any is there. Throws as Incus.instance */
  async proof(targets: Targets): Promise<string | undefined> {
    const found = await Promise.all(targets.map(({ name }) => this.incus.instance(name)));
    return found.every((instance) => instance?.status === 'Stopped')
      ? `Incus shows ${targets.length === 2 ? 'both' : 'all of them'} as Stopped`
      : undefined;
  }
}
