# shellcheck shell=sh
# Prints the first record at or after $4 of timeline $3 in the WAL of the data directory $2, or why there is none; $1 is
# the folder of Postgres' programs.
LC_ALL=C "$1/pg_waldump" --path "$2/pg_wal" --timeline "$3" --start "$4" --limit 1 2>&1
exit 0
