/**
 * The faults that a drill can inflict, as plain data: what is done to whom, for how long, what should come of
 * it and why. How each is inflicted and proven stands in the files beside this one. States and reasons are
 * those of pg_auto_failover 2.0 to 2.2.
 */

/** What should come of a fault: `either` where both are right, and only the return to health is judged. */
export type Expected = 'failover' | 'none' | 'either';

export interface FaultEntry {
  /** What is done, in words that follow the fault's name and a colon. */
  does: string;
  expected: Expected;
  /** Why that is to be expected. */
  because: string;
  hits: 'primary' | 'standby' | 'monitor';
  /**
   * How long it is in force: until the promotion; as long as a failover would take to show; shorter than the
   * formation's timings make a failover of; or it is over as soon as it is done.
   */
  lasts: 'until-promotion' | 'while-watched' | 'briefly' | 'a-moment';
  /** Set where the monitor's container is no place to watch clients from: the fault hits it, or its link to the primary. */
  clientsOnStandby?: true;
  /** What it leaves in a container that runs, besides the mark: what an undo has to take away. */
  leaves: 'nothing' | 'filter' | 'unit' | 'file';
  /** For people, to follow "after": "the power of pgaf-primary was cut". */
  deed(container: string): string;
  /** The target's lane in the picture while it is in force, and what its end is called. */
  state: string;
  end: string;
}

const entries = {
  stop: {
    does: "the primary's container is stopped by force, as by a power loss",
    expected: 'failover',
    because: 'a primary that is gone is replaced',
    hits: 'primary',
    lasts: 'until-promotion',
    leaves: 'nothing',
    deed: (container) => `the power of ${container} was cut`,
    state: 'down',
    end: 'power back',
  },
  'cut-then-stop': {
    does: "the link between the primary and its standbys is cut, then the primary's container is stopped by force",
    expected: 'failover',
    because:
      'a primary that is gone is replaced; what it acknowledged meanwhile is lost unless commits wait for a standby',
    hits: 'primary',
    lasts: 'until-promotion',
    leaves: 'filter',
    deed: (container) => `${container} was cut off from its standbys, and then its power cut`,
    state: 'cut off, then down',
    end: 'power back',
  },
  freeze: {
    does: 'every process of the primary is frozen, as on a host that hangs; its connections look alive',
    expected: 'failover',
    because: 'the monitor hears nothing and its health checks get no answer',
    hits: 'primary',
    lasts: 'until-promotion',
    leaves: 'nothing',
    deed: (container) => `${container} was frozen`,
    state: 'frozen',
    end: 'thawed',
  },
  'kill-node': {
    does: 'pg_autoctl and Postgres of the primary are killed, and systemd is kept from starting them again',
    expected: 'failover',
    because: 'nobody is left to start Postgres',
    hits: 'primary',
    lasts: 'until-promotion',
    leaves: 'unit',
    deed: (container) => `pg_autoctl and Postgres on ${container} were killed`,
    state: 'killed',
    end: 'started',
  },
  'network-cut': {
    does: 'every packet from and to the primary is dropped in silence',
    expected: 'failover',
    because: 'the primary is lost to everybody, and fences itself meanwhile',
    hits: 'primary',
    lasts: 'until-promotion',
    leaves: 'filter',
    deed: (container) => `${container} was cut off from the network`,
    state: 'cut off',
    end: 'link back',
  },
  'monitor-cut': {
    does: 'every packet between primary and monitor is dropped in silence',
    expected: 'failover',
    because: 'the monitor cannot tell such a primary from a dead one; the primary fences itself meanwhile',
    hits: 'primary',
    lasts: 'until-promotion',
    clientsOnStandby: true,
    leaves: 'filter',
    deed: (container) => `${container} was cut off from the monitor`,
    state: 'cut off from the monitor',
    end: 'link back',
  },
  switchover: {
    does: 'the monitor is asked to move the primary, as before planned work (perform_failover)',
    expected: 'failover',
    because: 'that is what was asked for',
    hits: 'primary',
    lasts: 'a-moment',
    leaves: 'nothing',
    deed: (container) => `the monitor was asked to move the primary away from ${container}`,
    state: '',
    end: '',
  },
  reboot: {
    does: "the primary's container is restarted in order, as after an update",
    expected: 'either',
    because:
      'a primary that is back before the timings give it up stays primary, one that takes longer is replaced',
    hits: 'primary',
    lasts: 'a-moment',
    leaves: 'nothing',
    deed: (container) => `${container} was restarted`,
    state: '',
    end: '',
  },
  'kill-postgres': {
    does: 'Postgres of the primary is killed, its keeper is not',
    expected: 'either',
    because:
      'its keeper starts it again within a second or so; one that looks before it did reports it as gone, and the monitor then fails over',
    hits: 'primary',
    lasts: 'a-moment',
    leaves: 'nothing',
    deed: (container) => `Postgres on ${container} was killed`,
    state: '',
    end: '',
  },
  'standby-cut': {
    does: 'every packet between the primary and its standbys is dropped in silence',
    expected: 'none',
    because:
      'the monitor reaches all of them; synchronous commits hang until the link is back, in every release (upstream #997)',
    hits: 'primary',
    lasts: 'while-watched',
    leaves: 'filter',
    deed: (container) => `${container} was cut off from its standbys`,
    state: 'cut off from its standbys',
    end: 'link back',
  },
  'standby-stop': {
    does: "a standby's container is stopped by force",
    expected: 'none',
    because:
      'the primary stays; its commits hang until the standby is given up, then go on without waiting for it',
    hits: 'standby',
    lasts: 'while-watched',
    leaves: 'nothing',
    deed: (container) => `the power of the standby ${container} was cut`,
    state: 'down',
    end: 'power back',
  },
  'monitor-stop': {
    does: "the monitor's container is stopped by force",
    expected: 'none',
    because: 'without it nobody decides anything, and the primary goes on serving',
    hits: 'monitor',
    lasts: 'while-watched',
    clientsOnStandby: true,
    leaves: 'nothing',
    deed: (container) => `the power of the monitor ${container} was cut`,
    state: 'down',
    end: 'power back',
  },
  'disk-full': {
    does: 'the disk that holds the data of the primary is filled; only where the container has a size-limited disk of its own (limits.disk)',
    expected: 'either',
    because:
      'a Postgres that can go on without new room stays, one that cannot and does not start again is replaced',
    hits: 'primary',
    lasts: 'while-watched',
    leaves: 'file',
    deed: (container) => `the disk of ${container} was filled`,
    state: 'disk full',
    end: 'room again',
  },
  'brief-freeze': {
    does: 'the primary is frozen for less than the timings make a failover of, as in a live migration',
    expected: 'none',
    because: 'the timings are meant to ride it out',
    hits: 'primary',
    lasts: 'briefly',
    leaves: 'nothing',
    deed: (container) => `${container} was frozen for a moment`,
    state: 'frozen',
    end: 'thawed',
  },
  'packet-loss': {
    does: 'one packet in twenty from and to the primary is lost, at random',
    expected: 'none',
    because: 'TCP sends again what was lost, and a check that fails now and then is no reason',
    hits: 'primary',
    lasts: 'while-watched',
    leaves: 'filter',
    deed: (container) => `packets from and to ${container} began to be lost`,
    state: 'loses packets',
    end: 'link whole',
  },
} as const satisfies Record<string, FaultEntry>;

export type FaultName = keyof typeof entries;
export const faultNames = Object.keys(entries) as FaultName[];
export const catalogue: Readonly<Record<FaultName, FaultEntry>> = entries;

export function isFaultName(name: unknown): name is FaultName {
  return typeof name === 'string' && Object.hasOwn(entries, name);
}

const outcomes: Record<Expected, string> = {
  failover: 'A failover is expected',
  none: 'No failover is expected',
  either: 'A failover may come of it or not',
};

/** A fault for people, two sentences: what is done, and what is expected of it. */
export function told(name: FaultName): string {
  const { does, expected, because } = catalogue[name];
  return `${does}. ${outcomes[expected]}: ${because}.`;
}
