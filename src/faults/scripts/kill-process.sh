# shellcheck shell=sh
# Kills the process `$1` if it is still the one that started at `$2`.
pid=$1 since=$2
# shellcheck disable=SC2046
set -- $(cat "/proc/$pid/stat") && [ "${22}" = "$since" ] && kill -KILL "$pid"
