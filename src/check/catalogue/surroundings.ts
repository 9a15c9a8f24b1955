import { membersOf } from '../../formation/formation.ts';
import type { Check, Fault } from '../check.ts';
import { Remedies, word } from '../remedies.ts';
import { answeringContainers, answeringNodes, onContainers } from './reading.ts';

/** Certificates, names, clocks and versions. */

const day = 86_400;
const certificateLimits = { errorSeconds: 7 * day, warningSeconds: 30 * day };

const certificateValid: Check = {
  id: 'certificate-valid',
  meaning: 'no certificate is about to end: clients and standbys would be turned away, all at once',
  severity: 'error',
  faults: (observation, formation, asked) =>
    answeringContainers(observation).flatMap(([name, { certificate }]): Fault[] => {
      if (certificate === undefined || certificate.secondsLeft >= certificateLimits.warningSeconds) return [];
      const { secondsLeft, notAfter, selfSigned, subject } = certificate;
      const left =
        secondsLeft < 0
          ? 'has ended'
          : `ends in ${(secondsLeft / day).toFixed(secondsLeft < 10 * day ? 1 : 0)} days`;
      const remedies = new Remedies(formation, asked);
      return [
        {
          subject: name,
          evidence: `the certificate of ${subject} ${left} (${notAfter})`,
          remedy: selfSigned
            ? remedies.provision('run provision-pgaf, which renews it')
            : remedies.provision('run provision-pgaf with a new tls-certificate and tls-key'),
          severity: secondsLeft < certificateLimits.errorSeconds ? 'error' : 'warning',
        },
      ];
    }),
};

const namesResolve: Check = {
  id: 'names-resolve',
  meaning:
    "members find each other by name, and addresses lead back to the names: pg_hba.conf's rules and the keepers go by them",
  severity: 'error',
  follows: { 'nodes-reachable': 'any', 'monitor-reachable': 'any' },
  faults(observation, formation, asked) {
    const found = new Map(answeringContainers(observation));
    const remedies = new Remedies(formation, asked);
    return [...found].flatMap(([name, { names }]): Fault[] =>
      membersOf(formation).flatMap((member): Fault[] => {
        const { addresses: own } = found.get(member.name) ?? {};
        if (own === undefined) return [];
        const told = names[member.host] ?? { addresses: [], reverse: [] };
        const fault = (evidence: string): Fault[] => [
          {
            subject: name,
            evidence,
            remedy: {
              say: "mend the network's DNS or the container's /etc/hosts; this shows what it answers",
              look: remedies.inside(name, `getent ahosts ${member.host}`),
            },
          },
        ];
        if (told.addresses.length === 0) return fault(`${member.host} does not resolve`);
        // In a container its own name may lead to loopback.
        if (name === member.name) return [];
        if (!told.addresses.some((address) => own.includes(address)))
          return fault(
            `${member.host} resolves to ${told.addresses.join(', ')}, and ${member.name} has ${own.join(', ')}`,
          );
        if (!told.reverse.includes(member.host))
          return fault(
            `the address of ${member.host} leads back to ${told.reverse.join(', ') || 'no name'}: rules by that name do not match it`,
          );
        return [];
      }),
    );
  },
};

/** Stamps in logs and certificates' dates are read side by side; nothing of ours compares two clocks. */
const clockLimitSeconds = 2;

const clocksAgree: Check = {
  id: 'clocks-agree',
  meaning: 'the clocks of the containers agree: certificates, logs and now() are read side by side',
  severity: 'warning',
  faults(observation, formation, asked) {
    const clocks = answeringContainers(observation).map(([name, { clock }]) => ({ name, ...clock }));
    const middle = clocks.map(({ aheadSeconds }) => aheadSeconds).sort((a, b) => a - b)[
      Math.floor((clocks.length - 1) / 2)
    ];
    if (middle === undefined) return [];
    return clocks
      .filter(
        ({ aheadSeconds, uncertainSeconds }) =>
          Math.abs(aheadSeconds - middle) - uncertainSeconds > clockLimitSeconds,
      )
      .map(({ name, aheadSeconds, uncertainSeconds }) => ({
        subject: name,
        evidence: `its clock is ${Math.abs(aheadSeconds - middle).toFixed(1)} s ${aheadSeconds > middle ? 'ahead of' : 'behind'} the others (± ${uncertainSeconds.toFixed(1)} s)`,
        remedy: {
          say: "synchronise its host's clock (chrony, systemd-timesyncd); containers have the host's",
          look: new Remedies(formation, asked).inside(name, 'date'),
        },
      }));
  },
};

const versionsEqual: Check = {
  id: 'versions-equal',
  meaning: 'all members run the same versions: after a failover the application meets another server',
  severity: 'warning',
  faults(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const faults: Fault[] = [];
    const { monitor } = observation;
    if (monitor.ok) {
      const { extensionVersion, availableExtensionVersion } = monitor.value;
      if (availableExtensionVersion !== '' && extensionVersion !== availableExtensionVersion)
        faults.push({
          subject: remedies.monitor,
          evidence: `the monitor runs pgautofailover ${extensionVersion}, and ${availableExtensionVersion} is installed`,
          remedy: {
            say: 'restart its pg_autoctl, which updates the extension',
            run: remedies.inside(remedies.monitor, 'systemctl restart pg_autoctl'),
          },
          severity: 'error',
        });
    }
    const containers = answeringContainers(observation);
    const { version } = formation.postgres;
    for (const name of [`postgresql-${version}`, 'pg-auto-failover-cli']) {
      const found = containers.flatMap(([container, { packages }]) =>
        packages[name] === undefined ? [] : [[container, packages[name]] as const],
      );
      const usual = mostCommon(found.map(([, each]) => each));
      for (const [container, each] of found.filter(([, one]) => one !== usual))
        faults.push({
          subject: container,
          evidence: `${name} ${each}, the others have ${usual}`,
          remedy: {
            say: 'install the same version (a running one takes it up when its pg_autoctl or Postgres starts again)',
            // A container launched from a base image has no package lists.
            run: remedies.inside(
              container,
              `sh -c ${word(`apt-get -q update && apt-get -q install --yes --allow-downgrades ${name}=${usual}`)}`,
            ),
          },
        });
    }
    // A package may be newer than the server that runs.
    const servers = answeringNodes(observation).map(
      ([name, node]) => [name, String(node.serverVersion)] as const,
    );
    const usual = mostCommon(servers.map(([, each]) => each));
    for (const [name, each] of servers.filter(([, one]) => one !== usual))
      if (!faults.some(({ subject }) => subject === name))
        faults.push({
          subject: name,
          evidence: `Postgres ${each} runs, the others have ${usual}`,
          remedy: {
            say: 'restart the standbys with the older one, then switch over and restart the old primary',
            run: remedies.inside(name, 'systemctl restart pg_autoctl'),
          },
        });
    return faults;
  },
};

/** The value that occurs most often; of several, the greatest. */
function mostCommon(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || b.localeCompare(a))[0]?.[0];
}

const settingsInForce: Check = {
  id: 'settings-in-force',
  meaning: 'no setting waits for a restart: after a failover it would be in force all of a sudden',
  severity: 'warning',
  faults: (observation, formation, asked) =>
    answeringNodes(observation).flatMap(([name, node]) => {
      // pg_autoctl takes the recovery settings of a standby out of its files when it promotes it.
      const pendingRestart = node.pendingRestart.filter(
        (setting) => node.inRecovery || !setting.startsWith('recovery_target'),
      );
      return pendingRestart.length === 0
        ? []
        : [
            {
              subject: name,
              evidence: `${pendingRestart.join(', ')} ${pendingRestart.length === 1 ? 'waits' : 'wait'} for a restart`,
              remedy: {
                say: 'restart Postgres, which the keeper starts again (a second without it)',
                run: new Remedies(formation, asked).restartPostgres(name),
              },
            },
          ];
    }),
};

export const surroundingChecks: readonly Check[] = [
  ...[certificateValid, namesResolve, clocksAgree, versionsEqual].map(onContainers),
  settingsInForce,
];
