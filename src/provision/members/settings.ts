import { notBelowPrimary, type Settings } from '../../member/settings.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session.ts';
import type { MemberContainer } from '../member-container.ts';

/** Names of the settings that we set, one a line: what is no longer in the formation file is reset. */
export const managedSettingsPath = '/etc/pgha/settings';

/** What differs between the settings wanted and those that a Postgres has. */
export interface SettingsDifference {
  wanted: Settings;
  /** Names that we set before, as noted in the container. */
  managed: string;
  set: [string, string][];
  reset: string[];
  /** Of those, and of earlier ones, the settings that take a restart. */
  restart: string[];
  /** Settings that a standby must not have less of than its primary, and that become less: `name from 200 to 100`. */
  lowered: string[];
  /** Whether anything is to be done at all, be it only a note or a reload that an interrupted run owes. */
  needed: boolean;
}

/**
 * ALTER SYSTEM is what settings are made with: its file wins over what pg_autoctl writes, and it works on a
 * standby as well. Names in `managed` that are no longer wanted are reset.
 */
export async function settingsDifference(
  session: Session,
  wanted: Settings,
  managed: string,
): Promise<SettingsDifference> {
  const before = managed.split('\n').filter(Boolean);
  const [state] = await session.query(
    `SELECT (SELECT coalesce(json_object_agg(name, setting), '{}') FROM
              (SELECT DISTINCT ON (name) name, setting FROM pg_file_settings
                WHERE sourcefile LIKE '%/postgresql.auto.conf' ORDER BY name, seqno DESC) AS file) AS file,
            (SELECT coalesce(json_agg(name), '[]') FROM pg_settings
              WHERE pending_restart AND name = ANY($1)) AS pending,
            (SELECT coalesce(json_object_agg(name, json_build_array(setting, boot_val)), '{}') FROM pg_settings
              WHERE name = ANY($2)) AS bounded,
            (SELECT coalesce(json_agg(name), '[]') FROM pg_settings
              WHERE context = 'postmaster' AND name = ANY($1)) AS fixed,
            -- pg_stat_file tells whole seconds.
            greatest((pg_stat_file('postgresql.auto.conf')).modification,
                     (pg_stat_file(current_setting('hba_file'))).modification)
              >= date_trunc('second', pg_conf_load_time()) AS unread`,
    [[...before, ...Object.keys(wanted)], notBelowPrimary],
  );
  const inFile = new Map(Object.entries((state?.['file'] ?? {}) as Record<string, string>));
  const set = Object.entries(wanted).filter(([name, value]) => inFile.get(name) !== asFiled(name, value));
  const reset = before.filter((name) => wanted[name] === undefined && inFile.has(name));
  const changed = new Set([...set.map(([name]) => name), ...reset]);
  const restart = new Set([
    ...((state?.['pending'] ?? []) as string[]),
    ...((state?.['fixed'] ?? []) as string[]).filter((name) => changed.has(name)),
  ]);
  const bounded = Object.entries((state?.['bounded'] ?? {}) as Record<string, [string, string]>);
  const lowered = bounded.flatMap(([name, [now, base]]) => {
    const then = changed.has(name) ? Number(wanted[name] ?? base) : Number(now);
    return then < Number(now) ? [`${name} from ${now} to ${then}`] : [];
  });
  const needed =
    changed.size > 0 ||
    restart.size > 0 ||
    state?.['unread'] === true ||
    noted(Object.keys(wanted)) !== managed;
  return { wanted, managed, set, reset, restart: [...restart].sort(), lowered, needed };
}

export const noted = (names: readonly string[]) => `${[...new Set(names)].sort().join('\n')}\n`;

/** Makes the difference, and has Postgres read its files again. @throws DatabaseError for what Postgres refuses */
export async function applySettings(
  container: MemberContainer,
  session: Session,
  { wanted, managed, set, reset }: SettingsDifference,
): Promise<void> {
  const { steps } = container;
  let written = managed;
  const note = async (names: readonly string[]) => {
    if (steps.planning || noted(names) === written) return;
    written = noted(names);
    await container.write(managedSettingsPath, written);
  };
  // Noted before it is set: a name too many harms nothing, one too few would never be reset.
  await note([...managed.split('\n').filter(Boolean), ...Object.keys(wanted)]);
  for (const [name, value] of set) {
    await container.take(`set ${name} to ${value}`, () =>
      session.query(`ALTER SYSTEM SET ${quoted(name)} = ${valueList(name, value)}`),
    );
  }
  for (const name of reset) {
    await container.take(`reset ${name}`, () => session.query(`ALTER SYSTEM RESET ${quoted(name)}`));
  }
  if (steps.planning) return;
  await session.query('SELECT pg_reload_conf()');
  await note(Object.keys(wanted));
}

const quoted = (name: string) => name.split('.').map(quoteIdentifier).join('.');

/** Postgres keeps these as lists (GUC_LIST_INPUT with quoting): one literal would be one name with commas in it. */
const lists = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

const itemsOf = (value: string) => value.split(',').map((item) => item.trim().replace(/^"(.*)"$/, '$1'));

function valueList(name: string, value: string): string {
  return lists.has(name) ? itemsOf(value).map(quoteLiteral).join(', ') : quoteLiteral(value);
}

/** How ALTER SYSTEM writes it down. */
export function asFiled(name: string, value: string): string {
  return lists.has(name) ? itemsOf(value).join(', ') : value;
}
