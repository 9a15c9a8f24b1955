# shellcheck shell=sh
# Takes out of the container what its clones must not share, and what they have no use for. Keys that packages made
# are made anew in each clone, at its first boot. A machine-id that is empty is filled by systemd at boot; DHCP's
# identifier comes from it.
set -e
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt/* /var/log/journal/* /run/log/journal/*
find /var/log -type f -exec truncate -s 0 {} +
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /root/.bash_history
rm -rf /tmp/* /var/tmp/* /var/lib/dhcp/* /var/lib/dhcpcd/* /var/lib/NetworkManager/*
rm -rf /var/lib/systemd/network/* /run/systemd/netif/leases/*
if command -v cloud-init > /dev/null; then cloud-init clean --logs > /dev/null 2>&1 || true; fi
keys=
if ls /etc/ssh/ssh_host_*_key > /dev/null 2>&1; then
  rm -f /etc/ssh/ssh_host_*
  keys="${keys}ExecStart=-/usr/bin/ssh-keygen -A\n"
fi
if [ -f /etc/ssl/private/ssl-cert-snakeoil.key ]; then
  rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
  keys="${keys}ExecStart=-/usr/sbin/make-ssl-cert generate-default-snakeoil --force-overwrite\n"
fi
if [ -n "$keys" ]; then
  unit=pgha-first-boot.service
  printf '[Unit]\nDescription=Keys of its own for a container made from a pgha base image\nBefore=ssh.service\nConditionPathExists=!/var/lib/misc/pgha-first-boot\n\n[Service]\nType=oneshot\n%bExecStart=/bin/touch /var/lib/misc/pgha-first-boot\n\n[Install]\nWantedBy=multi-user.target\n' "$keys" > "/etc/systemd/system/$unit"
  systemctl enable "$unit" 2> /dev/null
  rm -f /var/lib/misc/pgha-first-boot
fi
if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
  ln -sf /etc/machine-id /var/lib/dbus/machine-id
fi
: > /etc/machine-id
