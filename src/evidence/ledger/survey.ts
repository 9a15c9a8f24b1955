import type { Moment } from '../../clock/clock.ts';
import type { Roles } from '../record.ts';
import { type Opener, rowIdOf, type WriteAttempt } from '../write-attempts.ts';
import { type Actor, type HistoryEvent, isWitness } from '../write-history.ts';

type Of<K extends HistoryEvent['kind']> = HistoryEvent & { kind: K };

/** When a witness looked by one of its ways. */
export interface WitnessLooks {
  witness: string;
  way: number | undefined;
  at: Moment[];
}

/** The new primary's first acknowledgement to clients, and the last one before it. */
export interface FirstTaken {
  at: Moment;
  timeline: number;
  lastBefore: Moment | undefined;
}

/** Finds it, of clients of one kind. */
class FirstsTally {
  first: FirstTaken | undefined;
  /** Their last acknowledgement, and the last at another moment than that. */
  private acknowledgedAt: Moment | undefined;
  private earlierAt: Moment | undefined;

  take(at: Moment, timeline: number, isNew: boolean): void {
    if (this.first !== undefined) return;
    if (isNew) {
      const lastBefore = this.acknowledgedAt === at ? this.earlierAt : this.acknowledgedAt;
      this.first = { at, timeline, lastBefore };
    } else if (at !== this.acknowledgedAt) {
      this.earlierAt = this.acknowledgedAt;
      this.acknowledgedAt = at;
    }
  }
}

const notable = ['broken', 'mended', 'paced', 'slept', 'stalled', 'failing'] as const;
export type Notable = Of<(typeof notable)[number]>;

/**
 * What has to be known of a whole history before its writes can be judged, one after the other. It grows with
 * connections and with what is rare, not with writes. Events come in the order of their moments.
 */
export class HistorySurvey {
  readonly openers = new Map<string, Opener>();
  readonly contradictions = new Set<string>();
  readonly notable: Notable[] = [];
  readonly looks: WitnessLooks[] = [];
  /** Rows that a witness looked for in vain. */
  readonly missed = new Set<string>();
  readonly roles: Roles;
  /**
   * What the new primary acknowledged first to a client, by whichever way it came: what the old one took before was at
   * risk, and what it took after was one too many.
   */
  taken: { at: Moment; timeline: number } | undefined;
  /** Whether anybody went by the connection string. */
  hasUriClients = false;
  /** The latest that the old primary had before the fault. */
  private oldTimeline = 0;
  /** When a later one took its first write of anybody. */
  private laterTimelineAt = Number.POSITIVE_INFINITY;
  private readonly firsts = { application: new FirstsTally(), 'uri-client': new FirstsTally() };
  private readonly tries = new Map<Actor, Moment>();
  private endedAt: Moment | undefined;
  private lastSentAt: Moment = 0;
  private lastAt: Moment = 0;

  constructor(roles: Roles) {
    this.roles = roles;
  }

  take(event: HistoryEvent): void {
    if (event.at > this.lastAt) this.lastAt = event.at;
    switch (event.kind) {
      case 'connected':
        this.open(event);
        break;
      case 'invoked':
        this.send(event);
        break;
      case 'acknowledged':
        this.acknowledge(event);
        break;
      case 'refused':
        this.hasUriClients ||= event.actor === 'uri-client';
        this.noteTry(event.actor, event.at);
        break;
      case 'probed':
        if (!event.present) this.missed.add(rowIdOf(event.row));
        break;
      case 'looked':
        this.look(event);
        break;
      case 'ending':
        this.endedAt = Math.max(this.endedAt ?? 0, event.at);
        break;
      case 'failed':
      case 'unknown':
        break;
      default:
        this.notable.push(event);
    }
  }

  all<K extends Notable['kind']>(kind: K): (Notable & { kind: K })[] {
    return this.notable.filter((event): event is Notable & { kind: K } => event.kind === kind);
  }

  /** What the new primary acknowledged first to clients of a kind. */
  firstOf(actor: 'application' | 'uri-client'): FirstTaken | undefined {
    return this.firsts[actor].first;
  }

  /** When such last sent a write or were last refused. */
  lastTry(actor: Actor): Moment {
    return this.tries.get(actor) ?? 0;
  }

  /**
   * Which node took a write that came by the connection string, once the history is surveyed. Behind a pooler or a proxy
   * that may change from one write to the next, and no address need tell: but the server answers with its timeline, and a
   * promotion begins a new one. One without an answer counts as asked of the old primary until the new one took its first.
   */
  attributed(attempt: WriteAttempt): WriteAttempt {
    if (attempt.actor !== 'uri-client') return attempt;
    const { oldPrimary, newPrimary } = this.roles;
    const wasNew =
      attempt.outcome === 'acknowledged'
        ? this.isLater(attempt.timeline)
        : attempt.invokedAt >= this.laterTimelineAt;
    return { ...attempt, node: (wasNew ? newPrimary : undefined) ?? oldPrimary };
  }

  /** Whether the looks of its witnesses were noted: with its end, they were. */
  get hasLooks(): boolean {
    return this.looks.length > 0 || this.endedAt !== undefined;
  }

  /**
   * When the witnesses were told to stop; of a journal that was cut off, its last event. The clients stop with them: an end
   * that is told while they still send writes is none.
   */
  get end(): Moment {
    return this.endedAt === undefined ? this.lastAt : Math.max(this.endedAt, this.lastSentAt);
  }

  private open({ connection, actor, node }: Of<'connected'>): void {
    const known = this.openers.get(connection);
    if (known !== undefined && (known.actor !== actor || known.node !== node))
      this.contradictions.add(`connection ${connection} was opened twice`);
    this.openers.set(connection, { actor, node });
    this.hasUriClients ||= actor === 'uri-client';
  }

  private noteTry(actor: Actor, at: Moment): void {
    if (at > this.lastTry(actor)) this.tries.set(actor, at);
  }

  private send({ connection, at }: Of<'invoked'>): void {
    const actor = this.openers.get(connection)?.actor;
    if (actor !== undefined) this.noteTry(actor, at);
    if ((actor === undefined || !isWitness(actor)) && at > this.lastSentAt) this.lastSentAt = at;
  }

  private acknowledge({ connection, at, timeline }: Of<'acknowledged'>): void {
    const opened = this.openers.get(connection);
    if (opened === undefined) return;
    const { faultAt, oldPrimary, newPrimary } = this.roles;
    const { actor, node } = opened;
    if (actor !== 'uri-client' && node === oldPrimary && at < faultAt)
      this.oldTimeline = Math.max(this.oldTimeline, timeline);
    if (at >= faultAt && this.isLater(timeline)) this.laterTimelineAt = Math.min(this.laterTimelineAt, at);
    if (isWitness(actor)) return;
    const isNew = at >= faultAt && (actor === 'uri-client' ? this.isLater(timeline) : node === newPrimary);
    if (isNew) this.taken ??= { at, timeline };
    if (actor === 'application' || actor === 'uri-client') this.firsts[actor].take(at, timeline, isNew);
  }

  private isLater(timeline: number | undefined): boolean {
    return this.roles.newPrimary !== undefined && (timeline ?? 0) > this.oldTimeline;
  }

  private look({ witness, way, at }: Of<'looked'>): void {
    let known = this.looks.find((each) => each.witness === witness && each.way === way);
    if (known === undefined) {
      known = { witness, way, at: [] };
      this.looks.push(known);
    }
    known.at.push(at);
  }
}
