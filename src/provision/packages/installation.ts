import { EnvironmentError, InputError } from '../../contract/errors.ts';
import type { PackageSource } from '../../formation/file/package-source.ts';
import type { MemberContainer } from '../member-container.ts';
import { Apt } from './apt.ts';
import { differs, pinsPath, pinsText, proxyPath, proxyText, sourcesPath } from './apt-files.ts';
import type { PackageFacts } from './package-facts.ts';
import { matchesPin, mismatches, packagesOf } from './packages.ts';
import { offeredErrors } from './release.ts';
import askPgdg from './scripts/ask-pgdg.sh';
import retireSources from './scripts/retire-sources.sh';
import { archiveOf, kindOf, knownSources, parsePgdg, sourcesText } from './source.ts';

/**
 * Brings apt's files and the packages of a container to the formation's. Nothing that is installed changes its
 * version, except to what a pin says: see pinErrors for a container that holds data. The distribution's own cluster is
 * never created: pg_auto_failover runs its own.
 *
 * @throws InputError when the source has not what the formation asks for, or its key is another's;
 *   EnvironmentError when it cannot be read; CommandError with the tail of apt's output
 */
export async function installPackages(container: MemberContainer, facts: PackageFacts): Promise<void> {
  await new Installation(container, facts).run();
}

const needrestartPath = '/etc/needrestart/conf.d/pgha.conf';
/**
 * needrestart restarts services whose libraries were upgraded, by itself where unattended-upgrades did that (Ubuntu 24.04):
 * of a primary that is a failover which nobody ordered. Its patterns are Perl's; 0 is never.
 */
const needrestartText = `# Written by pgha: pg_autoctl is restarted when somebody says so.
$nrconf{override_rc}->{qr(^pg_autoctl\\.service$)} = 0;
`;

class Installation {
  private readonly container: MemberContainer;
  private readonly apt: Apt;
  private readonly source: PackageSource;
  private readonly facts: PackageFacts;

  constructor(container: MemberContainer, facts: PackageFacts) {
    this.container = container;
    this.apt = new Apt(container);
    this.source = container.formation.postgres.packages;
    this.facts = facts;
  }

  async run(): Promise<void> {
    const { container, source, facts } = this;
    const { formation } = container;
    // Before anything installs postgresql-common, which would create the cluster otherwise.
    await container.write(
      '/etc/postgresql-common/createcluster.d/pgha.conf',
      'create_main_cluster = false\n',
    );
    await container.write(needrestartPath, needrestartText);
    await this.put(proxyPath, proxyText(source));
    await this.put(pinsPath, pinsText(source));
    const wanted = await this.wantedSources();
    const sourceChanged = differs(facts, sourcesPath, wanted);
    await this.put(sourcesPath, wanted);
    const packages = [
      ...packagesOf(formation).filter((name) => !facts.versions.has(name)),
      ...mismatches(formation, facts).map(({ name }) => name),
    ];
    if (packages.length === 0 && !sourceChanged) return;
    let complaint: string;
    try {
      complaint = await this.apt.update(source);
    } catch (error) {
      // Left in place, a source that cannot be used would be right in the eyes of the next run.
      await this.replace(sourcesPath, facts.files.get(sourcesPath));
      throw error;
    }
    if (packages.length > 0) await this.install(packages, complaint);
  }

  private async install(packages: readonly string[], complaint: string): Promise<void> {
    // A run that was killed may have left dpkg half-way.
    await this.apt.configureWhatIsHalfWay();
    await this.requireCandidates(packages, complaint);
    await this.apt.install(packages, complaint);
  }

  /** apt would leave out a pin that nothing matches, and names one missing package at a time. */
  private async requireCandidates(packages: readonly string[], complaint: string): Promise<void> {
    const { container, source, facts } = this;
    const names = [...new Set([...packages, ...Object.keys(source.pins)])];
    const policies = await this.apt.policies(names);
    const missing = packages.filter((name) => policies.get(name)?.candidate === undefined);
    const where = archiveOf(source);
    if (missing.length > 0 && complaint !== '')
      throw new EnvironmentError(
        `${where} could not be read in ${container.name}, so there is no ${missing.join(', ')}: ${complaint}`,
      );
    const errors: string[] = [];
    const { version } = container.formation.postgres;
    const server = missing.filter((name) => name.startsWith(`postgresql-${version}`));
    if (server.length > 0) {
      const known = await this.apt.namesFrom('postgresql-');
      const majors = [...known.matchAll(/^postgresql-(\d+)-auto-failover$/gm)]
        .map((match) => Number(match[1]))
        .sort((a, b) => a - b);
      const has =
        majors.length > 0
          ? `it has pg_auto_failover for ${majors.join(', ')}: say postgres.version: ${majors.at(-1)}, or choose another image or package source (postgres.packages)`
          : 'it has pg_auto_failover for no version: choose another image or package source (postgres.packages)';
      errors.push(
        `postgres.version: ${where} has no ${server.join(' and no ')} for ${facts.codename}; ${has}`,
      );
    }
    const others = missing.filter((name) => !server.includes(name));
    if (others.length > 0)
      errors.push(`postgres.packages: ${where} has no ${others.join(' and no ')} for ${facts.codename}`);
    for (const [name, pin] of Object.entries(source.pins)) {
      const { candidate, versions = [] } = policies.get(name) ?? {};
      if (candidate === undefined ? missing.includes(name) : matchesPin(candidate, pin)) continue;
      errors.push(
        `postgres.packages.pins: ${name} is pinned to ${pin}, and ${where} has ${versions.join(', ') || 'no such package'}`,
      );
    }
    errors.push(...offeredErrors(packages, policies, where));
    if (errors.length > 0) throw new InputError(errors);
  }

  /** The text of the source file; what it takes from the distribution is installed for that. */
  private async wantedSources(): Promise<string | undefined> {
    const { container, source, facts } = this;
    const known = knownSources(source, facts);
    if (known === undefined) return undefined;
    const asked = known === '';
    const certificates = !facts.certificates && (source.repository ?? 'https:').startsWith('https:');
    if (kindOf(source).retiresOthers && !facts.files.has(sourcesPath))
      await container.exec(['sh', '-c', retireSources], { deadlineMs: 20_000 });
    // The distribution's own sources bring what it takes to read ours.
    const needed = [
      ...(asked ? ['postgresql-common'] : []),
      ...(asked || certificates ? ['ca-certificates'] : []),
    ].filter((name) => !facts.versions.has(name));
    if (needed.length > 0) {
      await this.replace(sourcesPath, undefined);
      await this.install(needed, await this.apt.update(source));
    }
    if (!asked) return known;
    const script = ['sh', '-c', askPgdg, 'sh', '/usr/share/postgresql-common/pgdg'];
    const told = parsePgdg(await container.read(script, { deadlineMs: 30_000 }));
    const repository = source.repository ?? told.repository;
    const key = source.key ?? told.key;
    if (repository === undefined || key === undefined) {
      throw new InputError([
        `postgres.packages: the distribution's postgresql-common in ${container.name} (${facts.codename}) does not tell PGDG's ${repository === undefined ? 'address' : 'key'}; give ${repository === undefined ? 'repository and key' : 'the key'} here`,
      ]);
    }
    return sourcesText(source, facts.codename, { repository, key });
  }

  private async put(path: string, content: string | undefined): Promise<void> {
    if (differs(this.facts, path, content)) await this.replace(path, content);
  }

  private async replace(path: string, content: string | undefined): Promise<void> {
    if (content === undefined) await this.container.exec(['rm', '-f', path], { deadlineMs: 20_000 });
    else await this.container.write(path, content);
  }
}
