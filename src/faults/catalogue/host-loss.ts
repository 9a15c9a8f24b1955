import { everyOne } from '../../clock/every-one.ts';
import { EnvironmentError } from '../../contract/errors.ts';
import { ArmedFilters } from '../armed-filters.ts';
import type { Blow, Fallen, Fault, Prepare, Scene, Targets } from '../fault.ts';
import { answeringBefore, silenceMs, triedByThoseLeft } from '../links.ts';
import { packetFilter } from '../packet-filter.ts';
import { type PowerSwitch, runSwitch } from '../power-switch.ts';
import { refuseShared } from '../shared-monitor.ts';

/**
 * As where a machine loses its power: nobody is told, by no packet. So a packet filter comes into force in all containers
 * at one moment of their host's clock, and they are stopped behind it. With a switch, it is the power itself that goes.
 */
const prepare: Prepare = async (scene, targets, signal) => {
  const { monitor } = scene;
  if (targets.includes(monitor)) await refuseShared(scene, monitor, signal);
  if (scene.power !== undefined) await refuseOthers(scene, targets, signal);
  const silence = await silenceOf(scene, targets, signal);
  return scene.power === undefined
    ? byStopping(scene, targets, silence)
    : byPower(scene, scene.power, silence);
};

/** A power switch takes all that is on a host. @throws EnvironmentError where something else is, as far as Incus shows it to us */
async function refuseOthers(
  { incus, locations }: Scene,
  targets: Targets,
  signal: AbortSignal,
): Promise<void> {
  const host = locations[targets[0].name];
  const others = [...(await incus.instances(signal)).values()]
    .filter(({ name, location }) => location === host && !targets.some((target) => target.name === name))
    .map(({ name }) => name);
  if (others.length > 0)
    throw new EnvironmentError(
      `${host} has containers that are not the formation's (${others.join(', ')}), which would lose their power with it`,
    );
}

type Silence = () => Promise<string | undefined>;

function byStopping({ incus }: Scene, targets: Targets, silence: Silence): Blow {
  const names = targets.map(({ name }) => name);
  let filters: ArmedFilters | undefined;
  let fallen: Fallen | undefined;
  return {
    async arm() {
      filters = await ArmedFilters.arm(incus, names);
    },
    moment: async () => await filters?.readClocks(),
    async inject() {
      fallen = await filters?.fire();
      await everyOne(names, (name) => incus.forceStop(name));
    },
    disarm: () => filters?.end(),
    fell: () => fallen,
    async proof() {
      const [silent, ...stopped] = await Promise.all([
        silence(),
        ...names.map(async (name) => (await incus.instance(name))?.status === 'Stopped'),
      ]);
      if (silent === undefined || !stopped.every(Boolean)) return undefined;
      return `${silent}, and Incus shows ${names.length === 1 ? 'it' : 'all of them'} as Stopped`;
    },
  };
}

function byPower({ incus }: Scene, { off }: PowerSwitch, silence: Silence): Blow {
  return {
    inject: async () => await runSwitch(off, incus.leaseAndLog),
    proof: silence,
  };
}

/** What those who are left hear of the targets. */
async function silenceOf(scene: Scene, targets: Targets, signal: AbortSignal): Promise<Silence> {
  const { incus, monitor, primary, standbys } = scene;
  const survivors = [monitor, primary, ...standbys].filter((each) => !targets.includes(each));
  const directions = await Promise.all(
    targets.map(async ({ name: to }) => {
      const { addresses } = await incus.state(to, signal);
      return survivors.map(({ name: from }) => ({ from, to, addresses }));
    }),
  );
  const open = await answeringBefore('the loss', scene, directions.flat(), signal);
  return async () => {
    const found = await Promise.all(open.map((direction) => triedByThoseLeft(scene, direction)));
    return silenceProof(
      targets.map(({ name }) => name),
      survivors.map(({ name }) => name),
      found.flat().reduce((sum, { answered }) => sum + answered, 0),
    );
  };
}

/** Pure: what shows the loss, or undefined where any of the lost has answered. */
export function silenceProof(
  lost: readonly string[],
  survivors: readonly string[],
  answers: number,
): string | undefined {
  if (answers > 0) return undefined;
  return `no TCP connection from ${survivors.join(', ')} to ${lost.join(', ')} was answered within ${silenceMs / 1000} s`;
}

export const hostLoss = {
  does: "every container of the formation on the primary's host goes at one moment and in silence, as where the host loses its power (the input `host` names another host)",
  expected: 'by-placement',
  because:
    'a standby elsewhere takes over where the monitor is elsewhere too; without the monitor nobody does, and the service is out until the host is back; a host without the primary takes nothing that is needed',
  hits: 'host',
  lasts: 'until-promotion',
  leaves: packetFilter,
  deed: (containers) => `the host of ${containers} was lost`,
  state: 'host lost',
  end: 'host back',
  predictedAs: 'crash-stop',
  prepare,
} as const satisfies Fault;
