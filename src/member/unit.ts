import type { Member } from '../formation/formation.ts';
import { programsFolder } from './programs.ts';

/** The systemd service of a member that pgha made. */
const ownUnit = 'pg_autoctl.service';

/** The systemd service that runs a member's pg_autoctl. */
export const unitOf = ({ unit }: Pick<Member, 'unit'>): string => unit ?? ownUnit;

/** The same as systemd's commands take it. */
export const shortUnitOf = (member: Pick<Member, 'unit'>): string => unitOf(member).replace(/\.service$/, '');

export const unitPathOf = (member: Pick<Member, 'unit'>): string => `/etc/systemd/system/${unitOf(member)}`;

/** The unit's LimitNOFILE: far above systemd's default of 1024, which a Postgres with many tables exceeds. */
export const openFileLimit = 65536;

/**
 * Removes a postmaster.pid that names no Postgres of this data directory ($$ is systemd's form of $). After a
 * power loss the process ids begin anew, and in a container the old one's is soon that of one of pg_autoctl's own
 * processes. pg_autoctl takes any process of its user for the Postgres it looks after (get_pgpid in pgsetup.c, 2.0
 * to 2.2): it never starts one, and sends that process the signals that stop Postgres, itself included. Postgres
 * refuses such a file, or an empty one, too. A postmaster's working directory is its data directory (one that cannot
 * be read is not judged); none can be starting at this moment, as systemd has ended what was left of the unit.
 */
const forgetDeadPostgres = [
  'file="$$PGDATA/postmaster.pid"; [ -e "$$file" ] || exit 0',
  'read -r pid rest <"$$file"; pid=$${pid#-}; home=/proc/$$pid/cwd',
  'kill -0 "$$pid" 2>/dev/null && { [ ! -e "$$home" ] || [ "$$home" -ef "$$PGDATA" ]; } || rm -fv "$$file"',
].join('; ');

const mark = '# Written by pgha;';

/** Whether there is a service file that pgha did not write. */
export const isUnitOfOthers = (text: string): boolean => text !== '' && !text.startsWith(mark);

/** What makes a name server that does not answer cost a second. */
export const quickNameLookups = 'RES_OPTIONS=timeout:1 attempts:1';

/**
 * The systemd unit of a member. Restart=on-failure starts again what crashed, and leaves alone what was stopped. The
 * start limit is off because pg_autoctl's own supervisor gives up after five restarts in 300 s and only
 * systemd can then bring it back. RES_OPTIONS: a primary that is cut off from its name server too would need
 * 20 s for each look-up, and fence itself too late or never (docs/timings.md).
 */
export function unitText(member: Member, postgresVersion: number): string {
  return `${mark} provision-pgaf puts changes by hand back.
[Unit]
Description=pg_auto_failover ${member.role === 'monitor' ? 'monitor' : 'data node'}
Documentation=man:pg_autoctl(1)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=simple
User=postgres
WorkingDirectory=/var/lib/postgresql
Environment=PGDATA=${member.pgdata}
Environment=PATH=${programsFolder(postgresVersion)}:/usr/local/bin:/usr/bin:/bin
Environment="${quickNameLookups}"
ExecStartPre=-/bin/sh -c '${forgetDeadPostgres}'
ExecStart=/usr/bin/pg_autoctl run
ExecReload=/usr/bin/pg_autoctl reload
KillMode=mixed
Restart=on-failure
RestartSec=1
LimitNOFILE=${openFileLimit}

[Install]
WantedBy=multi-user.target
`;
}

export const runtimeFolderPath = '/etc/tmpfiles.d/pgha.conf';

/**
 * pg_autoctl keeps its process ids in /tmp/pg_autoctl, and ends for good when they are gone: with exit code 0, so
 * that systemd leaves it and its Postgres down (seen in the lab). This keeps the folder from what cleans /tmp
 * by age, and from local users, who could otherwise make it first.
 */
export const runtimeFolder = `# Written by pgha; provision-pgaf puts changes by hand back.
d /tmp/pg_autoctl 0700 postgres postgres -
`;
