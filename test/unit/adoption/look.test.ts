import { expect, it } from 'vitest';
import { parseLook, runningUnitOf } from '../../../src/adoption/look.ts';

const line = (key: string, ...words: string[]) =>
  [key, ...words.map((word) => Buffer.from(word).toString('hex'))].join(' ');

it('is read from what a container prints', () => {
  const output = [
    line('system', 'debian 12'),
    line('packages', 'installed postgresql-15 15.8-0+deb12u1\nconfig-files postgresql-14 14.1\n'),
    line('addresses', '2: eth0    inet 10.0.0.11/24 brd 10.0.0.255 scope global eth0\n'),
    line('home', '/var/lib/postgresql'),
    line('process', 'pgautofailover.service', '/var/lib/postgresql/15/main'),
    line('config', '/var/lib/postgresql/.config/x/pg_autoctl.cfg', '[pg_autoctl]\nrole = keeper\n', '15', ''),
    line('unread', '/root/x', 'Permission denied'),
    line('host', 'db2.example.org', '10.0.0.12,10.0.0.12'),
    line('host', 'nowhere', ''),
    '',
  ].join('\n');
  expect(parseLook(output)).toEqual({
    system: 'debian 12',
    packages: { 'postgresql-15': '15.8-0+deb12u1' },
    addresses: ['10.0.0.11'],
    home: '/var/lib/postgresql',
    processes: [{ unit: 'pgautofailover.service', pgdata: '/var/lib/postgresql/15/main' }],
    configurations: [
      {
        path: '/var/lib/postgresql/.config/x/pg_autoctl.cfg',
        text: '[pg_autoctl]\nrole = keeper\n',
        postgresVersion: 15,
        certificate: undefined,
      },
    ],
    unread: ['/root/x: Permission denied'],
    hosts: { 'db2.example.org': ['10.0.0.12'], nowhere: [] },
  });
});

it('is empty of a container that has nothing of it', () => {
  expect(parseLook(line('system', 'debian 12'))).toMatchObject({
    home: '',
    processes: [],
    configurations: [],
  });
});

it.each([
  ['its own', ['/srv/a', '/srv/b'], '/srv/a', 'a.service'],
  ['none where only another member runs', ['/srv/b'], '/srv/a', ''],
  ['none where several run, and none is told of it', ['/srv/b', '/srv/x'], '/srv/a', ''],
  ['the only one, which was told of it by a link', ['/srv/link'], '/srv/a', 'link.service'],
])('the service of a member is %s', (_, running, pgdata, unit) => {
  const look = parseLook(
    [
      line('config', '/home/a/pg_autoctl.cfg', '[postgresql]\npgdata = /srv/a\n', '15', ''),
      line('config', '/home/b/pg_autoctl.cfg', '[postgresql]\npgdata = /srv/b\n', '15', ''),
      ...running.map((each) => line('process', `${each.replace('/srv/', '')}.service`, each)),
    ].join('\n'),
  );
  expect(runningUnitOf(look, pgdata)).toBe(unit);
});
