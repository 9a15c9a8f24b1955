# shellcheck shell=sh
# A certificate for a year, signed by its own key, which never leaves the container. $1 file, $2 name, $3 host as a subject
# alternative name.
set -e; (umask 022; mkdir -p /etc/pgha); umask 077; d=$(mktemp -d -p /var/tmp); trap 'rm -rf "$d"' EXIT
openssl req -new -x509 -days 365 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
  -subj "/CN=$2" -addext "subjectAltName=$3" -keyout "$d/key" -out "$d/crt" 2>"$d/log" ||
  { cat "$d/log" >&2; exit 1; }
cat "$d/key" "$d/crt" > "$1.pgha"; chown postgres: "$1.pgha"; chmod 600 "$1.pgha"; mv "$1.pgha" "$1"
