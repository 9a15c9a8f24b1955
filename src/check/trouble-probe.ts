import { withoutPasswords } from '../contract/secrecy.ts';
import type { Member } from '../formation/formation.ts';
import { unitOf } from '../member/unit.ts';
import { type LastWords, lastWords } from '../postgres/server-log.ts';
import probe from './scripts/trouble-probe.pl';

/** What is asked of a container whose Postgres does not answer, or whose keeper is silent. Plain data. */
export interface ObservedTrouble {
  postgres: {
    /** A process that works in the data directory: it runs, though it may not take sessions yet. */
    runs: boolean;
    /** Why its last start, or its last run, ended; undefined where it did not say. */
    lastWords: LastWords | undefined;
    /** Of a standby, what its startup process does; undefined where there is none. */
    startup: ObservedStartup | undefined;
    /** Whose the data directory and its PG_VERSION are, where the user postgres cannot read that; undefined where it can. */
    unread: { folder: string; file: string } | undefined;
    /** What ALTER SYSTEM has written, by name of the setting; without what may hold a secret. */
    altered: Record<string, string>;
  };
  keeper: {
    /** The first letter of the state that Linux has its process in, `T` for a stopped one; '' where there is none. */
    state: string;
    /** It copies data, or rewinds it: that takes long, and it reports nothing meanwhile. */
    copies: boolean;
    /** Since it last wrote a line to the journal; undefined where it has written none. */
    quietSeconds: number | undefined;
    /** Its last error, and when that was. */
    lastError: { message: string; secondsAgo: number } | undefined;
  };
}

/** The process that replays WAL, on a standby. */
export interface ObservedStartup {
  pid: number;
  /** Since it began. */
  ageSeconds: number;
  /** What it has used of the processor so far (hundredths of a second), and the bytes that it has read. */
  ticks: number;
  bytesRead: number;
  /** For the second in which it was watched it slept, did no work, and had no command of its own under way. */
  isStill: boolean;
  /** A walreceiver was there at the beginning, or at the end, of that second. */
  receives: boolean;
  /** The last line in which a walreceiver said why it failed, '' where the newest part of the log has none. */
  failure: string;
}

/** Of one that does no more than this, its polls are all that it does. */
const idle = { ticks: 10, bytesRead: 1024 * 1024 };

/** Whether it did no work between two looks: a recovery, however long it takes, reads its WAL and its data. */
export function didNothing(before: ObservedStartup, after: ObservedStartup): boolean {
  return (
    before.pid === after.pid &&
    after.ticks - before.ticks < idle.ticks &&
    after.bytesRead - before.bytesRead < idle.bytesRead
  );
}

/** argv of the probe in a member's container. */
export function troubleProbe(member: Pick<Member, 'pgdata' | 'unit'>): string[] {
  return ['perl', '-e', probe, member.pgdata, unitOf(member)];
}

/** @param output what the probe printed */
export function parseTrouble(output: string): ObservedTrouble {
  const told = new Map(
    output.split('\n').map((line): [string, string] => {
      const [key = '', hex = ''] = line.split(' ');
      return [key, Buffer.from(hex, 'hex').toString('utf8')];
    }),
  );
  const text = (key: string) => told.get(key) ?? '';
  const [runs, copies, state = ''] = text('state').split(' ');
  const lines = keeperLines(withoutPasswords(text('journal')));
  const clock = Number(text('clock'));
  const error = lines.findLast(({ level }) => level === 'ERROR' || level === 'FATAL');
  const last = lines.at(-1);
  return {
    postgres: {
      runs: runs === '1',
      lastWords:
        lastWords(withoutPasswords(text('printed')), withoutPasswords(text('log'))) ??
        lastWords(repeated(lines, clock), ''),
      startup: startupOf(text('startup'), withoutPasswords(text('log'))),
      unread: unreadOf(text('unread')),
      altered: alteredOf(text('altered')),
    },
    keeper: {
      state,
      copies: copies === '1',
      quietSeconds: last && clock - last.at,
      lastError: error && { message: error.message, secondsAgo: clock - error.at },
    },
  };
}

function unreadOf(told: string): ObservedTrouble['postgres']['unread'] {
  const [folder = '', file = ''] = told.split(' ');
  return told === '' ? undefined : { folder, file };
}

function startupOf(told: string, log: string): ObservedStartup | undefined {
  const [age, isStill, receives, pid, ticks, bytesRead] = told.split(' ').map(Number);
  if (age === undefined || pid === undefined || bytesRead === undefined) return undefined;
  return {
    pid,
    ageSeconds: age,
    ticks: ticks ?? 0,
    bytesRead,
    isStill: isStill === 1,
    receives: receives === 1,
    failure:
      log
        .split('\n')
        .findLast((line) => ofReceiver.test(line))
        ?.slice(0, 400) ?? '',
  };
}

/** What a walreceiver says of its end (libpqwalreceiver.c, walreceiver.c; 13 to 17). */
const ofReceiver =
  /FATAL.*(?:could not (?:connect to the primary|receive |start WAL streaming)|database system identifier differs|timeline \d+ of the primary|highest timeline|primary server contains no more)/;

/** `1764358654.310 host pg_autoctl[246]: 19:37:34 251 ERROR Failed to …` */
function keeperLines(journal: string): { at: number; level: string; message: string }[] {
  return journal.split('\n').flatMap((line) => {
    const [, at, level, message] =
      /^(\d+\.\d+) \S+ pg_autoctl\[\d+\]: \d\d:\d\d:\d\d \d+ (TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +(.*)$/.exec(
        line,
      ) ?? [];
    // "see above" is not what people need.
    return at === undefined ||
      level === undefined ||
      message === undefined ||
      /see above|stopping now/i.test(message)
      ? []
      : [{ at: Number(at), level, message: message.slice(0, 400) }];
  });
}

/** How often pg_autoctl tries to start a Postgres that ended (10 s), and the time that one may take to end. */
const retriedSeconds = 30;

/** What it says of a start that succeeded (service_postgres_ctl.c, keeper.c; 2.0 to 2.2). */
const succeeded = /Postgres is now serving PGDATA|PostgreSQL was not running, restarted with pid/;

/**
 * What pg_autoctl repeats of the start before this one: it logs that when it tries again, and empties the file. What it
 * repeated before a start that succeeded is over.
 */
function repeated(lines: readonly { at: number; message: string }[], clock: number): string {
  return lines
    .slice(lines.findLastIndex(({ message }) => succeeded.test(message)) + 1)
    .filter(({ at, message }) => clock - at < retriedSeconds && /^\d.*\] (?:[A-Z]+\d?): {2}/.test(message))
    .map(({ message }) => message)
    .join('\n');
}

/** postgresql.auto.conf: one `name = 'value'` a line. Of several the last counts. */
function alteredOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, name, value = ''] = /^([\w.]+)\s*=\s*'(.*)'\s*$/.exec(line) ?? [];
      return name === undefined || /conninfo|command|passphrase|password|secret|key/.test(name)
        ? []
        : [[name, value.replaceAll("''", "'")] as const];
    }),
  );
}
