# shellcheck shell=sh
# Takes the lock or says `busy`; holds it until its input ends, which it does however its client ends.
exec 9>"/run/pgha-$1.lock"
flock -n 9
case $? in
  0) ;;
  1) echo busy; exec sleep 1 ;;
  # It could not be asked for, as where there is no flock: it has said so.
  *) exit 3 ;;
esac
echo held; exec cat >/dev/null
