import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { beforeAll, describe, expect, it } from 'vitest';
import { untilHealthy } from '../../src/check/wait.ts';
import { OwnRelays, type WaysIn, WaysThrough } from '../../src/check/ways-in.ts';
import { parseFormation } from '../../src/formation/file/load.ts';
import type { Formation, Member } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import type { ContainerRelay } from '../../src/incus/relay/container-relay.ts';
import type { Row, Session } from '../../src/postgres/session.ts';
import { writtenFormation } from '../lab/breakage.ts';
import { labFormation } from '../lab/formations.ts';
import { becomesHealthy, figure, loadAverage, runAction } from '../lab/harness.ts';
import { meteredAction } from '../lab/meter.ts';
import { incusShim } from '../lab/shim.ts';

/**
 * What a check costs where there are many formations: docs/maintainers.md, "How far it goes". One formation is real. A
 * script before the client of Incus makes the others: it puts thousands of containers onto the answers to lists, and remotes
 * of other names that lead to the same cluster make one formation many. `PGHA_SCALE=1000` simulates so many in one process,
 * from answers that the real one has given.
 */
const simulated = Number(process.env['PGHA_SCALE'] ?? 0);
const measuring = simulated > 0;

const { yaml } = labFormation(12, {
  monitor: { name: 'scale-m', target: 'm1' },
  nodes: [
    { name: 'scale-a', target: 'm2' },
    { name: 'scale-b', target: 'm3' },
  ],
});
const remotes = Array.from({ length: 30 }, (_, at) => `r${at + 1}`);

/** @param others containers on the list besides those that are there */
function counted(others: number) {
  const shim = incusShim(`
echo "$1 $2" | head -n 1 >>"$shim/calls"
for each; do case "$each" in r[0-9]*:*) set -- "$@" "m1:\${each#*:}" ;; *) set -- "$@" "$each" ;; esac; shift; done
case "$*" in
*filter=*) ;;
*'instances?recursion=1'*) incus "$@" | perl "$shim/multiply.pl" ${others}; exit ;;
esac`);
  writeFileSync(
    join(shim.folder, 'multiply.pl'),
    `use JSON::PP; local $/; my $list = decode_json(<STDIN>); my ($one) = grep { $_->{name} eq "scale-a" } @$list;
     my $text = JSON::PP->new->pretty->encode($list); $text =~ s/\\s*\\]\\s*$//;
     my $each = JSON::PP->new->pretty->encode($one); print $text;
     for (1 .. $ARGV[0]) { my $copy = $each; $copy =~ s/"scale-a"/sprintf '"o%05d-node"', $_/e; print ",$copy" } print "]\\n";`,
  );
  writeFileSync(join(shim.folder, 'calls'), '');
  const calls = () =>
    readFileSync(join(shim.folder, 'calls'), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  return { env: shim.env, calls };
}

beforeAll(async () => {
  if (!measuring) return;
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
  await becomesHealthy(yaml, 60_000);
}, 900_000);

describe.runIf(measuring)('one formation', () => {
  it.each([0, 27, 87, 2997, 9997])('among %i other containers of the project', async (others) => {
    const { env } = counted(others);
    const path = process.env['PATH'];
    process.env['PATH'] = env.PATH;
    try {
      const client = new Incus({ remote: 'm1', project: 'default' });
      for (const only of [undefined, ['scale-m', 'scale-a', 'scale-b']]) {
        const [began, before, cpu] = [performance.now(), process.memoryUsage().heapUsed, process.cpuUsage()];
        const found = await client.instances(undefined, only);
        const { user, system } = process.cpuUsage(cpu);
        const what = `the list, ${only === undefined ? 'whole' : 'of its own'}, among ${others} others, load ${loadAverage()}`;
        figure(what, (performance.now() - began) / 1000);
        figure(`${what}: cpu`, (user + system) / 1e6);
        figure(`${what}: heap`, (process.memoryUsage().heapUsed - before) / 2 ** 20, 'MB');
        figure(`${what}: answer`, JSON.stringify([...found.values()]).length / 2 ** 20, 'MB');
        if (only === undefined) expect(found.size).toBeGreaterThanOrEqual(others + 3);
        else expect(found.size).toBe(3);
      }
    } finally {
      process.env['PATH'] = path;
    }
  });
});

describe.runIf(measuring)('formations side by side', () => {
  it.each([1, 10, 30])('%i of them, by remotes of their own', async (many) => {
    const { env, calls } = counted(0);
    const files = remotes
      .slice(0, many)
      .map((remote) =>
        writtenFormation(yaml.replace(/^timings:/m, `incus: { remote: ${remote} }\ntimings:`)),
      );
    const [first = '', ...rest] = files;
    const { finished, cpuSeconds, peakMegabytes } = await meteredAction(
      'check-formation',
      { formation: first, formations: rest.join('\n') },
      { ...env },
    );
    const what = `check of ${many} formations, load ${loadAverage()}`;
    expect([0, 1], finished.log).toContain(finished.code);
    figure(`${what}: code`, String(finished.code), '');
    figure(what, finished.tookMs / 1000);
    figure(`${what}: calls`, calls().length, '');
    figure(`${what}: cpu`, cpuSeconds);
    figure(`${what}: peak`, peakMegabytes, 'MB');
  });
});

/** What was asked of a member, and what it said. */
type Taken = Map<string, unknown>;

/** Ways that lead to the real members and keep what was said there. */
class Recording implements WaysIn {
  readonly taken: Taken = new Map();
  private readonly to: WaysIn;

  constructor(to: WaysIn) {
    this.to = to;
  }

  relay(member: Member): ContainerRelay {
    const relay = this.to.relay(member);
    const read = async (command: string[], options: { deadlineMs: number; maxBytes: number }) => {
      const said = await relay.read(command, options);
      this.taken.set(`${member.name} ${command.slice(0, 2).join(' ')}`, said);
      return said;
    };
    return { read } as unknown as ContainerRelay;
  }

  async session(member: Member, signal: AbortSignal): Promise<Session> {
    const session = await this.to.session(member, signal);
    const query = async (sql: string, ...rest: []) => {
      const rows = await session.query(sql, ...rest);
      this.taken.set(`${member.name} ${sql}`, rows);
      return rows;
    };
    return { query, close: () => session.close() } as unknown as Session;
  }
}

describe.runIf(measuring)(`${simulated} formations`, () => {
  it('are judged from recorded answers, with memory that grows by what is told of each', async () => {
    const real = parseFormation(yaml, 'formation.yml');
    const client = new Incus({ remote: 'm1', project: 'default' });
    const relays = new OwnRelays(client);
    const recording = new Recording(new WaysThrough(real, (name) => relays.of(name)));
    const list = await client.instances(undefined, ['scale-m', 'scale-a', 'scale-b']);
    const hosts = await client.hosts();
    const { verdict } = await untilHealthy(real, client, {
      waitMs: 0,
      observing: { ways: recording, instances: Promise.resolve(list), hosts: async () => hosts },
    });
    relays.close();
    expect(verdict.outcome, verdict.message).toBe('pass');

    // Names of the same length, so that each answer is as long as the real one was. What containers tell is in hex.
    const hex = (text: string) => Buffer.from(text).toString('hex');
    const renamed = <T>(at: number, value: T): T => {
      const name = `f${String(at).padStart(4, '0')}-`;
      const text = JSON.stringify(value).replaceAll('scale-', name).replaceAll(hex('scale-'), hex(name));
      return JSON.parse(text) as T;
    };
    const replay = (at: number): WaysIn => {
      const said = (key: string) => {
        const found = recording.taken.get(key.replaceAll(`f${String(at).padStart(4, '0')}-`, 'scale-'));
        if (found === undefined) throw new Error(`nothing was recorded for ${key.slice(0, 80)}`);
        return renamed(at, found);
      };
      const read = async (member: Member, command: string[]) =>
        said(`${member.name} ${command.slice(0, 2).join(' ')}`) as string;
      return {
        relay: (member) =>
          ({ read: (command: string[]) => read(member, command) }) as unknown as ContainerRelay,
        session: async (member) =>
          ({
            query: async (sql: string) => said(`${member.name} ${sql}`) as Row[],
            close() {},
          }) as unknown as Session,
      };
    };
    const everyOne = new Map(
      Array.from({ length: simulated }, (_, at) =>
        [...list].map(([name, instance]) => renamed(at, [name, instance] as const)),
      ).flat(),
    );
    const limit = pLimit(4);
    const began = performance.now();
    const cpu = process.cpuUsage();
    const before = process.memoryUsage();
    const judged = await Promise.all(
      Array.from({ length: simulated }, (_, at) =>
        limit(async () => {
          const formation: Formation = renamed(at, real);
          return await untilHealthy(formation, client, {
            waitMs: 0,
            observing: { ways: replay(at), instances: Promise.resolve(everyOne), hosts: async () => hosts },
          });
        }),
      ),
    );
    const took = process.cpuUsage(cpu);
    const after = process.memoryUsage();
    const what = `${simulated} formations from recorded answers, load ${loadAverage()}`;
    figure(what, (performance.now() - began) / 1000);
    figure(`${what}: cpu`, (took.user + took.system) / 1e6);
    figure(`${what}: heap`, (after.heapUsed - before.heapUsed) / 2 ** 20, 'MB');
    figure(`${what}: resident`, after.rss / 2 ** 20, 'MB');
    for (const { verdict: each } of judged) expect(each.outcome, each.message).toBe('pass');
  });
});
