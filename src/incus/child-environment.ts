import { holdsSecret } from '../contract/secrecy.ts';

/** What a runner passes its steps by, and what libpq reads: nothing that we start has use for either. */
const ofOthers = /^(?:INPUT_|STATE_|ACTIONS_|PG(?!HA_))/i;
/** Names by which people keep secrets. */
const secretNames =
  /TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|PASSWD|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|WEBHOOK/i;
/** Without these nothing runs, whatever they hold; a proxy's own password is for its client to know. */
const needed = /^(?:PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|LANG|LC_\w+|INCUS_\w+|\w+_proxy)$/i;

/**
 * The environment of every process that we start: this process's own without a secret. It is no short list of what may
 * pass: `incus` may be anybody's script, which needs variables of its own.
 */
export function childEnvironment(own: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const passed = Object.entries(own).filter(([name, value = '']) => {
    if (needed.test(name)) return true;
    return !ofOthers.test(name) && !secretNames.test(name) && !holdsSecret(value);
  });
  return Object.fromEntries(passed);
}

/** The values that `childEnvironment` keeps from what we start for their names: none of them is for a log. */
export function secretsOfEnvironment(own: NodeJS.ProcessEnv): string[] {
  return Object.entries(own).flatMap(([name, value = '']) =>
    secretNames.test(name) && !needed.test(name) && value !== '' ? [value] : [],
  );
}
