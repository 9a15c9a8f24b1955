# shellcheck shell=sh
# Writes standard input beside the target and renames it there, so that a kill leaves the old file or the new:
# a client that is killed ends our input early, which the length tells. $1 path, $2 mode, $3 owner, $4 length.
#
# What stands beside the target is removed, not written to: it may be a link.
set -e; set -C; umask 077
# Folders between are for all to enter as well.
[ -d "$(dirname "$1")" ] || (umask 022; mkdir -p "$(dirname "$1")")
rm -rf "$1.pgha"; cat > "$1.pgha"
[ "$(wc -c < "$1.pgha")" -eq "$4" ] || { rm -f "$1.pgha"; echo "the content of $1 was cut short" >&2; exit 1; }
chmod "$2" "$1.pgha"; chown "$3:" "$1.pgha"; mv -T "$1.pgha" "$1"
