# shellcheck shell=sh
# Prints `multicast llmnr` and `multicast mdns` where systemd-resolved runs and asks the neighbours on a link for names,
# and `resolverbehind yes` where it has run since before its file $1 was written, and so does not know it.
multicast_in_use() {
  # Asked while it does not run, resolvectl would start it.
  if ! [ -d /run/systemd/resolve ] || ! systemctl -q is-active systemd-resolved.service; then return 0; fi
  for each in llmnr mdns; do
    # As `Global: yes` and `Link 2 (eth0): yes`: it takes both.
    case $(resolvectl "$each" 2>/dev/null | sed -n 's/^Global: *\(yes\|resolve\)$/global/p; s/^Link .*: *\(yes\|resolve\)$/link/p' | sort -u | tr '\n' ' ') in
      'global link ') echo "multicast $each" ;;
    esac
  done
  if [ -f "$1" ] && started=$(TZ=UTC LC_ALL=C systemctl show --property=ExecMainStartTimestamp --value systemd-resolved.service) &&
    started=$(date -d "$started" +%s 2>/dev/null) && [ "$started" -lt "$(stat -c %Y "$1")" ]; then echo "resolverbehind yes"; fi
}
