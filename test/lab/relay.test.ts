import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { now } from '../../src/clock/clock.ts';
import { CommandError, DeadlineError, EnvironmentError } from '../../src/contract/errors.ts';
import { Incus } from '../../src/incus/incus.ts';
import { ContainerRelay } from '../../src/incus/relay/container-relay.ts';
import { Session } from '../../src/postgres/session.ts';
import { sql } from './breakage.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, eventually, incus, inside, runAction } from './harness.ts';
import { watchPace } from './meter.ts';

/** One `incus exec` into a container, and all that goes over it at once. */

const { yaml, monitor, nodes } = labFormation(12);
const [node] = nodes;
const host = new Incus({ remote: 'local', project: 'default' });
const options = { deadlineMs: 10_000, maxBytes: 4 * 1024 * 1024 };
let relay: ContainerRelay;

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
  relay = new ContainerRelay(host, node, 'root');
});

afterAll(() => relay.close());

const perl = (script: string) => ['perl', '-e', script];
/** Whether a process with that word in its arguments runs in the container. */
const runs = async (word: string) =>
  (await inside(node, 'sh', '-c', `pgrep -f '[${word.at(0)}]${word.slice(1)}' || true`)) !== '';

describe('a command', () => {
  it('hands back the whole of its output, a hundred times at once', async () => {
    const script = 'print chr(97 + $_ % 26) x 997, "\\n" for 1 .. 300';
    const expected = Array.from({ length: 300 }, (_, at) =>
      String.fromCharCode(97 + ((at + 1) % 26)).repeat(997),
    ).join('\n');
    const outputs = await Promise.all(
      Array.from({ length: 100 }, () => relay.read(perl(script), { ...options, deadlineMs: 60_000 })),
    );
    const hash = (text: string) => createHash('sha256').update(text).digest('hex');
    expect(new Set(outputs.map(hash))).toEqual(new Set([hash(`${expected}\n`)]));
  });

  it('gets its arguments as they are, and no input', async () => {
    const odd = ['', "it's", 'two\nlines', '$HOME', 'ümlaut', '-n'];
    const told = await relay.read(
      [...perl('print "<$_>" for @ARGV; print scalar <STDIN> // "end"'), '--', ...odd],
      options,
    );
    expect(told).toBe(`${odd.map((each) => `<${each}>`).join('')}end`);
  });

  it('that fails says why, with its code', async () => {
    const failing = relay.read(perl('print STDERR "it is broken\\n"; exit 7'), options);
    await expect(failing).rejects.toThrow(/`perl` failed with exit code 7: it is broken/);
    await expect(failing).rejects.toBeInstanceOf(CommandError);
    await expect(relay.read(['no-such-tool'], options)).rejects.toThrow(/no-such-tool: No such file/);
    await expect(relay.read(perl('kill 9, $$'), options)).rejects.toThrow(/exit code 137/);
  });

  it('that prints too much, or takes too long, is ended', async () => {
    const much = relay.read(perl('print "y" x 65536 while 1; "muchmuch"'), {
      ...options,
      maxBytes: 1_000_000,
    });
    await expect(much).rejects.toThrow(/printed more than 1000000 bytes/);
    const long = relay.read(perl('system("sleep 4711"); 1'), { ...options, deadlineMs: 500 });
    await expect(long).rejects.toBeInstanceOf(DeadlineError);
    await eventually(
      'no process of theirs',
      5000,
      async () => !(await runs('muchmuch')) && !(await runs('sleep 4711')),
    );
    expect(await relay.read(['echo', 'still here'], options)).toBe('still here\n');
  });

  it('that closes its output before it ends holds nobody up', async () => {
    const script = 'close STDOUT; close STDERR; select undef, undef, undef, 5; exit 3';
    const ended: string[] = [];
    const slow = relay
      .read(perl(script), options)
      .catch((error: unknown) => error)
      .finally(() => ended.push('slow'));
    await relay.read(['true'], options).finally(() => ended.push('quick'));
    expect(String(await slow)).toContain('exit code 3');
    expect(ended).toEqual(['quick', 'slow']);
  });
});

describe('sessions with Postgres', () => {
  const open = (database: string) =>
    Session.open(relay.postgresSocket(5432), { database, connectDeadlineMs: 10_000 });

  it('go beside commands and each other, as the superuser', async () => {
    const sessions = await Promise.all(['postgres', 'veza', 'template1'].map(open));
    const busy = relay.read(perl('select undef, undef, undef, 2; print "done"'), options);
    const big = "SELECT repeat('x', 3000000) AS text, session_user AS user";
    for (const [row] of await Promise.all(sessions.map((session) => session.query(big)))) {
      expect(row?.['user']).toBe('postgres');
      expect(String(row?.['text'])).toHaveLength(3_000_000);
    }
    expect(await busy).toBe('done');
    for (const session of sessions) session.close();
    const left =
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgha' AND datname = 'template1'";
    await eventually('its session to end', 30_000, async () => (await sql(node, left)) === '0');
  });

  it('say where there is no Postgres, and where it goes on answering', async () => {
    const socket = relay.postgresSocket(5999);
    await expect(Session.open(socket, { database: 'postgres', connectDeadlineMs: 5000 })).rejects.toThrow(
      /Postgres does not run \(\/var\/run\/postgresql\/\.s\.PGSQL\.5999\.lock: No such file/,
    );
    const session = await open('postgres');
    expect(await session.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    session.close();
  });

  it("are not held up by a pipe in place of a file of Postgres'", async () => {
    const lock = '/var/run/postgresql/.s.PGSQL.5998.lock';
    await inside(node, 'runuser', '-u', 'postgres', '--', 'mkfifo', lock);
    try {
      const socket = relay.postgresSocket(5998);
      const opening = Session.open(socket, { database: 'postgres', connectDeadlineMs: 5000 });
      await expect(opening).rejects.toThrow(
        'Postgres does not run (/var/run/postgresql/.s.PGSQL.5998.lock is no file)',
      );
      expect(await relay.read(['echo', 'still here'], options)).toBe('still here\n');
    } finally {
      await inside(node, 'rm', lock);
    }
  });
});

describe('a relay', () => {
  it('that is nobody runs nothing as root and reaches no Postgres as its superuser', async () => {
    const weak = new ContainerRelay(host, node, 'nobody');
    try {
      expect(await weak.read(['id', '-un'], options)).toBe('nobody\n');
      const socket = weak.postgresSocket(5432);
      await expect(Session.open(socket, { database: 'postgres', connectDeadlineMs: 5000 })).rejects.toThrow(
        /Permission denied|authentication failed|does not run/,
      );
    } finally {
      weak.close();
    }
  });

  it('takes what it runs with it when it is closed', async () => {
    const other = new ContainerRelay(host, node, 'root');
    const running = other.read(['sleep', '4712'], options).catch((error: unknown) => error);
    await eventually('it to run', 30_000, () => runs('sleep 4712'));
    other.close();
    expect(await running).toBeInstanceOf(EnvironmentError);
    await eventually('it to be gone', 30_000, async () => !(await runs('sleep 4712')));
    await expect(other.read(['true'], options)).rejects.toThrow('closed');
  });

  it('ends with its container, tells why, and waits for a frozen one no longer than it may', async () => {
    const away = new ContainerRelay(host, monitor, 'root');
    await away.read(['true'], options);
    await incus('pause', monitor);
    try {
      const pace = watchPace();
      const started = now();
      await expect(away.read(['true'], { ...options, deadlineMs: 1000 })).rejects.toBeInstanceOf(
        DeadlineError,
      );
      // Time in which this process did not run is given back once, up to the deadline again (withDeadline).
      expect(now() - started).toBeLessThan(2000 + pace.worstMs());
    } finally {
      await incus('resume', monitor);
    }
    expect(await away.read(['echo', 'back'], options)).toBe('back\n');
    await incus('stop', '--force', monitor);
    try {
      await eventually('its end', 10_000, () => Promise.resolve(away.lost !== undefined));
      const late = new ContainerRelay(host, monitor, 'root');
      await expect(late.read(['true'], options)).rejects.toThrow(/not running/i);
    } finally {
      await incus('start', monitor);
    }
    await becomesHealthy(yaml, 60_000);
  });
});
