import { InputError } from '../../contract/errors.ts';
import type { Log } from '../../contract/log.ts';
import { mangledBy, readTextMap } from '../../formation/file/yaml.ts';
import { type Formation, isLab } from '../../formation/formation.ts';
import { placeholderPassword } from '../../postgres/placeholder.ts';

/** What the inputs app-password and user-passwords hold, '' where they are not given. */
export interface GivenPasswords {
  application: string;
  /** YAML: a map of users and passwords. */
  users: string;
}

/**
 * The password of every user of the formation, by name: what is given, or the placeholder in a formation that
 * is declared a lab.
 * @throws InputError with every error, none of which holds anything of a password
 */
export function passwordsOf(given: GivenPasswords, formation: Formation, log: Log): Map<string, string> {
  const { user: application, users } = formation.postgres;
  const further = users.map(({ name }) => name).filter((name) => name !== application);
  const { entries, readable, errors } = furtherPasswords(given.users, application, further);
  const passwords = new Map<string, string>();
  const placeholders: string[] = [];
  for (const name of [application, ...further]) {
    const isApplication = name === application;
    const password = isApplication ? given.application : (entries.get(name)?.text ?? '');
    const source = isApplication ? 'input app-password:' : `input user-passwords: ${name}:`;
    if (password === '' || password === placeholderPassword) {
      if (isLab(formation)) placeholders.push(name);
      // What a broken map lacks may stand in its broken part.
      else if (isApplication || readable)
        errors.push(`${source} ${unsafe(password, isApplication, formation)}`);
    } else errors.push(...weaknesses(password).map((error) => `${source} ${error}`));
    passwords.set(name, password || placeholderPassword);
  }
  if (errors.length > 0) throw new InputError(errors);
  if (placeholders.length > 0) {
    const who = placeholders.length === 1 ? 'gets' : 'get';
    log.warn(
      `${placeholders.join(', ')} ${who} the placeholder password, as the formation says environment: lab`,
    );
  }
  return passwords;
}

/** What user-passwords holds for the formation's further users. */
function furtherPasswords(text: string, application: string, further: readonly string[]) {
  const { entries, errors } = readTextMap(text);
  const all = errors.map((error) => `input user-passwords: ${error}`);
  // Where a map is the wrong way round, its names are passwords: an unknown one is told by its line.
  for (const [name, { line }] of entries) {
    const where = `input user-passwords: line ${line}:`;
    if (name === application)
      all.push(`${where} ${name} is the application's own user; its password is the input app-password`);
    else if (!further.includes(name))
      all.push(
        `${where} is not one of the formation's further users (postgres.users), which are ${further.join(', ') || 'none'}`,
      );
  }
  return { entries, readable: errors.length === 0, errors: all };
}

function unsafe(password: string, isApplication: boolean, { environment }: Formation): string {
  const found = password === '' ? 'is missing' : 'is the placeholder';
  const what = isApplication ? 'the password' : 'its password';
  return `${found}, and the formation's environment is ${environment}; pass ${what} from your vault (only \`environment: lab\` goes without)`;
}

function weaknesses(password: string): string[] {
  return [
    ...(password.length < 8 ? ['must have at least 8 characters'] : []),
    ...(/[\0\r\n]/.test(password) ? ['must not hold line breaks or NUL'] : []),
    ...[mangledBy(password)].filter((each) => each !== undefined),
  ];
}

/** Passwords of pg_auto_failover's own accounts, undefined where pgha is to make them. */
export interface AccountPasswords {
  /** Of autoctl_node, by which the nodes reach the monitor. */
  autoctl: string | undefined;
  /** Of pgautofailover_replicator, by which a standby reaches the primary. */
  replication: string | undefined;
}

/**
 * The caller's own passwords for pg_auto_failover's accounts, as the inputs autoctl-password and
 * replication-password hold them.
 *
 * pg_auto_failover writes them into connection strings without quoting or escaping them (pgctl.c,
 * prepare_primary_conninfo), hence the narrow alphabet: what needs neither in a URI, in key=value, in a
 * configuration file and in .pgpass.
 * @throws InputError with every error, none of which holds anything of a password
 */
export function accountPasswordsOf(
  given: { autoctl: string; replication: string },
  formation: Formation,
): AccountPasswords {
  const errors: string[] = [];
  const check = (name: string, password: string): string | undefined => {
    if (password === '') return undefined;
    if (!/^[A-Za-z0-9._~-]{8,128}$/.test(password))
      errors.push(
        `input ${name}: must be 8 to 128 letters, digits, ".", "_", "~" and "-", as pg_auto_failover puts it into connection strings; or leave it out, and one is made`,
      );
    else if (password === placeholderPassword && !isLab(formation))
      errors.push(
        `input ${name}: is the placeholder, and the formation's environment is ${formation.environment}; pass a password from your vault, or leave it out, and one is made`,
      );
    return password;
  };
  const passwords = {
    autoctl: check('autoctl-password', given.autoctl),
    replication: check('replication-password', given.replication),
  };
  if (errors.length > 0) throw new InputError(errors);
  return passwords;
}
