import { clientRules, type Formation } from '../formation/formation.ts';
import { quoteIdentifier } from './identifier.ts';
import {
  isPreload,
  librariesOf,
  type MissingLibraries,
  missingLibraries,
  preloads,
  preloadsSql,
} from './preloads.ts';
import type { Session } from './session.ts';

/**
 * What keeps the formation's users from logging in and the application from writing, although its roles and databases
 * are there: attributes of both, and settings that hang on them. check-formation tells it, and provision-pgaf puts it
 * right, by the same list.
 */

/** What a server says of the formation's users and databases. */
export interface AccessFacts {
  roles: RoleFacts[];
  databases: DatabaseFacts[];
  /** What ALTER ROLE … SET and ALTER DATABASE … SET say of what keeps a session from writing. */
  settings: SettingFacts[];
  /** Libraries that the server's own settings have every session load, and that are not there. */
  missingLibraries: MissingLibraries[];
}

export interface RoleFacts {
  name: string;
  /** VALID UNTIL, where that is over; '' otherwise. */
  expiredAt: string;
  /** VALID UNTIL, where that is near; '' otherwise. */
  expiresAt: string;
  /** -1 for none. */
  connectionLimit: number;
  /** Whether its password is one that scram-sha-256 takes. */
  scram: boolean;
}

export interface DatabaseFacts {
  name: string;
  owner: string;
  allowsConnections: boolean;
  /** -1 for none. */
  connectionLimit: number;
  /** Of the formation's users, those that lack the privilege CONNECT. */
  lacksConnect: string[];
}

export interface SettingFacts {
  /** '' for every role, or every database. */
  role: string;
  database: string;
  name: string;
  value: string;
  /** Of libraries that a session is to load, those that are not there; undefined for any other setting. */
  missing?: string[];
}

export interface Obstacle {
  /** What was found, in a sentence. */
  evidence: string;
  /** What ends it, as an order, to be run on any database; undefined where provisioning does so by other steps. */
  mend: { what: string; sql: string } | undefined;
}

/** A drill opens as many sessions by default, and its witnesses; fewer are no number that anybody chose for an application. */
export const leastConnections = 10;

/**
 * Of default_transaction_read_only, both are wrong: with `on` nothing is written, with `off` sessions write on a new
 * primary that pg_auto_failover holds back by the same setting of the server (stop_replication, fsm.c). A `role` makes
 * somebody else of the application.
 */
const watched = ['default_transaction_read_only', 'transaction_read_only', 'role'];

/** How near the end of a password is, to be told. */
const nearDays = 14;

/** Reads them, as a superuser, from any database. */
export async function readAccess(
  session: Pick<Session, 'query'>,
  { postgres }: Formation,
): Promise<AccessFacts> {
  const { user, database } = postgres;
  const [row] = await session.query(
    `SELECT (SELECT coalesce(json_agg(json_build_object(
                      'name', rolname, 'connectionLimit', rolconnlimit,
                      'expiredAt', CASE WHEN rolvaliduntil < now() THEN rolvaliduntil::text ELSE '' END,
                      'expiresAt', CASE WHEN rolvaliduntil >= now() AND rolvaliduntil < now() + interval '${nearDays} days'
                                        THEN rolvaliduntil::text ELSE '' END,
                      'scram', coalesce(rolpassword LIKE 'SCRAM-SHA-256$%', false))), '[]')
               FROM pg_authid WHERE rolname = ANY($1)) AS roles,
            (SELECT coalesce(json_agg(json_build_object(
                      'name', datname, 'owner', pg_get_userbyid(datdba), 'connectionLimit', datconnlimit,
                      'allowsConnections', datallowconn,
                      'lacksConnect', (SELECT coalesce(json_agg(rolname), '[]') FROM pg_authid AS role
                                        WHERE rolname = ANY($1)
                                          AND NOT has_database_privilege(role.oid, database.oid, 'CONNECT')))), '[]')
               FROM pg_database AS database WHERE datname = ANY($2)) AS databases,
            (SELECT coalesce(json_agg(json_build_object(
                      'role', coalesce(rolname, ''), 'database', coalesce(datname, ''),
                      'name', split_part(setting, '=', 1), 'value', split_part(setting, '=', 2))), '[]')
               FROM pg_db_role_setting
               LEFT JOIN pg_roles ON pg_roles.oid = setrole LEFT JOIN pg_database ON pg_database.oid = setdatabase,
               unnest(setconfig) AS setting
              WHERE split_part(setting, '=', 1) = ANY($3)
                AND (setrole = 0 OR rolname = $4) AND (setdatabase = 0 OR datname = $5)) AS settings,
            ${preloadsSql}`,
    [
      postgres.users.map(({ name }) => name),
      postgres.databases.map(({ name }) => name),
      [...watched, ...preloads],
      user,
      database,
    ],
  );
  const roles = (row?.['roles'] ?? []) as Partial<RoleFacts>[];
  const databases = (row?.['databases'] ?? []) as Partial<DatabaseFacts>[];
  const settings = (row?.['settings'] ?? []) as SettingFacts[];
  const { missing, ofServer } = await missingLibraries(session, row, settings.filter(isPreload));
  return {
    roles: roles.map((role) => ({ ...plainRole, ...role })),
    databases: databases.map((each) => ({ ...unhindered, ...each })),
    settings: settings.flatMap((setting) => {
      if (!isPreload(setting)) return [setting];
      const lacks = missing(setting);
      return lacks.length > 0 ? [{ ...setting, missing: lacks }] : [];
    }),
    missingLibraries: ofServer,
  };
}

const plainRole = { name: '', expiredAt: '', expiresAt: '', connectionLimit: -1, scram: true };

const unhindered = { name: '', owner: '', allowsConnections: true, connectionLimit: -1, lacksConnect: [] };

/** What is in the way, in the order in which it is to be put right. Pure. */
export function obstaclesOf(
  { roles, databases, settings }: Pick<AccessFacts, 'roles' | 'databases' | 'settings'>,
  formation: Formation,
): Obstacle[] {
  return [
    ...roles.flatMap((role) => ofRole(role, formation)),
    ...databases.flatMap((database) => ofDatabase(database, formation)),
    ...settings.filter((setting) => !isWhoItIs(setting, formation)).map(ofSetting),
  ];
}

/** A `role` that makes of the application what it is already keeps it from nothing. */
const isWhoItIs = ({ name, value }: SettingFacts, { postgres }: Formation) =>
  name === 'role' && (value === postgres.user || value === 'none');

/** Only the application's own has to have more than one; any other's is somebody's decision. */
const tooFew = (limit: number, isApplications: boolean) =>
  limit >= 0 && limit < (isApplications ? leastConnections : 1);

function ofRole({ name, expiredAt, connectionLimit, scram }: RoleFacts, { postgres }: Formation): Obstacle[] {
  const role = quoteIdentifier(name);
  const found: Obstacle[] = [];
  if (expiredAt !== '')
    found.push({
      evidence: `the password of ${name} was valid until ${expiredAt}`,
      mend: {
        what: `let the password of ${name} be valid`,
        sql: `ALTER ROLE ${role} VALID UNTIL 'infinity'`,
      },
    });
  if (tooFew(connectionLimit, name === postgres.user))
    found.push({
      evidence: `${name} may have ${connectionLimit} connections at a time`,
      mend: {
        what: `lift the limit of ${connectionLimit} connections of ${name}`,
        sql: `ALTER ROLE ${role} CONNECTION LIMIT -1`,
      },
    });
  if (!scram) found.push({ evidence: `${name} has no password of the kind scram-sha-256`, mend: undefined });
  return found;
}

function ofDatabase(found: DatabaseFacts, formation: Formation): Obstacle[] {
  const { name, connectionLimit, lacksConnect } = found;
  const { postgres } = formation;
  const database = quoteIdentifier(name);
  // '' where the formation is known by its monitor alone, which knows no owners.
  const owner = postgres.databases.find((each) => each.name === name)?.owner || undefined;
  const shutOut = lacksConnect.filter((user) =>
    clientRules(formation).some((rule) => rule.user === user && rule.database === name),
  );
  return [
    ...(found.allowsConnections
      ? []
      : [
          {
            evidence: `database ${name} lets nobody connect (ALLOW_CONNECTIONS false)`,
            mend: {
              what: `let database ${name} be connected to`,
              sql: `ALTER DATABASE ${database} ALLOW_CONNECTIONS true`,
            },
          },
        ]),
    ...(tooFew(connectionLimit, name === postgres.database)
      ? [
          {
            evidence: `database ${name} takes ${connectionLimit} connections at a time`,
            mend: {
              what: `lift the limit of ${connectionLimit} connections of database ${name}`,
              sql: `ALTER DATABASE ${database} CONNECTION LIMIT -1`,
            },
          },
        ]
      : []),
    ...(owner === undefined || owner === found.owner
      ? []
      : [{ evidence: `database ${name} belongs to ${found.owner}, not ${owner}`, mend: undefined }]),
    ...shutOut.map((user) => ({ evidence: `${user} may not connect to database ${name}`, mend: undefined })),
  ];
}

function ofSetting({ role, database, name, value, missing }: SettingFacts): Obstacle {
  const whose = [role === '' ? 'every role' : role, ...(database === '' ? [] : [`in database ${database}`])];
  const target =
    role === '' && database !== ''
      ? `DATABASE ${quoteIdentifier(database)}`
      : `ROLE ${role === '' ? 'ALL' : quoteIdentifier(role)}${database === '' ? '' : ` IN DATABASE ${quoteIdentifier(database)}`}`;
  if (missing !== undefined) {
    // What is there goes on being loaded.
    const kept = librariesOf(value).filter((library) => !missing.includes(library));
    const list = kept.map((library) => `'${library.replaceAll("'", "''")}'`).join(', ');
    const libraries = missing.join(', ').slice(0, 100);
    return {
      evidence: `${name} of ${whose.join(' ')} names ${libraries}, which is not there`,
      mend: {
        what: `take ${libraries}, which is not there, out of ${name} of ${whose.join(' ')}`,
        sql: kept.length === 0 ? `ALTER ${target} RESET ${name}` : `ALTER ${target} SET ${name} = ${list}`,
      },
    };
  }
  return {
    evidence: `${name} is set to ${value.slice(0, 60)} for ${whose.join(' ')}`,
    mend: { what: `reset ${name} of ${whose.join(' ')}`, sql: `ALTER ${target} RESET ${name}` },
  };
}
