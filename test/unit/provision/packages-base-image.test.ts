import { describe, expect, it } from 'vitest';
import type { Image } from '../../../src/incus/incus.ts';
import { keyOf, outdated } from '../../../src/provision/base-image.ts';
import { formationOf } from '../builders.ts';

const fingerprint = 'f'.repeat(64);
const keyWith = (yaml: string, source = fingerprint) => keyOf(formationOf(yaml), source);
const armoured = '-----BEGIN PGP PUBLIC KEY BLOCK----- -----END PGP PUBLIC KEY BLOCK-----';

describe('the key of a base image', () => {
  const plain = keyWith('postgres: { version: 16 }');

  it('is the same for what does not go into the image', () => {
    for (const same of [
      'formation: other',
      'timings: fast',
      'nodes: [{ name: a }, { name: b }]',
      'environment: lab',
      'postgres: { port: 6000, database: x }',
    ])
      expect(keyWith(same)).toBe(plain);
  });

  it('is another for whatever does', () => {
    const others = [
      keyWith('formation: default', '0'.repeat(64)),
      ...[
        'version: 17',
        'packages: distribution',
        'packages: { proxy: "http://p:1" }',
        'packages: { repository: "http://r", source: pgdg }',
        `packages: { repository: "http://r", key: "${armoured}" }`,
        'packages: { pins: { postgresql-16: "16*" } }',
        'packages: { extra: [postgresql-16-cron] }',
        'packages: { suite: x }',
        'packages: { component: x }',
      ].map((one) => keyWith(`postgres: { ${one} }`)),
    ];
    expect(new Set([plain, ...others]).size).toBe(others.length + 1);
  });

  it('does not hang on the order in which pins and packages are written', () => {
    const one = 'postgres: { packages: { pins: { a1: "1", b2: "2" }, extra: [x1, y2] } }';
    const two = 'postgres: { packages: { pins: { b2: "2", a1: "1" }, extra: [y2, x1] } }';
    expect(keyWith(one)).toBe(keyWith(two));
  });
});

describe('base images that a new one makes superfluous', () => {
  const minute = 60_000;
  const day = 24 * 60 * minute;
  const at = 1000 * day;
  const image = (name: string, line: string | undefined, ago: number, given: Partial<Image> = {}): Image => ({
    fingerprint: name,
    aliases: [`pgha-${name}`],
    properties: line === undefined ? {} : { 'pgha.key': name, 'pgha.line': line },
    uploadedAt: at - ago,
    usedAt: 0,
    ...given,
  });
  const mine = image('mine', 'here', 0);
  const removed = (...others: Image[]) =>
    outdated([mine, ...others], mine, 'here').map((each) => each.fingerprint);

  it('are older ones of its line, and those without a name', () => {
    const nameless = image('nameless', 'there', day, { aliases: [] });
    expect(removed(image('old', 'here', day), nameless)).toEqual(['old', 'nameless']);
  });

  it('are those of other lines that nobody has used for long', () => {
    const used = image('used', 'there', 40 * day, { usedAt: at - day });
    expect(removed(used, image('unused', 'there', 40 * day))).toEqual(['unused']);
  });

  it('are none that somebody may be launching from', () => {
    const used = image('used', 'here', day, { usedAt: at - minute });
    expect(removed(used, image('new', 'here', minute))).toEqual([]);
  });

  it("are none that are not pgha's, whatever their names", () => {
    const named = image('named', undefined, 400 * day, { aliases: ['pgha-0123456789ab'] });
    expect(removed(named, image('bare', undefined, 400 * day, { aliases: [] }))).toEqual([]);
  });
});
