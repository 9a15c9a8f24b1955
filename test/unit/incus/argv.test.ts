import { describe, expect, it } from 'vitest';
import { Incus } from '../../../src/incus/incus.ts';

describe('what the incus client is told', () => {
  it('is the project and the instance, with the remote even where it is the local one', () => {
    const incus = new Incus({ remote: 'local', project: 'default' });
    expect(incus.argv('stop', 'pgaf-primary', '--force')).toEqual([
      'stop',
      '--project',
      'default',
      'local:pgaf-primary',
      '--force',
    ]);
  });

  it('names the remote where it is another one', () => {
    const incus = new Incus({ remote: 'far', project: 'ha' });
    expect(incus.argv('start', 'pgaf-primary')).toEqual(['start', '--project', 'ha', 'far:pgaf-primary']);
  });
});
