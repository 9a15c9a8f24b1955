import { containersOf, type LabFormation } from './formations.ts';
import { inside, labelsOf, statusOf } from './harness.ts';

/** What an observer of the tests' own sees in containers, by other means than the drill's. */

const postgresPort = 5432;

/** bash's own TCP; 124 is timeout's code. A refusal came over the link, too: a fenced primary has no Postgres. */
async function connection(from: string, to: string): Promise<string> {
  const script = `said=$(timeout 2 bash -c 'exec 3<>/dev/tcp/$0/$1' "$1" "$2" 2>&1); code=$?
    case $code,$said in 0,* | *'Connection refused'*) echo answered ;; 124,*) echo silence ;; *) echo "$said" ;; esac`;
  return (await inside(from, 'sh', '-c', script, 'sh', await addressOf(to), String(postgresPort))).trim();
}

async function addressOf(container: string): Promise<string> {
  const said = await inside(container, 'ip', '-o', '-4', 'addr', 'show', 'dev', 'eth0');
  return /inet ([\d.]+)/.exec(said)?.[1] ?? '';
}

export const isOpen = async (from: string, to: string) => (await connection(from, to)) === 'answered';
export const isCut = async (from: string, to: string) => (await connection(from, to)) === 'silence';

export async function serviceState(container: string): Promise<string> {
  const show = ['systemctl', 'show', '--property=ActiveState', '--value', 'pg_autoctl.service'];
  return (await inside(container, ...show)).trim();
}

/**
 * The oldest process of that name, with the moment it started (the kernel's own boot clock), or undefined. One that is
 * dead and that nobody has reaped is none.
 */
export async function processOf(container: string, name: string): Promise<string | undefined> {
  const script = `for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = "$1" ] && cut -d' ' -f1,3,22 $p/stat; done | grep -v ' Z ' | cut -d' ' -f1,3; :`;
  const said = (await inside(container, 'sh', '-c', script, 'sh', name)).trim();
  return said === '' ? undefined : said.split('\n').sort((a, b) => startOf(a) - startOf(b))[0];
}

const startOf = (line: string) => Number(line.split(' ')[1]);

/** What a drill could have left behind, in words; none when all is as before. */
export async function hasTraces(formation: LabFormation): Promise<string[]> {
  const found = await Promise.all(
    containersOf(formation).map(async (container) => {
      const status = await statusOf(container);
      if (status !== 'Running') return [`${container} is ${status}`];
      const labels = await labelsOf(container);
      const mark = 'user.pgha.drill' in labels ? [`${container} bears a mark`] : [];
      // One that is starting has no systemd to ask yet.
      return await tracesInside(container).then(
        (traces) => [...mark, ...traces],
        (error: Error) => [...mark, `${container} cannot be asked: ${error.message}`],
      );
    }),
  );
  return found.flat();
}

async function tracesInside(container: string): Promise<string[]> {
  const isActive = (await serviceState(container)) === 'active';
  return [
    ...(isActive ? [] : [`pg_autoctl on ${container} is not active`]),
    ...(await leftInside(container)),
  ];
}

/** The kernel lists its tables of nftables to whoever asks (NFT_MSG_GETTABLE, NLM_F_DUMP). */
const tables = `
use Socket; socket(my $s, 16, 3, 12) or exit;
send($s, pack("L S S L L C C n", 20, 0xa01, 0x301, 1, 0, 0, 0, 0), 0); recv($s, my $a, 65536, 0);
print "filter\\n" if $a =~ /pgha_drill/;
`;
const files = `
find /run/systemd/system -name 'pgha-drill*' -exec echo drop-in \\; 2>/dev/null
find /var/lib/postgresql -name 'pgha-drill*' -exec echo file \\; 2>/dev/null
perl -e "$1"
`;

async function leftInside(container: string): Promise<string[]> {
  const said = (await inside(container, 'sh', '-c', files, 'sh', tables)).trim();
  return said === '' ? [] : said.split('\n').map((what) => `${container} has a ${what} of the drill's`);
}
