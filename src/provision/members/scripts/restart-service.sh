# shellcheck shell=sh
# Restarts pg_autoctl, $1 its service. Of a data node it is told to leave pg_hba.conf alone from then on, which it takes
# while it is stopped only: $2 pg_autoctl.cfg, $3 pg_hba.conf, whose text comes on standard input.
set -e
systemctl stop "$1"
# Whatever becomes of the rest, it must not stay stopped.
trap 'systemctl start "$1"' EXIT
[ "$#" -gt 1 ] || exit 0
# shellcheck disable=SC2016
runuser -u postgres -- sh -euc '
  umask 077
  if grep -q "^hba_level *=" "$1"; then sed -i "s/^hba_level *=.*/hba_level = skip/" "$1"
  else sed -i "s/^\[postgresql\].*/&\nhba_level = skip/" "$1"; fi
  rm -f "$2.pgha"; cat > "$2.pgha"
  if [ -s "$2.pgha" ]; then mv -T "$2.pgha" "$2"; else rm -f "$2.pgha"; fi
' sh "$2" "$3"
