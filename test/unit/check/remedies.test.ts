import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeRemedy } from '../../../src/check/check.ts';
import { Remedies, word } from '../../../src/check/remedies/remedies.ts';
import { builtInFormation } from '../builders.ts';

describe('a word of a command line', () => {
  it('is, to a shell, the text that was given', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1 }), { minLength: 1 }),
        (texts) => {
          const line = `printf '%s\\0' ${texts.map(word).join(' ')}`;
          expect(execFileSync('sh', ['-c', line], { encoding: 'utf8' })).toBe(`${texts.join('\0')}\0`);
        },
      ),
      { numRuns: 20 },
    );
  });

  it.each(['$(reboot)', '`reboot`', "'; reboot #", '"; reboot #', 'a\\', '!!'])('%s runs nothing', (text) => {
    expect(execFileSync('sh', ['-c', `printf %s ${word(text)}`], { encoding: 'utf8' })).toBe(text);
  });

  it('is left as it is where it is plain', () => {
    expect(word('envs/production.yml')).toBe('envs/production.yml');
  });
});

describe('a remedy', () => {
  it('names the formation file of the caller, quoted where it must be', () => {
    const remedies = new Remedies(builtInFormation(), { formationPath: 'my formations/one.yml' });
    expect(describeRemedy(remedies.provision())).toMatch(
      /: pgha provision-pgaf --formation "my formations\/one\.yml"$/,
    );
  });

  it("runs nothing of a name that only a monitor tells, and that may be anybody's", () => {
    const remedies = new Remedies(builtInFormation(), {});
    const name = 'x; touch pwned #';
    for (const line of [
      remedies.incus('resume', name),
      remedies.journal(name).look ?? '',
      remedies.service(name, 'stop'),
    ])
      expect(
        execFileSync('sh', ['-c', `incus() { printf '%s\\n' "$@"; }; ${line}`], { encoding: 'utf8' }),
      ).toContain(`\n${name}\n--project\n`);
  });

  it('that only shows more is no command line to run', () => {
    const remedy = new Remedies(builtInFormation(), {}).journal('pgaf-replica');
    expect(remedy.run).toBeUndefined();
    expect(describeRemedy(remedy)).toContain('journalctl');
  });
});
