import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { EnvironmentError } from '../contract/errors.ts';
import type { Session } from '../postgres/session.ts';

/** Another run is at work on the formation. */
export class LockHeldError extends EnvironmentError {
  /**
   * @param held which run has what, a clause
   * @param then what comes of that: a clause
   */
  constructor(
    readonly held: string,
    then?: string,
  ) {
    super(then === undefined ? held : `${held}; ${then}`);
  }
}

/** What to do about a run that has the lock. */
export const waitAndStartAgain =
  'wait for it to end and start this one again, or have it wait (input wait-for-lock-seconds)';

/** The first key of our advisory locks in the monitor's database: "pgha" in ASCII. */
const lockClass = 0x70676861;

/**
 * Takes the formation's lock on the monitor, for as long as `session` lives. It keeps drills and
 * provisioning runs of all hosts apart, and cannot be left behind by a killed one.
 * @throws LockHeldError at once when another session holds it
 */
export async function lockFormation(session: Session, formation: string): Promise<void> {
  if (await tryLock(session, formation)) return;
  throw new LockHeldError(
    `another drill or provisioning run is at work on formation ${formation}`,
    waitAndStartAgain,
  );
}

async function tryLock(session: Session, formation: string): Promise<boolean> {
  const text = `SELECT pg_try_advisory_lock(${lockClass}, hashtext($1)) AS taken`;
  const [row] = await session.query(text, [formation]);
  return row?.['taken'] === true;
}

/** Longer than an owner needs to retake a lock that it lost with the monitor's Postgres. */
export const ownerReturnsMs = 5000;
const retakePauseMs = 300;
const partingMs = 1000;

/** The formation's lock, kept over restarts of the monitor's Postgres until it is released. */
export class FormationLock {
  private readonly released = new AbortController();
  private readonly openSession: (signal: AbortSignal) => Promise<Session>;
  private readonly formation: string;
  private session: Session;
  private takenByAnother: string | undefined;

  private constructor(
    openSession: (signal: AbortSignal) => Promise<Session>,
    formation: string,
    session: Session,
  ) {
    this.openSession = openSession;
    this.formation = formation;
    this.session = session;
    this.keep();
  }

  /** @throws EnvironmentError when the monitor does not answer; LockHeldError when another run holds the lock */
  static async take(
    openSession: (signal: AbortSignal) => Promise<Session>,
    formation: string,
  ): Promise<FormationLock> {
    const session = await openSession(new AbortController().signal);
    try {
      await lockFormation(session, formation);
    } catch (error) {
      session.close();
      throw error;
    }
    return new FormationLock(openSession, formation, session);
  }

  /** Why the lock is another run's now, or undefined. */
  get lost(): string | undefined {
    return this.takenByAnother;
  }

  release(): void {
    this.released.abort();
    this.session.close();
  }

  private keep(): void {
    this.session.onLost(() => void this.retake());
  }

  private async retake(): Promise<void> {
    const { signal } = this.released;
    while (!signal.aborted) {
      try {
        await sleep(retakePauseMs, signal);
        const session = await this.openSession(signal);
        const isTaken = await this.tryPatiently(session).catch((error: unknown) => {
          session.close();
          throw error;
        });
        if (isTaken) {
          this.session = session;
          this.keep();
        } else {
          session.close();
          this.takenByAnother = 'the lock on the monitor was lost and another run has taken it';
        }
        return;
      } catch {
        // The monitor is not back yet.
      }
    }
  }

  /** Postgres may not have seen the end of our last session yet. Throws as Session.query. */
  private async tryPatiently(session: Session): Promise<boolean> {
    const until = now() + partingMs;
    for (;;) {
      // The last try begins after the moment has passed, however long this process did not get to run.
      const isLast = now() > until;
      if (await tryLock(session, this.formation)) return true;
      if (isLast) return false;
      await sleep(retakePauseMs, this.released.signal);
    }
  }
}
