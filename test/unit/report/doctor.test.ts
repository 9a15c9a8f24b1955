import { describe, expect, it } from 'vitest';
import { keepSecret } from '../../../src/contract/secrecy.ts';
import { fails, holds, unknown } from '../../../src/doctor/doctor-finding.ts';
import { factsOfSurroundings } from '../../../src/doctor/named-facts.ts';
import { doctorLines, sentences } from '../../../src/report/doctor-report.ts';
import { builtInFormation } from '../builders.ts';
import { goodRunner, whatWasSeen } from '../doctor/good-runner.ts';

describe('what the doctor prints', () => {
  const findings = [
    holds('node', 'Node 22 is on PATH'),
    fails('image', 'it cannot be had', 'Copy it to your own server. Or name another.'),
    unknown('pool-room', 'not told'),
  ];

  it('has a line for each finding, a line for each idea of a remedy, and the verdict last', () => {
    expect(
      doctorLines('pgha doctor', findings, [
        ['node', 'v22'],
        ['', 'and more'],
        ['empty', ''],
      ]),
    ).toEqual([
      'pgha doctor',
      '',
      'ok      node       Node 22 is on PATH',
      'FAILS   image      it cannot be had',
      '                   -> Copy it to your own server.',
      '                   -> Or name another.',
      'unknown pool-room  not told',
      '',
      'looked at with',
      '  node  v22',
      '        and more',
      '',
      '1 of 3 hold; 1 does not: image; 1 is not known: pool-room',
    ]);
  });

  it('holds no secret, moves no cursor, and begins no line with what a server said', () => {
    keepSecret('hunter2-of-the-vault');
    const said = 'proxy http://ci:swordfish@proxy:3128 and hunter2-of-the-vault\u001b[2J\r\n::error::x';
    const lines = doctorLines(said, [fails('server', said, said)], [['proxy', said]]);
    const text = lines.join('\n');
    expect(text).not.toMatch(/swordfish|hunter2/);
    expect(text).toContain('http://ci:***@proxy:3128');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may come through
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(lines.every((line) => !line.startsWith('::'))).toBe(true);
  });
});

it('tells the settings of network and project, and nothing of theirs that is secret', () => {
  const runner = goodRunner();
  whatWasSeen(runner.surroundings.network).config = {
    'ipv4.address': '10.0.0.1/24',
    'bgp.peers.core.password': 'hunter2',
    'user.note': 'hunter2',
  };
  const text = JSON.stringify(factsOfSurroundings(runner.surroundings, builtInFormation()));
  expect(text).toContain('ipv4.address=10.0.0.1/24');
  expect(text).not.toContain('hunter2');
});

it('splits a remedy at its ideas, and not within a name or a command', () => {
  expect(sentences('Say incus.domain: veza. Run `incus info x.y`. `a` must be there.')).toEqual([
    'Say incus.domain: veza.',
    'Run `incus info x.y`.',
    '`a` must be there.',
  ]);
});
