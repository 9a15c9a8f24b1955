import * as v from 'valibot';
import { timingsProfileNames } from './timings.ts';
import {
  aptName,
  cidr,
  databaseName,
  directory,
  domain,
  durationSeconds,
  extensionName,
  formationName,
  image,
  incusName,
  instanceName,
  list,
  map,
  packageName,
  proxyUrl,
  publicKey,
  record,
  repositoryUrl,
  roleName,
  settingName,
  settingValue,
  size,
  trueOrFalse,
  versionPin,
  wholeNumber,
  wordOrMap,
  words,
} from './words.ts';

/**
 * The formation file, as written. Every key is checked, unknown ones are refused, and each message says
 * what is allowed. Defaults that depend on nothing else are filled in here. The build makes the published
 * JSON Schema and the reference in docs/formation.md from it: the text beside a key is its documentation.
 */

/** A key with its documentation. */
const key = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(schema, v.description(text));

const packages = wordOrMap(
  ['pgdg', 'distribution'],
  map(
    {
      source: v.optional(
        key(
          v.picklist(['pgdg', 'distribution', 'repository'], 'must be pgdg, distribution or repository'),
          'Where Postgres and pg_auto_failover come from. `repository` when there is one, else `pgdg`.',
        ),
      ),
      repository: v.optional(
        key(
          repositoryUrl,
          "URL of your apt repository. With `source: pgdg` a mirror of PGDG's; its key is then PGDG's own.",
        ),
      ),
      suite: v.optional(
        key(aptName, 'Suite of the repository; absent: as PGDG has it, `noble-pgdg` on Ubuntu 24.04.'),
      ),
      component: v.optional(key(aptName, 'Component of the repository; absent: `main`.')),
      key: v.optional(key(publicKey, 'Public key that signs the repository, ASCII-armoured.')),
      proxy: v.optional(key(proxyUrl, 'Proxy of apt, for http and https.')),
      pins: v.optional(
        key(
          record(packageName, versionPin, 'must be a map of packages and versions'),
          'Versions by package, as apt_preferences takes them: a version, or its start and `*`.',
        ),
      ),
      extra: v.optional(
        key(
          words(packageName, 'packages', 1, 100),
          'Packages to install besides those of a formation, such as those of extensions.',
        ),
      ),
    },
    'must be a map',
  ),
  'must be pgdg, distribution, or a map with source, repository (http or https URL), suite, component, key (an ASCII-armoured public key), proxy, pins and extra',
);

const timings = wordOrMap(
  timingsProfileNames,
  map(
    {
      'health-check-period': key(
        durationSeconds(0.1, 600),
        'How often the monitor knocks at every Postgres.',
      ),
      'health-check-timeout': key(durationSeconds(0.1, 600), 'How long it waits for an answer.'),
      'health-check-retry-delay': key(durationSeconds(0.1, 600), 'How long it waits between two attempts.'),
      'health-check-max-retries': key(
        wholeNumber(1, 100),
        'How many more attempts it makes before a node counts as unhealthy.',
      ),
      'node-considered-unhealthy-timeout': key(
        durationSeconds(1, 3600),
        'How long a node may not report before the monitor gives it up.',
      ),
      'primary-demote-timeout': key(
        durationSeconds(1, 3600),
        'How long the monitor leaves a lost primary to fence itself before the standby takes writes.',
      ),
      'network-partition-timeout': key(
        wholeNumber(1, 3600),
        'After how long without monitor and standbys a primary fences itself.',
      ),
      'wal-sender-timeout': key(
        durationSeconds(1, 3600),
        'How long a primary takes a silent standby for connected.',
      ),
      'accept-dual-primary-risk': v.optional(
        key(trueOrFalse, 'Whether to take clocks with which two nodes may take writes after a network cut.'),
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

const target = key(incusName, 'Member of the Incus cluster to launch the container on.');

const monitor = map(
  {
    name: key(instanceName, "Name of the monitor's container."),
    limits: v.optional(key(limits, "The monitor's own limits, over those of the file.")),
    target: v.optional(target),
  },
  'must be a map with the key name',
);

const node = map(
  {
    name: key(instanceName, 'Name of the container, and of the node on the monitor.'),
    'candidate-priority': v.optional(
      key(wholeNumber(0, 100), 'The highest is promoted first; a node with 0 never is.'),
      50,
    ),
    quorum: v.optional(
      key(trueOrFalse, 'Whether the primary may wait for it; absent: as `replication.quorum` says.'),
    ),
    limits: v.optional(key(limits, "The node's own limits, over those of the file.")),
    target: v.optional(target),
  },
  'must be a map with the key name',
);

const networks = words(cidr, 'networks', 1, 100);
const extensions = words(extensionName, 'extensions', 1, 100);

const database = map(
  {
    name: key(databaseName, 'Name of the database.'),
    owner: v.optional(key(roleName, 'Its owner, one of the users; absent: `postgres.user`.')),
    extensions: v.optional(key(extensions, 'Extensions in it.')),
  },
  'must be a map with the key name',
);

const user = map(
  {
    name: key(roleName, 'Name of the role; its password comes from your vault, never from this file.'),
    databases: key(words(databaseName, 'databases', 1, 100), 'Databases it is let into.'),
    clients: v.optional(key(networks, 'Networks it comes from; absent: `postgres.clients`.')),
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
        '`lab` permits the placeholder password; any other word is treated as production and asks for `app-password`.',
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
        'Whether new containers come from a base image with the packages in it, made once and kept for the next ones.',
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
              key(incusName, 'Network of new containers; absent: the one of the profiles.'),
            ),
            domain: v.optional(
              key(
                domain,
                'Domain by which containers resolve each other, as in `pgaf-monitor.incus`; with the name at most 64 characters.',
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
    limits: v.optional(key(limits, 'What every container may use; absent: whatever the profiles allow.'), {}),
    postgres: v.optional(
      key(
        map(
          {
            version: v.optional(key(wholeNumber(13, 17), 'Major version.'), 16),
            port: v.optional(key(wholeNumber(1024, 65535), 'Port on every container.'), 5432),
            'data-directory': v.optional(
              key(
                directory,
                "Folder of the formation's own for the data directories, made and owned by postgres.",
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
                "Settings of the data nodes' Postgres by name, in lower case.",
              ),
              {},
            ),
            database: v.optional(key(databaseName, "The application's database."), 'veza'),
            user: v.optional(
              key(
                roleName,
                "The application's role, which owns the database; its password is `app-password`.",
              ),
              'veza',
            ),
            clients: v.optional(
              key(networks, 'Networks that its clients come from; each gets an HBA rule on every data node.'),
              ['10.0.0.0/8'],
            ),
            extensions: v.optional(key(extensions, "Extensions in the application's database.")),
            databases: v.optional(key(list(database, 'databases', 0, 100), 'More databases.'), []),
            users: v.optional(key(list(user, 'users', 0, 100), 'More roles.'), []),
            access: v.optional(
              key(
                list(accessRule, 'access rules', 0, 100),
                "HBA rules by name, before those of the users' own; the first that fits decides.",
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
        "Certificates: self-made and not verified, or from your own CA, verified by its signature (`verify-ca`) and the host's name as well (`verify-full`).",
      ),
      'self-signed',
    ),
    replication: v.optional(
      key(
        map(
          {
            'sync-standbys': v.optional(key(wholeNumber(0, 10), 'How many standbys a commit waits for.'), 1),
            quorum: v.optional(
              key(trueOrFalse, 'Whether the primary may wait for a node that does not say so itself.'),
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
    monitor: v.optional(key(monitor, 'The container that watches and decides.'), { name: 'pgaf-monitor' }),
    nodes: v.optional(
      // Each Postgres of pg_auto_failover has 12 WAL senders and slots, of which a joining node takes two.
      key(list(node, 'data nodes', 2, 12), 'Data nodes in order of registration: the first becomes primary.'),
      [{ name: 'pgaf-primary' }, { name: 'pgaf-replica' }],
    ),
  },
  'must be a map of keys, such as `formation: default`',
);

export type FormationFile = v.InferOutput<typeof formationFile>;
