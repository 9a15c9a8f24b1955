/**
 * What a session of ours has set, whatever the server, the database or the role has by default: what it asks must not
 * fail, or mean something else, by a setting that somebody made for others. They go in the startup packet, which comes
 * before what ALTER DATABASE and ALTER ROLE say (process_startup_options before process_settings, postinit.c).
 * Undefined: as the server, the database and the role have it after all.
 */
export type SessionSettings = Readonly<Record<string, string | undefined>>;

/** Every user may set these, in every release from 13 on. */
const everybodys: SessionSettings = {
  // Without pg_temp a session's own temporary tables would come first.
  search_path: 'pg_catalog,pg_temp',
  role: 'none',
  local_preload_libraries: '',
  client_min_messages: 'warning',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  exit_on_error: 'off',
  standard_conforming_strings: 'on',
  backslash_quote: 'safe_encoding',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',
  extra_float_digits: '1',
  bytea_output: 'hex',
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
};

/**
 * The application's own session: `synchronous_commit`, `default_transaction_read_only` and whatever else decides what
 * becomes of its writes are as the application has them.
 */
export const clientSettings: SessionSettings = everybodys;

/**
 * A superuser's. It may write whatever is the default: whether the server itself takes writes is for `serverSetting` to
 * tell. What it writes is durable. New tables go where they do by Postgres' own default.
 */
export const superuserSettings: SessionSettings = {
  ...everybodys,
  session_authorization: 'postgres',
  default_transaction_read_only: 'off',
  synchronous_commit: 'on',
  row_security: 'on',
  lc_messages: 'C',
  check_function_bodies: 'on',
  session_preload_libraries: '',
  default_tablespace: '',
  temp_tablespaces: '',
  default_table_access_method: 'heap',
};

/** As PGOPTIONS has it: blanks and backslashes in a value are escaped (PostgreSQL documentation, "Connection Strings"). */
export function startupOptions(settings: SessionSettings): string {
  return Object.entries(settings)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`],
    )
    .join(' ');
}

/** What only later majors know, and have to be told at the start: one of some milliseconds ends a session that is set up. */
export function settingsSince(version: number): SessionSettings {
  return {
    ...(version >= 14 && { idle_session_timeout: '0' }),
    ...(version >= 17 && { transaction_timeout: '0' }),
  };
}

/**
 * The same, which superusers alone may set. An event trigger on login runs its function as whoever logs in, before there
 * is a statement that could look whose that is (EventTriggerOnLogin, event_trigger.c); and one that fails keeps everybody
 * out who does not say so.
 */
export function superuserSettingsSince(version: number): SessionSettings {
  return { ...settingsSince(version), ...(version >= 17 && { event_triggers: 'off' }) };
}

/**
 * SQL for a setting as the server has it, whatever a database, a role or the session's own start says otherwise. For a
 * superuser: its files tell what the session itself cannot see then. What no file sets has its built-in value.
 */
export function serverSetting(name: string): string {
  return `(SELECT CASE WHEN source IN ('default', 'environment variable', 'configuration file', 'command line', 'override')
                       THEN setting
                       ELSE coalesce((SELECT file.setting FROM pg_file_settings AS file
                                       WHERE file.name = '${name}' AND file.applied), boot_val) END
             FROM pg_settings WHERE name = '${name}')`;
}

/** The same for several, as a JSON object of text; in one look, for each of these views is made anew for whoever looks. */
export function serverSettings(names: readonly string[]): string {
  return `(SELECT json_object_agg(known.name,
                    CASE WHEN source IN ('default', 'environment variable', 'configuration file', 'command line', 'override')
                         THEN known.setting
                         ELSE coalesce(file.setting, boot_val) END)
             FROM pg_settings AS known LEFT JOIN pg_file_settings AS file ON file.name = known.name AND file.applied
            WHERE known.name IN (${names.map((name) => `'${name}'`).join(', ')}))`;
}
