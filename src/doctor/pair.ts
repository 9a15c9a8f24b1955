import { type Moment, now, toSeconds } from '../clock/clock.ts';
import { EnvironmentError } from '../contract/errors.ts';
import { attemptConnections } from '../faults/connection-attempts.ts';
import { type Filter, packetFilter, setFilter } from '../faults/packet-filter.ts';
import { membersOf } from '../formation/formation.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import { waitForNetwork } from '../provision/containers/network.ts';
import { quietenResolver } from '../provision/containers/resolver.ts';
import type { MemberContainer, Run } from '../provision/member-container.ts';
import { type Seen, unseen } from './doctor-finding.ts';
import { after, lookIfAllowed, lookSafely } from './look-safely.ts';
import names from './scripts/names.sh';
import type { Letter, Throwaways } from './throwaway.ts';

/** What two throwaway containers show: that what provisioning and a drill do can be done, by doing it. */
export interface Pair {
  /** Seconds that the first took, its image's way here included. */
  launched: Seen<number>;
  second: Seen<number>;
  /** What is in them. */
  system: Seen<string>;
  /** Both have an address and resolve their own names, and neither asks its neighbours for names. */
  network: Seen<true>;
  /** What each says of the other's name. */
  names: Seen<NamesSeen[]>;
  /** Whether each answers the other: a refusal is an answer as well. */
  reach: Seen<boolean>;
  commands: Seen<{ together: number; seconds: number; roundTripMs: number }>;
  locks: Seen<boolean>;
  /** Of each cut: whether it took hold. */
  cuts: Seen<Record<'block' | 'isolate' | 'lose', boolean>>;
  /** Whether the network was as before once the cuts were lifted. */
  lifted: Seen<boolean>;
  frozen: Seen<boolean>;
  /** Seconds from the order to start until it had its network again. */
  restarted: Seen<number>;
  /** Whether Incus limits the disk; undefined where the formation file asks for no size. */
  diskLimited: Seen<boolean | undefined>;
}

export interface NamesSeen {
  /** Who asks, and for whom. */
  from: string;
  host: string;
  addresses: string[];
  reverse: string[];
  /** What Incus knows of the one asked for. */
  own: string[];
}

export const emptyPair = (why: string): Pair => {
  const not = unseen(why);
  return {
    launched: not,
    second: not,
    system: not,
    network: not,
    names: not,
    reach: not,
    commands: not,
    locks: not,
    cuts: not,
    lifted: not,
    frozen: not,
    restarted: not,
    diskLimited: not,
  };
};

const execDeadlineMs = 20_000;
/** A port that nothing listens on, or Postgres: a refusal tells as much as an answer. */
const port = 5432;
const togetherCount = 12;
const since = (moment: Moment) => toSeconds(now() - moment);

/**
 * Makes the two and looks. What was seen before an abort stays in `pair`.
 * @param pair is filled in as things are seen
 */
export async function observePair(run: Run, throwaways: Throwaways, pair: Pair): Promise<void> {
  const { formation, incus, signal } = run;
  const [monitor, node = monitor] = membersOf(formation);
  const [a, b] = [throwaways.container('a', node), throwaways.container('b', monitor)];
  const launch = (letter: Letter, container: MemberContainer) =>
    lookSafely(async () => {
      const begun = now();
      await throwaways.launch(letter, container);
      return since(begun);
    }, signal);
  pair.launched = await launch('a', a);
  pair.second = await after(pair.launched, 'the first', () => launch('b', b));
  if (pair.second.is !== 'seen') return;
  pair.system = await lookSafely(
    () => a.read(['sh', '-c', systemScript], { deadlineMs: execDeadlineMs }),
    signal,
  );
  pair.network = await lookSafely(async () => {
    await Promise.all([a, b].map(waitForNetwork));
    // As provisioning does it.
    await Promise.all([a, b].map(quietenResolver));
    return true as const;
  }, signal);
  const trial = new Trial(a, b);
  const onNetwork = <T>(work: () => Promise<T>) =>
    after(pair.network, 'the network', () => lookSafely(work, signal));
  pair.names = await onNetwork(() => trial.names());
  pair.reach = await onNetwork(() => trial.reaches());
  pair.commands = await lookSafely(() => trial.commands(), signal);
  pair.locks = await lookSafely(() => throwaways.isLocked(), signal);
  // Without an answer to begin with, none that stays out shows anything.
  const answered = pair.reach.is === 'seen' && pair.reach.value;
  const start = answered ? pair.reach : unseen('not looked at, for want of the network');
  pair.cuts = await after(start, 'the network', () => lookSafely(() => trial.cuts(), signal));
  pair.lifted = await after(pair.cuts, 'the cuts', () => lookSafely(() => trial.reaches(), signal));
  pair.diskLimited = await lookIfAllowed(async () => {
    if (node.limits.disk === undefined) return undefined;
    return ((await incus.diskAt(a.name, '/', signal))?.total ?? 0) > 0;
  }, signal);
  pair.frozen = await lookSafely(() => trial.freeze(), signal);
  pair.restarted = await onNetwork(() => trial.powerCut());
}

const systemScript =
  '. /etc/os-release; printf "%s; systemd %s; perl %s" "$PRETTY_NAME" "$(systemctl --version | sed -n "1s/^systemd \\([^ ]*\\).*/\\1/p")" "$(perl -e "print substr(\\$^V, 1)")"';

/** What is done in and to the two. */
class Trial {
  private readonly a: MemberContainer;
  private readonly b: MemberContainer;

  constructor(a: MemberContainer, b: MemberContainer) {
    this.a = a;
    this.b = b;
  }

  private async addressesOf({ name, incus, signal }: MemberContainer): Promise<string[]> {
    const { addresses } = await incus.state(name, signal);
    if (addresses.length === 0) throw new EnvironmentError(`Incus tells no address of ${name}`);
    return addresses;
  }

  async names(): Promise<NamesSeen[]> {
    const { a, b } = this;
    const ask = async (from: MemberContainer, of: MemberContainer): Promise<NamesSeen> => {
      const { host } = of.member;
      const said = await from.read(['sh', '-c', names, 'sh', host], { deadlineMs: 2 * execDeadlineMs });
      return { from: from.name, host, own: await this.addressesOf(of), ...parseNames(said) };
    };
    return await Promise.all([ask(a, b), ask(b, a)]);
  }

  async reaches(): Promise<boolean> {
    const { a, b } = this;
    const answers = await Promise.all([this.answers(a, b, 1), this.answers(b, a, 1)]);
    return answers.every((count) => count > 0);
  }

  /** How many attempts at an address of the other were answered. */
  private async answers(from: MemberContainer, to: MemberContainer, times: number): Promise<number> {
    const addresses = (await this.addressesOf(to)).slice(0, 1);
    const options = { port, times, waitMs: 1500, signal: from.signal };
    const found = await attemptConnections(from.incus, from.name, addresses, options);
    return found.reduce((sum, { answered }) => sum + answered, 0);
  }

  /** Each in place of the one before it, and all lifted at the end. */
  async cuts(): Promise<Record<'block' | 'isolate' | 'lose', boolean>> {
    const { a, b } = this;
    const { incus, name, signal } = a;
    const addresses = await this.addressesOf(b);
    const cut = async (filter: Filter, times: number) => {
      signal.throwIfAborted();
      await setFilter(incus, name, filter);
      return await this.answers(a, b, times);
    };
    try {
      const block = (await cut({ block: addresses }, 1)) === 0;
      const isolate = (await cut('isolate', 1)) === 0;
      // Each packet is lost: that of one in so many is counted by the same expression of the kernel's.
      const lose = (await cut({ loseOneIn: 1 }, 4)) === 0;
      return { block, isolate, lose };
    } finally {
      await packetFilter
        .remove(incus, a.name, undefined, AbortSignal.timeout(execDeadlineMs))
        .catch(() => {});
    }
  }

  async commands(): Promise<{ together: number; seconds: number; roundTripMs: number }> {
    const { a } = this;
    const begun = now();
    await Promise.all(
      Array.from({ length: togetherCount }, () => a.read(['true'], { deadlineMs: execDeadlineMs })),
    );
    const took = since(begun);
    const relay = await ContainerRelay.open(a.incus, a.name, 'root', a.signal);
    try {
      await relay.ping();
      return { together: togetherCount, seconds: took, roundTripMs: await relay.ping() };
    } finally {
      relay.close();
    }
  }

  /** @returns whether Incus called it frozen, and running again afterwards */
  async freeze(): Promise<boolean> {
    const { incus, name, signal } = this.b;
    const status = async () => (await incus.instance(name, signal))?.status;
    await incus.pause(name, signal);
    const frozen = (await status()) === 'Frozen';
    await incus.resume(name, signal);
    return frozen && (await status()) === 'Running';
  }

  async powerCut(): Promise<number> {
    const { incus, name, signal } = this.b;
    await incus.forceStop(name, signal);
    const begun = now();
    await incus.start(name, signal);
    await waitForNetwork(this.b);
    return since(begun);
  }
}

/** What the script `names.sh` prints. */
export function parseNames(text: string): Pick<NamesSeen, 'addresses' | 'reverse'> {
  const of = (key: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []));
  return { addresses: [...new Set(of('address'))], reverse: [...new Set(of('name'))] };
}
