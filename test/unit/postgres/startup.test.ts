import { describe, expect, it } from 'vitest';
import {
  clientSettings,
  settingsSince,
  startupOptions,
  superuserSettings,
  superuserSettingsSince,
} from '../../../src/postgres/startup.ts';

describe('a session of ours', () => {
  it.each([
    ['superuser', superuserSettings],
    ['application', clientSettings],
  ])('of the %s looks in pg_catalog, last in its own temporary tables, and nowhere else', (_, settings) => {
    expect(settings).toMatchObject({ search_path: 'pg_catalog,pg_temp', role: 'none' });
  });

  it('of the application has what decides over its writes as the application has it', () => {
    for (const name of ['synchronous_commit', 'default_transaction_read_only', 'session_replication_role'])
      expect(Object.keys(clientSettings)).not.toContain(name);
  });

  it.each([
    [13, []],
    [14, ['idle_session_timeout']],
    [16, ['idle_session_timeout']],
    [17, ['idle_session_timeout', 'transaction_timeout']],
  ])('tells a server of version %d what that knows', (version, names) => {
    expect(Object.keys(settingsSince(version))).toEqual(names);
  });

  it.each([
    [16, undefined],
    [17, 'off'],
  ])(
    'of the superuser has no event trigger run on a server of version %d that can do without',
    (version, expected) => {
      expect(superuserSettingsSince(version)).toEqual({
        ...settingsSince(version),
        ...(expected && { event_triggers: expected }),
      });
    },
  );

  it('has blanks and backslashes of a value escaped', () => {
    expect(startupOptions({ default_transaction_isolation: 'read committed', x: 'a\\b', empty: '' })).toBe(
      '-c default_transaction_isolation=read\\ committed -c x=a\\\\b -c empty=',
    );
  });

  it('leaves to the server what is undefined', () => {
    expect(startupOptions({ ...superuserSettings, default_transaction_read_only: undefined })).not.toContain(
      'default_transaction_read_only',
    );
  });
});
