import { type Formation, membersOf } from '../formation/formation.ts';
import type { Asked, Remedy } from './check.ts';

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

  /** A command in a container, as root. */
  inside(container: string, command: string): string {
    return `incus exec ${this.target(container)} -- ${command}`;
  }

  /** One SQL statement on a member, as its superuser. */
  sql(container: string, statement: string, database?: string): string {
    const { port } = this.formation.postgres;
    const where = database === undefined ? '' : ` -d ${database}`;
    return this.inside(container, `runuser -u postgres -- psql -p ${port}${where} -c "${statement}"`);
  }

  /** A pg_autoctl command on a member. */
  autoctl(container: string, command: string): string {
    const member = membersOf(this.formation).find(({ name }) => name === container);
    const bin = `/usr/lib/postgresql/${this.formation.postgres.version}/bin`;
    return this.inside(
      container,
      `runuser -u postgres -- env PATH=${bin}:/usr/bin:/bin pg_autoctl ${command} --pgdata ${member?.pgdata}`,
    );
  }

  journal(container: string): Remedy {
    return { say: 'read why', run: this.inside(container, 'journalctl -u pg_autoctl -n 50 --no-pager') };
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
      : { say, run: `pgha provision-pgaf${formationPath === '' ? '' : ` --formation ${formationPath}`}` };
  }

  private target(container: string): string {
    const { remote, project } = this.formation.incus;
    return `${remote === 'local' ? '' : `${remote}:`}${container} --project ${project}`;
  }
}
