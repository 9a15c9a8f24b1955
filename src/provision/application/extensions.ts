import { InputError } from '../../contract/errors.ts';
import { quoteIdentifier } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session.ts';

/**
 * Into the schema that a person's CREATE EXTENSION would take: the search path of our sessions is pg_catalog. The
 * extension's script runs as a superuser with that schema in its path, which the database's owner may write to: where it
 * calls what is Postgres' own, a function or operator of that name whose arguments fit better would run instead (CVE
 * 2020-14350 and its like), and so would the function of an event trigger.
 */
const schema = 'public';

/**
 * What a superuser would run of another's in `public`, as `function lower(box)`. An extension's own is no exception: its
 * owner may add functions to it.
 *
 * Applications have functions in `public`, so that only names which Postgres or an extension uses are refused there, and
 * those that the scripts of the extensions to come make or call.
 */
const strangers = `
  WITH own AS (SELECT objid, classid FROM pg_depend WHERE deptype = 'e'),
       others AS (SELECT oid FROM pg_roles WHERE NOT rolsuper)
  SELECT 'function ' || proname || '(' || pg_get_function_identity_arguments(oid) || ')' AS stranger
    FROM pg_proc AS theirs
   WHERE pronamespace = to_regnamespace('${schema}') AND proowner IN (SELECT oid FROM others)
     AND EXISTS (SELECT FROM pg_proc AS known
                  WHERE known.proname = theirs.proname AND known.proowner NOT IN (SELECT oid FROM others)
                    AND (known.pronamespace = 'pg_catalog'::regnamespace
                         OR known.oid IN (SELECT objid FROM own WHERE classid = 'pg_proc'::regclass)))
   UNION ALL
  SELECT 'operator ' || oprname || ' (' || concat_ws(', ', nullif(oprleft, 0)::regtype, nullif(oprright, 0)::regtype) || ')'
    FROM pg_operator AS theirs
   WHERE oprnamespace = to_regnamespace('${schema}') AND oprowner IN (SELECT oid FROM others)
     AND EXISTS (SELECT FROM pg_operator AS known
                  WHERE known.oprname = theirs.oprname AND known.oprowner NOT IN (SELECT oid FROM others)
                    AND (known.oprnamespace = 'pg_catalog'::regnamespace
                         OR known.oid IN (SELECT objid FROM own WHERE classid = 'pg_operator'::regclass)))
   UNION ALL
  SELECT 'event trigger ' || evtname
    FROM pg_event_trigger JOIN pg_proc ON pg_proc.oid = evtfoid
   WHERE evtenabled <> 'D' AND proowner IN (SELECT oid FROM others)
   ORDER BY 1`;

/** The extensions of $1 that are missing, and those that these require, which CASCADE creates. */
const toCome = `
       missing(name) AS (
         SELECT unnest($1::name[]) EXCEPT SELECT extname FROM pg_extension),
       needed(name) AS (
         SELECT name FROM missing
          UNION
         SELECT unnest(version.requires) FROM needed JOIN pg_available_extension_versions AS version USING (name)
          WHERE needed.name NOT IN (SELECT extname FROM pg_extension))`;

/**
 * Overloads in `public` of what the script of an extension to come makes or calls: its names are in no catalog before it has
 * run, and are read from its files, wherever one is followed by a parenthesis. A byte that is no ASCII is of no name there.
 */
const calledByScripts = `
  WITH RECURSIVE others AS (SELECT oid FROM pg_roles WHERE NOT rolsuper),${toCome},
       folder(path) AS (SELECT setting || '/extension' FROM pg_config WHERE name = 'SHAREDIR'),
       scripts(text) AS (
         SELECT encode(pg_read_binary_file(path || '/' || file), 'escape')
           FROM folder, pg_ls_dir(path) AS file JOIN needed ON starts_with(file, needed.name || '--') AND file LIKE '%.sql'
          WHERE needed.name NOT IN (SELECT extname FROM pg_extension)),
       called(name) AS (
         SELECT DISTINCT CASE WHEN word[1] IS NULL THEN lower(word[2]) ELSE word[1] END
           FROM scripts, regexp_matches(text, '(?:"([^"]+)"|([A-Za-z_][A-Za-z0-9_$]*))\\s*\\(', 'g') AS word)
  SELECT 'function ' || proname || '(' || pg_get_function_identity_arguments(oid) || ')' AS stranger
    FROM pg_proc
   WHERE pronamespace = to_regnamespace('${schema}') AND proowner IN (SELECT oid FROM others)
     AND proname IN (SELECT name FROM called)`;

/** Another's hold on a schema that a superuser's CREATE EXTENSION would have in its path besides `public`. */
export interface Foothold {
  schema: string;
  /** Whose schema it is, or is to be. */
  extension: string;
  /** As `it belongs to veza`. */
  reason: string;
  /** Imperative. */
  remedy: string;
}

/** What a superuser's CREATE EXTENSION might run of another's in a database. */
export interface Strangers {
  /** In `public`, by the names that they share with Postgres or an extension. */
  named: readonly string[];
  footholds: readonly Foothold[];
}

/**
 * The path of an extension's script has the schema that its control file fixes, and those of the extensions that it
 * requires ("Extension Scripts" in PostgreSQL's manual, execute_extension_script in its extension.c), which CASCADE
 * creates where they are missing. Such a schema is no application's: there, whatever another has is refused, by whatever
 * name, and whoever may add to it. This refuses an application's own schema of extensions as well, as a database's owner
 * makes with CREATE EXTENSION cube SCHEMA mine. Of what an extension has in it, what belongs to another is refused; that
 * the extension itself does (trusted ones belong to who created them, their functions to a superuser) is no harm.
 */
const footholds = `
  WITH RECURSIVE others AS (SELECT oid, rolname FROM pg_roles WHERE NOT rolsuper),${toCome},
       path(schema, extension) AS (
         SELECT extnamespace, extname FROM pg_extension WHERE extname IN (SELECT name FROM needed)
          UNION
         SELECT pg_namespace.oid, version.name
           FROM pg_available_extension_versions AS version JOIN pg_namespace ON nspname = version.schema
          WHERE version.name IN (SELECT name FROM needed)
            AND version.name NOT IN (SELECT extname FROM pg_extension)),
       schemas AS (
         SELECT path.extension, pg_namespace.* FROM path JOIN pg_namespace ON oid = schema
          WHERE nspname <> '${schema}'),
       members AS (
         SELECT classid, objid, refobjid AS extension FROM pg_depend
          WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass),
       theirs AS (
         SELECT classid, objid, rolname
           FROM pg_shdepend JOIN others ON others.oid = refobjid
          WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
            AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
  SELECT nspname AS schema, extension, 'it belongs to ' || rolname AS reason,
         format('make a superuser its owner (ALTER SCHEMA %I OWNER TO %I)', nspname, current_user) AS remedy
    FROM schemas JOIN others ON others.oid = nspowner
   UNION
  SELECT nspname, extension, coalesce(rolname, 'everybody') || ' may create in it',
         format('take that right away (REVOKE CREATE ON SCHEMA %I FROM %s)', nspname, coalesce(quote_ident(rolname), 'PUBLIC'))
    FROM schemas CROSS JOIN aclexplode(nspacl) AS granted LEFT JOIN others ON others.oid = grantee
   WHERE privilege_type = 'CREATE' AND grantee <> nspowner AND (grantee = 0 OR rolname IS NOT NULL)
   UNION
  SELECT nspname, schemas.extension, format('it holds %s of %s', pg_describe_object(classid, objid, 0), rolname),
         'drop or move away what is not a superuser''s'
    FROM schemas JOIN pg_depend ON refclassid = 'pg_namespace'::regclass AND refobjid = schemas.oid
    JOIN theirs USING (classid, objid)
   WHERE classid NOT IN ('pg_extension'::regclass, 'pg_default_acl'::regclass)
     AND (classid, objid) NOT IN (SELECT classid, objid FROM members)
   UNION
  SELECT nspname, extname, format('extension %s has %s of %s', extname, pg_describe_object(classid, objid, 0), rolname),
         'have a superuser own what the extension has'
    FROM path JOIN pg_namespace ON pg_namespace.oid = schema JOIN pg_extension ON extname = path.extension
    JOIN members ON members.extension = pg_extension.oid JOIN theirs USING (classid, objid)
   ORDER BY 1, 2, 3`;

const shown = 10;

/** What is told of what a superuser would run, for `extensions` that a database is to have. Pure. */
export function strangersErrors(
  database: string,
  extensions: readonly string[],
  found: Strangers | undefined,
): string[] {
  if (found === undefined || extensions.length === 0) return [];
  return [
    ...namedError(database, extensions, found.named),
    ...[...new Set(found.footholds.map((each) => each.schema))].map((name) =>
      footholdError(
        database,
        extensions,
        found.footholds.filter((each) => each.schema === name),
      ),
    ),
  ];
}

const wants = (database: string, extensions: readonly string[]): string =>
  `postgres: database ${database} is to have ${extensions.length === 1 ? 'the extension' : 'the extensions'} ${extensions.join(', ')}, whose script a superuser runs`;

const list = (found: readonly string[]): string =>
  `${found.slice(0, shown).join(', ')}${found.length > shown ? ` and ${found.length - shown} more` : ''}`;

function footholdError(database: string, extensions: readonly string[], held: readonly Foothold[]): string {
  const distinct = (of: 'extension' | 'reason' | 'remedy') => [...new Set(held.map((each) => each[of]))];
  return `${wants(database, extensions)} with schema ${held[0]?.schema} in its path, for ${distinct('extension').join(', ')}, and might run what is not a superuser's there: ${list(distinct('reason'))}; ${list(distinct('remedy'))}, or create the extension by hand`;
}

function namedError(database: string, extensions: readonly string[], found: readonly string[]): string[] {
  if (found.length === 0) return [];
  return [
    `${wants(database, extensions)}, and might run what is not a superuser's, of a name that Postgres or an extension uses: ${list(found)}; drop or rename it, or move it out of schema ${schema}, or create the extension by hand`,
  ];
}

/** @returns what a superuser's CREATE EXTENSION of any of `extensions` might run of another's; those there are left out */
export async function strangersIn(
  session: Pick<Session, 'query'>,
  extensions: readonly string[],
): Promise<Strangers> {
  const named = await session.query(strangers);
  const called = await session.query(calledByScripts, [extensions], { deadlineMs });
  const held = await session.query(footholds, [extensions]);
  return {
    named: [...new Set([...named, ...called].map(({ stranger }) => String(stranger)))].sort(),
    footholds: held.map(({ schema: name, extension, reason, remedy }) => ({
      schema: String(name),
      extension: String(extension),
      reason: String(reason),
      remedy: String(remedy),
    })),
  };
}

/** For a transaction. */
export function createExtensionSql(extension: string): string {
  return `SET LOCAL search_path = ${schema}; CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(extension)} CASCADE`;
}

/** Copying files and running a script take their time. */
const deadlineMs = 60_000;

/**
 * Creates an extension, while nobody else makes schemas, functions or operators. CASCADE brings the extensions that it needs,
 * which may themselves be declared: hence IF NOT EXISTS.
 * @throws InputError where a superuser would run what is another's; as Session.query
 */
export async function createExtension(
  session: Pick<Session, 'query'>,
  database: string,
  extension: string,
): Promise<void> {
  const run = (text: string) => session.query(text, [], { deadlineMs });
  try {
    await run(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
               LOCK TABLE pg_catalog.pg_namespace, pg_catalog.pg_extension, pg_catalog.pg_proc, pg_catalog.pg_operator
                 IN SHARE ROW EXCLUSIVE MODE`);
    const errors = strangersErrors(database, [extension], await strangersIn(session, [extension]));
    if (errors.length > 0) throw new InputError(errors);
    // The event triggers of superusers are part of what a CREATE EXTENSION does.
    await run('SET LOCAL session_replication_role = origin');
    await run("SELECT set_config(name, 'on', true) FROM pg_settings WHERE name = 'event_triggers'");
    await run(createExtensionSql(extension));
    await run('COMMIT');
  } catch (error) {
    await run('ROLLBACK').catch(() => {});
    throw error;
  }
}
