import { describeMark } from '../../faults/mark.ts';
import { type Formation, isLab, keeps, type Member, membersOf } from '../../formation/formation.ts';
import {
  configured,
  hasMonitorUri,
  hasTls,
  keeperConfigPath,
  partitionTimeoutOf,
} from '../../member/keeper-config.ts';
import { nodeHba } from '../../member/pg-hba.ts';
import { dataNodeSettings, monitorSettings } from '../../member/settings.ts';
import { authorityFile } from '../../member/tls.ts';
import type { Check, Problem } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies } from '../remedies/remedies.ts';
import {
  answeringContainers,
  answeringNodes,
  monitorAdmits,
  monitorNodes,
  squeezed,
} from './from-observation.ts';
import { differences, readOffMonitor } from './services.ts';

/** The formation against its file, and what a drill left behind. */

const matchesFile: Check = {
  id: 'matches-file',
  meaning: 'the formation is what its file says: clocks, settings, rules, TLS, priorities, limits',
  severity: 'warning',
  follows: {
    'application-login': 'same',
    'failover-possible': 'any',
    'synchronous-replication': 'any',
    'sync-standbys-possible': 'any',
    'nodes-registered': 'any',
    'keepers-report': 'any',
  },
  unasked: (_, { withoutFile }) => (withoutFile ? readOffMonitor : undefined),
  problems(observation, formation, asked) {
    if (asked.withoutFile) return [];
    const remedy = new Remedies(formation, asked).provision();
    const told: [string, string[]][] = [
      [formation.monitor.name, monitorDrift(observation, formation)],
      ...membersOf(formation).flatMap((member): [string, string[]][] => [
        [member.name, memberDrift(observation, formation, member)],
      ]),
    ];
    return told
      .filter(([, drift]) => drift.length > 0)
      .map(([subject, drift]): Problem => ({ subject, evidence: drift.join('; '), remedy }));
  },
};

function monitorDrift(observation: Observation, formation: Formation): string[] {
  const { monitor } = observation;
  if (!monitor.ok || keeps(formation, 'monitor')) return [];
  // It may let in more: those of another formation on the same monitor.
  const shutOut = membersOf(formation)
    .slice(1)
    .filter(() => !keeps(formation, 'access'))
    .flatMap(({ host }) => {
      const admits = monitorAdmits(observation, host);
      if (admits === 'no') return [`pg_hba.conf does not let ${host} in`];
      return admits === 'maybe' ? [`pg_hba.conf has no rule of its own for ${host}`] : [];
    });
  const clocks = Object.entries(monitorSettings(formation.timings)).flatMap(([setting, wanted]) => {
    const name = setting.replace('pgautofailover.', '');
    const found = monitor.value.clocks[name];
    const number = Number.parseInt(wanted, 10);
    return found === undefined || found === number
      ? []
      : [`${name} is ${found}, the file asks for ${number}`];
  });
  return [...clocks, ...shutOut];
}

function memberDrift(observation: Observation, formation: Formation, member: Member): string[] {
  if (member.role === 'monitor' && keeps(formation, 'monitor')) return [];
  const container = new Map(answeringContainers(observation)).get(member.name);
  const drift = [
    ...limitsDrift(observation, member),
    ...tlsDrift(formation, container?.keeperConfig ?? '', authorityOf(observation, member)),
    ...(container !== undefined && container.keeperConfig === undefined
      ? [
          `its user postgres cannot read ${keeperConfigPath(member)}, so that what it asks for is not known (chown postgres: gives it back)`,
        ]
      : []),
  ];
  if (member.role === 'monitor') return drift;
  const node = new Map(answeringNodes(observation)).get(member.name);
  const row = monitorNodes(observation)?.find(({ name }) => name === member.name);
  const wanted = formation.nodes.find(({ name }) => name === member.name);
  if (container?.keeperConfig) {
    const seconds = partitionTimeoutOf(container.keeperConfig);
    const asked = formation.timings.networkPartitionTimeoutSeconds;
    if (seconds !== asked)
      drift.push(`network_partition_timeout is ${seconds} s, the file asks for ${asked} s`);
    if (!hasMonitorUri(formation, membersOf(formation)[0], container.keeperConfig))
      drift.push('its keeper has another connection string for the monitor');
  }
  if (node !== undefined) {
    for (const [name, value] of Object.entries(dataNodeSettings(formation)))
      if (squeezed(node.alteredSettings[name]) !== squeezed(value))
        drift.push(`${name} is ${node.alteredSettings[name] ?? 'not set'}, the file asks for ${value}`);
    // Nodes that the monitor knows and the file does not are let in as well.
    const hosts = [
      ...membersOf(formation)
        .slice(1)
        .map(({ host }) => host),
      ...(monitorNodes(observation) ?? [])
        .map(({ host }) => host)
        .filter((host) => !membersOf(formation).some((each) => each.host === host)),
    ];
    const hba = nodeHba(formation, membersOf(formation)[0].host, hosts);
    if (!keeps(formation, 'access') && node.hbaText !== hba)
      drift.push(`pg_hba.conf has ${differences(node.hbaText, hba)}`);
  }
  if (row !== undefined && wanted !== undefined) {
    if (row.candidatePriority !== wanted.candidatePriority)
      drift.push(
        `its candidate priority is ${row.candidatePriority}, the file asks for ${wanted.candidatePriority}`,
      );
    if (row.replicationQuorum !== wanted.quorum)
      drift.push(`it is ${row.replicationQuorum ? 'in' : 'not in'} the quorum, the file says otherwise`);
  }
  return drift;
}

/** The ssl_ca_file that a member's Postgres has in force; undefined where it does not answer. */
function authorityOf({ monitor, nodes }: Observation, { name, role }: Member): string | undefined {
  if (role === 'monitor') return monitor.ok ? monitor.value.sslCaFile : undefined;
  const node = nodes[name];
  return node?.ok ? node.value.settings['ssl_ca_file'] : undefined;
}

function tlsDrift(formation: Formation, keeperConfig: string, authority: string | undefined): string[] {
  const asked = `the file asks for tls: ${formation.tls}`;
  if (keeperConfig !== '' && !hasTls(formation, keeperConfig)) {
    const [mode, ca] = ['sslmode', 'ca_file'].map((key) => configured(keeperConfig, key));
    return [`pg_autoctl is set to sslmode '${mode}' and the CA '${ca}', ${asked}`];
  }
  return keeps(formation, 'certificates') || authority === undefined || authority === authorityFile(formation)
    ? []
    : [`Postgres has ssl_ca_file '${authority}' in force, ${asked}`];
}

function limitsDrift({ instances }: Observation, { name, limits }: Member): string[] {
  const { limits: found, unheard } = instances[name] ?? {};
  if (found === undefined || unheard !== undefined) return [];
  const wanted: [string, string | undefined, string | undefined][] = [
    ['limits.cpu', limits.cpu === undefined ? undefined : String(limits.cpu), found.cpu],
    ['limits.memory', limits.memory, found.memory],
    ['the size of its disk', limits.disk, found.disk],
  ];
  return wanted
    .filter(([, asked, has]) => asked !== undefined && asked !== has)
    .map(([what, asked, has]) => `${what} is ${has ?? 'not set'}, the file asks for ${asked}`);
}

const environmentKept: Check = {
  id: 'environment-kept',
  meaning:
    'the file and the containers agree on whether the formation is a lab, where the placeholder password is permitted',
  severity: 'warning',
  unasked: (_, { withoutFile }) => (withoutFile ? readOffMonitor : undefined),
  problems(observation, formation, asked) {
    if (asked.withoutFile) return [];
    const remedies = new Remedies(formation, asked);
    return Object.entries(observation.instances).flatMap(([subject, { environment }]): Problem[] => {
      if (environment === undefined || environment === formation.environment) return [];
      const evidence = `it was provisioned as ${environment}, and the file says environment: ${formation.environment}`;
      return [
        isLab(formation)
          ? {
              subject,
              evidence,
              remedy: {
                say: "use the formation's own file (with none, a lab called default is meant); provision-pgaf never turns it into a lab unless the container says so",
                look: remedies.incus('config show', subject),
              },
            }
          : { subject, evidence, remedy: remedies.provision() },
      ];
    });
  },
};

const noInterruptedDrill: Check = {
  id: 'no-interrupted-drill',
  meaning: 'a drill that was killed left its mark on a container',
  severity: 'warning',
  problems: (observation, formation, asked) =>
    Object.entries(observation.instances)
      .filter(([, instance]) => instance.drillMark !== undefined)
      .map(([name, instance]) => ({
        subject: name,
        evidence: `marked by ${describeMark(instance.drillMark ?? '')}`,
        // Then the drill is why it does not run, and what undoes it is more than a start.
        ...(instance.status !== 'Running' && { severity: 'error' as const }),
        remedy: new Remedies(formation, asked).provision(
          'wait if that drill is still running; otherwise run failover-drill or provision-pgaf: each undoes what was left behind',
        ),
      })),
};

export const fileChecks: readonly Check[] = [matchesFile, environmentKept, noInterruptedDrill];
