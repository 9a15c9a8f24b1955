import { Incus } from '../../src/incus/incus.ts';
import { placeholderPassword } from '../../src/postgres/placeholder.ts';
import type { LabFormation } from './formations.ts';
import { eventually, incus, inside } from './harness.ts';

/** What applications have between themselves and a formation: Debian's own packages, in a container of their own. */
export interface ClientWays {
  container: string;
  address: string;
  remove(): Promise<void>;
}

/** By its defaults, and tuned for failovers; the first port is that of Debian's service. */
export const ports = { pgbouncer: 6432, tuned: 6433, haproxy: 5000 } as const;

export async function startClientWays(formation: LabFormation): Promise<ClientWays> {
  const container = `d${formation.debian}-ways`;
  const remove = async () => {
    await incus('delete', '--force', container).catch(() => '');
  };
  await remove();
  await incus('launch', `debian/${formation.debian}`, container);
  // Installing takes its time on a machine that is busy.
  const client = new Incus({ remote: 'local', project: 'default' });
  const run = (script: string, ...args: string[]) =>
    client.read(container, ['sh', '-ec', script, 'sh', ...args], { deadlineMs: 240_000 });
  let address = '';
  await eventually('the container of the ways to have an address', 30_000, async () => {
    address = (await run("ip -4 -o addr show eth0 | sed -nE 's/.* inet ([0-9.]+).*/\\1/p'")).trim();
    return address !== '';
  });
  await run(install, formation.debian === 12 ? '15' : '17');
  const [one, other] = formation.nodes.map((name) => `${name}.incus`) as [string, string];
  await run(poolers, one, other, placeholderPassword);
  await run(proxy, one, other, placeholderPassword);
  for (const port of Object.values(ports))
    await eventually(`port ${port} of ${container} to lead to the primary`, 30_000, () =>
      leads(container, port),
    );
  return { container, address, remove };
}

async function leads(container: string, port: number): Promise<boolean> {
  const query = ['-Atqc', 'SHOW transaction_read_only'];
  const uri = `postgres://veza:${placeholderPassword}@127.0.0.1:${port}/veza?connect_timeout=3`;
  const asked = ['env', 'PGCONNECT_TIMEOUT=3', 'timeout', '4', 'psql', uri, ...query];
  return (await inside(container, ...asked).catch(() => '')).trim() === 'off';
}

/** The lab's own archive has them. Their services are started once they are set up. */
const install = `
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
apt-get -qq install --no-install-recommends pgbouncer haproxy "postgresql-client-$1" >/dev/null 2>&1
rm /usr/sbin/policy-rc.d
`;

/** $1, $2 the nodes, $3 the password. A server that is a standby, or has become one, is left at once. */
const poolers = `
database="veza = host=$1,$2 port=5432 dbname=veza connect_query='SELECT CASE WHEN pg_is_in_recovery() THEN pg_terminate_backend(pg_backend_pid()) END'"
printf '"veza" "%s"\\n' "$3" > /etc/pgbouncer/userlist.txt
common='listen_addr = *
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
server_tls_sslmode = prefer'
cat > /etc/pgbouncer/pgbouncer.ini <<END
[databases]
$database
nowhere = host=127.0.0.1 port=7000 dbname=veza
[pgbouncer]
$common
listen_port = ${ports.pgbouncer}
logfile = /var/log/postgresql/pgbouncer.log
pidfile = /run/postgresql/pgbouncer.pid
unix_socket_dir =
END
cat > /etc/pgbouncer/tuned.ini <<END
[databases]
$database
[pgbouncer]
$common
listen_port = ${ports.tuned}
unix_socket_dir =
server_login_retry = 1
server_connect_timeout = 2
server_check_delay = 0
tcp_user_timeout = 3000
tcp_keepalive = 1
tcp_keepidle = 1
tcp_keepintvl = 1
tcp_keepcnt = 2
dns_max_ttl = 1
END
chown postgres: /etc/pgbouncer/*
systemctl -q restart pgbouncer
# Its connections are taken by the kernel, and by nobody else.
systemd-run -q --unit=silent perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) && bind(S, sockaddr_in(7000, INADDR_LOOPBACK)) && listen(S, 64) or die; sleep 3600'
systemctl stop pgbouncer-tuned 2>/dev/null || true
systemd-run -q --unit=pgbouncer-tuned --uid=postgres pgbouncer /etc/pgbouncer/tuned.ini
`;

const proxy = `
printf '*:*:*:veza:%s\\n' "$3" > /etc/haproxy/pgpass
chown haproxy: /etc/haproxy/pgpass; chmod 600 /etc/haproxy/pgpass
cat > /usr/local/bin/takes-writes <<'END'
#!/bin/sh
export PGPASSFILE=/etc/haproxy/pgpass PGCONNECT_TIMEOUT=2
[ "$(timeout 2 psql -h "$3" -p "$4" -U veza -d veza -Atqc 'SHOW transaction_read_only')" = off ]
END
chmod 755 /usr/local/bin/takes-writes
cat > /etc/haproxy/haproxy.cfg <<END
global
  user haproxy
  group haproxy
  external-check
  insecure-fork-wanted
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
listen primary
  bind *:${ports.haproxy}
  option external-check
  external-check path "/usr/bin:/bin"
  external-check command /usr/local/bin/takes-writes
  default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
  server one $1:5432
  server other $2:5432
END
systemctl -q restart haproxy
`;
