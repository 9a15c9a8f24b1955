import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { membersOf } from '../../../src/formation/formation.ts';
import type { Incus } from '../../../src/incus/incus.ts';
import {
  ensureQuietResolver,
  type ResolverFacts,
  resolverPath,
  resolverText,
  warnOfResolver,
} from '../../../src/provision/containers/resolver.ts';
import multicastInUse from '../../../src/provision/containers/scripts/multicast.sh';
import { noFacts, parseFacts } from '../../../src/provision/facts.ts';
import { MemberContainer } from '../../../src/provision/member-container.ts';
import { type Mode, Steps } from '../../../src/provision/steps.ts';
import { builtInFormation, keptLog } from '../builders.ts';

const formation = builtInFormation();
const [monitor, node = monitor] = membersOf(formation);

describe('what is asked of systemd-resolved', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-resolver-'));
  const running = join(folder, 'running');
  const file = join(folder, 'pgha.conf');
  /** What resolvectl says of each, as systemd 252 and 257 print it. */
  let says: Record<'llmnr' | 'mdns', string> = { llmnr: '', mdns: '' };
  const started = Date.parse('2026-11-29T12:00:05Z') / 1000;

  function asked(): string[] {
    const command = (name: string, text: string) =>
      writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    command('systemctl', '[ "$1" = show ] && echo "Sun 2026-11-29 12:00:05 UTC"; exit 0');
    command('resolvectl', `case $1 in llmnr) printf '${says.llmnr}' ;; mdns) printf '${says.mdns}' ;; esac`);
    const script = `${multicastInUse.replaceAll('/run/systemd/resolve', running)}multicast_in_use "$1"`;
    const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
    return execFileSync('sh', ['-c', script, 'sh', file], { encoding: 'utf8', env })
      .split('\n')
      .filter((line) => line !== '');
  }

  beforeEach(() => {
    mkdirSync(running, { recursive: true });
    rmSync(file, { force: true });
    says = {
      llmnr: 'Global: yes\\nLink 2 (eth0): yes\\n',
      mdns: 'Global: yes\\nLink 2 (eth0): no\\n',
    };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is told where it is on for all and for a link', () => {
    expect(asked()).toEqual(['multicast llmnr']);
    says.mdns = 'Global: resolve\\nLink 2 (eth0): no\\nLink 3 (eth1): resolve\\n';
    expect(asked()).toEqual(['multicast llmnr', 'multicast mdns']);
  });

  it('is nothing where it is off for all, for the link, or where there is none', () => {
    says.llmnr = 'Global: no\\nLink 2 (eth0): yes\\n';
    expect(asked()).toEqual([]);
    says.llmnr = 'Global: yes\\nLink 2 (eth0): no\\n';
    expect(asked()).toEqual([]);
    says.llmnr = 'Global: yes\\nLink 2 (eth0): yes\\n';
    rmSync(running, { recursive: true });
    expect(asked()).toEqual([]);
  });

  it('tells whether it has yet to read its file', () => {
    writeFileSync(file, resolverText);
    utimesSync(file, started - 1, started - 1);
    expect(asked()).toEqual(['multicast llmnr']);
    utimesSync(file, started + 1, started + 1);
    expect(asked()).toEqual(['multicast llmnr', 'resolverbehind yes']);
  });

  it('is known from what is read of a member', () => {
    const hex = Buffer.from(resolverText).toString('hex');
    const told = `multicast llmnr\nmulticast mdns\nresolverbehind yes\nresolver ${hex}\n`;
    expect(parseFacts(told, node)).toMatchObject({
      multicast: ['llmnr', 'mdns'],
      resolver: resolverText,
      resolverBehind: true,
    });
    expect(parseFacts('', node)).toMatchObject({ multicast: [], resolver: '', resolverBehind: false });
  });
});

describe('a resolver that asks neighbours', () => {
  const facts = (found: Partial<ResolverFacts>): ResolverFacts => ({ ...noFacts, ...found });
  const warned: string[] = [];
  const log = { ...keptLog(), warn: (text: string) => void warned.push(text) };
  beforeEach(() => void warned.splice(0));

  /** @param after what it still asks by then */
  async function ensured(found: Partial<ResolverFacts>, mode: Mode, after: string[] = []) {
    const done: string[] = [];
    const incus: Partial<Incus> = {
      exec: async (_, command, options) => {
        done.push(options?.stdin === undefined ? command.slice(0, 3).join(' ') : String(options.stdin));
      },
      read: async () => after.map((how) => `multicast ${how}\n`).join(''),
    };
    const steps = new Steps(log, mode);
    const run = { formation, incus: incus as Incus, steps, signal: new AbortController().signal };
    await ensureQuietResolver(new MemberContainer(run, node), facts(found));
    return { done, changes: steps.changes.map(({ what }) => what) };
  }

  it('is told its file, and started anew', async () => {
    const { done, changes } = await ensured({ multicast: ['llmnr'] }, 'apply');
    expect(done.slice(0, 2)).toEqual([resolverText, 'systemctl restart systemd-resolved.service']);
    expect(changes).toEqual([
      'keep systemd-resolved from asking neighbours for names (llmnr); it restarts, and no name is known for a moment',
    ]);
    expect(warned).toEqual([]);
  });

  it('is told of by a plan in the same words, and nothing is done', async () => {
    const { changes } = await ensured({ multicast: ['llmnr'] }, 'apply');
    expect(await ensured({ multicast: ['llmnr'] }, 'plan')).toEqual({ done: [], changes });
    expect(warned).toEqual([]);
  });

  it('is started anew where a run was killed before it did so', async () => {
    const { done } = await ensured(
      { multicast: ['llmnr'], resolver: resolverText, resolverBehind: true },
      'apply',
    );
    expect(done).toContain('systemctl restart systemd-resolved.service');
  });

  it('that goes on in spite of that is warned of, once it is and by every run after that, which changes nothing', async () => {
    const { changes } = await ensured({ multicast: ['mdns'] }, 'apply', ['mdns']);
    expect(changes).toHaveLength(1);
    expect(await ensured({ multicast: ['mdns'], resolver: resolverText }, 'apply', ['mdns'])).toEqual({
      done: [],
      changes: [],
    });
    expect(warned).toHaveLength(2);
    for (const each of warned)
      expect(each).toContain(
        `systemd-resolved in pgaf-primary asks neighbours for names (mdns) in spite of ${resolverPath}`,
      );
  });

  it('that asks none is left alone', async () => {
    expect(await ensured({}, 'apply')).toEqual({ done: [], changes: [] });
    warnOfResolver(new Steps(log, 'apply'), 'pgaf-monitor', noFacts);
    expect(warned).toEqual([]);
  });

  it('of a monitor that stays as it is, is told of with what its owner does', () => {
    warnOfResolver(new Steps(log, 'plan'), 'pgaf-monitor', facts({ multicast: ['llmnr'] }));
    expect(warned).toEqual([
      expect.stringMatching(/^systemd-resolved in pgaf-monitor asks .* \(llmnr\).*LLMNR=no/),
    ]);
  });
});
