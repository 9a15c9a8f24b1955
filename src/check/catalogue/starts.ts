import { folderOfData, giveBackCommand } from '../../formation/command-line.ts';
import { type Formation, membersOf } from '../../formation/formation.ts';
import { describeLastWords, type LastWords } from '../../postgres/server-log.ts';
import type { Asked, Check, Problem, Remedy } from '../check.ts';
import type { Observation } from '../observation.ts';
import { makeAnew, otherPrimary } from '../remedies/anew.ts';
import { Remedies, word } from '../remedies/remedies.ts';
import type { ObservedTrouble } from '../trouble-probe.ts';
import { squeezed } from './from-observation.ts';

/** Whether Postgres starts, and by its own last words why not. */

/** What a container says of its trouble; undefined where there is none, or it could not be read. */
export function troubleOf({ troubles }: Observation, container: string): ObservedTrouble | undefined {
  const read = troubles[container];
  return read?.ok ? read.value : undefined;
}

export const postgresStarts: Check = {
  id: 'postgres-starts',
  meaning: 'Postgres starts, and does not stop by itself',
  severity: 'error',
  follows: { 'no-interrupted-drill': 'same', 'disk-space': 'same', 'nodes-registered': 'same' },
  problems: (observation, formation, asked) =>
    membersOf(formation).flatMap(({ name }): Problem[] => {
      const answers = (observation.nodes[name] ?? observation.monitor).ok;
      if (answers) return [];
      const { lastWords: words, unread } = troubleOf(observation, name)?.postgres ?? {};
      if (unread !== undefined) return [ofAnother(unread, formation, asked, name)];
      if (words === undefined) return [];
      return [
        {
          subject: name,
          evidence: `Postgres does not start, or stopped by itself: ${describeLastWords(words)}`,
          remedy: remedyFor({ name, words }, observation, formation, asked),
        },
      ];
    }),
};

/** Provisioning gives back what is root's, which runs no Postgres. Whoever else has it may need it. */
function ofAnother(
  { folder, file }: NonNullable<ObservedTrouble['postgres']['unread']>,
  formation: Formation,
  asked: Asked,
  name: string,
): Problem {
  const owners = [...new Set([folder, file].filter((each) => each !== '' && each !== 'postgres'))];
  const whose = owners.length === 0 ? '' : `, which belongs to ${owners.join(' and ')}`;
  const remedies = new Remedies(formation, asked);
  const command = giveBackCommand(formation, name, remedies.unit(name));
  return {
    subject: name,
    evidence: `the user postgres cannot read its data directory${whose}`,
    remedy:
      owners.join() === 'root'
        ? remedies.provision(
            `run provision-pgaf, which gives it back to postgres; where it does not, it says why, and this does: \`${command}\``,
          )
        : {
            say: `where nobody else needs it, give it back to postgres (\`${command}\`); this shows whose it is`,
            look: remedies.inside(name, `ls -la ${word(folderOfData(formation, name))}`),
          },
  };
}

/** The hint last: it names settings that may be to blame, and need not be. Without the member's own folders' names. */
const all = ({ message, detail, hint, before }: LastWords, pgdata: string) =>
  [message, detail, before, hint].join('\n').replaceAll(pgdata, 'PGDATA');

/** Postgres' messages by their cause (postmaster.c, miscinit.c, guc.c, xlog.c, xlogrecovery.c, tablespace.c; 13 to 17). */
const causes = {
  space: /No space left on device/,
  belowPrimary: /insufficient parameter settings/,
  tablespace: /tablespace|pg_tblspc/,
  access:
    /has (?:group or world access|invalid permissions|wrong ownership)|Permission denied|must be owned by/,
  setting:
    /could not (?:access file|load library)|invalid value for parameter|unrecognized configuration parameter|configuration file .* contains errors|syntax error in file|must be less than|requires? wal_level|shared memory segment|anonymous shared memory|is not a valid|cannot be (?:set|enabled)/,
  data: /checkpoint record|control file|pg_control|database files are incompatible|is not a child of|WAL ends before|recovery ended before|backup_label|could not (?:open|read|access|seek|locate) .*[" /](?:global|base|pg_wal|pg_xact|pg_multixact)["/]|invalid page|unexpected pageaddr|not a valid data directory|not initialized by|PG_VERSION|(?:data directory|timeline) \S+ does not exist/,
};

function remedyFor(
  { name, words }: { name: string; words: LastWords },
  observation: Observation,
  formation: Formation,
  asked: Asked,
): Remedy {
  const remedies = new Remedies(formation, asked);
  const pgdata = membersOf(formation).find((each) => each.name === name)?.pgdata ?? '';
  const text = all(words, pgdata);
  const is = (cause: keyof typeof causes) => causes[cause].test(text);
  if (is('space')) {
    return {
      say: 'free some space, or make the disk larger (limits.disk, then provision-pgaf); this shows what takes the space',
      look: remedies.inside(
        name,
        `du -xah --max-depth 3 --threshold 32M ${word(folderOfData(formation, name))} /var/log`,
      ),
    };
  }
  const primary = name === formation.monitor.name ? undefined : otherPrimary(observation, name);
  const orAnew =
    primary === undefined
      ? ''
      : `; only where that does not end it, delete the container and run provision-pgaf again: the node is then made anew from ${primary}`;
  const provision = (what: string) => remedies.provision(`run provision-pgaf, which ${what}${orAnew}`);
  if (is('belowPrimary')) return provision('raises what is lower than on the primary');
  if (is('setting')) return setOtherwise({ name, text }, observation, formation, asked) ?? otherwise();
  if (is('tablespace')) return provision("makes the tablespace's folder");
  if (is('access')) return provision('gives the data directory and its files back to postgres');
  if (is('data')) {
    if (name !== formation.monitor.name) return makeAnew(observation, formation, asked, name);
    return {
      say: 'the data nodes serve on without it: save what you need of it (incus export), delete the container, and have provision-pgaf make it anew; where other formations are on it, they must be provisioned again as well',
      look: remedies.inside(name, `ls -la ${word(membersOf(formation)[0].pgdata)}`),
    };
  }
  return otherwise();

  function otherwise(): Remedy {
    return { ...remedies.journal(name), say: `fix what it names, and read more${orAnew}` };
  }
}

/** Of a setting that keeps Postgres from starting: the file's own, or one that somebody made by ALTER SYSTEM. */
function setOtherwise(
  { name, text }: { name: string; text: string },
  observation: Observation,
  formation: Formation,
  asked: Asked,
): Remedy | undefined {
  const remedies = new Remedies(formation, asked);
  const altered = troubleOf(observation, name)?.postgres.altered ?? {};
  const ofFile = name === formation.monitor.name ? {} : formation.postgres.settings;
  const library = /could not (?:access file|load library) "([^"]+)"/.exec(text)?.[1];
  const placeOf = (setting: string, value: string) =>
    library === undefined
      ? text.search(new RegExp(`\\b${setting.replaceAll('.', '\\.')}\\b`))
      : value.indexOf(library.replace(/^.*\/|\.so$/g, ''));
  const [first] = Object.entries({ ...ofFile, ...altered })
    .map(([each, value]): [string, number] => [each, placeOf(each, value)])
    .filter(([, place]) => place !== -1)
    .sort(([, a], [, b]) => a - b);
  if (first === undefined) return undefined;
  const [setting] = first;
  const wanted = ofFile[setting];
  if (
    wanted !== undefined &&
    altered[setting] !== undefined &&
    squeezed(altered[setting]) !== squeezed(wanted)
  )
    return remedies.provision(
      `somebody has set ${setting} by ALTER SYSTEM otherwise than postgres.settings.${setting}: run provision-pgaf, which puts the file's in its place and starts Postgres`,
    );
  if (wanted !== undefined)
    return remedies.provision(
      `mend postgres.settings.${setting} in the formation file, then run provision-pgaf, which puts it in force and starts Postgres`,
    );
  if (altered[setting] === undefined) return undefined;
  const file = `${membersOf(formation).find((each) => each.name === name)?.pgdata}/postgresql.auto.conf`;
  return {
    say: `somebody has set ${setting} by ALTER SYSTEM: take it out of postgresql.auto.conf again, while pg_autoctl is stopped: one that runs may start the mended Postgres as a second primary`,
    run: [
      remedies.service(name, 'stop'),
      remedies.inside(
        name,
        `runuser -u postgres -- sed -i ${word(`/^${setting.replaceAll('.', '[.]')} *=/d`)} ${word(file)}`,
      ),
      remedies.service(name, 'start'),
    ].join(' && '),
  };
}
