# shellcheck shell=sh
# Has pg_autoctl, $1 its service, read its configuration again. While pg_autoctl runs no Postgres, a reload of the
# service sends SIGHUP to the process -1, which is every process of its user: the reload's own, a base backup, a psql
# (service_postgres_reload in service_postgres.c, 2.0 to 2.2; seen in the lab). Then only those are told that follow the
# configuration. A Postgres that is started later reads its own files.
children() { ps -o pid= --ppid "$1" 2> /dev/null; }
main=$(systemctl show --property MainPID --value "$1")
[ "${main:-0}" -gt 1 ] || exec systemctl reload "$1"
told=no
for each in $(children "$main"); do
  for child in $(children "$each"); do
    [ "$(ps -o comm= -p "$child" 2> /dev/null)" != postgres ] || exec systemctl reload "$1"
  done
done
for each in $(children "$main"); do
  case $(ps -o args= -p "$each" 2> /dev/null) in
    "pg_autoctl: node active"* | "pg_autoctl: monitor listener"* | *pg_autoctl*" service node-active "* | *pg_autoctl*" service listener "*)
      kill -s HUP "$each" && told=yes ;;
  esac
done
[ "$told" = yes ] || exec systemctl reload "$1"
