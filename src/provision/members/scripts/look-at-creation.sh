# shellcheck shell=sh
# Makes the folder of the data directory, $2. Tells the bytes in the data directory, $1, and in what will become it
# (pg_autoctl copies into backup/NAME beside it); then the ids of the `pg_autoctl create` that run: a client of
# Incus that is killed leaves its command running in the container (seen in the lab).
make_parent "$2" || exit 1
echo "bytes $(du -scb "$1" "$2/backup" 2> /dev/null | tail -n 1 | cut -f1)"
for each in $(pgrep -u postgres -x pg_autoctl); do
  case $(tr '\0' ' ' < "/proc/$each/cmdline" 2> /dev/null) in
    *"pg_autoctl create "*) [ "$(ps -o comm= -p "$(ps -o ppid= -p "$each" | tr -d ' ')" 2> /dev/null)" = pg_autoctl ] || echo "pid $each" ;;
  esac
done
exit 0
