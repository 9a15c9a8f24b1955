import type { Incus } from '../incus/incus.ts';

/**
 * Writes standard input beside the target and renames it there, so that a kill leaves the old file or the new:
 * a client that is killed ends our input early, which the length tells. $1 path, $2 mode, $3 owner, $4 length.
 *
 * What stands beside the target is removed, not written to: it may be a link.
 */
const write = `
set -e; set -C; umask 077
[ -d "$(dirname "$1")" ] || mkdir -m 755 -p "$(dirname "$1")"
rm -rf "$1.pgha"; cat > "$1.pgha"
[ "$(wc -c < "$1.pgha")" -eq "$4" ] || { rm -f "$1.pgha"; echo "the content of $1 was cut short" >&2; exit 1; }
chmod "$2" "$1.pgha"; chown "$3:" "$1.pgha"; mv -T "$1.pgha" "$1"
`;

export interface Placement {
  owner?: 'root' | 'postgres';
  mode?: string;
  /**
   * Whose folder it goes to, and so who writes it. In a folder of postgres root must not write: links that
   * whoever has become postgres puts there would give him any file of the container.
   */
  folderOf?: 'root' | 'postgres';
}

/** Writes a file in a container, atomically. Content goes by standard input, so it may be secret. */
export async function writeFile(
  incus: Incus,
  container: string,
  path: string,
  content: string | Buffer,
  { owner = 'root', mode = '0644', folderOf = 'root' }: Placement = {},
  signal?: AbortSignal,
): Promise<void> {
  const script = ['sh', '-c', write, 'sh', path, mode, owner, String(Buffer.byteLength(content))];
  await incus.exec(container, folderOf === 'root' ? script : asPostgres(...script), {
    stdin: content,
    deadlineMs: 20_000,
    signal,
  });
}

/** argv of a command that postgres is to run, whoever runs this. */
export function asPostgres(...command: string[]): string[] {
  return ['runuser', '-u', 'postgres', '--', 'env', '-C', '/', ...command];
}
