import { describe, expect, it } from 'vitest';
import {
  type AccessFacts,
  type DatabaseFacts,
  obstaclesOf,
  type RoleFacts,
  type SettingFacts,
} from '../../../src/postgres/obstacles.ts';
import { formationOf } from '../builders.ts';

const formation = formationOf(`environment: lab
postgres:
  databases: [{ name: reports, owner: etl }]
  users: [{ name: reporter, databases: [reports] }, { name: etl, databases: [veza, reports] }]
`);

const role = (given: Partial<RoleFacts>): RoleFacts => ({
  name: 'veza',
  expiredAt: '',
  expiresAt: '',
  connectionLimit: -1,
  scram: true,
  ...given,
});
const database = (given: Partial<DatabaseFacts>): DatabaseFacts => ({
  name: 'veza',
  owner: 'veza',
  allowsConnections: true,
  connectionLimit: -1,
  lacksConnect: [],
  ...given,
});
const setting = (given: Partial<SettingFacts>): SettingFacts => ({
  role: 'veza',
  database: '',
  name: 'default_transaction_read_only',
  value: 'on',
  ...given,
});
const found = (facts: Partial<AccessFacts>) =>
  obstaclesOf({ roles: [], databases: [], settings: [], ...facts }, formation);

describe('what keeps the application out, or from writing', () => {
  it.each<[string, Partial<AccessFacts>, string, string | undefined]>([
    [
      'a password that is over',
      { roles: [role({ expiredAt: '2024-01-01 00:00:00+00' })] },
      'the password of veza was valid until 2024-01-01 00:00:00+00',
      'ALTER ROLE "veza" VALID UNTIL \'infinity\'',
    ],
    [
      'a limit below what a drill opens',
      { roles: [role({ connectionLimit: 2 })] },
      'veza may have 2 connections at a time',
      'ALTER ROLE "veza" CONNECTION LIMIT -1',
    ],
    [
      'a further user who may have none',
      { roles: [role({ name: 'etl', connectionLimit: 0 })] },
      'etl may have 0 connections at a time',
      'ALTER ROLE "etl" CONNECTION LIMIT -1',
    ],
    [
      'a password of another kind',
      { roles: [role({ scram: false })] },
      'veza has no password of the kind scram-sha-256',
      undefined,
    ],
    [
      'a database that lets nobody in',
      { databases: [database({ allowsConnections: false })] },
      'database veza lets nobody connect (ALLOW_CONNECTIONS false)',
      'ALTER DATABASE "veza" ALLOW_CONNECTIONS true',
    ],
    [
      'a database with too few connections',
      { databases: [database({ connectionLimit: 3 })] },
      'database veza takes 3 connections at a time',
      'ALTER DATABASE "veza" CONNECTION LIMIT -1',
    ],
    [
      "somebody else's database",
      { databases: [database({ owner: 'postgres' })] },
      'database veza belongs to postgres, not veza',
      undefined,
    ],
    [
      'a privilege that was revoked',
      { databases: [database({ name: 'reports', owner: 'etl', lacksConnect: ['veza', 'reporter'] })] },
      'reporter may not connect to database reports',
      undefined,
    ],
    [
      'a role whose sessions only read',
      { settings: [setting({})] },
      'default_transaction_read_only is set to on for veza',
      'ALTER ROLE "veza" RESET default_transaction_read_only',
    ],
    [
      'a role whose sessions write while a new primary is held back',
      { settings: [setting({ value: 'off', database: 'veza' })] },
      'default_transaction_read_only is set to off for veza in database veza',
      'ALTER ROLE "veza" IN DATABASE "veza" RESET default_transaction_read_only',
    ],
    [
      'a database whose sessions are somebody else',
      { settings: [setting({ role: '', database: 'veza', name: 'role', value: 'nobody' })] },
      'role is set to nobody for every role in database veza',
      'ALTER DATABASE "veza" RESET role',
    ],
    [
      'a library that is not there, alone',
      {
        settings: [setting({ name: 'session_preload_libraries', value: 'nothere', missing: ['nothere'] })],
      },
      'session_preload_libraries of veza names nothere, which is not there',
      'ALTER ROLE "veza" RESET session_preload_libraries',
    ],
    [
      'a library that is not there, among others',
      {
        settings: [
          setting({
            role: '',
            database: 'veza',
            name: 'local_preload_libraries',
            value: 'auto_explain, "not here"',
            missing: ['not here'],
          }),
        ],
      },
      'local_preload_libraries of every role in database veza names not here, which is not there',
      'ALTER DATABASE "veza" SET local_preload_libraries = \'auto_explain\'',
    ],
    [
      'a setting for everybody',
      { settings: [setting({ role: '' })] },
      'default_transaction_read_only is set to on for every role',
      'ALTER ROLE ALL RESET default_transaction_read_only',
    ],
  ])('%s', (_, facts, evidence, sql) => {
    expect(found(facts).map((each) => [each.evidence, each.mend?.sql])).toEqual([[evidence, sql]]);
  });

  it("is no limit that somebody has chosen, nor what a further user's are", () => {
    expect(
      found({ roles: [role({ connectionLimit: 40 }), role({ name: 'etl', connectionLimit: 2 })] }),
    ).toEqual([]);
    expect(found({ databases: [database({ connectionLimit: 40 })] })).toEqual([]);
    expect(found({ databases: [database({ lacksConnect: ['reporter'] })] })).toEqual([]);
  });

  it.each(['veza', 'none'])('are not a role of %s, which the application has anyway', (value) => {
    expect(found({ settings: [setting({ role: '', database: 'veza', name: 'role', value })] })).toEqual([]);
  });

  it('are not a password that ends soon: that is for people to decide', () => {
    expect(found({ roles: [role({ expiresAt: '2026-12-03 00:00:00+00' })] })).toEqual([]);
  });

  it('are not an owner whom nobody has named, as where a formation is known by its monitor alone', () => {
    const { postgres } = formation;
    const unnamed = {
      ...postgres,
      user: '',
      users: [],
      databases: [{ name: 'veza', owner: '', extensions: [] }],
    };
    const databases = [database({ owner: 'postgres' })];
    expect(obstaclesOf({ roles: [], databases, settings: [] }, { ...formation, postgres: unnamed })).toEqual(
      [],
    );
  });
});
