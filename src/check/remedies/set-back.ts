import type { Formation } from '../../formation/formation.ts';
import type { Remedy } from '../check.ts';
import type { ObservedNode } from '../observation.ts';
import type { Remedies } from './remedies.ts';

/** Sets a setting back where it stands: the file asks for nothing weak, and RESET takes back what ALTER SYSTEM has set alone. */
export function setBack(
  name: string,
  { alteredSettings }: ObservedNode,
  setting: string,
  { formation, remedies }: { formation: Formation; remedies: Remedies },
): Remedy {
  if (formation.postgres.settings[setting] !== undefined)
    return remedies.provision(
      `run provision-pgaf, which puts postgres.settings.${setting} of the formation file in force again`,
    );
  if (alteredSettings[setting] !== undefined)
    return {
      say: 'set it back',
      run: `${remedies.sql(name, `ALTER SYSTEM RESET ${setting}`)} && ${remedies.sql(name, 'SELECT pg_reload_conf()')}`,
    };
  return {
    say: 'set it back where it stands, then SELECT pg_reload_conf(): ALTER SYSTEM did not set it, so that its RESET does not help; this shows the file, or nothing where a command line, a database or a role has it',
    look: remedies.sql(
      name,
      `SELECT name, sourcefile, sourceline FROM pg_file_settings WHERE name = '${setting}' ORDER BY seqno`,
    ),
  };
}
