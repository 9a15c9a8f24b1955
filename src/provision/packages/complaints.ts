import { EnvironmentError, InputError, lastLines } from '../../contract/errors.ts';
import type { PackageSource } from '../../formation/file/package-source.ts';
import { kindOf } from './source.ts';

/** What apt-get update complains of, in words that say what to do. */

/** apt's warnings and errors, shortened. */
export function complaintsOf(output: string): string {
  const lines = output.split('\n').filter((line) => /^(?:W|E):/.test(line));
  return lastLines(lines.join('\n'), 2);
}

/** Whether apt or dpkg could not begin, as another was at work. */
export function isLocked(said: string): boolean {
  return /^(?:E|dpkg: error): .*(?:Could not get lock |Unable to lock directory |lock was locked|frontend lock)/im.test(
    said,
  );
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
  const { archive, hasFile } = kindOf(source);
  if (!hasFile || ours.length === 0) return undefined;
  const said = lastLines(ours.join('\n'), 2);
  const where = repository ?? archive;
  const about = (pattern: RegExp) => ours.some((line) => pattern.test(line));
  // Before the signature, which is missed of what was never fetched.
  const unfetched = explainFetch(ours, source, where, container);
  if (unfetched !== undefined) return new EnvironmentError(`${unfetched} (${said})`);
  if (
    about(
      /NO_PUBKEY|couldn't be verified|could not be verified|is not signed|Missing key|sqv|gpgv|KEYEXPIRED|EXPKEYSIG/,
    )
  ) {
    return new InputError([
      `postgres.packages.key: ${where} is not signed by the key given${source.key === undefined ? " (the distribution's copy of PGDG's)" : ''}; give the repository's own public key (${said})`,
    ]);
  }
  if (about(/does not have a Release file|\b404 +Not Found|doesn't have the component|expected entry/)) {
    return new InputError([
      `postgres.packages: ${where} has no suite ${source.suite ?? 'for this release (CODENAME-pgdg)'} with component ${source.component}; check repository, suite and component (${said})`,
    ]);
  }
  return new EnvironmentError(
    `${where} cannot be reached from ${container}; check postgres.packages.repository, its proxy, and the container's network (${said})`,
  );
}

/** Why nothing could be fetched of a source whose server, or a proxy before it, answered something; undefined otherwise. */
function explainFetch(
  lines: readonly string[],
  { proxy }: PackageSource,
  where: string,
  container: string,
): string | undefined {
  const about = (pattern: RegExp) => lines.some((line) => pattern.test(line));
  const { host: proxyHost, hostname: proxyName } =
    proxy === undefined ? {} : (new URL(proxy) as Partial<URL>);
  const ofProxy = 'check postgres.packages.proxy';
  if (about(/\b407 +Proxy|Invalid response from proxy|Unsupported proxy/))
    return `the proxy of ${container} does not let it through to ${where}; ${ofProxy}`;
  if (
    proxyName !== undefined &&
    lines.some(
      (line) =>
        /Could not connect|Unable to connect|Could not resolve/i.test(line) && line.includes(proxyName),
    )
  )
    return `the proxy ${proxyHost} cannot be reached from ${container}; ${ofProxy}, and the container's network`;
  const refusal = lines
    .map((line) => /\b(401 +Unauthorized|403 +Forbidden|5\d\d +[A-Z][\w ]*)/.exec(line)?.[1])
    .find(Boolean);
  if (refusal !== undefined)
    return `${where}${proxy === undefined ? '' : `, or the proxy ${proxyHost}`} answers ${container} with ${refusal.replace(/ +/, ' ').trim()}; it is for that server to let it in, or another repository to be named (postgres.packages)`;
  if (about(/[Cc]ertificate verification failed|Could not handshake|SSL|TLS connection/))
    return `${where} has a certificate that ${container} does not take; check its address, the container's clock and its ca-certificates`;
  if (about(/NOSPLIT|NODATA|does the network require authentication/))
    return `what answers ${container} at ${where} is no package archive, but perhaps the page of a proxy or a portal; check the address, and the container's way to it`;
  return undefined;
}
