import type { GenericSchema } from 'valibot';
import { describe, expect, it } from 'vitest';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import {
  answerOf,
  imagesShape,
  instanceShape,
  instancesShape,
  operationsShape,
  poolShape,
  profileShape,
  stateShape,
  toInstance,
} from '../../../src/incus/answers.ts';

const shapes: Record<string, { is: string; schema: GenericSchema }> = {
  instanceShape,
  instancesShape,
  profileShape,
  stateShape,
  poolShape,
  imagesShape,
  operationsShape,
};
const path = '/1.0/instances/pgaf-primary?project=default';
/** Incus 6.0 of the lab, reduced. */
const primary = {
  architecture: 'x86_64',
  name: 'pgaf-primary',
  status: 'Running',
  config: { 'user.pgha.environment': 'lab' },
  expanded_config: { 'user.pgha.environment': 'lab', 'limits.cpu': '1' },
  devices: {},
  expanded_devices: { rootfs: { path: '/', pool: 'default', type: 'disk' } },
  location: 'none',
  last_used_at: '2026-11-28T22:00:00Z',
};

describe('an answer of Incus', () => {
  it.each(Object.entries(shapes))('of another shape is none (%s)', (_, shape) => {
    for (const answer of ['Running', 7, [null], [7], { name: null }, [{ status: 'Running' }], { space: {} }])
      expect(() => answerOf(path, shape, answer), JSON.stringify(answer)).toThrow(
        new EnvironmentError(
          `\`incus query /1.0/instances/pgaf-primary\` did not answer with ${shape.is}; is this the real incus client?`,
        ),
      );
  });

  it('that is nothing is an empty list of images or operations, and no instance', () => {
    expect(answerOf(path, imagesShape, null)).toBeNull();
    expect(answerOf(path, operationsShape, null)).toBeNull();
    for (const shape of ['instanceShape', 'instancesShape', 'profileShape', 'stateShape', 'poolShape'].map(
      (name) => shapes[name],
    ))
      expect(() => shape && answerOf(path, shape, null)).toThrow(EnvironmentError);
  });

  it('is read with what Incus leaves out', () => {
    expect(toInstance(answerOf(path, instanceShape, primary))).toEqual({
      name: 'pgaf-primary',
      status: 'Running',
      config: { 'user.pgha.environment': 'lab' },
      expandedConfig: primary.expanded_config,
      devices: {},
      rootDisk: 'rootfs',
      startedAt: '2026-11-28T22:00:00Z',
    });
    // The cluster member that has it does not answer.
    const silent = { name: 'pgaf-replica', status: 'Error', config: null, devices: null, location: 'm2' };
    expect(toInstance(answerOf(path, instanceShape, silent))).toMatchObject({
      config: undefined,
      location: 'm2',
      rootDisk: undefined,
    });
  });
});
