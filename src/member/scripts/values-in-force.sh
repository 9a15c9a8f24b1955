# shellcheck shell=sh
# What Postgres would have in force, read in a folder of its own with the member's files: `standby` where the data
# directory is one's, then `name value` lines.
#
# $1 data directory, $2 binaries, $3 and on: names of settings; a postgresql.auto.conf comes on standard input.
set -e; umask 077; export LC_ALL=C
folder=$(mktemp -d -p /var/tmp); trap 'rm -rf "$folder"' EXIT
mkdir "$folder/global"
cp "$1"/PG_VERSION "$1"/*.conf "$folder"/
cp "$1/global/pg_control" "$folder/global/"
cat > "$folder/postgresql.auto.conf"
data=$1; bin=$2; shift 2
[ ! -e "$data/standby.signal" ] || echo standby
for name do
  value=$(timeout 20 "$bin/postgres" -D "$folder" -C "$name")
  printf '%s %s\n' "$name" "$value"
done
