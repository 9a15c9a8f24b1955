# shellcheck shell=sh
# Process id of Postgres in the data directory `$1`, and when it started, in the kernel's ticks.
# Its words are what we are after.
# shellcheck disable=SC2046
pid=$(head -n 1 "$1/postmaster.pid") && set -- $(cat "/proc/$pid/stat") && [ "$2" = '(postgres)' ] || exit 1
echo "$pid ${22}"
