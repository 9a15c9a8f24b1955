import { containerTarget, listCommand } from '../../formation/command-line.ts';
import { type Formation, keeps, keptNames, membersOf, monitorDatabase } from '../../formation/formation.ts';
import { programsFolder } from '../../member/programs.ts';
import { shortUnitOf } from '../../member/unit.ts';
import type { MonitorNode } from '../../monitor/nodes.ts';
import type { Asked, Remedy } from '../check.ts';

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

  /** The members of the Incus cluster. */
  hosts(): string {
    return listCommand(this.formation, 'cluster');
  }

  /** Has the cluster use a member again that was evacuated. */
  restoreHost(host: string): string {
    const { remote } = this.formation.incus;
    return `incus cluster restore ${word(remote === 'local' ? host : `${remote}:${host}`)}`;
  }

  /** Sets a key of the server, or of all of its cluster. */
  setServer(setting: string): string {
    return `incus config set ${word(`${this.formation.incus.remote}:`)} ${word(setting)}`;
  }

  /** Sets a key of a container's own. */
  setOn(container: string, setting: string): string {
    return `${this.incus('config set', container)} ${word(setting)}`;
  }

  /** A command in a container, as root, in a folder that postgres may enter as well. */
  inside(container: string, command: string): string {
    return `incus exec ${this.target(container)} --cwd / -- ${command}`;
  }

  /** Ends a member's Postgres, which pg_autoctl starts again. The monitor takes that of a primary for its end. */
  restartPostgres(container: string): string {
    const bin = programsFolder(this.formation.postgres.version);
    return this.inside(
      container,
      `runuser -u postgres -- ${bin}/pg_ctl stop --mode fast --pgdata ${word(this.pgdata(container))}`,
    );
  }

  /** One SQL statement on a member, as its superuser. */
  sql(container: string, statement: string, database?: string): string {
    const { port } = this.formation.postgres;
    const where = database === undefined ? '' : ` -d ${word(database)}`;
    return this.inside(container, `runuser -u postgres -- psql -X -p ${port}${where} -c ${word(statement)}`);
  }

  /** A pg_autoctl command on a member. */
  autoctl(container: string, command: string): string {
    const bin = programsFolder(this.formation.postgres.version);
    return this.inside(
      container,
      `runuser -u postgres -- env PATH=${bin}:/usr/bin:/bin pg_autoctl ${command} --pgdata ${word(this.pgdata(container))}`,
    );
  }

  journal(container: string): Remedy {
    return {
      say: 'read why',
      look: this.inside(container, `journalctl -u ${this.unit(container)} -n 50 --no-pager`),
    };
  }

  /** A restart would wait 90 s for a service that does not hear it. */
  endService(container: string): Remedy {
    return {
      say: 'its pg_autoctl hangs as well: end it, and systemd starts it again',
      run: this.inside(container, `systemctl kill --signal KILL ${this.unit(container)}`),
    };
  }

  /** The way out that upstream's users have found (#1025): the monitor then decides anew from where the node is. */
  takeOrderBack({ nodeId, reportedState, goalState }: MonitorNode): Remedy {
    return {
      say: `no keeper can go from ${reportedState} to ${goalState}: have the monitor take that order back (restarting pg_autoctl before that leaves Postgres down)`,
      run: this.sql(
        this.monitor,
        `UPDATE pgautofailover.node SET goalstate = reportedstate WHERE nodeid = ${nodeId} AND goalstate = '${goalState}'`,
        monitorDatabase,
      ),
    };
  }

  /**
   * Ends a node's maintenance. `pg_autoctl disable maintenance` may miss that it worked, and then fails after a minute or two
   * (monitor_process_notifications, pg_auto_failover 2.0 to 2.2: its LISTEN reads the last notification away).
   */
  endMaintenance({ nodeId }: MonitorNode): string {
    return this.sql(this.monitor, `SELECT pgautofailover.stop_maintenance(${nodeId})`, monitorDatabase);
  }

  /** A formation's monitor by name. */
  get monitor(): string {
    return this.formation.monitor.name;
  }

  /** What the monitor knows and wants of the nodes. */
  state(): string {
    return `${this.autoctl(this.monitor, 'show state')} --formation ${word(this.formation.name)}`;
  }

  /**
   * A planned failover. It is asked for just after the primary has reported, since upstream loses writes where that
   * report is under way (monitor/switchover.ts). It waits for half a minute for a primary that has its standby again: what
   * was put right just before may not have come to the monitor yet.
   */
  switchover(): string {
    const { name } = this.formation;
    const fresh = `EXISTS (SELECT FROM pgautofailover.node WHERE formationid = '${name}' AND goalstate = 'primary' AND clock_timestamp() - reporttime < interval '250 ms')`;
    const wait = `FOR i IN 1..1500 LOOP EXIT WHEN ${fresh}; PERFORM pg_sleep(0.02); END LOOP`;
    return this.sql(
      this.monitor,
      `DO $do$ BEGIN ${wait}; PERFORM pgautofailover.perform_failover('${name}', 0); END $do$`,
      monitorDatabase,
    );
  }

  /** Where the nodes find it. */
  get monitorHost(): string {
    return membersOf(this.formation)[0].host;
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

  /**
   * A rule of pg_hba.conf, which provisioning writes unless the file keeps what is there.
   * @param whom to follow "let": a role, from where, to which database
   */
  admit(container: string, whom: string): Remedy {
    const keeping = keptNames.filter(
      (what) =>
        keeps(this.formation, what) &&
        (what === 'access' || (what === 'monitor' && container === this.monitor)),
    );
    if (keeping.length === 0) return this.provision();
    return {
      say: `provision-pgaf leaves its pg_hba.conf as it is (keep: ${keeping.join(', ')}): let ${whom} in there, and reload it; this shows the rules`,
      look: this.sql(container, 'SELECT * FROM pg_hba_file_rules'),
    };
  }

  private pgdata(container: string): string {
    return membersOf(this.formation).find(({ name }) => name === container)?.pgdata ?? '';
  }

  /** The systemd service of a member, as systemd's commands take it. */
  unit(container: string): string {
    return shortUnitOf(membersOf(this.formation).find(({ name }) => name === container) ?? {});
  }

  /** A command of systemctl's on a member's service. */
  service(container: string, verb: 'start' | 'stop' | 'restart' | 'enable'): string {
    return this.inside(container, `systemctl ${verb} ${this.unit(container)}`);
  }

  /** @param container also one that only a monitor tells of */
  private target(container: string): string {
    return containerTarget(this.formation, word(container));
  }
}
