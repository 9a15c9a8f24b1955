import { InputError } from '../../contract/errors.ts';
import { clientRules, type Formation } from '../../formation/formation.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import { obstaclesOf, readAccess } from '../../postgres/obstacles.ts';
import { matchesVerifier, scramVerifier } from '../../postgres/scram.ts';
import type { Session } from '../../postgres/session.ts';
import type { Run } from '../member-container.ts';
import type { Steps } from '../steps.ts';
import {
  createExtension,
  createExtensionSql,
  type Strangers,
  strangersErrors,
  strangersIn,
} from './extensions.ts';

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
  /** What a superuser's CREATE EXTENSION might run of another's there; looked for where one is to be created. */
  strangers?: Strangers;
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
  /** What takes more than a statement. */
  run?(session: Pick<Session, 'query'>): Promise<void>;
}

/** A session on one of the primary's databases. The caller keeps the sessions, and closes them. */
export type OpenDatabase = (database: string) => Promise<Pick<Session, 'query'>>;

/** Copying a template and running an extension's script take their time. */
const stepDeadlineMs = 60_000;

/**
 * Creates and puts right what differs.
 * @param open undefined in the plan of a formation that is not there yet
 * @param closed databases that let nobody in
 */
export async function ensureApplication(
  open: OpenDatabase | undefined,
  { formation, steps }: Pick<Run, 'formation' | 'steps'>,
  passwords: ReadonlyMap<string, string>,
  closed: readonly string[] = [],
): Promise<void> {
  const found = open ? await readApplication(open, formation, closed) : nothingFound;
  for (const step of applicationSteps(found, formation, passwords))
    await steps.take(formation.name, step.what, async () => {
      const session = await open?.(step.database);
      if (session && step.run) await step.run(session);
      else await session?.query(step.sql(), [], { deadlineMs: stepDeadlineMs });
    });
}

/**
 * Puts right what keeps users out of what is there, which would keep out what looks into a database as well.
 * @returns the databases that nobody can look into: those that a plan leaves as they are
 */
export async function clearObstacles(
  open: OpenDatabase,
  formation: Formation,
  steps: Steps,
): Promise<string[]> {
  const session = await open(anyDatabase);
  const facts = await readAccess(session, formation);
  for (const { mend } of obstaclesOf(facts, formation))
    if (mend !== undefined)
      await steps.take(formation.name, mend.what, () =>
        session.query(mend.sql, [], { deadlineMs: stepDeadlineMs }),
      );
  return steps.planning
    ? facts.databases.filter((database) => !database.allowsConnections).map(({ name }) => name)
    : [];
}

/**
 * Reads what stands, and changes nothing. Asks each database that is to have extensions in a session of its own.
 * @param closed databases that let nobody in: they are taken to have their extensions
 */
export async function readApplication(
  open: OpenDatabase,
  formation: Formation,
  closed: readonly string[] = [],
): Promise<FoundApplication> {
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
      ...(closed.includes(name) ? { extensions: new Set(wanted) } : await extensionsOf(open, name, wanted)),
    });
  }
  return {
    roles: new Map(roles.map(({ name, login, verifier }) => [name, { login, verifier }])),
    databases: foundDatabases,
    available: new Set((row?.['available'] ?? []) as string[]),
  };
}

async function extensionsOf(
  open: OpenDatabase,
  database: string,
  wanted: readonly string[],
): Promise<Pick<FoundDatabase, 'extensions' | 'strangers'>> {
  if (wanted.length === 0) return { extensions: new Set() };
  const session = await open(database);
  const rows = await session.query('SELECT extname FROM pg_extension');
  const extensions = new Set(rows.map((row) => String(row['extname'])));
  const missing = wanted.filter((extension) => !extensions.has(extension));
  return missing.length === 0
    ? { extensions }
    : { extensions, strangers: await strangersIn(session, missing) };
}

/**
 * What has to be done, in order. On `nothingFound` these are the steps that a new formation takes.
 * @throws InputError when the server lacks an extension, or a superuser would run another's code for one: nothing has
 *   been done then
 */
export function applicationSteps(
  found: FoundApplication,
  formation: Formation,
  passwords: ReadonlyMap<string, string>,
): ApplicationStep[] {
  const { users, databases } = formation.postgres;
  refuseExtensions(found, formation);
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

function refuseExtensions({ available, databases }: FoundApplication, { postgres }: Formation): void {
  if (available === undefined) return;
  const strange = postgres.databases.flatMap(({ name, extensions }) => {
    const found = databases.get(name);
    const missing = extensions.filter((extension) => !found?.extensions.has(extension));
    return strangersErrors(name, missing, found?.strangers);
  });
  const unavailable = postgres.databases.flatMap(({ name, extensions }) =>
    extensions
      .filter((extension) => !available.has(extension) && !databases.get(name)?.extensions.has(extension))
      .map(
        (extension) =>
          `postgres: database ${name} should have the extension ${extension}, which Postgres ${postgres.version} does not find on the primary; name the package that provides it in postgres.packages.extra`,
      ),
  );
  const errors = [...unavailable, ...strange];
  if (errors.length > 0) throw new InputError(errors);
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

function extensionStep(extension: string, database: string): ApplicationStep {
  return {
    what: `create extension ${extension} in ${database}`,
    database,
    sql: () => createExtensionSql(extension),
    run: (session) => createExtension(session, database, extension),
  };
}
