import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { InputError } from '../../../src/contract/errors.ts';
import { loadFormation } from '../../../src/formation/file/load.ts';
import { timingsProfiles } from '../../../src/formation/timings.ts';
import { validFile } from '../../corpus/valid-file.ts';
import { formationOf } from '../builders.ts';
import { schemaErrors } from './json-schema.ts';

/** The text is a formation, for the JSON Schema as well, or is refused with errors of one line each. */
function isJudged(text: string): void {
  try {
    formationOf(text);
    expect(schemaErrors(text)).toEqual([]);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    if (error instanceof InputError)
      for (const each of error.errors) expect(each).toMatch(/^f\.yaml[^\n\r]*: [^\n\r]+$/);
  }
}

const key = fc.constantFrom(
  ...['formation', 'environment', 'image', 'incus', 'postgres', 'replication', 'timings', 'monitor', 'nodes'],
  ...[
    'limits',
    'cpu',
    'memory',
    'settings',
    'databases',
    'users',
    'access',
    'extensions',
    'owner',
    'method',
    'tls',
  ],
  ...['version', 'port', 'packages', 'clients', 'quorum', 'sync-standbys', 'name', '__proto__', '<<', ''],
);
/** Values whose keys are mostly ours, so that they get past the first level. */
const likely = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, fc.jsonValue({ maxDepth: 1 }), tie('map'), fc.array(tie('value'))),
  map: fc.dictionary(key, tie('value'), { maxKeys: 5 }),
}));

describe('no text whatsoever makes the parser fail otherwise than by a refusal', () => {
  it('any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => isJudged(JSON.stringify(value))),
      { numRuns: 200 },
    );
  });

  it('any value under our own keys, as JSON and as block YAML', () => {
    fc.assert(
      fc.property(likely.map, (value) => {
        isJudged(JSON.stringify(value));
        isJudged(stringify(value));
      }),
      { numRuns: 150 },
    );
  });

  it('any text made of what YAML gives a meaning to', () => {
    const piece = fc.constantFrom(
      ...['formation', 'nodes', 'name', ': ', ':', '- ', '\n', '  ', '\t', '{', '}', '[', ']', ',', '"', "'"],
      ...['&a', '*a', '!!x', '!', '|', '>', '? ', '%', '#', '---\n', '...\n', '@', '\0', '\r', '\u2028', '~'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => isJudged(pieces.join(''))),
      { numRuns: 400 },
    );
  });

  it('any input, be it a path or YAML', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (input) => {
        try {
          loadFormation(input, '/nowhere');
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('every valid file is read as it was written', () => {
  it.each([
    ['block YAML', (file: object) => stringify(file)],
    ['JSON', (file: object) => JSON.stringify(file)],
  ])('as %s', (_, write) => {
    fc.assert(
      fc.property(validFile, (file) => {
        expect(schemaErrors(write(file))).toEqual([]);
        const { replication, postgres } = file;
        const { 'data-directory': dataDirectory, clients, extensions, ...samePostgres } = postgres;
        const container = ({ name, limits: own, target }: (typeof file)['monitor']) => ({
          name,
          limits: { ...file.limits, ...own },
          target,
        });
        expect(formationOf(write(file))).toEqual({
          name: file.formation,
          environment: file.environment,
          image: file.image,
          baseImage: file['base-image'],
          incus: file.incus,
          tls: file.tls,
          allowedHours: {
            timeZone: file['allowed-hours']['time-zone'],
            windows: file['allowed-hours'].windows,
          },
          probes: file.probes.map(({ name, tcp, interval, timeout, 'abort-when': abort }) => ({
            name,
            intervalSeconds: interval,
            timeoutSeconds: timeout,
            abortSeconds: abort,
            asks: { kind: 'tcp', ...tcp },
          })),
          postgres: {
            ...samePostgres,
            dataDirectory,
            packages: { source: postgres.packages, component: 'main', pins: {}, extra: [] },
            settings: Object.fromEntries(
              Object.entries(postgres.settings).map(([name, value]) => [
                name,
                value === true ? 'on' : value === false ? 'off' : String(value),
              ]),
            ),
            databases: [{ name: postgres.database, owner: postgres.user, extensions }, ...postgres.databases],
            users: [{ name: postgres.user, databases: [postgres.database], clients }, ...postgres.users],
          },
          replication: { syncStandbys: replication['sync-standbys'], quorum: replication.quorum },
          timingsName: file.timings,
          timings: timingsProfiles[file.timings],
          monitor: container(file.monitor),
          nodes: file.nodes.map((node) => ({
            ...container(node),
            candidatePriority: node['candidate-priority'],
            quorum: node.quorum,
          })),
        });
      }),
      { numRuns: 60 },
    );
  });
});
