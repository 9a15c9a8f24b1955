# shellcheck shell=sh
# A data directory of pg_autoctl's that postgres cannot read since it is root's, and what leads to it. $1 `look` or `act`,
# $2 data directory, $3 home of postgres, $4 pg_autoctl's configuration of that directory. Postgres never runs as root, so
# that root's files there are copied or changed by somebody, and are put right: those of any other are not, nor what
# a link leads to. `look` changes nothing. What is not for us is refused, with the reason on standard error.
set -e
refuse() { echo "$1" >&2; exit 1; }
# Once within, it is this folder that is held, whoever moves it.
enter() { cd "$1"; [ "$(pwd -P)" = "$1" ] || refuse "a link leads to $1"; }
# The folders that are to be passed for $1, from below $2 on.
on_the_way() {
  each=$2
  rest=${1#"$2"/}
  while [ "$rest" != "${rest#*/}" ]; do
    each=$each/${rest%%/*}
    rest=${rest#*/}
    echo "$each"
  done
}
enter "$2"
if ! { [ -f PG_VERSION ] && [ -f global/pg_control ] && [ -f "$4" ]; }; then refuse "$2 is no data directory that pg_autoctl has set up"; fi
other=$(find . -xdev ! -user root ! -user postgres -printf '%P is of user %U' -quit)
[ -z "$other" ] || refuse "$2/$other"
case $2/ in
  "$3"/*) folders=$3' '$(on_the_way "$2" "$3") ;;
  # Elsewhere the formation's own folder, the one above, is all that is ours.
  *)
    folders=${2%/*}
    runuser -u postgres -- test -x "${folders%/*}/" || refuse "postgres may not enter ${folders%/*}"
    ;;
esac
[ "$1" = act ] || exit 0
for each in $folders "$3/.config" "$3/.local"; do
  [ -d "$each" ] || continue
  enter "$each"
  # The folder itself, and of pg_autoctl's own all that is in it.
  case $each in
    "$3/.config" | "$3/.local") find . -xdev '(' -type d -o -type f -links 1 ')' -user root -execdir chown -h postgres: '{}' + ;;
    *) find . -maxdepth 0 -user root -exec chown -h postgres: '{}' + ;;
  esac
done
enter "$2"
find . -xdev '(' -type d -o -type f -links 1 ')' -user root -execdir chown -h postgres: '{}' +
