# shellcheck shell=sh
# Names of the processes that must not be there, and the unit's state.
for comm in /proc/[0-9]*/comm; do
  read -r name 2>/dev/null <"$comm" && case $name in pg_autoctl | postgres) echo "$name" ;; esac
done
systemctl show --property=ActiveState --value "$1"
