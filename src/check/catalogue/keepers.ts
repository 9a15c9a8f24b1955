import { monitorDatabase } from '../../formation/formation.ts';
import { autoctlRole } from '../../member/roles.ts';
import { type MonitorNode, writableStates } from '../../monitor/nodes.ts';
import type { Check, Problem, Remedy } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies } from '../remedies/remedies.ts';
import { isSilent, monitorAdmits, monitorNodes } from './from-observation.ts';
import { troubleOf } from './starts.ts';

/** Whether the keepers report, and why not. */

export const keepersReport: Check = {
  id: 'keepers-report',
  meaning: "every node's keeper reports to the monitor: a silent one takes no orders",
  severity: 'error',
  follows: {
    'no-interrupted-drill': 'same',
    'nodes-reachable': 'same',
    'services-run': 'same',
    'monitor-reachable': 'any',
    'nodes-registered': 'same',
    'no-maintenance': 'same',
    'timelines-agree': 'same',
    'wal-agrees': 'same',
    // A monitor whose extension is another turns every keeper away.
    'versions-equal': 'any',
    // Its keepers' own sessions fail, which report then, or learn, nothing.
    'own-sessions': 'any',
  },
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    return monitorNodes(observation)
      ?.filter((node) => isSilent(observation, node))
      .map((node) => {
        const evidence = `its last report is ${node.secondsSinceReport.toFixed(1)} s old`;
        return monitorAdmits(observation, node.host) === 'no'
          ? {
              subject: node.name,
              evidence: `${evidence}, and pg_hba.conf of ${remedies.monitor} does not let it in`,
              remedy: remedies.admit(
                remedies.monitor,
                `${autoctlRole} from ${node.host} to ${monitorDatabase}`,
              ),
            }
          : silenceOf(node, observation, remedies);
      });
  },
};

/** The keepers' pg_autoctl, which starts one that ended again. */
const keeperProcess = "-f '^pg_autoctl: node active'";

/**
 * Why a keeper is silent, by what its container says of it. One that is turned away or cut off tries every second and
 * must be left alone: begun anew it does not start without the monitor, and takes its Postgres down (seen in the lab).
 */
function silenceOf(node: MonitorNode, observation: Observation, remedies: Remedies): Problem {
  const { name, secondsSinceReport: silent } = node;
  const problem = (more: string, remedy: Remedy): Problem => ({
    subject: name,
    evidence: `its last report is ${silent.toFixed(1)} s old${more === '' ? '' : `; ${more}`}`,
    remedy,
  });
  const journal = remedies.journal(name).look ?? '';
  const keeper = troubleOf(observation, name)?.keeper;
  if (keeper === undefined) return problem('', { say: 'see what its keeper says', look: journal });
  const { state, copies, lastError, quietSeconds = Number.POSITIVE_INFINITY } = keeper;
  if (state === 'T')
    return problem('its keeper is stopped (SIGSTOP)', {
      say: 'let its keeper go on',
      run: remedies.inside(name, `pkill -CONT ${keeperProcess}`),
    });
  if (copies)
    return problem('it copies or rewinds its data', {
      say: 'wait: that takes as long as there is data; this shows what it does',
      look: remedies.inside(name, 'ps -u postgres -o pid,etime,stat,args f'),
    });
  if (state === '')
    return problem('it has no keeper', { say: 'read why pg_autoctl has none', look: journal });
  if (lastError !== undefined && lastError.secondsAgo < silent)
    return problem(`its keeper says: ${lastError.message}`, {
      say: `fix what keeps it from ${remedies.monitor} (network, names, certificates, versions), then run provision-pgaf, which has it read its configuration again; leave its process alone: if it is restarted, it takes Postgres down`,
      look: journal,
    });
  // A keeper that hangs writes nothing; one in another state may be at work on its data.
  const isSteady = [...writableStates, 'secondary'].includes(node.reportedState);
  if (!isSteady || quietSeconds < silent / 2)
    return problem('', { say: 'wait, and see what its keeper is doing', look: journal });
  return problem(
    `its keeper has been quiet for ${quietSeconds === Number.POSITIVE_INFINITY ? 'long' : `${quietSeconds.toFixed(0)} s`} as well`,
    {
      say: `its keeper hangs: first make sure that it can reach ${remedies.monitor}, then end the process, which pg_autoctl starts again`,
      run: `${remedies.inside(name, `runuser -u postgres -- pg_isready --host ${remedies.monitorHost} --port ${node.port} --timeout 5`)} && ${remedies.inside(name, `pkill -KILL ${keeperProcess}`)}`,
    },
  );
}
