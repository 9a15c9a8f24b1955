import type { MemberContainer } from '../member-container.ts';
import { packageFiles } from './apt-files.ts';
import packageState from './scripts/package-state.sh';

/** What a container holds of packages, and of what pgha wrote for apt. */

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

export async function readPackageFacts(container: MemberContainer): Promise<PackageFacts> {
  const probe = ['sh', '-c', `${packageState}\npackage_state "$1"\nexit 0\n`, 'sh', packageFiles];
  const output = await container.read(probe, { deadlineMs: 20_000 });
  return parsePackageFacts(output.split('\n').map((line) => line.split(' ')));
}
