# shellcheck shell=sh
# What a container of the image is like once it has booted: `key value` lines. $1: seconds to wait for its boot, $2:
# pgha's file for systemd-resolved. Then the commands that it must have. It needs multicast_in_use.
say() { printf '%s %s\n' "$1" "$2"; }
wait=$1 resolver=$2
shift 2
# shellcheck disable=SC1091
. /etc/os-release
say system "$PRETTY_NAME"
say codename "${VERSION_CODENAME:-}"
say init "$(cat /proc/1/comm)"
if command -v systemctl > /dev/null; then
  state=$(timeout "$wait" systemctl is-system-running --wait 2> /dev/null)
  say state "${state:-$(systemctl is-system-running 2> /dev/null)}"
  systemctl list-units --failed --plain --no-legend 2> /dev/null | while read -r unit _; do say failedunit "$unit"; done
  say systemd "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
fi
for each do command -v "$each" > /dev/null || say missing "$each"; done
# coreutils 8.31: pg_autoctl is run so.
env --ignore-signal=HUP -C / true 2> /dev/null || say missing 'env with --ignore-signal and -C'
perl -e 'use strict; use Socket qw(:addrinfo inet_pton TCP_NODELAY IPPROTO_TCP AF_INET6); use Fcntl qw(:flock); use Errno; print "perl ", substr($^V, 1), "\n"' 2> /dev/null || say missing "perl with Socket, Fcntl and Errno"
say apt "$(dpkg-query -W -f '${Version}' apt 2> /dev/null)"
if dpkg --compare-versions "$(dpkg-query -W -f '${Version}' apt 2> /dev/null)" lt 2.3.10; then say oldapt yes; fi
for each in apparmor cloud-init dhcpcd-base ifupdown libnss-myhostname libnss-resolve needrestart netplan.io network-manager snapd systemd-resolved unattended-upgrades; do
  case $(dpkg-query -W -f '${db:Status-Status} ${Version}' "$each" 2> /dev/null) in
    'installed '*) say package "$each $(dpkg-query -W -f '${Version}' "$each")" ;;
  esac
done
say resolvconf "$(readlink -f /etc/resolv.conf)"
say nsswitch "$(sed -n 's/^hosts: *//p' /etc/nsswitch.conf 2> /dev/null)"
multicast_in_use "$resolver"
if [ -f "$resolver" ]; then say quietened yes; fi
if command -v cloud-init > /dev/null; then
  say cloudinit "$(timeout "$wait" cloud-init status --wait 2> /dev/null | sed -n 's/^status: *//p')"
fi
say periodic "$(apt-config dump APT::Periodic::Unattended-Upgrade 2> /dev/null | sed -n 's/.*"\(.*\)";/\1/p')"
for each in apt apt-get dpkg unattended-upgr; do
  if pgrep -x "$each" > /dev/null 2>&1; then say atwork "$each"; fi
done
if locale -a 2> /dev/null | grep -qix 'c\.utf-\{0,1\}8'; then say utf8 yes; fi
grep -rlE 'postgres|pg_autoctl' /etc/apparmor.d 2> /dev/null | head -n 5 | while read -r file; do say profile "$file"; done
say confinement "$(tr -d '\0' < /proc/1/attr/current 2> /dev/null)"
say run "$(stat -f -c %T /run)"
exit 0
