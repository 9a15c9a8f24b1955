import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/contract/errors.ts';
import { parseDoctorArguments } from '../../../src/runner/doctor.ts';

const errorsOf = (...args: string[]): readonly string[] => {
  try {
    parseDoctorArguments(args, {});
  } catch (error) {
    if (error instanceof InputError) return error.errors;
  }
  return [];
};

describe("the doctor's arguments", () => {
  it('are a formation by flag, else by the variable of the actions, else none', () => {
    const env = { INPUT_FORMATION: 'env.yml' };
    expect(parseDoctorArguments([], {}).formation).toBe('');
    expect(parseDoctorArguments([], env).formation).toBe('env.yml');
    for (const args of [['--formation', 'f.yml'], ['--formation=f.yml']])
      expect(parseDoctorArguments(args, env).formation).toBe('f.yml');
    expect(parseDoctorArguments(['--debug'], {}).debug).toBe(true);
    for (const flag of ['--help', '-h']) expect(parseDoctorArguments([flag], {}).help).toBe(true);
  });

  it('are refused all at once, with what may be meant', () => {
    expect(errorsOf('--formaton', 'x', '--formation')).toEqual([
      '--formaton is not known (is --formation meant?); doctor takes --formation, --image, --debug, --help',
      'x is not known; doctor takes --formation, --image, --debug, --help',
      '--formation needs a value',
    ]);
    expect(errorsOf('--debug=yes')).toHaveLength(1);
    expect(errorsOf('--image', 'a b')).toEqual([
      '--image: "a b" is no Incus image such as images:ubuntu/22.04',
    ]);
    expect(parseDoctorArguments(['--image', 'images:ubuntu/22.04'], {}).image).toBe('images:ubuntu/22.04');
    expect(errorsOf('--formation=')).toEqual(['--formation needs a value']);
  });
});
