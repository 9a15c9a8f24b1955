import { describe, expect, it } from 'vitest';
import type { Image, Profile } from '../../../src/incus/answers.ts';
import { keptAmong } from '../../../src/provision/image/base-image.ts';
import { outdated } from '../../../src/provision/image/leftovers.ts';
import { keyOf } from '../../../src/provision/image/recipe.ts';
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
      keyWith('incus: { profiles: [default, ha] }'),
      keyWith('incus: { profiles: [ha, default] }'),
      keyWith('incus: { network: other }'),
    ];
    expect(new Set([plain, ...others]).size).toBe(others.length + 1);
  });

  it('is another for what the profiles hold, in whatever order it is told', () => {
    const key = (...profiles: Profile[]) => keyOf(formationOf(''), fingerprint, profiles);
    const nic = { type: 'nic', network: 'incusbr0' };
    const root = { type: 'disk', path: '/', pool: 'default' };
    const all = [
      key(),
      key({ config: {}, devices: {} }),
      key({ config: { 'cloud-init.user-data': 'packages: [vim]' }, devices: {} }),
      key({ config: {}, devices: { eth0: nic } }),
      key({ config: {}, devices: { eth0: { ...nic, network: 'other' } } }),
      key({ config: {}, devices: { eth0: nic, root } }),
    ];
    expect(new Set(all).size).toBe(all.length);
    const turned = { network: 'incusbr0', type: 'nic' };
    expect(key({ config: { a: '1', b: '2' }, devices: { root, eth0: turned } })).toBe(
      key({ config: { b: '2', a: '1' }, devices: { eth0: nic, root } }),
    );
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

describe('a base image that is kept, where the image server is away', () => {
  const formation = formationOf('image: images:debian/12');
  const profiles = [{ config: {}, devices: { eth0: { type: 'nic' } } }];
  const made = (source: string, uploadedAt: number, of = profiles): Image => ({
    fingerprint: `${uploadedAt}`.padStart(64, '0'),
    aliases: [`pgha-${keyOf(formation, source, of)}`],
    properties: {
      'pgha.image': formation.image,
      'pgha.fingerprint': source,
      'pgha.baked': `day ${uploadedAt}`,
    },
    uploadedAt,
    usedAt: 0,
  });
  const [older, newer] = ['1', '2'].map((digit) => digit.repeat(64)) as [string, string];

  it('is the newest of those that have all that is needed, whatever they were made from', () => {
    const found = keptAmong([made(newer, 2), made(older, 1)], formation, profiles);
    expect(found).toEqual({ alias: `pgha-${keyOf(formation, newer, profiles)}`, baked: 'day 2' });
  });

  it('is none that was made with other profiles, of another formation, or by somebody else', () => {
    const other = formationOf('image: images:debian/13');
    const theirs: Image = { ...made(newer, 2), properties: {} };
    expect(keptAmong([made(newer, 2, []), theirs], formation, profiles)).toBeUndefined();
    expect(keptAmong([made(newer, 2)], other, profiles)).toBeUndefined();
  });
});
