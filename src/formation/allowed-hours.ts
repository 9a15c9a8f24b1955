/** When drills may begin: by the clock of one place, its summer time included. */
export interface AllowedHours {
  /** Of the IANA database, such as `Europe/Paris`. */
  timeZone: string;
  /** Each as `Mon-Fri 09:00-17:00`. One that ends before it begins, or when it does, ends on the next day. */
  windows: readonly string[];
}

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
const day = `(?:${weekdays.join('|')})`;
const time = '(?:[01][0-9]|2[0-3]):[0-5][0-9]';

/** A window as the formation file has it: its first and last day, and from when to when. */
export const windowPattern = new RegExp(`^(?:daily|(${day})(?:-(${day}))?) (${time})-(${time}|24:00)$`);

/** Whether a time zone of that name is known here. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Whether a drill may begin at that moment. Pure. */
export function isAllowed({ timeZone, windows }: AllowedHours, at: Date): boolean {
  const { weekday, minute } = localTime(timeZone, at);
  const today = weekdays.indexOf(weekday);
  return windows.some((text) => {
    const { days, from, to } = windowOf(text);
    const begins = (on: number) => days.has((on + 7) % 7);
    if (from < to) return begins(today) && minute >= from && minute < to;
    return (begins(today) && minute >= from) || (begins(today - 1) && minute < to);
  });
}

/** Such as `Tue 03:12`. */
export function shownTime(timeZone: string, at: Date): string {
  const { weekday, minute } = localTime(timeZone, at);
  const two = (number: number) => String(number).padStart(2, '0');
  return `${weekday} ${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** @returns the minute of the day */
function localTime(timeZone: string, at: Date): { weekday: (typeof weekdays)[number]; minute: number } {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return {
    weekday: parts['weekday'] as (typeof weekdays)[number],
    minute: minuteOf(`${parts['hour']}:${parts['minute']}`),
  };
}

function windowOf(text: string): { days: ReadonlySet<number>; from: number; to: number } {
  const [, first = 'Mon', last = text.startsWith('daily') ? 'Sun' : first, from = '', to = ''] =
    windowPattern.exec(text) ?? [];
  const index = (name: string) => (weekdays as readonly string[]).indexOf(name);
  // From Sat to Mon there are three.
  const count = ((index(last) - index(first) + 7) % 7) + 1;
  const days = Array.from({ length: count }, (_, after) => (index(first) + after) % 7);
  return { days: new Set(days), from: minuteOf(from), to: minuteOf(to) };
}

function minuteOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
}
