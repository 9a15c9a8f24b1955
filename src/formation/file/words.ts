import { isIP } from 'node:net';
import * as v from 'valibot';
import { isTimeZone, windowPattern } from '../allowed-hours.ts';

/**
 * What single values of a formation file may be; each message says what is allowed. Wherever a pattern can
 * say it, a pattern does: it goes into the published JSON Schema as well, and what a `check` says does not.
 */

/** Incus instance names: a DNS label (Incus' instance name rule). */
export const instanceName = v.pipe(
  v.string('must be a name'),
  v.regex(
    /^[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/,
    'must be a container name: letters, digits and hyphens, starting with a letter, at most 63',
  ),
);

export const incusName = v.pipe(
  v.string('must be a name'),
  v.regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'must be letters, digits, ".", "_" or "-", at most 63'),
);

/** A member of an Incus cluster, or `@group` for one of a group of them. */
export const hostOrGroup = v.pipe(
  v.string('must be a member of the Incus cluster, or @group'),
  v.regex(
    /^@?[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/,
    'must be a member of the Incus cluster, or @group: letters, digits, ".", "_" or "-", at most 63',
  ),
);

/** An image's alias or fingerprint, or that of a remote. */
export const image = v.pipe(
  v.string('must be an image'),
  v.regex(
    /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,62}:)?[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/,
    'must be an Incus image such as images:ubuntu/22.04',
  ),
);

export const domain = v.pipe(
  v.string('must be a domain'),
  v.regex(
    /^(?=.{1,200}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/,
    'must be a DNS domain in lower case, such as incus',
  ),
);

/** pg_auto_failover keeps it in a `name`, and it stands in configuration files and paths. */
export const formationName = v.pipe(
  v.string('must be a name'),
  v.regex(
    /^[a-z_][a-z0-9_-]{0,62}$/,
    'must be lower-case letters, digits, "_" or "-", at most 63, starting with a letter or "_"',
  ),
);

/**
 * Postgres identifiers. Narrower than Postgres itself: plain names need no quoting in pg_hba.conf or in a
 * connection string, and 63 bytes is where Postgres truncates.
 */
const identifier = v.pipe(
  v.string('must be a name'),
  v.regex(
    /^[a-z_][a-z0-9_]{0,62}$/,
    'must be lower-case letters, digits and "_", at most 63, not starting with a digit',
  ),
);

/** Those of Postgres, of pg_auto_failover on monitor (autoctl, autoctl_node) and nodes, and HBA keywords. */
export const roleName = v.pipe(
  identifier,
  v.regex(
    /^(?!pg_|pgautofailover_|(?:autoctl|autoctl_node|postgres|public|none|all)$)/,
    'is reserved by Postgres or pg_auto_failover; choose another name',
  ),
);

export const databaseName = v.pipe(
  identifier,
  v.regex(
    /^(?!(?:postgres|template0|template1|pg_auto_failover|all|replication|sameuser|samerole|samegroup)$)/,
    'is reserved by Postgres or pg_auto_failover; choose another name',
  ),
);

/** How others reach a member: a DNS name, or an address. Never a word that pg_hba.conf reads as more than one host. */
const hostMessage = 'must be a host name or an IP address, such as db1.example.org or 10.0.0.11';
export const host = v.pipe(
  v.string(hostMessage),
  v.regex(
    /^(?!(?:all|samehost|samenet)$)(?:[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/,
    hostMessage,
  ),
  v.maxLength(64, 'must have at most 64 characters, which is what a certificate holds'),
  v.check((text) => !text.includes(':') || isIP(text) === 6, hostMessage),
);

/** A node's name on the monitor (pg_autoctl's --name), which stands in command lines too. */
export const nodeName = v.pipe(
  v.string('must be a name'),
  v.regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/,
    'must be the name that `pg_autoctl show state` gives it: letters, digits, "_", "." or "-", at most 63',
  ),
);

export const systemdService = v.pipe(
  v.string('must be a systemd service'),
  v.regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}\.service$/,
    'must be the name of a systemd service, such as pgautofailover.service',
  ),
);

export const cidr = v.pipe(
  v.string('must be a network such as 10.0.0.0/8'),
  v.regex(
    /^[0-9A-Fa-f:.]{2,45}\/(?:0|[1-9]\d{0,2})$/,
    'must be a network in CIDR form, such as 10.0.0.0/8 or fd00::/8',
  ),
  v.check((text) => {
    const [address = '', prefix = ''] = text.split('/');
    const family = isIP(address);
    return family !== 0 && Number(prefix) <= (family === 4 ? 32 : 128);
  }, 'must be a network in CIDR form, such as 10.0.0.0/8 or fd00::/8'),
);

const zoneMessage = 'must be a time zone, such as Europe/Paris or UTC';
export const timeZone = v.pipe(
  v.string(zoneMessage),
  v.regex(/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/, zoneMessage),
  v.check(isTimeZone, 'is no time zone of the IANA database; one is Europe/Paris, another UTC'),
);

export const timeWindow = v.pipe(
  v.string('must be days and times, such as Mon-Fri 09:00-17:00'),
  v.regex(
    windowPattern,
    'must be days and times, such as Mon-Fri 09:00-17:00, Sat 22:00-04:00 or daily 00:00-24:00',
  ),
);

export const wholeNumber = (min: number, max: number) => {
  const message = `must be a whole number from ${min} to ${max}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
};

/** Seconds, to the millisecond, as the settings behind them allow. */
export const durationSeconds = (min: number, max: number) => {
  const message = `must be seconds from ${min} to ${max}`;
  return v.pipe(v.number(message), v.minValue(min, message), v.maxValue(max, message));
};

export const trueOrFalse = v.boolean('must be true or false');

/** What Incus takes for sizes (its limits.memory and a disk's size), no smaller than a node can live with. */
export const size = (minMiB: number) => {
  const message = `must be a size of at least ${minMiB}MiB as text, such as 4GiB (MB, GB, TB, MiB, GiB or TiB)`;
  return v.pipe(
    v.string(message),
    v.regex(/^[1-9]\d{0,9}(?:MB|GB|TB|MiB|GiB|TiB)$/, message),
    v.check((text) => bytesOf(text) >= minMiB * 1024 ** 2, message),
  );
};

/** @param text a size as the file has it */
export function bytesOf(text: string): number {
  const [, count, prefix = '', binary] = /^(\d+)([MGT])(i?)B$/.exec(text) ?? [];
  return Number(count) * (binary ? 1024 : 1000) ** ('MGT'.indexOf(prefix) + 2);
}

/**
 * The formation's own folder, which pgha makes and gives to postgres: none of the system's, and not the
 * home of the distribution's clusters.
 */
export const directory = (() => {
  const message =
    'must be the absolute path of a folder of its own, at least two levels deep, of letters, digits, ".", "_" and "-", and none of the system\'s, such as /var/lib/postgresql/pgaf';
  return v.pipe(
    v.string(message),
    v.regex(
      /^(?!\/(?:bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|root|run|sbin|sys|tmp|usr)\/|\/var\/(?:backups|cache|local|lib|lock|log|mail|opt|run|spool|tmp)$|\/var\/(?:cache|lock|log|run|spool|tmp)\/|\/var\/lib\/(?:apt|dpkg|systemd)(?:\/|$)|\/var\/lib\/postgresql(?:\/\d+)?$)(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}){2,10}$/,
      message,
    ),
  );
})();

const isMap = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A key with its documentation. */
export const key = <S extends v.GenericSchema>(schema: S, text: string) =>
  v.pipe(schema, v.description(text));

/** A map; valibot alone takes a list for one. */
export const map = <E extends v.ObjectEntries>(entries: E, message: string) =>
  v.pipe(v.custom<v.InferInput<v.ObjectSchema<E, undefined>>>(isMap, message), v.strictObject(entries));

/** One of some words or a map, so that an error within the map is told by its key. */
export const wordOrMap = <const W extends readonly string[], M extends v.GenericSchema>(
  words: W,
  whole: M,
  message: string,
) => {
  const word = v.picklist(words, message);
  return v.lazy<typeof word | M>((input) => (isMap(input) ? whole : word));
};

export const boundedList = <T extends v.GenericSchema>(item: T, what: string, min: number, max: number) =>
  v.pipe(
    v.array(item, `must be a list of ${what}`),
    v.minLength(min, `must hold at least ${min} of ${what}`),
    v.maxLength(max, `must hold at most ${max} of ${what}`),
  );

/** A list of words, none of them twice. */
export const words = <T extends v.GenericSchema<string>>(item: T, what: string, min: number, max: number) =>
  v.pipe(
    boundedList(item, what, min, max),
    v.checkItems((word, index, all) => all.indexOf(word) === index, 'is in the list twice'),
  );

/** A map with keys of one kind, such as settings by their names. */
export const record = <K extends v.GenericSchema<string>, V extends v.GenericSchema>(
  key: K,
  value: V,
  message: string,
) => v.pipe(v.custom<v.InferInput<v.RecordSchema<K, V, undefined>>>(isMap, message), v.record(key, value));

/** A Postgres extension: what CREATE EXTENSION takes, quoted. The monitor's own needs what no data node has. */
export const extensionName = v.pipe(
  v.string('must be an extension'),
  v.regex(
    /^[a-z_][a-z0-9_-]{0,62}$/,
    'must be the name of a Postgres extension: lower-case letters, digits, "_" or "-"',
  ),
  v.regex(/^(?!pgautofailover$)/, 'is for the monitor alone'),
);

/**
 * Settings that pg_auto_failover, the TLS set-up or the timings decide: set by hand they would break the
 * formation. They are those of its postgresql-auto-failover.conf and postgresql-auto-failover-standby.conf,
 * of its command line for Postgres, what it changes by ALTER SYSTEM, and what pg_rewind and a prompt
 * promotion need.
 */
const ownedSettings = [
  ...['listen_addresses', 'port', 'data_directory', 'hba_file', 'ident_file', 'config_file'],
  ...['unix_socket_directories', 'unix_socket_group', 'unix_socket_permissions', 'external_pid_file'],
  ...['hot_standby', 'wal_log_hints', 'synchronous_standby_names', 'default_transaction_read_only'],
  ...['primary_conninfo', 'primary_slot_name', 'promote_trigger_file', 'recovery_min_apply_delay'],
  ...['wal_sender_timeout', 'password_encryption', 'allow_alter_system'],
  ...['ssl', 'ssl_cert_file', 'ssl_key_file', 'ssl_ca_file', 'ssl_crl_file', 'ssl_crl_dir'],
  ...['ssl_passphrase_command', 'include', 'include_dir', 'include_if_exists'],
];
const ownedPrefixes = ['recovery_target', 'pgautofailover\\.'];

/** What Postgres shows and does not let anybody set in a file (its preset options), and what a session has. */
const presetSettings = [
  ...['block_size', 'data_checksums', 'data_directory_mode', 'debug_assertions', 'huge_pages_status'],
  ...['in_hot_standby', 'integer_datetimes', 'is_superuser', 'lc_collate', 'lc_ctype', 'num_os_semaphores'],
  ...['max_function_args', 'max_identifier_length', 'max_index_keys', 'role', 'seed', 'segment_size'],
  ...['server_encoding', 'server_version', 'server_version_num', 'session_authorization'],
  ...['shared_memory_size', 'shared_memory_size_in_huge_pages', 'ssl_library', 'transaction_deferrable'],
  ...['transaction_isolation', 'transaction_read_only', 'wal_block_size', 'wal_segment_size'],
];

export const settingName = v.pipe(
  v.string('must be a setting'),
  v.regex(
    /^[a-z_][a-z0-9_]{0,62}(?:\.[a-z_][a-z0-9_]{0,62})?$/,
    'must be the name of a Postgres setting, in lower case',
  ),
  v.regex(
    new RegExp(`^(?!(?:${ownedSettings.join('|')})$|${ownedPrefixes.join('|')})`),
    'is decided by pg_auto_failover, tls or timings; it cannot be set here',
  ),
  v.regex(
    new RegExp(`^(?!(?:${presetSettings.join('|')})$)`),
    'is fixed by Postgres or belongs to a session; it cannot be set here',
  ),
);

const settingMessage =
  'must be a value as postgresql.conf takes it: text on one line, a number, true or false';
export const settingValue = v.union(
  [
    // One line of a configuration file; Postgres takes no NUL and ALTER SYSTEM no line break.
    v.pipe(v.string(), v.regex(/^[^\n\r\0]{0,1000}$/, 'must be text on one line, at most 1000 characters')),
    v.pipe(v.number(), v.finite(settingMessage)),
    v.boolean(),
  ],
  settingMessage,
);
