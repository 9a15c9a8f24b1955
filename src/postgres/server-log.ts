/** What Postgres says of its own end, in any of the three forms in which it writes its log. Pure. */

/** Why a start of Postgres failed, in its own words. */
export interface LastWords {
  severity: 'FATAL' | 'PANIC' | '';
  message: string;
  detail: string;
  hint: string;
  /** What the same process complained of just before: a file that could not be opened, a line that could not be read. */
  before: string;
}

interface Entry {
  pid: string;
  severity: string;
  message: string;
  detail: string;
  hint: string;
}

/** Messages for people are cut at so many characters. */
const mostCharacters = 400;

/**
 * The FATAL or PANIC for which Postgres is down; undefined where its last start, or its last run, did not end in one.
 * @param startup what the last start printed (pg_autoctl empties the file at every start)
 * @param log the end of the newest file of the logging collector, which may hold earlier starts as well
 */
export function lastWords(startup: string, log: string): LastWords | undefined {
  const printed = entriesOf(startup);
  const failed = failureIn(printed);
  if (failed !== undefined) return failed;
  const isHandedOver = printed.some(({ message }) => message.startsWith('redirecting log output'));
  const logged = entriesOf(log);
  const start = logged.findLastIndex(({ message }) => /^starting PostgreSQL /.test(message));
  const ended = isHandedOver ? failureIn(start === -1 ? logged : logged.slice(start)) : undefined;
  if (ended !== undefined || printed.length > 0) return ended;
  // Before it can log, it prints plain lines, as does the loader of its libraries.
  const plain = startup.split('\n').filter((line) => line.trim() !== '');
  if (plain.length === 0) return undefined;
  return { severity: '', message: cut(plain.slice(0, 3).join(' ')), detail: '', hint: '', before: '' };
}

/** What ends sessions, receivers and workers, and not the server. */
const ofSessions =
  /^(the database system is|terminating |sorry, too many|remaining connection slots|no pg_hba\.conf entry|pg_hba\.conf rejects|password authentication|peer authentication|.*authentication failed|role ".*" does not exist|database ".*" does not exist|unsupported frontend protocol|connection to client lost|could not (connect to the primary|receive data from WAL stream|start WAL streaming|receive timeline history)|canceling )/;

function failureIn(entries: readonly Entry[]): LastWords | undefined {
  const postmaster = entries.find(({ message }) => /^starting PostgreSQL /.test(message))?.pid;
  const startupProcess = entries.flatMap(
    ({ message }) => /^startup process \(PID (\d+)\) (?:exited|was terminated)/.exec(message)?.[1] ?? [],
  );
  const isUp = entries.some(({ message }) => message.startsWith('database system is ready to accept'));
  const index = entries.findLastIndex(({ severity, message, pid }) => {
    if (severity === 'PANIC') return true;
    if (severity !== 'FATAL') return false;
    // Once it takes sessions, a FATAL is its own end where it comes from the process that replays, or from itself.
    if (pid !== '' && (startupProcess.includes(pid) || pid === postmaster)) return true;
    return !isUp && !ofSessions.test(message);
  });
  const found = entries[index];
  if (found === undefined) return undefined;
  const { message, detail, hint } = found;
  const before = entries
    .slice(Math.max(0, index - 3), index)
    .findLast(
      (each) =>
        each.pid === found.pid &&
        ['LOG', 'ERROR', 'WARNING'].includes(each.severity) &&
        /could not|cannot|invalid|error|unrecognized|denied|insufficient/.test(each.message),
    );
  return {
    severity: found.severity === 'PANIC' ? 'PANIC' : 'FATAL',
    message: cut(message),
    detail: cut(detail),
    hint: cut(hint),
    before: cut(before?.message ?? ''),
  };
}

/** In one sentence. */
export function describeLastWords({ severity, message, detail, hint, before }: LastWords): string {
  const said = `${severity === '' ? '' : `${severity}: `}${message}`;
  return [
    said,
    ...(before === '' ? [] : [`before it: ${before}`]),
    ...(detail === '' ? [] : [`DETAIL: ${detail}`]),
    ...(hint === '' ? [] : [`HINT: ${hint}`]),
  ].join('; ');
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > mostCharacters ? `${line.slice(0, mostCharacters)}…` : line;
}

function entriesOf(text: string): Entry[] {
  if (/^\s*\{"timestamp"/m.test(text)) return text.split('\n').flatMap(ofJson);
  if (/^\d{4}-\d\d-\d\d [^",]*,("[^"]*")?,("[^"]*")?,\d+,/m.test(text)) return ofCsv(text);
  return ofPlain(text);
}

/** log_destination stderr: a prefix that anybody may choose, a word, two blanks; lines that go on begin with a tab. */
function ofPlain(text: string): Entry[] {
  const entries: Entry[] = [];
  let field: 'message' | 'detail' | 'hint' | undefined;
  for (const line of text.split('\n')) {
    const [, prefix = '', word = '', rest = ''] =
      /^(.*?)\b(LOG|FATAL|PANIC|ERROR|WARNING|NOTICE|INFO|DEBUG\d?|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION): {1,2}(.*)$/.exec(
        line,
      ) ?? [];
    const last = entries.at(-1);
    if (word === '') {
      if (line.startsWith('\t') && last && field) last[field] += ` ${line.trim()}`;
    } else if (/^(DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION)$/.test(word)) {
      field = word === 'DETAIL' ? 'detail' : word === 'HINT' ? 'hint' : undefined;
      if (last && field) last[field] = rest;
    } else {
      field = 'message';
      const pid = /\[(\d+)(?:-\d+)?\]/.exec(prefix)?.[1] ?? '';
      entries.push({ pid, severity: word, message: rest, detail: '', hint: '' });
    }
  }
  return entries;
}

/** log_destination jsonlog (Postgres 15 on). */
function ofJson(line: string): Entry[] {
  try {
    const row = JSON.parse(line) as Partial<Record<string, unknown>>;
    const text = (key: string) => String(row[key] ?? '');
    return [
      {
        pid: text('pid'),
        severity: text('error_severity'),
        message: text('message'),
        detail: text('detail'),
        hint: text('hint'),
      },
    ];
  } catch {
    return [];
  }
}

/** log_destination csvlog: columns 4 pid, 12 severity, 14 message, 15 detail, 16 hint ("Using CSV-Format Log Output"). */
function ofCsv(text: string): Entry[] {
  const entries: Entry[] = [];
  const row = /^\d{4}-\d\d-\d\d (?:"(?:[^"]|"")*"|[^"])*?$(?=\n\d{4}-|\n*$(?![\s\S]))/gm;
  for (const [line] of text.matchAll(row)) {
    const fields = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,"]*))/g)].map(
      ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain,
    );
    const [pid = '', severity = ''] = [fields[3], fields[11]];
    const [message = '', detail = '', hint = ''] = fields.slice(13, 16);
    if (severity !== '') entries.push({ pid, severity, message, detail, hint });
  }
  return entries;
}
