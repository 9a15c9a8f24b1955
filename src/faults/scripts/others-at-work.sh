# shellcheck shell=sh
# Whether anybody holds another formation's lock than $1 on its monitor.
for each in /run/pgha-*.lock; do
  if [ -e "$each" ] && [ "$each" != "$1" ]; then flock -n "$each" true || { echo busy; exit 0; }; fi
done
