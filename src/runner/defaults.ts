import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { readText } from '../disk/file.ts';

const maxBytes = 1024 * 1024;

/**
 * What action.yml says an input is where a step leaves it out; it stands there alone, since every runner applies it.
 * @param entry the program that the runner started, dist/<action>/main.js of a checkout
 * @returns the default by an input's name; undefined where that cannot be read or has none. The file is read when first asked
 */
export function declaredDefaults(entry: string): (name: string) => string | undefined {
  let inputs: Record<string, { default?: unknown }> | undefined;
  return (name) => {
    inputs ??= inputsOf(join(checkoutOf(entry), 'actions', basename(dirname(entry)), 'action.yml'));
    const found = Object.hasOwn(inputs, name) ? inputs[name]?.default : undefined;
    return found === undefined ? undefined : String(found);
  };
}

/**
 * The inputs of the composite action `nightly`, which calls the others; none where that cannot be read. The file is read when
 * first asked: parsing it, twice a run, was a third of what a run took that ends at bad input (0.1 of 0.3 s).
 */
export function nightlyInputs(entry: string): () => readonly string[] {
  let names: string[] | undefined;
  return () => {
    names ??= Object.keys(inputsOf(join(checkoutOf(entry), 'nightly', 'action.yml')));
    return names;
  };
}

/** The folder of the checkout, from an entry's path dist/<entry>/main.js. */
export const checkoutOf = (entry: string): string => dirname(dirname(dirname(entry)));

function inputsOf(file: string): Record<string, { default?: unknown }> {
  try {
    return (parse(readText(file, maxBytes)) as { inputs?: Record<string, object> }).inputs ?? {};
  } catch {
    return {};
  }
}
