import type { Formation } from '../../formation/formation.ts';
import { dataNodeSettings } from '../../member/settings.ts';
import type { Asked, Check, Problem, Remedy } from '../check.ts';
import type { Observation, ObservedNode } from '../observation.ts';
import { Remedies } from '../remedies/remedies.ts';
import { restart } from '../remedies/restart.ts';
import { answeringNodes, writablePrimary } from './from-observation.ts';

/** Settings that wait for a restart, and how each comes into force, or goes, without a failover that nobody asked for. */

export const settingsInForce: Check = {
  id: 'settings-in-force',
  meaning: 'no setting waits for a restart: a failover would suddenly put it in force',
  severity: 'warning',
  problems(observation, formation, asked) {
    const primary = writablePrimary(observation)?.[1];
    // Standbys first: the primary hands over to one of them.
    const inTurn = answeringNodes(observation).toSorted(
      ([, a], [, b]) => Number(b.inRecovery) - Number(a.inRecovery),
    );
    return inTurn.flatMap(([name, node]): Problem[] => {
      const waiting = waitingOf(node);
      if (waiting.length === 0) return [];
      const waits = `${waiting.join(', ')} ${waiting.length === 1 ? 'waits' : 'wait'} for a restart`;
      const tried = observation.dryStarts[name];
      const problem = (evidence: string, remedy: Remedy) => [{ subject: name, evidence, remedy }];
      if (tried?.ok && tried.value !== undefined)
        return problem(
          `${waits}, and Postgres would not start: ${tried.value}`,
          takenBack(name, node, waiting, tried.value),
        );
      const low = waiting.filter((each) => isBelow(node.alteredSettings[each], primary?.settings[each]));
      if (node.inRecovery && low.length > 0)
        return problem(
          `${waits}, and a standby with less than its primary does not start: ${low.map((each) => `${each} ${node.alteredSettings[each]}, the primary has ${primary?.settings[each]}`).join('; ')}`,
          setBack(name, low, primary?.settings ?? {}, 'give it what the primary has'),
        );
      return problem(
        waits,
        node.inRecovery
          ? restart(observation, formation, asked, name)
          : ofPrimary(observation, formation, asked, [name, node]),
      );
    });

    /** Of what waits, what Postgres' words are about: all of it where they do not tell. */
    function takenBack(name: string, node: ObservedNode, waiting: readonly string[], why: string): Remedy {
      const named = waiting.filter((each) => isAbout(why, each, node.alteredSettings[each]));
      const concerned = named.length > 0 ? named : waiting;
      const altered = concerned.filter((each) => node.alteredSettings[each] !== undefined);
      const them = concerned.length === 1 ? 'it' : 'them';
      if (altered.length === concerned.length)
        return setBack(name, altered, {}, `set ${them} otherwise before anything restarts it`);
      const list = concerned.map((each) => `'${each.replaceAll("'", "''")}'`).join(', ');
      const elsewhere = concerned.filter((each) => !altered.includes(each)).join(', ');
      return {
        say: `set ${them} otherwise before anything restarts it: ${elsewhere} was not set by ALTER SYSTEM, whose RESET does not help; mend the file in which it stands, then SELECT pg_reload_conf(); this shows where`,
        look: new Remedies(formation, asked).sql(
          name,
          `SELECT name, sourcefile, sourceline FROM pg_file_settings WHERE name IN (${list}) ORDER BY seqno`,
        ),
      };
    }

    function setBack(name: string, settings: string[], to: Record<string, string>, say: string): Remedy {
      const remedies = new Remedies(formation, asked);
      const changes = settings.map((each) =>
        remedies.sql(
          name,
          `ALTER SYSTEM ${to[each] === undefined ? `RESET ${each}` : `SET ${each} = '${to[each]}'`}`,
        ),
      );
      return { say, run: [...changes, remedies.sql(name, 'SELECT pg_reload_conf()')].join(' && ') };
    }
  },
};

/** Whether words of Postgres' name a setting, or the library that it asks for. */
function isAbout(why: string, setting: string, value: string | undefined): boolean {
  const library = /could not (?:access file|load library) "([^"]+)"/
    .exec(why)?.[1]
    ?.replace(/^.*\/|\.so$/g, '');
  if (library !== undefined) return value?.includes(library) === true;
  return new RegExp(`\\b${setting.replaceAll('.', '\\.')}\\b`).test(why);
}

const isBelow = (value: string | undefined, least: string | undefined) => Number(value) < Number(least);

/** pg_autoctl takes the recovery settings of a standby out of its files when it promotes it. */
const waitingOf = ({ inRecovery, pendingRestart }: ObservedNode) =>
  pendingRestart.filter((setting) => inRecovery || !setting.startsWith('recovery_target'));

/**
 * A primary's Postgres starts anew as that of a standby, after a switchover, and with the new primary's files: pg_rewind
 * copies postgresql.auto.conf and all else that is no relation (pg_rewind's manual, "How It Works"). What one node alone
 * has is lost by it, so a bare switchover is told only where every node's files say the same.
 */
function ofPrimary(
  observation: Observation,
  formation: Formation,
  asked: Asked,
  [name, node]: [string, ObservedNode],
): Remedy {
  const anew = restart(observation, formation, asked, name);
  if (anew.run === undefined) return anew;
  const remedies = new Remedies(formation, asked);
  const waiting = waitingOf(node);
  const others = Object.entries(observation.nodes).filter(([each]) => each !== name);
  const unread = others.filter(([, read]) => !read.ok).map(([each]) => each);
  const differing = waiting.filter((setting) =>
    others.some(([, read]) => !read.ok || read.value.filedSettings[setting] !== node.filedSettings[setting]),
  );
  const ofFile = dataNodeSettings(formation);
  const foreign = differing.filter((setting) => ofFile[setting] === undefined);
  if (foreign.length > 0) return ofOneNode(foreign, unread);
  const provision =
    'run provision-pgaf: it restarts the standbys first, and hands over before it restarts the primary (writes pause for seconds)';
  if (
    !asked.withoutFile &&
    (differing.length > 0 || waiting.every((setting) => ofFile[setting] !== undefined))
  )
    return remedies.provision(provision);
  if (others.some(([, read]) => read.ok && waitingOf(read.value).length > 0))
    return { say: 'put the standbys right first, and check again: it hands over to one of them' };
  return anew;

  function ofOneNode(settings: readonly string[], without: readonly string[]): Remedy {
    const names = settings.join(', ');
    const known =
      without.length > 0
        ? `nobody knows whether ${without.join(', ')} has the same ${names}`
        : `${names} ${settings.length === 1 ? 'is' : 'are'} not the same in the files of every node`;
    const wanted = asked.withoutFile
      ? 'if you want it, set it by ALTER SYSTEM on every node, reload, and check again'
      : 'if you want it, put it into postgres.settings of the formation file and run provision-pgaf, which restarts the standbys first and hands over';
    const unwanted = `if not, take it back on ${name} (ALTER SYSTEM RESET ${settings[0]}, then SELECT pg_reload_conf())`;
    const list = settings.map((each) => `'${each.replaceAll("'", "''")}'`).join(', ');
    return {
      say: `${known}, and a switchover would leave this node with what the new primary has: ${wanted}; ${unwanted}; this shows what waits`,
      look: remedies.sql(
        name,
        `SELECT name, setting, sourcefile FROM pg_file_settings WHERE name IN (${list}) ORDER BY seqno`,
      ),
    };
  }
}
