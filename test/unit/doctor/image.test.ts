import { describe, expect, it } from 'vitest';
import { doctorOutcome, refused, type Seen, seen, unseen } from '../../../src/doctor/doctor-finding.ts';
import { type Fields, parseFields, versionOf } from '../../../src/doctor/image/fields.ts';
import { imageFindings } from '../../../src/doctor/image/findings.ts';
import type { ImageSeen } from '../../../src/doctor/image/observe.ts';
import { sentences } from '../../../src/report/doctor-report.ts';
import { builtInFormation } from '../builders.ts';
import { changed, goodImage } from './good-image.ts';
import { whatWasSeen } from './good-runner.ts';

const judge = (change: (image: ImageSeen) => void) => {
  const image = goodImage();
  change(image);
  return imageFindings(image, builtInFormation());
};
const at =
  (part: 'boot' | 'installed', key: string, ...values: string[]) =>
  (image: ImageSeen) => {
    image[part] = seen(changed(whatWasSeen<Fields>(image[part]), key, ...values));
  };

describe('an image that is as the code assumes', () => {
  it('passes, and says what it is', () => {
    const findings = judge(() => {});
    expect(findings.filter(({ status }) => status !== 'holds')).toEqual([]);
    expect(doctorOutcome(findings)).toBe('pass');
    const said = findings.map(({ says }) => says).join('\n');
    for (const each of ['jammy-pgdg', 'netplan.io', 'snapd is there', 'pg_autoctl 2.1', 'files dns'])
      expect(said).toContain(each);
    expect(new Set(findings.map(({ id }) => id)).size).toBe(findings.length);
  });
});

describe('an image that differs in one thing', () => {
  it.each<[string, string, (image: ImageSeen) => void]>([
    ['no code name', 'release', at('boot', 'codename', '')],
    ['another init', 'systemd', at('boot', 'init', 'runit')],
    ['a boot without end', 'systemd', at('boot', 'state', 'starting')],
    ['no perl', 'commands', at('boot', 'missing', 'perl with Socket, Fcntl and Errno')],
    ['an apt that is too old', 'apt', at('boot', 'oldapt', 'yes')],
    ['a cloud-init without end', 'first-boot', at('boot', 'cloudinit', 'running')],
    ['a cloud-init without an answer', 'first-boot', at('boot', 'cloudinit')],
    ['no C.UTF-8', 'locale', at('boot', 'utf8')],
    [
      'an AppArmor profile of Postgres',
      'apparmor',
      at('boot', 'profile', '/etc/apparmor.d/usr.bin.postgres'),
    ],
    [
      'names by multicast that cannot be turned off',
      'resolver',
      (image) => {
        at('boot', 'multicast', 'llmnr')(image);
        at('boot', 'quietened', 'yes')(image);
      },
    ],
    ['a /run on the disk', 'run', at('boot', 'run', 'ext2/ext3')],
    [
      'slow names',
      'lookup',
      (image) => {
        image.lookup = seen(24.1);
      },
    ],
    [
      'no packages',
      'packages',
      (image) => {
        image.packages = refused('has no suite noble-pgdg');
        image.installed = unseen('x');
      },
    ],
    ['a package without its programs', 'programs', at('installed', 'missing', '/usr/bin/pg_autoctl')],
    ['a postgres of its own', 'postgres-user', at('installed', 'home', '/home/postgres')],
    ['no way to become postgres', 'postgres-user', at('installed', 'runuser')],
    ["the distribution's cluster", 'no-cluster', at('installed', 'cluster', '16/main')],
    [
      'a monitor that does not come to life',
      'service',
      (image) => {
        image.service = refused('pg_autoctl failed');
      },
    ],
    [
      'databases in ASCII',
      'service',
      (image) => {
        image.service = seen({ seconds: 5, encoding: 'SQL_ASCII', collation: 'C', extension: '2.1' });
      },
    ],
    [
      'clones of one identity',
      'again',
      (image) => {
        image.again = seen({ networkSeconds: 3, serviceSeconds: 5, hasNewIdentity: false });
      },
    ],
    [
      'a boot that waits for something',
      'again',
      (image) => {
        image.again = seen({ networkSeconds: 3, serviceSeconds: 120, hasNewIdentity: true });
      },
    ],
  ])('%s: is told so by image-%s alone, with what mends it', (_, id, change) => {
    const failing = judge(change).filter(({ status }) => status === 'fails');
    expect(failing.map((each) => each.id)).toEqual([`image-${id}`]);
    for (const each of sentences(failing[0]?.remedy ?? '')) expect(each).toMatch(/^[A-Za-z`].*\.$/s);
  });

  it('is told of where nothing follows from it', () => {
    const saying = (change: (image: ImageSeen) => void, id: string) =>
      judge(change).find((each) => each.id === `image-${id}`);
    expect(saying(at('boot', 'failedunit', 'x.service'), 'systemd')?.status).toBe('holds');
    const degraded = saying((image) => {
      at('boot', 'state', 'degraded')(image);
      at('boot', 'failedunit', 'x.service', 'y.mount')(image);
    }, 'systemd');
    expect(degraded).toMatchObject({
      status: 'holds',
      says: 'systemd 249 is up, without x.service, y.mount',
    });
    expect(saying(at('boot', 'atwork', 'apt-get'), 'first-boot')).toMatchObject({
      status: 'holds',
      says: expect.stringContaining('apt-get at work') as string,
    });
    expect(saying(at('boot', 'multicast', 'llmnr'), 'resolver')).toMatchObject({
      status: 'holds',
      says: expect.stringMatching(/for names \(llmnr\), which provision-pgaf turns off$/) as string,
    });
    expect(saying(at('boot', 'quietened', 'yes'), 'resolver')?.says).toMatch(/asks no neighbour/);
    expect(saying(at('boot', 'package'), 'upgrades')?.says).toMatch(/^nothing upgrades/);
    const two = at('boot', 'package', 'needrestart 3.5', 'unattended-upgrades 2.8');
    expect(saying(two, 'upgrades')?.says).toMatch(/keeps the latter from restarting pg_autoctl$/);
    expect(saying(at('boot', 'package', 'needrestart 3.5'), 'upgrades')?.status).toBe('holds');
    expect(saying(at('boot', 'package', 'unattended-upgrades 2.8'), 'upgrades')?.status).toBe('holds');
  });
});

describe('what was not seen of an image', () => {
  it('is unknown, and does not pass', () => {
    const findings = judge((image) => {
      for (const key of Object.keys(image)) Object.assign(image, { [key]: unseen('no') });
    });
    expect(findings.every(({ status }) => status === 'unknown')).toBe(true);
    expect(doctorOutcome(findings)).toBe('error');
  });

  it('fails where looking at it failed', () => {
    const findings = judge((image) => {
      image.boot = refused('perl: not found') as Seen<Fields>;
    });
    expect(findings.filter(({ status }) => status === 'fails').length).toBeGreaterThan(8);
  });
});

it('reads lines of keys and values, and nothing else', () => {
  const fields = parseFields('a 1\na 2\nb\nNo key\n::c x\npackage netplan.io 0.1\n');
  expect(fields).toEqual({ a: ['1', '2'], b: [''], package: ['netplan.io 0.1'] });
  expect(versionOf(fields, 'netplan.io')).toBe('0.1');
  expect(versionOf(fields, 'netplan')).toBeUndefined();
});
