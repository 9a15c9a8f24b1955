import { InputError } from '../contract/errors.ts';
import { clientRules, type Formation } from '../formation/formation.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/identifier.ts';
import { matchesVerifier, scramVerifier } from '../postgres/scram.ts';
import type { Session } from '../postgres/session.ts';
import type { Steps } from './steps.ts';

/**
 * Roles, databases and extensions of a formation on its primary. What is declared is created, and put right
 * where it drifted; nothing is ever dropped, and what is not declared is left alone.
 *
 * A user may connect to its databases and gets no other right: Postgres' own defaults stand (PUBLIC may
 * CONNECT), as pg_hba.conf lets nobody in but the declared users, each to its databases.
 */

/** What stands on the primary of what the formation declares. */
export interface FoundApplication {
  roles: ReadonlyMap<string, FoundRole>;
  databases: ReadonlyMap<string, FoundDatabase>;
  /** Of the extensions wanted, those that the server has files of; undefined where it was not asked. */
  available: ReadonlySet<string> | undefined;
}

export interface FoundRole {
  login: boolean;
  /** What Postgres stores of its password, '' when it has none. */
  verifier: string;
}

export interface FoundDatabase {
  owner: string;
  /** Of the formation's users, those that may connect. */
  connect: ReadonlySet<string>;
  /** Whether everybody may, which is Postgres' default. */
  publicConnect: boolean;
  extensions: ReadonlySet<string>;
}

/** Every Postgres has it; roles and databases can be seen and made from here. */
const anyDatabase = 'postgres';

/** What stands on the primary of a new formation. */
export const nothingFound: FoundApplication = {
  roles: new Map(),
  databases: new Map(),
  available: undefined,
};

export interface ApplicationStep {
  /** Imperative: `create role reporter`. Without secrets. */
  what: string;
  /** The database to run it in. */
  database: string;
  /** Made when it is run, so that no log or report of the step holds a verifier. */
  sql(): string;
}

/** A session on one of the primary's databases. The caller keeps the sessions, and closes them. */
export type OpenDatabase = (database: string) => Promise<Pick<Session, 'query'>>;

/** Copying a template and running an extension's script take their time. */
const stepDeadlineMs = 60_000;

/**
 * Creates and puts right what differs.
 * @param open undefined in the plan of a formation that is not there yet
 */
export async function ensureApplication(
  open: OpenDatabase | undefined,
  formation: Formation,
  passwords: ReadonlyMap<string, string>,
  steps: Steps,
): Promise<void> {
  const found = open ? await readApplication(open, formation) : nothingFound;
  for (const step of applicationSteps(found, formation, passwords))
    await steps.take(formation.name, step.what, async () => {
      const session = await open?.(step.database);
      await session?.query(step.sql(), [], { deadlineMs: stepDeadlineMs });
    });
}

/** Reads what stands, and changes nothing. Asks each database that is to have extensions in a session of its own. */
export async function readApplication(open: OpenDatabase, formation: Formation): Promise<FoundApplication> {
  const { users, databases } = formation.postgres;
  const extensions = [...new Set(databases.flatMap((database) => database.extensions))];
  const session = await open(anyDatabase);
  const [row] = await session.query(
    `SELECT (SELECT coalesce(json_agg(json_build_object(
                      'name', rolname, 'login', rolcanlogin, 'verifier', coalesce(rolpassword, ''))), '[]')
               FROM pg_authid WHERE rolname = ANY($1)) AS roles,
            (SELECT coalesce(json_agg(json_build_object(
                      'name', datname, 'owner', pg_get_userbyid(datdba),
                      'publicConnect', has_database_privilege('public', database.oid, 'CONNECT'),
                      'connect', (SELECT coalesce(json_agg(rolname), '[]') FROM pg_authid AS role
                                   WHERE rolname = ANY($1)
                                     AND has_database_privilege(role.oid, database.oid, 'CONNECT')))), '[]')
               FROM pg_database AS database WHERE datname = ANY($2)) AS databases,
            (SELECT coalesce(json_agg(name), '[]')
               FROM pg_available_extensions WHERE name = ANY($3)) AS available`,
    [users.map(({ name }) => name), databases.map(({ name }) => name), extensions],
  );
  const roles = (row?.['roles'] ?? []) as (FoundRole & { name: string })[];
  const found = (row?.['databases'] ?? []) as (Omit<FoundDatabase, 'connect'> & {
    name: string;
    connect: string[];
  })[];
  const foundDatabases = new Map<string, FoundDatabase>();
  for (const { name, owner, publicConnect, connect } of found) {
    const wanted = databases.find((database) => database.name === name)?.extensions ?? [];
    foundDatabases.set(name, {
      owner,
      publicConnect,
      connect: new Set(connect),
      extensions: wanted.length === 0 ? new Set() : await installedExtensions(open, name),
    });
  }
  return {
    roles: new Map(roles.map(({ name, login, verifier }) => [name, { login, verifier }])),
    databases: foundDatabases,
    available: new Set((row?.['available'] ?? []) as string[]),
  };
}

async function installedExtensions(open: OpenDatabase, database: string): Promise<Set<string>> {
  const session = await open(database);
  const rows = await session.query('SELECT extname FROM pg_extension');
  return new Set(rows.map((row) => String(row['extname'])));
}

/**
 * What has to be done, in order. On `nothingFound` these are the steps that a new formation takes.
 * @throws InputError when the server lacks an extension: nothing has been done then
 */
export function applicationSteps(
  found: FoundApplication,
  formation: Formation,
  passwords: ReadonlyMap<string, string>,
): ApplicationStep[] {
  const { users, databases } = formation.postgres;
  refuseUnavailable(found, formation);
  return [
    ...users.flatMap(({ name }) => roleSteps(name, passwordOf(name, passwords), found.roles.get(name))),
    ...databases.flatMap(({ name, owner }) => databaseSteps(name, owner, found.databases.get(name))),
    ...connectSteps(found, formation),
    ...databases.flatMap(({ name, extensions }) => {
      const installed = found.databases.get(name)?.extensions;
      return extensions
        .filter((extension) => !installed?.has(extension))
        .map((extension) => extensionStep(extension, name));
    }),
  ];
}

function passwordOf(user: string, passwords: ReadonlyMap<string, string>): string {
  const password = passwords.get(user);
  if (password === undefined) throw new Error(`there is no password for the user ${user}`);
  return password;
}

function refuseUnavailable({ available, databases }: FoundApplication, { postgres }: Formation): void {
  if (available === undefined) return;
  const faults = postgres.databases.flatMap(({ name, extensions }) =>
    extensions
      .filter((extension) => !available.has(extension) && !databases.get(name)?.extensions.has(extension))
      .map(
        (extension) =>
          `postgres: database ${name} is to have the extension ${extension}, which Postgres ${postgres.version} does not find on the primary; name the package that brings it in postgres.packages.extra`,
      ),
  );
  if (faults.length > 0) throw new InputError(faults);
}

function roleSteps(name: string, password: string, found: FoundRole | undefined): ApplicationStep[] {
  const role = quoteIdentifier(name);
  const verifier = () => quoteLiteral(scramVerifier(password));
  const step = (what: string, sql: () => string): ApplicationStep => ({ what, database: anyDatabase, sql });
  if (found === undefined)
    return [step(`create role ${name}`, () => `CREATE ROLE ${role} LOGIN PASSWORD ${verifier()}`)];
  return [
    ...(found.login ? [] : [step(`let ${name} log in`, () => `ALTER ROLE ${role} LOGIN`)]),
    ...(matchesVerifier(password, found.verifier)
      ? []
      : [step(`set the password of ${name}`, () => `ALTER ROLE ${role} PASSWORD ${verifier()}`)]),
  ];
}

function databaseSteps(name: string, owner: string, found: FoundDatabase | undefined): ApplicationStep[] {
  if (found?.owner === owner) return [];
  const database = quoteIdentifier(name);
  const role = quoteIdentifier(owner);
  if (found === undefined)
    return [
      {
        what: `create database ${name}`,
        database: anyDatabase,
        sql: () => `CREATE DATABASE ${database} OWNER ${role}`,
      },
    ];
  return [
    {
      what: `make ${owner} the owner of database ${name}`,
      database: anyDatabase,
      sql: () => `ALTER DATABASE ${database} OWNER TO ${role}`,
    },
  ];
}

/** Only where somebody revoked what PUBLIC has by default. */
function connectSteps({ databases }: FoundApplication, formation: Formation): ApplicationStep[] {
  const owners = new Map(formation.postgres.databases.map(({ name, owner }) => [name, owner]));
  const lacks = ({ user, database }: { user: string; database: string }): boolean => {
    const found = databases.get(database);
    if (found === undefined || found.publicConnect) return false;
    // Whoever stops being the owner loses what only an owner has.
    return !found.connect.has(user) || (found.owner === user && owners.get(database) !== user);
  };
  const wanted = new Map(clientRules(formation).map((rule) => [`${rule.user} to ${rule.database}`, rule]));
  return [...wanted.values()].filter(lacks).map(({ user, database }) => ({
    what: `let ${user} connect to ${database}`,
    database: anyDatabase,
    sql: () => `GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(user)}`,
  }));
}

/**
 * Into the schema that a person's CREATE EXTENSION would take: the search path of our sessions is pg_catalog.
 * Both statements are one transaction, as they go in one message. CASCADE brings the extensions that it needs,
 * which may themselves be declared: hence IF NOT EXISTS.
 */
function extensionStep(extension: string, database: string): ApplicationStep {
  return {
    what: `create extension ${extension} in ${database}`,
    database,
    sql: () =>
      `SET LOCAL search_path = public; CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(extension)} CASCADE`,
  };
}
