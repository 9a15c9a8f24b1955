# shellcheck shell=sh
# Some file systems can remove a file when nothing is left, others only shorten one (btrfs: the former). To remove one
# follows no link.
[ -e "$1" ] || [ -L "$1" ] || exit 0
rm -f "$1" 2>/dev/null || { runuser -u postgres -- env -C / truncate --size=0 "$1"; rm -f "$1"; }
[ ! -e "$1" ] && [ ! -L "$1" ] && echo removed
