import { describe, expect, it } from 'vitest';
import { jobFoldersOf, jobOf, systemName } from '../../../src/doctor/machine.ts';
import { parseNames } from '../../../src/doctor/pair.ts';

describe('what the surroundings say of a runner', () => {
  it.each([
    [{}, undefined],
    [{ GITHUB_ACTIONS: 'true' }, 'github'],
    [{ GITHUB_ACTIONS: 'true', GITEA_ACTIONS: 'true' }, 'gitea'],
    [{ GITHUB_ACTIONS: 'true', GITEA_ACTIONS: 'true', FORGEJO_ACTIONS: 'true' }, 'forgejo'],
    [{ GITHUB_ACTIONS: 'true', ACT: 'true' }, 'act'],
    [{ CI: 'true' }, 'a runner'],
  ])('%j: a job of %s', (env, job) => expect(jobOf(env)).toBe(job));

  it('names the folders of the job, once each', () => {
    const env = { GITHUB_WORKSPACE: '/w/x/', RUNNER_TEMP: '/w/tmp', RUNNER_WORKSPACE: '/w/x', HOME: '/root' };
    expect(jobFoldersOf(env)).toEqual(['/w/x', '/w/tmp']);
  });

  it.each([
    ['NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n', 'Ubuntu 22.04.5 LTS'],
    ['PRETTY_NAME=Alpine', 'Alpine'],
    ['', ''],
  ])('%j: %s', (text, name) => expect(systemName(text)).toBe(name));
});

it('reads what a container says of a name', () => {
  expect(parseNames('address 10.0.0.2\naddress 10.0.0.2\nname a.incus\nname a\nmore\n')).toEqual({
    addresses: ['10.0.0.2'],
    reverse: ['a.incus', 'a'],
  });
  expect(parseNames('')).toEqual({ addresses: [], reverse: [] });
});
