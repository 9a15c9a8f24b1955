import { isIP } from 'node:net';
import { type Formation, keeps, membersOf } from '../../formation/formation.ts';
import { isReleasePackage, unknownRelease } from '../../formation/releases.ts';
import type { Check, Problem } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies, word } from '../remedies/remedies.ts';
import { restart } from '../remedies/restart.ts';
import { answeringContainers, answeringNodes, onContainers } from './from-observation.ts';
import { settingsInForce } from './waiting-settings.ts';

/** Certificates, names, clocks and versions. */

const day = 86_400;
const certificateLimits = { errorSeconds: 7 * day, warningSeconds: 30 * day };

const certificateValid: Check = {
  id: 'certificate-valid',
  meaning: 'no certificate is about to expire: clients and standbys would be turned away, all at once',
  severity: 'error',
  problems: (observation, formation, asked) =>
    answeringContainers(observation).flatMap(([name, { certificate }]): Problem[] => {
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
          remedy: keeps(formation, 'certificates')
            ? {
                say: 'have it renewed where it comes from (the file says keep: certificates), then reload pg_autoctl',
              }
            : selfSigned
              ? remedies.provision('run provision-pgaf, which renews it')
              : remedies.provision('run provision-pgaf with a new tls-certificate and tls-key'),
          severity: secondsLeft < certificateLimits.errorSeconds ? 'error' : 'warning',
        },
      ];
    }),
};

/** What tells a name without its domain. */
const neighbours =
  'run provision-pgaf where systemd-resolved in it asks neighbours for names (resolvectl llmnr), which it turns off; otherwise ';

const namesResolve: Check = {
  id: 'names-resolve',
  meaning:
    'members find each other by name, and their addresses resolve back to the names: pg_hba.conf and the keepers rely on both',
  severity: 'error',
  follows: { 'nodes-reachable': 'any', 'monitor-reachable': 'any' },
  problems(observation, formation, asked) {
    const found = new Map(answeringContainers(observation));
    const remedies = new Remedies(formation, asked);
    return [...found].flatMap(([name, { names }]): Problem[] =>
      membersOf(formation).flatMap((member): Problem[] => {
        const { addresses: own } = found.get(member.name) ?? {};
        if (own === undefined) return [];
        const told = names[member.host] ?? { addresses: [], reverse: [] };
        const problem = (evidence: string, cause = ''): Problem[] => [
          {
            subject: name,
            evidence,
            remedy: {
              say: `${cause}fix the network's DNS or the container's /etc/hosts; this shows how the name resolves`,
              look: remedies.inside(name, `getent ahosts ${member.host}`),
            },
          },
        ];
        if (told.addresses.length === 0) return problem(`${member.host} does not resolve`);
        // In a container its own name may lead to loopback.
        if (name === member.name) return [];
        if (!told.addresses.some((address) => own.includes(address)))
          return problem(
            `${member.host} resolves to ${told.addresses.join(', ')}, and ${member.name} has ${own.join(', ')}`,
          );
        // Rules for an address need no name.
        if (isIP(member.host) === 0 && !told.reverse.includes(member.host))
          return problem(
            `the address of ${member.host} leads back to ${told.reverse.join(', ') || 'no name'}: rules by that name do not match it`,
            told.reverse.some((each) => each === member.host.split('.')[0]) ? neighbours : '',
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
  meaning: 'the clocks of the containers agree: certificates, logs and now() depend on them',
  severity: 'warning',
  problems(observation, formation, asked) {
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
          say: "synchronise its host's clock (chrony, systemd-timesyncd), which the container uses",
          look: new Remedies(formation, asked).inside(name, 'date'),
        },
      }));
  },
};

const versionsEqual: Check = {
  id: 'versions-equal',
  meaning: 'all members run the same versions: otherwise a failover takes the application to another version',
  severity: 'warning',
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const problems: Problem[] = [];
    const { monitor } = observation;
    if (monitor.ok) {
      const { extensionVersion, availableExtensionVersion } = monitor.value;
      if (availableExtensionVersion !== '' && extensionVersion !== availableExtensionVersion)
        problems.push({
          subject: remedies.monitor,
          evidence: `the monitor runs pgautofailover ${extensionVersion}, and ${availableExtensionVersion} is installed`,
          remedy: haveOneCli(observation, formation)
            ? {
                say: 'restart its pg_autoctl, which updates the extension',
                run: remedies.service(remedies.monitor, 'restart'),
              }
            : {
                say: 'first have the same pg-auto-failover-cli in every container: a keeper of another version is turned away once the extension is updated; then restart pg_autoctl of the monitor, which updates it; this shows what it has',
                look: remedies.inside(remedies.monitor, 'dpkg -l pg-auto-failover-cli'),
              },
          severity: 'error',
        });
    }
    const containers = answeringContainers(observation);
    const { version } = formation.postgres;
    for (const name of [`postgresql-${version}`, cliPackage]) {
      const found = containers.flatMap(([container, { packages }]) =>
        packages[name] === undefined ? [] : [[container, packages[name]] as const],
      );
      const all = found.map(([, each]) => each);
      // The extension that runs turns keepers of another version away, however many they are.
      const needed = monitor.ok && name === cliPackage ? monitor.value.extensionVersion : '';
      const usual =
        mostCommon(needed === '' ? all : all.filter((each) => isOf(each, needed))) ?? mostCommon(all);
      for (const [container, each] of found.filter(([, one]) => one !== usual))
        problems.push({
          subject: container,
          evidence: `${name} ${each}, ${all.filter((one) => one === usual).length > 1 ? 'the others have' : 'what runs takes'} ${usual}`,
          remedy: {
            say: 'install the same version (a running one uses it once its pg_autoctl or Postgres has been restarted)',
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
      if (!problems.some(({ subject }) => subject === name))
        problems.push({
          subject: name,
          evidence: `Postgres ${each} runs, the others have ${usual}`,
          remedy: restart(observation, formation, asked, name),
        });
    return problems;
  },
};

const cliPackage = 'pg-auto-failover-cli';

/** Whether a package's version is of a release: `2.2-1` of `2.2`, and not of `2.20`. */
const isOf = (version: string, release: string) =>
  version.startsWith(release) && !/^[\d]/.test(version.slice(release.length));

/** Whether every container says that it has the monitor's version of what its keeper, or the monitor, runs by. */
function haveOneCli(observation: Observation, formation: Formation): boolean {
  const found = new Map(
    answeringContainers(observation).map(([name, { packages }]) => [name, packages[cliPackage]]),
  );
  const ofMonitor = found.get(formation.monitor.name);
  return membersOf(formation).every(({ name }) => found.has(name) && found.get(name) === ofMonitor);
}

/** The value that occurs most often; of several, the greatest. */
function mostCommon(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || b.localeCompare(a))[0]?.[0];
}

/** A release that nobody here has tried: what is said of it is said of those that are known. */
const releaseKnown: Check = {
  id: 'release-known',
  meaning:
    'the release of pg_auto_failover is one that pgha knows: of another, states, faults and times may not be as it says',
  severity: 'warning',
  // A monitor or a container of another version than the rest is told of there.
  follows: { 'versions-equal': 'any' },
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const { monitor } = observation;
    const found = [
      ...(monitor.ok && monitor.value.extensionVersion !== ''
        ? [{ subject: remedies.monitor, version: monitor.value.extensionVersion }]
        : []),
      ...answeringContainers(observation).flatMap(([subject, { packages }]) =>
        Object.entries(packages)
          .filter(([name]) => isReleasePackage(name))
          .map(([, version]) => ({ subject, version })),
      ),
    ];
    const told = new Set<string>();
    return found.flatMap(({ subject, version }): Problem[] => {
      const unknown = unknownRelease(version);
      if (unknown === undefined || told.has(subject)) return [];
      told.add(subject);
      return [
        {
          subject,
          evidence: `${unknown}, and no failover is predicted for it`,
          remedy: {
            say: 'use a version of pgha that knows it, or stay on a known release (docs/versions.md says what differs)',
          },
        },
      ];
    });
  },
};

export const surroundingChecks: readonly Check[] = [
  ...[certificateValid, namesResolve, clocksAgree, versionsEqual, releaseKnown].map(onContainers),
  settingsInForce,
];
