import type { Formation } from './formation.ts';

/** Parts of the `incus` command lines that people are told: always where this formation's containers are. */

/** A container with remote and project: `pgaf-monitor --project default`. */
export function containerTarget(
  { incus: { remote, project } }: Pick<Formation, 'incus'>,
  container: string,
): string {
  return `${remote === 'local' ? '' : `${remote}:`}${container} --project ${project}`;
}

/** A list of what is there: `incus network list --project default`. */
export function listCommand({ incus: { remote, project } }: Formation, what: string): string {
  return `incus ${what} list${remote === 'local' ? '' : ` ${remote}:`}${what === 'cluster' ? '' : ` --project ${project}`}`;
}

/** The folder of a member's data: the formation's own, or the data directory that the file names. */
export function folderOfData(formation: Formation, container: string): string {
  const own = [formation.monitor, ...formation.nodes].find(({ name }) => name === container)?.pgdata;
  return own ?? formation.postgres.dataDirectory;
}

/**
 * What gives the folder of a member's data back to postgres: of a data node while its pg_autoctl is stopped, which may
 * start Postgres as a second primary where it runs (Standstill, provision/members/service.ts).
 * @param unit its service, as systemd's commands take it
 */
export function giveBackCommand(formation: Formation, container: string, unit: string): string {
  const give = `chown -R -h postgres: ${folderOfData(formation, container)}`;
  const command =
    container === formation.monitor.name
      ? give
      : `sh -c "systemctl stop ${unit} && ${give} && systemctl start ${unit}"`;
  return `incus exec ${containerTarget(formation, container)} --cwd / -- ${command}`;
}
