# shellcheck shell=sh
# Prints the lines that `parsePackageFacts` reads. $1: pgha's own files for apt, with spaces between them.
package_state() {
  # shellcheck disable=SC1091
  . /etc/os-release; echo "codename ${VERSION_CODENAME:-}"
  dpkg-query -W -f 'installed ${Package} ${db:Status-Status} ${Version}\n' 2>/dev/null
  for file in $1; do
    if [ -f "$file" ]; then echo "aptfile $file $(base64 -w0 < "$file")"; fi
  done
  if [ -s /etc/ssl/certs/ca-certificates.crt ]; then echo "certificates yes"; fi
}
