# shellcheck shell=sh
# Prints `key value` lines, file contents in hexadecimal, apt's own in base64. Of what is said as postgres only its own
# keys pass. It needs package_state, certificate_state and multicast_in_use. Arguments: the twelve that are named here, then key and path
# of each file that is root's.
pgdata=$1 host=$2 pem=$3 renew_before=$4 package_files=$5 of_root=$6 of_postgres=$7 home=$8 state=$9
shift 9
passwords=$1 unit=$2 resolver=$3
shift 3
package_state "$package_files"
systemctl show "$unit" --property=ActiveState --property=UnitFileState 2>/dev/null |
  sed -n 's/^ActiveState=/active /p; s/^UnitFileState=/enabled /p'
perl -e "$of_root" "$@"
echo "certificate $(certificate_state "$pem" "$host" "$renew_before")"
multicast_in_use "$resolver"
if [ -f "$pem" ]; then echo "pemhash $(sha256sum < "$pem" | cut -d' ' -f1)"; fi
for conf in /etc/postgresql/*/*/start.conf; do
  [ -f "$conf" ] || continue
  case $conf in *[!A-Za-z0-9._/-]*) continue ;; esac
  if grep -q '^auto' "$conf"; then d=${conf%/start.conf}; v=${d%/*}; echo "cluster ${v##*/} ${d##*/}"; fi
done
if [ -f "$pgdata/postgresql.conf" ]; then echo created yes; fi
if id postgres > /dev/null 2>&1; then
  # Taken for absent, they would be made anew.
  told=$(runuser -u postgres -- perl -e "$of_postgres" "$pgdata" "$home" "$state" "$passwords") || { echo "the files of postgres cannot be read" >&2; exit 1; }
  printf '%s\n' "$told" | grep -aE '^(hba|ident|keeper|state|passwords|passwordmode|pgdata|mistaken|runs|version|unread) '
fi
exit 0
