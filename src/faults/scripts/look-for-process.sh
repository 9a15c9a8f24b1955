# shellcheck shell=sh
# Says `there` while the process runs; one that nobody has reaped yet does not.
pid=$1 since=$2
# shellcheck disable=SC2046
set -- $(cat "/proc/$pid/stat" 2>/dev/null)
if [ "${22-}" = "$since" ] && [ "$3" != Z ]; then echo there; else echo gone; fi
