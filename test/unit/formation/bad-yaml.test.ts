import { describe, expect, it } from 'vitest';
import { badRoots, badYaml } from '../../corpus/yaml.ts';
import { formationOf } from '../builders.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

describe('a file that is no YAML for a formation is refused in a sentence', () => {
  it.each(badYaml)('%s', (_, text, where) => {
    const errors = errorsOf(() => formationOf(text));
    expectSentences(errors);
    expect(errors[0]).toMatch(where);
  });
});

describe('a file whose root is no map is refused as such', () => {
  it.each(badRoots)('%s', (_, text, found) => {
    expect(errorsOf(() => formationOf(text))).toEqual([
      `f.yaml:1: the file: must be a map of keys, such as \`formation: default\` (found ${found})`,
    ]);
  });
});

describe('what YAML permits is permitted', () => {
  it('an anchor and its alias', () => {
    const formation = formationOf(
      'incus: { profiles: &list [default] }\npostgres: { version: 15 }\nformation: a\n',
    );
    expect(formation.incus.profiles).toEqual(['default']);
    expect(formationOf('environment: &env lab\nformation: *env\n').name).toBe('lab');
  });

  it('quoted keys, comments, document markers, Windows line ends, a byte order mark', () => {
    const text = '\ufeff---\r\n"formation": a # the name\r\n...\r\n';
    expect(formationOf(text).name).toBe('a');
  });
});
