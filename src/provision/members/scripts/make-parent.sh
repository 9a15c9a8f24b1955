# shellcheck shell=sh
# The folder of the data directory, $1: of postgres, and for it alone. postgres makes it where it may. Root does
# so only on a way that is root's alone, since on one of postgres' a link could lead it anywhere.
make_parent() {
  # shellcheck disable=SC2016
  runuser -u postgres -- sh -c 'mkdir -p -m 700 "$1" && chmod 700 "$1"' sh "$1" 2> /dev/null && return 0
  # All of such a folder is not ours to give away.
  case $1 in /*/*) ;; *) echo "$1 is not a folder that postgres may make folders in" >&2; exit 1 ;; esac
  each=$1
  while [ "$each" != / ]; do
    if [ -e "$each" ] || [ -L "$each" ]; then
      [ "$(stat -c %u "$each")" -eq 0 ] || { echo "$1 cannot be made: $each is not root's, nor may postgres make folders in it" >&2; exit 1; }
    fi
    each=$(dirname "$each")
  done
  install -d -o postgres -g postgres -m 0700 "$1"
}
