# shellcheck shell=sh
# What the packages of version $1 of Postgres have brought: `key value` lines.
say() { printf '%s %s\n' "$1" "$2"; }
for each in initdb pg_basebackup pg_controldata pg_ctl pg_rewind postgres; do
  if ! [ -x "/usr/lib/postgresql/$1/bin/$each" ]; then say missing "/usr/lib/postgresql/$1/bin/$each"; fi
done
if ! [ -e "/usr/share/postgresql/$1/extension/pgautofailover.control" ]; then say missing "the extension pgautofailover of Postgres $1"; fi
if ! [ -x /usr/bin/pg_autoctl ]; then say missing /usr/bin/pg_autoctl; fi
say autoctl "$(pg_autoctl version 2> /dev/null | sed -n 's/^pg_autoctl version //p')"
say postgres "$("/usr/lib/postgresql/$1/bin/postgres" --version 2> /dev/null)"
say home "$(getent passwd postgres | cut -d: -f6)"
say runuser "$(runuser -u postgres -- env -C / id -un 2> /dev/null)"
pg_lsclusters --no-header 2> /dev/null | while read -r version name _; do say cluster "$version/$name"; done
if pgrep -x postgres > /dev/null 2>&1; then say running postgres; fi
for each in postgresql "postgresql-$1" "postgresql-$1-auto-failover" pg-auto-failover-cli python3-psycopg2 openssl; do
  version=$(dpkg-query -W -f '${Version}' "$each" 2> /dev/null)
  if [ -n "$version" ]; then say package "$each $version"; fi
done
exit 0
