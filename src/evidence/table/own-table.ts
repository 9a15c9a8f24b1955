import { EnvironmentError } from '../../contract/errors.ts';
import { quoteIdentifier } from '../../postgres/identifier.ts';
import type { Row, Session } from '../../postgres/session.ts';
import { createTable, drillSchema, drillTable, tableColumns, tableRights } from './drill-table.ts';

/**
 * Whether the drill's schema and table are what a superuser may touch: his own, and nothing hung onto them that would
 * run. The database's owner may make a schema of that name, and everything in it, before we do. $1 is the application's
 * user. Catalogs only; the search path of our sessions is pg_catalog.
 */
const lookAtTable = `
  SELECT (SELECT json_build_object(
            'owner', pg_get_userbyid(nspowner), 'isOwn', nspowner = me.oid,
            'creators', (SELECT coalesce(json_agg(DISTINCT CASE grantee WHEN 0 THEN 'everybody'
                                                                ELSE pg_get_userbyid(grantee) END), '[]')
                           FROM aclexplode(nspacl) WHERE grantee <> nspowner AND privilege_type = 'CREATE'),
            'isOpen', has_schema_privilege($1, pg_namespace.oid, 'USAGE'))
            FROM pg_namespace WHERE nspname = '${drillSchema}') AS schema,
         (SELECT json_build_object(
            'owner', pg_get_userbyid(relowner), 'isOwn', relowner = me.oid,
            'isOrdinary', relkind = 'r' AND relpersistence = 'p' AND NOT relispartition AND reloftype = 0
                          AND relam = (SELECT oid FROM pg_am WHERE amname = 'heap'),
            'triggers', (SELECT count(*) FROM pg_trigger WHERE tgrelid = pg_class.oid),
            'rules', (SELECT count(*) FROM pg_rewrite WHERE ev_class = pg_class.oid),
            'policies', (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid)
                        + CASE WHEN relrowsecurity OR relforcerowsecurity THEN 1 ELSE 0 END,
            'relatives', (SELECT count(*) FROM pg_inherits WHERE pg_class.oid IN (inhrelid, inhparent)),
            'constraints', (SELECT count(*) FROM pg_constraint
                             WHERE conrelid = pg_class.oid AND contype NOT IN ('p', 'n')),
            'indexes', (SELECT count(*) FROM pg_index
                         WHERE indrelid = pg_class.oid
                           AND NOT (indisprimary AND indexprs IS NULL AND indpred IS NULL)),
            'columns', (SELECT json_agg(concat(attname, ' ', format_type(atttypid, atttypmod),
                                               CASE WHEN attnotnull THEN ' NOT NULL' END,
                                               CASE WHEN attgenerated <> '' OR attidentity <> '' THEN ' GENERATED' END,
                                               CASE WHEN attcollation NOT IN (0, 100) THEN ' COLLATE' END,
                                               ' DEFAULT ' || pg_get_expr(adbin, adrelid)) ORDER BY attnum)
                          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                         WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped),
            'hangers', (SELECT coalesce(json_agg(DISTINCT CASE grantee WHEN 0 THEN 'everybody'
                                                               ELSE pg_get_userbyid(grantee) END), '[]')
                          FROM aclexplode(relacl)
                         WHERE grantee <> relowner AND privilege_type IN ('TRIGGER', 'REFERENCES')),
            'isOpen', (SELECT bool_and(has_table_privilege($1, pg_class.oid, needed))
                         FROM unnest('{${tableRights.join(',')}}'::text[]) AS needed))
            FROM pg_class WHERE relname = '${drillTable.split('.')[1]}' AND relnamespace =
                  (SELECT oid FROM pg_namespace WHERE nspname = '${drillSchema}')) AS table,
         (SELECT coalesce(json_agg(evtname ORDER BY evtname), '[]')
            FROM pg_event_trigger JOIN pg_proc ON pg_proc.oid = evtfoid JOIN pg_roles AS owner ON owner.oid = proowner
           WHERE evtenabled <> 'D' AND NOT owner.rolsuper
             AND current_setting('event_triggers', true) IS DISTINCT FROM 'off') AS events
    FROM pg_roles AS me WHERE me.rolname = current_user`;

/** Publications that carry the table to subscribers; of one that is not there yet, only those of all tables are known. */
const lookForPublications = `
  SELECT pubname FROM pg_publication WHERE puballtables
   UNION
  SELECT pubname FROM pg_publication_tables WHERE schemaname = '${drillSchema}' ORDER BY pubname`;

export interface TableLook {
  schema: { owner: string; isOwn: boolean; creators: string[]; isOpen: boolean } | null;
  table: LookedAt | null;
  /** Event triggers, which our own statements would set off, whose function is not a superuser's. From 17 on, none does. */
  events: string[];
}

interface LookedAt {
  owner: string;
  isOwn: boolean;
  /** A permanent heap of its own. */
  isOrdinary: boolean;
  triggers: number;
  rules: number;
  policies: number;
  relatives: number;
  constraints: number;
  indexes: number;
  columns: string[] | null;
  /** Who may hang a trigger or a foreign key onto it. */
  hangers: string[];
  /** Whether the application's user has its rights there. */
  isOpen: boolean;
}

/** What keeps a superuser from touching what stands there, each a part of a sentence. Pure. */
export function tableProblems({ schema, table }: TableLook): string[] {
  const problems: string[] = [];
  if (schema && !schema.isOwn) problems.push(`schema ${drillSchema} belongs to ${schema.owner}`);
  if (schema?.creators.length)
    problems.push(`${schema.creators.join(' and ')} may create in schema ${drillSchema}`);
  if (!table) return problems;
  if (!table.isOwn) problems.push(`${drillTable} belongs to ${table.owner}`);
  if (!table.isOrdinary) problems.push(`${drillTable} is no ordinary table`);
  const hung = (['triggers', 'rules', 'policies', 'constraints', 'indexes'] as const).filter(
    (each) => table[each] > 0,
  );
  if (hung.length > 0) problems.push(`${drillTable} has ${hung.join(' and ')} that are none of the drill's`);
  if (table.relatives > 0) problems.push(`${drillTable} has parts or is a part of another table`);
  if (table.hangers.length > 0)
    problems.push(`${table.hangers.join(' and ')} may hang triggers or foreign keys onto ${drillTable}`);
  if (table.columns?.join() !== tableColumns.join())
    problems.push(`${drillTable} has the columns (${(table.columns ?? []).join(', ')})`);
  return problems;
}

async function look(session: Session, user: string, signal: AbortSignal | undefined): Promise<TableLook> {
  const [row] = await session.query<Row & TableLook>(lookAtTable, [user], { signal });
  if (row === undefined) throw new Error('current_user is a role');
  return row;
}

function refuse(database: string, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new EnvironmentError(
      `a superuser does not touch the drill's table in database ${database}, as what stands there is not its own work: ${problems.join('; ')}; look at it, drop or rename it as a superuser (DROP SCHEMA ${drillSchema} CASCADE), and run this again`,
    );
}

/**
 * Looks whether what stands there is the drill's own, so that the session may read and write it.
 * @returns whether there is a table
 * @throws EnvironmentError that says what is wrong with it
 */
export async function verifyTable(
  session: Session,
  { database, user }: { database: string; user: string },
  signal?: AbortSignal,
): Promise<boolean> {
  const found = await look(session, user, signal);
  refuse(database, tableProblems(found));
  return found.table !== null;
}

/**
 * Makes schema and table where there are none, and lets the application's user read and write it: as the superuser, in
 * one transaction, which leaves nothing where something is not as it should be.
 * @param session a superuser's, on the application's database of the primary
 * @param published whether publications may carry it
 * @throws EnvironmentError that says what stands in the way; nothing was changed then
 */
export async function makeTable(
  session: Session,
  { database, user }: { database: string; user: string },
  published: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const run = (text: string) => session.query(text, [], { signal });
  const before = await look(session, user, signal);
  refuse(database, tableProblems(before));
  const refuseCarrying = async () => {
    if (published) return;
    const carrying = await session.query(lookForPublications, [], { signal });
    refusePublications(
      database,
      carrying.map(({ pubname }) => String(pubname)),
    );
  };
  await refuseCarrying();
  if (before.table?.isOpen && before.schema?.isOpen) return;
  if (before.events.length > 0)
    throw new EnvironmentError(
      `the drill's table in database ${database} cannot be made: event trigger ${before.events.join(' and ')} would have the superuser run a function that is not a superuser's; have a superuser own it (ALTER FUNCTION … OWNER TO postgres) or disable the trigger, and run this again`,
    );
  const role = quoteIdentifier(user);
  await run('BEGIN ISOLATION LEVEL READ COMMITTED');
  if (!before.schema) await run(`CREATE SCHEMA ${drillSchema}`);
  if (!before.table) {
    await run(createTable);
    await takeBackDefaults(session, { schema: !before.schema }, signal);
  }
  await run(
    `GRANT USAGE ON SCHEMA ${drillSchema} TO ${role}; GRANT ${tableRights.join(', ')} ON ${drillTable} TO ${role}`,
  );
  const made = await look(session, user, signal);
  refuse(database, tableProblems(made));
  // One of the schema's tables (from Postgres 15 on) has it only now.
  await refuseCarrying();
  await run('COMMIT');
}

/** What somebody besides the owner may do there by ALTER DEFAULT PRIVILEGES, as statements that take it back. */
async function takeBackDefaults(
  session: Session,
  made: { schema: boolean },
  signal: AbortSignal | undefined,
): Promise<void> {
  const rows = await session.query(
    `SELECT DISTINCT kind, CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END AS grantee
       FROM (SELECT 'TABLE ${drillTable}' AS kind, (aclexplode(relacl)).grantee, relowner AS owner
               FROM pg_class WHERE oid = '${drillTable}'::regclass
              UNION ALL
             SELECT 'SCHEMA ${drillSchema}', (aclexplode(nspacl)).grantee, nspowner
               FROM pg_namespace WHERE nspname = '${drillSchema}' AND $1) AS given
      WHERE grantee <> owner`,
    [made.schema],
    { signal },
  );
  for (const { kind, grantee } of rows) {
    const role = grantee === null ? 'PUBLIC' : quoteIdentifier(String(grantee));
    await session.query(`REVOKE ALL ON ${String(kind)} FROM ${role}`, [], { signal });
  }
}

function refusePublications(database: string, publications: readonly string[]): void {
  if (publications.length === 0) return;
  const names = publications.map((name) => `publication ${name}`).join(' and ');
  throw new EnvironmentError(
    `${names} of database ${database} would carry the drill's table to subscribers, which fail over and over where they lack it. Let the publication name its tables; or make the table on every subscriber (CREATE SCHEMA ${drillSchema};${createTable.replace(/\s+/g, ' ')}) and give the input accept-published-table: true; or leave app-password out, and the drill runs without clients`,
  );
}
