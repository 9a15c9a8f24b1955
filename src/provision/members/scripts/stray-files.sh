# shellcheck shell=sh
# $1 data directory. Files with several links, other file systems and what a link leads to are left alone.
[ -d "$1" ] && [ ! -L "$1" ] || exit 0
stat -c 'mode %a' "$1"
find "$1" -xdev '(' -type d -o -type f -links 1 ')' '(' ! -user postgres -o ! -perm -u+rw ')' -printf 'stray %P\n' | head -n 1000
