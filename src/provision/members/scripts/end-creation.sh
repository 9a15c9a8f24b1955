# shellcheck shell=sh
# Ends a process by id, $1, in peace or, after ten seconds, not. Its name is looked at again, as the id may have
# gone to another.
for signal in TERM KILL; do
  [ "$(ps -o comm= -p "$1" 2> /dev/null)" = pg_autoctl ] || exit 0
  kill -s "$signal" "$1"
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2> /dev/null || exit 0; sleep 1; done
done
exit 0
