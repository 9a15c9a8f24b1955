# shellcheck shell=sh
# Has Postgres read its files and load its libraries in a folder of its own, with nothing of the data but pg_control. From
# 15 on `-C shared_memory_size` does what a start does, up to the point at which it would ask for memory
# (PostmasterMain, postmaster.c); before that it only reads the files.
#
# Its folder is not in /tmp: a container that is starting empties that (systemd-tmpfiles; seen in the lab).
#
# $1 data directory, $2 binaries, $3 `given` for a postgresql.auto.conf on standard input, in place of the member's.
set -e; umask 077; export LC_ALL=C
folder=$(mktemp -d -p /var/tmp); trap 'rm -rf "$folder"' EXIT
mkdir "$folder/global"
cp "$1"/PG_VERSION "$1"/*.conf "$folder"/
cp "$1/global/pg_control" "$folder/global/"
[ "$3" != given ] || cat > "$folder/postgresql.auto.conf"
what=max_connections; [ "$(cat "$1/PG_VERSION")" -lt 15 ] || what=shared_memory_size
if timeout 20 "$2/postgres" -D "$folder" -C "$what" > "$folder/said" 2>&1; then echo works
else echo fails; head -c 20000 "$folder/said"; fi
