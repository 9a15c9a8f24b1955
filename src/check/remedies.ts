import { type Formation, membersOf, monitorDatabase } from '../formation/formation.ts';
import type { MonitorNode } from '../monitor/nodes.ts';
import type { Asked, Remedy } from './check.ts';

/** A word of a command line. What a monitor or a server told may hold anything, and ends up in a shell. */
export function word(text: string): string {
  if (/^[\w./:@%+=,-]+$/.test(text)) return text;
  return /["$`\\!]/.test(text) ? `'${text.replaceAll("'", "'\\''")}'` : `"${text}"`;
}

/** Command lines as an operator types them, on the runner or wherever the `incus` client is. */
export class Remedies {
  private readonly formation: Formation;
  private readonly asked: Asked;

  constructor(formation: Formation, asked: Asked) {
    this.formation = formation;
    this.asked = asked;
  }

  /** `incus VERB …` on a container. */
  incus(verb: string, container: string): string {
    return `incus ${verb} ${this.target(container)}`;
  }

  /** A command in a container, as root, in a folder that postgres may enter as well. */
  inside(container: string, command: string): string {
    return `incus exec ${this.target(container)} --cwd / -- ${command}`;
  }

  /** Ends a member's Postgres, which its keeper starts again: a second without it, and no failover. */
  restartPostgres(container: string): string {
    const bin = `/usr/lib/postgresql/${this.formation.postgres.version}/bin`;
    return this.inside(
      container,
      `runuser -u postgres -- ${bin}/pg_ctl stop --mode fast --pgdata ${word(this.pgdata(container))}`,
    );
  }

  /** One SQL statement on a member, as its superuser. */
  sql(container: string, statement: string, database?: string): string {
    const { port } = this.formation.postgres;
    const where = database === undefined ? '' : ` -d ${word(database)}`;
    return this.inside(container, `runuser -u postgres -- psql -p ${port}${where} -c ${word(statement)}`);
  }

  /** A pg_autoctl command on a member. */
  autoctl(container: string, command: string): string {
    const bin = `/usr/lib/postgresql/${this.formation.postgres.version}/bin`;
    return this.inside(
      container,
      `runuser -u postgres -- env PATH=${bin}:/usr/bin:/bin pg_autoctl ${command} --pgdata ${word(this.pgdata(container))}`,
    );
  }

  journal(container: string): Remedy {
    return { say: 'read why', look: this.inside(container, 'journalctl -u pg_autoctl -n 50 --no-pager') };
  }

  /** A restart would wait 90 s for a service that does not hear it. */
  endService(container: string): Remedy {
    return {
      say: 'its pg_autoctl hangs as well: end it, and systemd starts it again',
      run: this.inside(container, 'systemctl kill --signal KILL pg_autoctl'),
    };
  }

  /** The way out that upstream's users have found (#1025): the monitor then decides anew from where the node is. */
  takeOrderBack({ nodeId, reportedState, goalState }: MonitorNode): Remedy {
    return {
      say: `no keeper knows a way from ${reportedState} to ${goalState}: have the monitor take that order back (a restart of pg_autoctl before that leaves Postgres down)`,
      run: this.sql(
        this.monitor,
        `UPDATE pgautofailover.node SET goalstate = reportedstate WHERE nodeid = ${nodeId} AND goalstate = '${goalState}'`,
        monitorDatabase,
      ),
    };
  }

  /** A formation's monitor by name. */
  get monitor(): string {
    return this.formation.monitor.name;
  }

  provision(say = 'run provision-pgaf with this formation'): Remedy {
    const { formationPath, withoutFile } = this.asked;
    if (withoutFile) return { say };
    return formationPath === undefined
      ? { say }
      : {
          say,
          run: `pgha provision-pgaf${formationPath === '' ? '' : ` --formation ${word(formationPath)}`}`,
        };
  }

  private pgdata(container: string): string {
    return membersOf(this.formation).find(({ name }) => name === container)?.pgdata ?? '';
  }

  private target(container: string): string {
    const { remote, project } = this.formation.incus;
    return `${remote === 'local' ? '' : `${remote}:`}${container} --project ${project}`;
  }
}
