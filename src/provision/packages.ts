import { createHash } from 'node:crypto';
import { retryUntil, sleep } from '../clock/deadline.ts';
import { CommandError, EnvironmentError, InputError, lastLines, messageOf } from '../contract/errors.ts';
import type { Formation, PackageSource } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { writeFile } from './files.ts';

/**
 * Where a container's packages come from, and which ones it has. What pgha writes for apt is three files of its
 * own; they and the installed packages are facts, so a second run changes nothing.
 */

/** The package source, with its key inside it (apt 2.3.10 and later: Ubuntu 22.04, Debian 12). */
const sourcesPath = '/etc/apt/sources.list.d/pgha.sources';
const proxyPath = '/etc/apt/apt.conf.d/99pgha';
const pinsPath = '/etc/apt/preferences.d/pgha';
const ownFiles = [sourcesPath, proxyPath, pinsPath];

/** Package work waits for another apt or dpkg, retries what the network lost, never asks, restarts nothing. */
const aptGet = [
  'env',
  'DEBIAN_FRONTEND=noninteractive',
  'NEEDRESTART_SUSPEND=1',
  'LC_ALL=C.UTF-8',
  'apt-get',
  '-q',
  '-o',
  'DPkg::Lock::Timeout=120',
  '-o',
  'Acquire::Retries=3',
  '-o',
  // With its pauses, apt 2.6 (Debian 12) waits for ever where a host refuses the connection.
  'Acquire::Retries::Delay=false',
  '-o',
  'Acquire::http::Timeout=20',
  '-o',
  'Acquire::https::Timeout=20',
];

const updateDeadlineMs = 300_000;
const installDeadlineMs = 900_000;
const updateAttempts = 3;
const updatePauseMs = 2_000;

/** What a container holds of packages now. */
export interface PackageFacts {
  /** VERSION_CODENAME of /etc/os-release. */
  codename: string;
  /** Installed packages and their versions. */
  versions: ReadonlyMap<string, string>;
  /** pgha's own files for apt, by path; those that are there. */
  files: ReadonlyMap<string, string>;
  /** Whether certificates of https servers can be checked. */
  certificates: boolean;
}

/** Shell, part of a probe: prints the lines that `parsePackageFacts` reads. Constant text. */
export const packageProbe = `
. /etc/os-release; echo "codename \${VERSION_CODENAME:-}"
dpkg-query -W -f 'installed \${Package} \${db:Status-Status} \${Version}\\n' 2>/dev/null
for file in ${ownFiles.join(' ')}; do
  if [ -f "$file" ]; then echo "aptfile $file $(base64 -w0 < "$file")"; fi
done
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then echo "certificates yes"; fi
`;

/** @param lines the probe's output, each line split at its spaces */
export function parsePackageFacts(lines: readonly (readonly string[])[]): PackageFacts {
  const of = (wanted: string) => lines.filter(([key]) => key === wanted);
  return {
    codename: of('codename')[0]?.[1] ?? '',
    versions: new Map(
      of('installed').flatMap(([, name, status, version]) =>
        name && version && status === 'installed' ? [[name, version] as const] : [],
      ),
    ),
    files: new Map(
      of('aptfile').map(([, path = '', content = '']) => [path, Buffer.from(content, 'base64').toString()]),
    ),
    certificates: of('certificates').length > 0,
  };
}

export async function readPackageFacts(
  incus: Incus,
  container: string,
  signal?: AbortSignal,
): Promise<PackageFacts> {
  const output = await incus.read(container, ['sh', '-c', `${packageProbe}\nexit 0\n`], {
    deadlineMs: 20_000,
    signal,
  });
  return parsePackageFacts(output.split('\n').map((line) => line.split(' ')));
}

/** The packages that a member of the formation needs (names as PGDG, Debian and Ubuntu have them), and the extra ones. */
export function packagesOf({ postgres }: Formation): string[] {
  const { version, packages } = postgres;
  return [
    ...new Set([
      `postgresql-${version}`,
      `postgresql-${version}-auto-failover`,
      'pg-auto-failover-cli',
      'python3-psycopg2',
      // pgha makes and examines certificates with it.
      'openssl',
      ...packages.extra,
    ]),
  ];
}

/** What is not as the formation asks for, in words; none when there is nothing to do. */
export function packageWork(formation: Formation, facts: PackageFacts): string[] {
  const missing = packagesOf(formation).filter((name) => !facts.versions.has(name));
  const repinned = mismatches(formation, facts).map(({ name, pin }) => `${name} ${pin}`);
  const source = formation.postgres.packages;
  const files = [
    ...(differs(facts, sourcesPath, knownSources(source, facts)) ? ['the package source'] : []),
    ...(differs(facts, proxyPath, proxyText(source)) ? ["apt's proxy"] : []),
    ...(differs(facts, pinsPath, pinsText(source)) ? ['the version pins'] : []),
  ];
  return [...files, ...missing, ...repinned];
}

/**
 * Why the packages of a container that holds data cannot be brought to the formation file: another version under
 * a Postgres that runs is an upgrade, which goes node by node and is not done here.
 */
export function pinFaults(formation: Formation, container: string, facts: PackageFacts): string[] {
  return mismatches(formation, facts).map(
    ({ name, pin, version }) =>
      `postgres.packages.pins: ${name} is pinned to ${pin}, and ${container}, which holds data, runs ${version}; the version of a running formation is not changed here: pin ${version}, or change it by hand on one node after the other, standbys first (apt-get install ${name}=VERSION), and run this again`,
  );
}

function mismatches(formation: Formation, { versions }: PackageFacts) {
  return Object.entries(formation.postgres.packages.pins).flatMap(([name, pin]) => {
    const version = versions.get(name);
    return version === undefined || matchesPin(version, pin) ? [] : [{ name, pin, version }];
  });
}

/** As apt_preferences compares a version with a pin. */
export function matchesPin(version: string, pin: string): boolean {
  return pin.endsWith('*') ? version.startsWith(pin.slice(0, -1)) : version === pin;
}

function differs({ files }: PackageFacts, path: string, wanted: string | undefined): boolean {
  return files.get(path) !== wanted;
}

function proxyText({ proxy }: PackageSource): string | undefined {
  if (proxy === undefined) return undefined;
  return `// Written by pgha.\nAcquire::http::Proxy "${proxy}";\nAcquire::https::Proxy "${proxy}";\n`;
}

/** Above 1000, a pin holds even where the version installed is a later one. */
function pinsText({ pins }: PackageSource): string | undefined {
  const all = Object.entries(pins).sort(([a], [b]) => (a < b ? -1 : 1));
  if (all.length === 0) return undefined;
  const stanzas = all.map(([name, pin]) => `Package: ${name}\nPin: version ${pin}\nPin-Priority: 1001\n`);
  return `# Written by pgha.\n\n${stanzas.join('\n')}`;
}

/** A repository's address and its public key. */
interface Origin {
  repository: string;
  key: string;
}

/** The source file. What the formation file leaves open comes from the distribution, and the file says so. */
function sourcesText(source: PackageSource, codename: string, origin: Origin): string {
  const taken = [
    ...(source.repository === undefined ? ['address'] : []),
    ...(source.key === undefined ? ['key'] : []),
  ];
  const key = origin.key
    .trim()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`));
  const body = [
    ...(taken.length > 0 ? [`# From the distribution's postgresql-common: ${taken.join(', ')}.`] : []),
    'Types: deb',
    `URIs: ${origin.repository}`,
    `Suites: ${source.suite ?? `${codename}-pgdg`}`,
    `Components: ${source.component}`,
    'Signed-By:',
    ...key,
  ].join('\n');
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 16);
  return `# Written by pgha; provision-pgaf puts changes by hand back (${digest}).\n${body}\n`;
}

/** Address and key that a source file holds. */
function originIn(text: string): Origin | undefined {
  const repository = /^URIs: (\S+)$/m.exec(text)?.[1];
  const key = /^Signed-By:\n((?: .*\n)+)/m.exec(text)?.[1];
  if (repository === undefined || key === undefined) return undefined;
  return { repository, key: key.replace(/^ \.?/gm, '') };
}

/**
 * The source file as it should be, as far as that is known without asking the distribution: what it said before
 * stands in the file already. '' where it is not known; undefined where there must be none.
 */
function knownSources(source: PackageSource, facts: PackageFacts): string | undefined {
  if (source.source === 'distribution') return undefined;
  const { repository, key } = source;
  if (repository !== undefined && key !== undefined)
    return sourcesText(source, facts.codename, { repository, key });
  const before = originIn(facts.files.get(sourcesPath) ?? '');
  if (before === undefined) return '';
  const again = { repository: repository ?? before.repository, key: key ?? before.key };
  const text = sourcesText(source, facts.codename, again);
  // Where anything differs, its digest included, nothing in the file can be relied on.
  return text === facts.files.get(sourcesPath) ? text : '';
}

/**
 * Brings apt's files and the packages of a container to the formation's. Nothing that is installed changes its
 * version, except to what a pin says: see pinFaults for a container that holds data. The distribution's own cluster is
 * never created: pg_auto_failover runs its own.
 *
 * @throws InputError when the source has not what the formation asks for, or its key is another's;
 *   EnvironmentError when it cannot be read; CommandError with the tail of apt's output
 */
export async function installPackages(
  incus: Incus,
  formation: Formation,
  container: string,
  facts: PackageFacts,
  signal?: AbortSignal,
): Promise<void> {
  await new Installation(incus, formation, container, facts, signal).all();
}

class Installation {
  private readonly incus: Incus;
  private readonly formation: Formation;
  private readonly source: PackageSource;
  private readonly container: string;
  private readonly facts: PackageFacts;
  private readonly signal: AbortSignal | undefined;

  constructor(
    incus: Incus,
    formation: Formation,
    container: string,
    facts: PackageFacts,
    signal: AbortSignal | undefined,
  ) {
    this.incus = incus;
    this.formation = formation;
    this.source = formation.postgres.packages;
    this.container = container;
    this.facts = facts;
    this.signal = signal;
  }

  async all(): Promise<void> {
    const { source, facts } = this;
    // Before anything installs postgresql-common, which would create the cluster otherwise.
    await this.write('/etc/postgresql-common/createcluster.d/pgha.conf', 'create_main_cluster = false\n');
    await this.put(proxyPath, proxyText(source));
    await this.put(pinsPath, pinsText(source));
    const wanted = await this.wantedSources();
    const sourceChanged = differs(facts, sourcesPath, wanted);
    await this.put(sourcesPath, wanted);
    const packages = [
      ...packagesOf(this.formation).filter((name) => !facts.versions.has(name)),
      ...mismatches(this.formation, facts).map(({ name }) => name),
    ];
    if (packages.length === 0 && !sourceChanged) return;
    let complaint: string;
    try {
      complaint = await this.update();
    } catch (error) {
      // Left in place, a source that cannot be used would be right in the eyes of the next run.
      await this.replace(sourcesPath, facts.files.get(sourcesPath));
      throw error;
    }
    if (packages.length > 0) await this.install(packages, complaint);
  }

  private async install(packages: readonly string[], complaint: string): Promise<void> {
    // A run that was killed may have left dpkg half-way.
    await this.configureWhatIsHalfWay();
    await this.requireCandidates(packages, complaint);
    const flags = ['-y', '--no-install-recommends', '--allow-downgrades'];
    try {
      await this.run([...aptGet, 'install', ...flags, ...packages], installDeadlineMs);
    } catch (error) {
      if (error instanceof CommandError && complaint !== '')
        throw new EnvironmentError(`${messageOf(error)}; apt-get update had said: ${complaint}`);
      throw error;
    }
  }

  /** The apt of a run that was killed goes on without it, and dpkg does not wait for another. */
  private async configureWhatIsHalfWay(): Promise<void> {
    const what = `another dpkg in ${this.container} to end`;
    await retryUntil(what, { deadlineMs: updateDeadlineMs, pauseMs: 500, signal: this.signal }, async () => {
      try {
        await this.run(['dpkg', '--configure', '-a'], updateDeadlineMs);
        return { failed: undefined };
      } catch (error) {
        if (error instanceof CommandError && /lock was locked|frontend lock/i.test(error.stderr))
          return undefined;
        return { failed: error };
      }
    }).then(({ failed }) => {
      if (failed !== undefined) throw failed;
    });
  }

  /** apt would leave out a pin that nothing matches, and names one missing package at a time. */
  private async requireCandidates(packages: readonly string[], complaint: string): Promise<void> {
    const { formation, source, facts } = this;
    const names = [...new Set([...packages, ...Object.keys(source.pins)])];
    const policies = parsePolicies(
      await this.read(['env', 'LC_ALL=C.UTF-8', 'apt-cache', 'policy', ...names]),
    );
    const missing = packages.filter((name) => policies.get(name)?.candidate === undefined);
    const where = this.where();
    if (missing.length > 0 && complaint !== '')
      throw new EnvironmentError(
        `${where} could not be read in ${this.container}, so there is no ${missing.join(', ')}: ${complaint}`,
      );
    const faults: string[] = [];
    const { version } = formation.postgres;
    const server = missing.filter((name) => name.startsWith(`postgresql-${version}`));
    if (server.length > 0) {
      const known = await this.read(['apt-cache', 'pkgnames', 'postgresql-']);
      const majors = [...known.matchAll(/^postgresql-(\d+)-auto-failover$/gm)]
        .map((match) => Number(match[1]))
        .sort((a, b) => a - b);
      const has =
        majors.length > 0
          ? `it has pg_auto_failover for ${majors.join(', ')}: say postgres.version: ${majors.at(-1)}, or choose another image or package source (postgres.packages)`
          : 'it has pg_auto_failover for no version: choose another image or package source (postgres.packages)';
      faults.push(
        `postgres.version: ${where} has no ${server.join(' and no ')} for ${facts.codename}; ${has}`,
      );
    }
    const others = missing.filter((name) => !server.includes(name));
    if (others.length > 0)
      faults.push(`postgres.packages: ${where} has no ${others.join(' and no ')} for ${facts.codename}`);
    for (const [name, pin] of Object.entries(source.pins)) {
      const { candidate, versions = [] } = policies.get(name) ?? {};
      if (candidate === undefined ? missing.includes(name) : matchesPin(candidate, pin)) continue;
      faults.push(
        `postgres.packages.pins: ${name} is pinned to ${pin}, and ${where} has ${versions.join(', ') || 'no such package'}`,
      );
    }
    if (faults.length > 0) throw new InputError(faults);
  }

  private where(): string {
    const { source, repository } = this.source;
    if (repository !== undefined) return repository;
    return source === 'distribution' ? "the distribution's archive" : "PGDG's archive";
  }

  /** The text of the source file; what it takes from the distribution is installed for that. */
  private async wantedSources(): Promise<string | undefined> {
    const { source, facts } = this;
    const known = knownSources(source, facts);
    if (known === undefined) return undefined;
    const asked = known === '';
    const certificates = !facts.certificates && (source.repository ?? 'https:').startsWith('https:');
    // An image that has PGDG's already would name two keys for one address, which apt refuses altogether.
    if (source.source === 'pgdg' && !facts.files.has(sourcesPath))
      await this.run(['sh', '-c', retireSources], 20_000);
    // The distribution's own sources bring what it takes to read ours.
    const needed = [
      ...(asked ? ['postgresql-common'] : []),
      ...(asked || certificates ? ['ca-certificates'] : []),
    ].filter((name) => !facts.versions.has(name));
    if (needed.length > 0) {
      await this.replace(sourcesPath, undefined);
      await this.install(needed, await this.update());
    }
    if (!asked) return known;
    const told = parsePgdg(await this.read(['sh', '-c', askPgdg, 'sh', '/usr/share/postgresql-common/pgdg']));
    const repository = source.repository ?? told.repository;
    const key = source.key ?? told.key;
    if (repository === undefined || key === undefined) {
      throw new InputError([
        `postgres.packages: the distribution's postgresql-common in ${this.container} (${facts.codename}) does not tell PGDG's ${repository === undefined ? 'address' : 'key'}; give ${repository === undefined ? 'repository and key' : 'the key'} here`,
      ]);
    }
    return sourcesText(source, facts.codename, { repository, key });
  }

  /**
   * apt-get update. It ends with code 0 even when it could fetch nothing.
   * @returns what it complained of, about sources that are not ours @throws when our source cannot be used
   */
  private async update(): Promise<string> {
    const both = '"$@" 2>&1 || echo "E: apt-get update ended with code $?"';
    for (let attempt = 1; ; attempt++) {
      const output = await this.read(['sh', '-c', both, 'sh', ...aptGet, 'update'], updateDeadlineMs);
      const error = explainUpdate(output, this.source, this.container);
      if (error === undefined) return complaintsOf(output);
      if (!(error instanceof EnvironmentError) || attempt === updateAttempts) throw error;
      await sleep(updatePauseMs, this.signal);
    }
  }

  private async put(path: string, content: string | undefined): Promise<void> {
    if (differs(this.facts, path, content)) await this.replace(path, content);
  }

  private async replace(path: string, content: string | undefined): Promise<void> {
    if (content === undefined) await this.run(['rm', '-f', path], 20_000);
    else await this.write(path, content);
  }

  private async write(path: string, content: string): Promise<void> {
    await writeFile(this.incus, this.container, path, content, {}, this.signal);
  }

  private async run(command: readonly string[], deadlineMs: number): Promise<void> {
    await this.incus.exec(this.container, command, { deadlineMs, signal: this.signal });
  }

  private async read(command: readonly string[], deadlineMs = 30_000): Promise<string> {
    return await this.incus.read(this.container, command, { deadlineMs, signal: this.signal });
  }
}

/** What an earlier pgha or an image has for PGDG. apt leaves files alone that end in .save. */
const retireSources = `
cd /etc/apt/sources.list.d || exit 0
for file in pgdg.list pgdg.sources pgha-packages.list; do
  if [ -f "$file" ]; then mv "$file" "$file.save"; fi
done
`;

/**
 * Asks the distribution's postgresql-common for PGDG's address and key: its own script is run with a file of ours to
 * write to, and with everything else that it would do left out. Up to Ubuntu 22.04 it hands its key to apt-key, later
 * ones name a key file.
 */
export const askPgdg = `
script=
for each in "$1"/*.sh; do if [ -f "$each" ]; then script=$each; fi; done
[ -n "$script" ] || exit 0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for each in apt apt-get curl wget touch; do printf '#!/bin/sh\\nexit 0\\n' > "$work/bin/$each"; done
printf '#!/bin/sh\\nexec cat > "%s"\\n' "$work/key.asc" > "$work/bin/apt-key"
chmod 755 "$work"/bin/*
PATH=$work/bin:$PATH sh "$script" -y -f "$work/pgdg.sources" < /dev/null > /dev/null 2>&1
[ -f "$work/pgdg.sources" ] || exit 0
sed -n 's/^URIs: */repository /p; s/^deb \\(\\[[^]]*] *\\)\\{0,1\\}\\(http[^ ]*\\) .*/repository \\2/p' "$work/pgdg.sources" | head -n 1
key=$(sed -n 's/^Signed-By: *//p; s/^deb \\[.*signed-by=\\([^] ]*\\).*/\\1/p' "$work/pgdg.sources" | head -n 1)
# apt takes an armoured key within the source file, and a binary one does not fit there.
for each in "\${key%.gpg}.asc" "$key" "$work/key.asc"; do
  if [ -f "$each" ] && grep -q 'BEGIN PGP PUBLIC KEY BLOCK' "$each"; then echo "key $(base64 -w0 < "$each")"; exit 0; fi
done
exit 0
`;

export function parsePgdg(output: string): Partial<Origin> {
  const repository = /^repository (https?:\/\/\S+)$/m.exec(output)?.[1];
  const key = /^key (\S+)$/m.exec(output)?.[1];
  return {
    ...(repository !== undefined && { repository: repository.replace(/\/+$/, '') }),
    ...(key !== undefined && { key: Buffer.from(key, 'base64').toString() }),
  };
}

/** What `apt-cache policy` says of each package. */
export function parsePolicies(
  output: string,
): Map<string, { candidate: string | undefined; versions: string[] }> {
  const found = new Map<string, { candidate: string | undefined; versions: string[] }>();
  for (const stanza of output.split(/^(?=\S+:$)/m)) {
    const name = /^(\S+):$/m.exec(stanza)?.[1];
    if (name === undefined) continue;
    const candidate = /^ {2}Candidate: (\S+)$/m.exec(stanza)?.[1];
    found.set(name, {
      candidate: candidate === '(none)' ? undefined : candidate,
      versions: [...stanza.matchAll(/^ (?:\*\*\*| {3}) (\S+) -?\d+$/gm)].map((match) => match[1] ?? ''),
    });
  }
  return found;
}

/** apt's warnings and errors, shortened. */
function complaintsOf(output: string): string {
  const lines = output.split('\n').filter((line) => /^(?:W|E):/.test(line));
  return lastLines(lines.join('\n'), 2);
}

/** Why the formation's own source cannot be used, undefined when apt does not complain of it. */
export function explainUpdate(output: string, source: PackageSource, container: string): Error | undefined {
  const complaints = output.split('\n').filter((line) => /^(?:W|E):/.test(line));
  const conflict = complaints.find((line) => line.includes('Conflicting values set for option Signed-By'));
  if (conflict !== undefined) {
    return new InputError([
      `image: it has a package source of its own for the address that postgres.packages names, with another key; remove that from the image, or say packages: distribution to use it as it is (${lastLines(conflict, 1)})`,
    ]);
  }
  const repository = source.repository?.replace(/\/+$/, '');
  // PGDG's own address is only known in the container; its suites are known by their names.
  const ours = complaints.filter((line) =>
    repository === undefined ? /\S-pgdg\b/.test(line) : line.includes(repository),
  );
  if (source.source === 'distribution' || ours.length === 0) return undefined;
  const said = lastLines(ours.join('\n'), 2);
  const where = repository ?? "PGDG's archive";
  const about = (pattern: RegExp) => ours.some((line) => pattern.test(line));
  if (
    about(
      /NO_PUBKEY|couldn't be verified|could not be verified|is not signed|Missing key|sqv|gpgv|KEYEXPIRED|EXPKEYSIG|NOSPLIT|NODATA/,
    )
  ) {
    return new InputError([
      `postgres.packages.key: ${where} is not signed by the key given${source.key === undefined ? " (the distribution's copy of PGDG's)" : ''}; give the repository's own public key (${said})`,
    ]);
  }
  if (about(/does not have a Release file|404|doesn't have the component|expected entry/)) {
    return new InputError([
      `postgres.packages: ${where} has no suite ${source.suite ?? 'for this release (CODENAME-pgdg)'} with component ${source.component}; check repository, suite and component (${said})`,
    ]);
  }
  return new EnvironmentError(
    `${where} cannot be reached from ${container}; check postgres.packages.repository, its proxy, and the container's network (${said})`,
  );
}

/** Stops the distribution's own clusters and keeps them from starting at boot. */
export async function disableDistributionClusters(
  incus: Incus,
  container: string,
  facts: { distributionClusters: readonly string[] },
  signal?: AbortSignal,
): Promise<void> {
  for (const cluster of facts.distributionClusters) {
    const [version = '', name = ''] = cluster.split(' ');
    await incus.exec(container, ['systemctl', 'disable', '--now', `postgresql@${version}-${name}.service`], {
      deadlineMs: 60_000,
      signal,
    });
    await writeFile(
      incus,
      container,
      `/etc/postgresql/${version}/${name}/start.conf`,
      'disabled\n',
      { owner: 'postgres', folderOf: 'postgres' },
      signal,
    );
  }
}
