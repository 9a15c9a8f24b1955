import { seen } from '../../../src/doctor/doctor-finding.ts';
import { type Fields, parseFields } from '../../../src/doctor/image/fields.ts';
import type { ImageSeen } from '../../../src/doctor/image/observe.ts';

/** What an image shows that is as the code assumes. */
export function goodImage(): ImageSeen {
  return {
    boot: seen(
      parseFields(`system Ubuntu 22.04.5 LTS
codename jammy
init systemd
state running
systemd 249
perl 5.34.0
apt 2.4.13
package netplan.io 0.106
package unattended-upgrades 2.8
package snapd 2.63
package cloud-init 24.4
resolvconf /run/systemd/resolve/stub-resolv.conf
nsswitch files dns
cloudinit done
periodic 1
utf8 yes
confinement incus-x_</var/lib/incus> (enforce)
run tmpfs
`),
    ),
    lookup: seen(1.2),
    packages: seen(41.5),
    installed: seen(
      parseFields(`autoctl 2.1
postgres postgres (PostgreSQL) 16.4 (Ubuntu 16.4-1.pgdg22.04+1)
home /var/lib/postgresql
runuser postgres
`),
    ),
    service: seen({ seconds: 6.1, encoding: 'UTF8', collation: 'C.UTF-8', extension: '2.1' }),
    again: seen({ networkSeconds: 3.1, serviceSeconds: 5.2, hasNewIdentity: true }),
  };
}

/** The same without a key, or with another value of it. */
export function changed(fields: Fields, key: string, ...values: string[]): Fields {
  return { ...fields, [key]: values };
}
