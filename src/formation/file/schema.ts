import * as v from 'valibot';
import { keptNames } from '../formation.ts';
import { postgresVersions } from '../releases.ts';
import { timingsProfileNames } from '../timings.ts';
import { packages } from './package-source.ts';
import { probeList } from './probe-schema.ts';
import {
  boundedList,
  cidr,
  databaseName,
  directory,
  domain,
  durationSeconds,
  extensionName,
  formationName,
  host,
  hostOrGroup,
  image,
  incusName,
  instanceName,
  key,
  map,
  nodeName,
  record,
  roleName,
  settingName,
  settingValue,
  size,
  systemdService,
  timeWindow,
  timeZone,
  trueOrFalse,
  wholeNumber,
  wordOrMap,
  words,
} from './words.ts';

/**
 * The formation file, as written. Every key is checked, unknown ones are refused, and each message says
 * what is allowed. Defaults that depend on nothing else are filled in here. The build makes the published
 * JSON Schema and the reference in docs/formation.md from it: the text beside a key is its documentation.
 */

const timings = wordOrMap(
  timingsProfileNames,
  map(
    {
      'health-check-period': key(
        durationSeconds(0.1, 600),
        'How often the monitor tries to connect to every Postgres.',
      ),
      'health-check-timeout': key(durationSeconds(0.1, 600), 'How long it waits for an answer.'),
      'health-check-retry-delay': key(durationSeconds(0.1, 600), 'How long it waits between two attempts.'),
      'health-check-max-retries': key(
        wholeNumber(1, 100),
        'How many more attempts it makes before a node counts as unhealthy.',
      ),
      'node-considered-unhealthy-timeout': key(
        durationSeconds(1, 3600),
        'How long a node may be silent before the monitor gives it up.',
      ),
      'primary-demote-timeout': key(
        durationSeconds(1, 3600),
        'How long the monitor gives a lost primary to fence itself before the standby takes writes.',
      ),
      'network-partition-timeout': key(
        wholeNumber(1, 3600),
        'After how long without the monitor and any standby a primary fences itself.',
      ),
      'wal-sender-timeout': key(
        durationSeconds(1, 3600),
        'How long a primary considers a silent standby to be connected.',
      ),
      'accept-dual-primary-risk': v.optional(
        key(
          trueOrFalse,
          'Whether to accept clocks with which two nodes may take writes after a network cut.',
        ),
        false,
      ),
    },
    'must be a map',
  ),
  `must be ${timingsProfileNames.join(', ')}, or a map with all of health-check-period, health-check-timeout, health-check-retry-delay, health-check-max-retries, node-considered-unhealthy-timeout, primary-demote-timeout, network-partition-timeout and wal-sender-timeout`,
);

const limits = map(
  {
    cpu: v.optional(key(wholeNumber(1, 1024), 'Number of CPUs (`limits.cpu`).')),
    memory: v.optional(key(size(128), 'Memory (`limits.memory`), at least 128MiB.')),
    disk: v.optional(key(size(512), 'Size of the root disk, at least 512MiB.')),
  },
  'must be a map with cpu, memory and disk',
);

const target = key(
  hostOrGroup,
  'Member of the Incus cluster that it belongs on, or `@group`. It stands over `hosts`.',
);

/** What pgha decides for members that it makes, and an existing one may have otherwise. */
const asFound = {
  host: v.optional(
    key(
      host,
      'Host name or address by which members and clients reach it. By default its name and `incus.domain`.',
    ),
  ),
  pgdata: v.optional(
    key(
      directory,
      'Its data directory. By default the folder `monitor` or `node` in `postgres.data-directory`.',
    ),
  ),
  unit: v.optional(
    key(systemdService, 'The systemd service that runs pg_autoctl. By default `pg_autoctl.service`.'),
  ),
};

const monitor = map(
  {
    name: key(instanceName, "Name of the monitor's container."),
    ...asFound,
    limits: v.optional(key(limits, "The monitor's own limits, which override those of the file.")),
    target: v.optional(target),
  },
  'must be a map with the key name',
);

const node = map(
  {
    name: key(instanceName, 'Name of the container, and of the node on the monitor.'),
    'node-name': v.optional(
      key(nodeName, "The node's name on the monitor, where it is not the container's."),
    ),
    ...asFound,
    'candidate-priority': v.optional(
      key(wholeNumber(0, 100), 'The node with the highest is promoted first. A node with 0 never is.'),
      50,
    ),
    quorum: v.optional(
      key(trueOrFalse, 'Whether the primary may wait for it. By default as `replication.quorum` says.'),
    ),
    limits: v.optional(key(limits, "The node's own limits, which override those of the file.")),
    target: v.optional(target),
  },
  'must be a map with the key name',
);

const networks = words(cidr, 'networks', 1, 100);
const extensions = words(extensionName, 'extensions', 1, 100);

const database = map(
  {
    name: key(databaseName, 'Name of the database.'),
    owner: v.optional(key(roleName, 'Its owner, one of the users. By default `postgres.user`.')),
    extensions: v.optional(key(extensions, 'Extensions in it.')),
  },
  'must be a map with the key name',
);

const user = map(
  {
    name: key(roleName, 'Name of the role; its password comes from your vault, never from this file.'),
    databases: key(words(databaseName, 'databases', 1, 100), 'Databases that it may connect to.'),
    clients: v.optional(key(networks, 'Networks that it connects from. By default `postgres.clients`.')),
  },
  'must be a map with the keys name and databases',
);

const accessRule = map(
  {
    user: key(roleName, 'One of the users.'),
    database: key(databaseName, 'One of the databases.'),
    clients: key(networks, 'Networks in CIDR form.'),
    method: key(
      v.picklist(
        ['scram-sha-256', 'cert', 'trust'],
        'must be scram-sha-256, cert (needs a CA of your own) or trust (no password at all)',
      ),
      'How the client proves who it is: by password, by a client certificate whose common name is the user (needs `tls: verify-ca` or `verify-full`), or not at all. Always over TLS.',
    ),
  },
  'must be a map with user, database, clients and method',
);

export const formationFile = map(
  {
    formation: v.optional(key(formationName, "The formation's name on the monitor."), 'default'),
    environment: v.optional(
      key(
        incusName,
        '`lab` permits the placeholder password. Any other word means production, which requires `app-password`.',
      ),
      'production',
    ),
    image: v.optional(
      key(image, 'Incus image of new containers: Debian or Ubuntu, with systemd.'),
      'images:ubuntu/22.04',
    ),
    'base-image': v.optional(
      key(
        trueOrFalse,
        'Whether new containers are launched from a base image that has the packages. It is made once and kept.',
      ),
      true,
    ),
    incus: v.optional(
      key(
        map(
          {
            remote: v.optional(key(incusName, 'Remote of the incus client.'), 'local'),
            project: v.optional(key(incusName, 'Project of the containers.'), 'default'),
            profiles: v.optional(key(words(incusName, 'profiles', 1, 20), 'Profiles of new containers.'), [
              'default',
            ]),
            network: v.optional(
              key(incusName, 'Network of new containers. By default the one of the profiles.'),
            ),
            domain: v.optional(
              key(
                domain,
                'Domain by which containers find each other, as in `pgaf-monitor.incus`. Name and domain together have at most 64 characters.',
              ),
              'incus',
            ),
          },
          'must be a map',
        ),
        'Where the containers are.',
      ),
      {},
    ),
    hosts: v.optional(
      key(
        words(hostOrGroup, 'hosts', 1, 100),
        'Members of the Incus cluster that the containers may be on, and `@groups` of them. By default any. Data nodes keep away from each other, and the monitor from them, as far as there are hosts.',
      ),
    ),
    limits: v.optional(
      key(limits, 'What every container may use. By default whatever the profiles allow.'),
      {},
    ),
    postgres: v.optional(
      key(
        map(
          {
            version: v.optional(
              key(wholeNumber(postgresVersions.oldest, postgresVersions.newest), 'Major version.'),
              16,
            ),
            port: v.optional(key(wholeNumber(1024, 65535), 'Port on every container.'), 5432),
            'data-directory': v.optional(
              key(
                directory,
                "The formation's own folder for the data directories. It is created for and owned by the user postgres.",
              ),
              '/var/lib/postgresql/pgaf',
            ),
            packages: v.optional(
              key(packages, 'Where the packages come from: a word, or a map of the keys below.'),
              'pgdg',
            ),
            settings: v.optional(
              key(
                record(settingName, settingValue, 'must be a map of Postgres settings'),
                'Postgres settings of the data nodes, by name in lower case.',
              ),
              {},
            ),
            database: v.optional(key(databaseName, "The application's database."), 'veza'),
            user: v.optional(
              key(
                roleName,
                "The application's role, which owns the database. Its password is `app-password`.",
              ),
              'veza',
            ),
            clients: v.optional(
              key(
                networks,
                'Networks that its clients connect from. Each gets an HBA rule on every data node.',
              ),
              ['10.0.0.0/8'],
            ),
            extensions: v.optional(key(extensions, "Extensions in the application's database.")),
            databases: v.optional(key(boundedList(database, 'databases', 0, 100), 'More databases.'), []),
            users: v.optional(key(boundedList(user, 'users', 0, 100), 'More roles.'), []),
            access: v.optional(
              key(
                boundedList(accessRule, 'access rules', 0, 100),
                'HBA rules that come before those of the users. The first that matches decides.',
              ),
              [],
            ),
          },
          'must be a map',
        ),
        'Postgres and what applications find in it.',
      ),
      {},
    ),
    tls: v.optional(
      key(
        v.picklist(
          ['self-signed', 'verify-ca', 'verify-full'],
          'must be self-signed, verify-ca or verify-full',
        ),
        "Certificates: self-signed and not verified, or issued by your own CA. With `verify-ca` the CA's signature is verified, with `verify-full` the host name too.",
      ),
      'self-signed',
    ),
    replication: v.optional(
      key(
        map(
          {
            'sync-standbys': v.optional(key(wholeNumber(0, 10), 'How many standbys a commit waits for.'), 1),
            quorum: v.optional(
              key(trueOrFalse, 'Whether the primary may wait for a node whose own entry does not say so.'),
              true,
            ),
          },
          'must be a map',
        ),
        'Synchronous replication.',
      ),
      {},
    ),
    timings: v.optional(
      key(timings, 'What decides the RTO: a profile, or a map of the clocks below, in seconds.'),
      'balanced',
    ),
    keep: v.optional(
      key(
        words(
          v.picklist(keptNames, `must be one of ${keptNames.join(', ')}`),
          'things that stay as they are',
          0,
          keptNames.length,
        ),
        "What provision-pgaf leaves as it is. `access`: pg_hba.conf, pg_ident.conf, and the passwords and connection strings of pg_auto_failover's own accounts. `certificates`: certificates, keys and CA. `monitor`: all of the monitor but this formation's own entries.",
      ),
      [],
    ),
    'allowed-hours': v.optional(
      key(
        map(
          {
            'time-zone': key(timeZone, 'Time zone of the windows, such as `Europe/Paris`.'),
            windows: key(
              words(timeWindow, 'windows', 1, 50),
              'Days and times, such as `Mon-Fri 09:00-17:00`, `Sat 22:00-04:00` or `daily 00:00-24:00`. A window that ends before it begins ends on the next day.',
            ),
          },
          'must be a map with the keys time-zone and windows',
        ),
        'When failover-drill may begin a drill. By default at any time.',
      ),
    ),
    probes: v.optional(
      key(
        probeList,
        'What services of your own must answer while failover-drill drills the formation: before the fault, and again after it.',
      ),
      [],
    ),
    monitor: v.optional(key(monitor, 'The container that watches and decides.'), { name: 'pgaf-monitor' }),
    nodes: v.optional(
      // Each Postgres of pg_auto_failover has 12 WAL senders and slots, of which a joining node takes two.
      key(
        boundedList(node, 'data nodes', 2, 12),
        'Data nodes in order of registration. The first becomes primary.',
      ),
      [{ name: 'pgaf-primary' }, { name: 'pgaf-replica' }],
    ),
  },
  'must be a map of keys, such as `formation: default`',
);

export type FormationFile = v.InferOutput<typeof formationFile>;
