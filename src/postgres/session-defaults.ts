import type { Row } from './session.ts';
import { serverSettings } from './startup.ts';

/**
 * What the sessions of a role have by default, of the settings that decide whether a statement runs: pg_autoctl sets none
 * of them in its own (2.0 to 2.2, pgsql.c opens them with an application_name alone), nor do the monitor's health checks.
 */

export const watchedDefaults = [
  'default_transaction_read_only',
  'default_transaction_isolation',
  'statement_timeout',
] as const;
export type WatchedDefault = (typeof watchedDefaults)[number];

/** One place where such a setting has a value. */
export interface SessionDefault {
  name: WatchedDefault;
  value: string;
  /** The server's own, in its files or built in. */
  ofServer: boolean;
  /** '' for every role, or every database. */
  role: string;
  database: string;
}

/** SQL for all places that concern sessions of any of these roles in that database, as JSON. Both are ours, and quoted plainly. */
export function sessionDefaultsSql(roles: readonly string[], database: string): string {
  const list = (texts: readonly string[]) => texts.map((each) => `'${each}'`).join(', ');
  return `(SELECT json_build_object('ofServer', ${serverSettings(watchedDefaults)}, 'others',
             (SELECT coalesce(json_agg(json_build_object(
                       'name', split_part(setting, '=', 1), 'value', split_part(setting, '=', 2), 'ofServer', false,
                       'role', coalesce(rolname, ''), 'database', coalesce(datname, ''))), '[]')
                FROM pg_db_role_setting
                LEFT JOIN pg_roles ON pg_roles.oid = setrole LEFT JOIN pg_database ON pg_database.oid = setdatabase,
                unnest(setconfig) AS setting
               WHERE split_part(setting, '=', 1) IN (${list(watchedDefaults)})
                 AND (setrole = 0 OR rolname IN (${list(roles)}))
                 AND (setdatabase = 0 OR datname = '${database}'))))`;
}

/** @param column what `sessionDefaultsSql` gave */
export function sessionDefaultsOf(row: Row | undefined, column: string): SessionDefault[] {
  const found = row?.[column] as
    | { ofServer: Partial<Record<WatchedDefault, string>>; others: SessionDefault[] }
    | undefined;
  const ofServer = watchedDefaults.flatMap((name): SessionDefault[] => {
    const value = found?.ofServer[name];
    return value === undefined ? [] : [{ name, value, ofServer: true, role: '', database: '' }];
  });
  return [...ofServer, ...(found?.others ?? [])];
}

/** What a role's sessions have, and by what. As process_settings in postinit.c: role before database before everybody. Pure. */
export function defaultFor(
  places: readonly SessionDefault[],
  name: WatchedDefault,
  role: string,
): SessionDefault | undefined {
  const rank = (place: SessionDefault) =>
    place.ofServer ? 0 : 1 + (place.role === '' ? 0 : 2) + (place.database === '' ? 0 : 1);
  return places
    .filter((place) => place.name === name && (place.role === '' || place.role === role))
    .sort((a, b) => rank(b) - rank(a))[0];
}

/** As Postgres reads a boolean, and any beginning of the words. Pure. */
export const isOn = (value: string): boolean => /^(?:on|1|t(?:r(?:ue?)?)?|y(?:es?)?)$/i.test(value.trim());

const unitsMs: Record<string, number> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A time as it is written, without a unit in milliseconds; undefined for what is none. Pure. */
export function timeMs(value: string): number | undefined {
  const [, number, unit = ''] = /^\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*$/.exec(value) ?? [];
  const factor = unitsMs[unit === '' ? 'ms' : unit];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}

/** For people: `statement_timeout is 5ms for role autoctl_node`. Pure. */
export function describeDefault({ name, value, ofServer, role, database }: SessionDefault): string {
  const where = [
    ...(role === '' ? [] : [`role ${role}`]),
    ...(database === '' ? [] : [`database ${database}`]),
  ].join(' in ');
  const whose = ofServer ? 'the server' : where === '' ? 'every role' : where;
  return `${name} is ${value.slice(0, 60)} for ${whose}`;
}
