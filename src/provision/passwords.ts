import { InputError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Formation } from '../formation/formation.ts';
import { readTextMap } from '../formation/yaml.ts';

/** Everybody knows it: it may open a lab, never anything else. */
export const placeholderPassword = 'changeme-DEV-ONLY';

/** What the inputs app-password and user-passwords hold, '' where they are not given. */
export interface GivenPasswords {
  application: string;
  /** YAML: a map of users and passwords. */
  users: string;
}

/**
 * The password of every user of the formation, by name: what is given, or the placeholder in a formation that
 * is declared a lab.
 * @throws InputError with every fault, none of which holds anything of a password
 */
export function passwordsOf(given: GivenPasswords, formation: Formation, log: Log): Map<string, string> {
  const { user: application, users } = formation.postgres;
  const further = users.map(({ name }) => name).filter((name) => name !== application);
  const { entries, readable, faults } = furtherPasswords(given.users, application, further);
  const passwords = new Map<string, string>();
  const placeholders: string[] = [];
  for (const name of [application, ...further]) {
    const isApplication = name === application;
    const password = isApplication ? given.application : (entries.get(name)?.text ?? '');
    const source = isApplication ? 'input app-password:' : `input user-passwords: ${name}:`;
    if (password === '' || password === placeholderPassword) {
      if (formation.environment === 'lab') placeholders.push(name);
      // What a broken map lacks may stand in its broken part.
      else if (isApplication || readable)
        faults.push(`${source} ${unsafe(password, isApplication, formation)}`);
    } else faults.push(...weaknesses(password).map((fault) => `${source} ${fault}`));
    passwords.set(name, password || placeholderPassword);
  }
  if (faults.length > 0) throw new InputError(faults);
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
  const { entries, faults } = readTextMap(text);
  const all = faults.map((fault) => `input user-passwords: ${fault}`);
  // Where a map is the wrong way round, its names are passwords: an unknown one is told by its line.
  for (const [name, { line }] of entries) {
    const where = `input user-passwords: line ${line}:`;
    if (name === application)
      all.push(`${where} ${name} is the application's own user; its password is the input app-password`);
    else if (!further.includes(name))
      all.push(
        `${where} is none of the formation's further users (postgres.users), which are ${further.join(', ') || 'none'}`,
      );
  }
  return { entries, readable: faults.length === 0, faults: all };
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
 * @throws InputError with every fault, none of which holds anything of a password
 */
export function accountPasswordsOf(
  given: { autoctl: string; replication: string },
  formation: Formation,
): AccountPasswords {
  const faults: string[] = [];
  const check = (name: string, password: string): string | undefined => {
    if (password === '') return undefined;
    if (!/^[A-Za-z0-9._~-]{8,128}$/.test(password))
      faults.push(
        `input ${name}: must be 8 to 128 letters, digits, ".", "_", "~" and "-", as pg_auto_failover puts it into connection strings; or leave it out, and one is made`,
      );
    else if (password === placeholderPassword && formation.environment !== 'lab')
      faults.push(
        `input ${name}: is the placeholder, and the formation's environment is ${formation.environment}; pass a password from your vault, or leave it out, and one is made`,
      );
    return password;
  };
  const passwords = {
    autoctl: check('autoctl-password', given.autoctl),
    replication: check('replication-password', given.replication),
  };
  if (faults.length > 0) throw new InputError(faults);
  return passwords;
}
