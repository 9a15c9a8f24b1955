/**
 * Where a release's programs are: as Debian, Ubuntu and PGDG package them.
 * @param version the major one
 */
export const programsFolder = (version: number): string => `/usr/lib/postgresql/${version}/bin`;

/** argv of a command that postgres is to run, whoever runs this. */
export function asPostgres(...command: string[]): string[] {
  return ['runuser', '-u', 'postgres', '--', 'env', '-C', '/', ...command];
}
