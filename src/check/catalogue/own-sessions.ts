import { type Formation, monitorDatabase } from '../../formation/formation.ts';
import { autoctlRole } from '../../member/roles.ts';
import type { MissingLibraries } from '../../postgres/preloads.ts';
import {
  defaultFor,
  describeDefault,
  isOn,
  type SessionDefault,
  timeMs,
  type WatchedDefault,
} from '../../postgres/session-defaults.ts';
import type { Check, Problem } from '../check.ts';
import { Remedies, word } from '../remedies/remedies.ts';
import { answeringNodes, writablePrimary } from './from-observation.ts';

/** Whether pg_auto_failover's own sessions can do their work: they take whatever is the default. */

/** What pg_autoctl and the monitor's health checks log in as, where they are a superuser. */
const superuser = 'postgres';

/** A report to the monitor waits for another's, and a CHECKPOINT for the disk: shorter ones are no time for either. */
const leastTimeoutMs = 1000;

const good: Record<WatchedDefault, string> = {
  default_transaction_read_only: 'off',
  default_transaction_isolation: "'read committed'",
  statement_timeout: '0',
};

/** What goes wrong, to follow "so that"; undefined where nothing does. */
type Harm = (value: string) => string | undefined;

const isShort = (value: string) => {
  const time = timeMs(value);
  return time !== undefined && time > 0 && time < leastTimeoutMs;
};

/** node_active() and the health checks write (node_active_protocol.c, health_check_metadata.c). */
const onMonitor: [role: string, name: WatchedDefault, harm: Harm][] = [
  [
    autoctlRole,
    'default_transaction_read_only',
    (value) => (isOn(value) ? 'no keeper can report' : undefined),
  ],
  [
    superuser,
    'default_transaction_read_only',
    (value) => (isOn(value) ? 'no health check is written down' : undefined),
  ],
  [
    autoctlRole,
    'default_transaction_isolation',
    (value) =>
      /^(?:serializable|repeatable read)$/i.test(value.trim())
        ? 'reports that come together fail'
        : undefined,
  ],
  [
    autoctlRole,
    'statement_timeout',
    (value) => (isShort(value) ? 'a report that waits for another one fails' : undefined),
  ],
];

const isSerializable: Harm = (value) =>
  /^serializable$/i.test(value.trim())
    ? 'its keeper can ask nothing of it: a standby takes no serializable transaction'
    : undefined;

export const ownSessions: Check = {
  id: 'own-sessions',
  meaning: "no default of a server, database or role keeps pg_auto_failover's own sessions from their work",
  severity: 'error',
  problems(observation, formation, asked) {
    const { monitor } = observation;
    const nodes = answeringNodes(observation);
    if (!monitor.ok && nodes.length === 0) return undefined;
    const remedies = new Remedies(formation, asked);
    const problems: Problem[] = [];
    const tell = (
      subject: string,
      places: readonly SessionDefault[],
      [role, name, harm]: (typeof onMonitor)[number],
      at: { container: string | undefined; database: string },
    ) => {
      const place = defaultFor(places, name, role);
      const so = place && harm(place.value);
      if (place === undefined || so === undefined) return;
      const sql = `ALTER ROLE ${role} IN DATABASE ${at.database} SET ${name} = ${good[name]}`;
      problems.push({
        subject,
        evidence: `${describeDefault(place)}, so that ${so}`,
        remedy:
          at.container === undefined
            ? { say: `once there is a primary again, give its own sessions another there: ${sql}` }
            : {
                say: 'give its own sessions another, which leaves those of everybody else as they are',
                run: asSuperuser(
                  remedies,
                  formation,
                  { container: at.container, database: at.database },
                  sql,
                ),
              },
      });
    };
    const lacking = (subject: string, libraries: readonly MissingLibraries[]) =>
      problems.push(...libraries.map((each) => withoutLibrary(subject, each, remedies, formation)));
    if (monitor.ok) lacking(remedies.monitor, monitor.value.missingLibraries);
    if (monitor.ok)
      for (const each of onMonitor)
        tell(remedies.monitor, monitor.value.sessionDefaults, each, {
          container: remedies.monitor,
          database: monitorDatabase,
        });
    const at = { container: writablePrimary(observation)?.[0], database: superuser };
    for (const [name, node] of nodes) {
      lacking(name, node.access.missingLibraries);
      if (node.inRecovery)
        tell(name, node.sessionDefaults, [superuser, 'default_transaction_isolation', isSerializable], at);
      tell(
        name,
        node.sessionDefaults,
        [
          superuser,
          'statement_timeout',
          (value) => (isShort(value) ? 'its keeper cannot wait for a CHECKPOINT' : undefined),
        ],
        at,
      );
    }
    return problems;
  },
};

/** Of the server's own settings, as the file says them or somebody has made them by hand. */
function withoutLibrary(
  node: string,
  { name, missing, there }: MissingLibraries,
  remedies: Remedies,
  formation: Formation,
): Problem {
  const isOfFile = node !== remedies.monitor && formation.postgres.settings[name] !== undefined;
  const list = there.map((library) => `'${library.replaceAll("'", "''")}'`).join(', ');
  const sql = `ALTER SYSTEM SET ${name} = ${list === '' ? "''" : list}`;
  return {
    subject: node,
    evidence: `every session is refused, since ${name} names ${missing.join(', ')}, which is not there`,
    remedy: isOfFile
      ? remedies.provision(
          `install what is missing (packages.extra), or take it out of postgres.settings.${name}, and run provision-pgaf`,
        )
      : {
          say: `install what is missing, or take it out of ${name}`,
          run: asSuperuser(
            remedies,
            formation,
            { container: node, database: superuser },
            sql,
            'SELECT pg_reload_conf()',
          ),
        },
  };
}

/** Statements, for one whom such defaults would keep from them. */
function asSuperuser(
  remedies: Remedies,
  { postgres }: Formation,
  { container, database }: { container: string; database: string },
  ...statements: string[]
): string {
  const options = [
    'default_transaction_read_only=off',
    'default_transaction_isolation=read\\ committed',
    'statement_timeout=0',
    'session_preload_libraries=',
    'local_preload_libraries=',
  ].map((each) => `-c ${each}`);
  const command = statements.map((each) => ` -c ${word(each)}`).join('');
  return remedies.inside(
    container,
    `runuser -u ${superuser} -- env ${word(`PGOPTIONS=${options.join(' ')}`)} psql -X -p ${postgres.port} -d ${database}${command}`,
  );
}
