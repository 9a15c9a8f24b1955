import { InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { createText, FileError, isThere } from '../disk/file.ts';
import { parseFormation } from '../formation/file/load.ts';
import type { Formation } from '../formation/formation.ts';
import { Incus } from '../incus/incus.ts';
import { findFormation } from './adopt.ts';
import { type AdoptionAsked, type AdoptionKey, strangersAsked } from './asked.ts';
import { type Description, describe } from './describe.ts';

/** Where a description goes. */
export interface NewFile {
  path: string;
  /** As somebody gave it, for people. */
  given: string;
  /** What they gave it by, such as `--output`. */
  by: string;
}

export interface Adopted extends Description {
  formation: Formation;
  incus: Incus;
}

/**
 * Describes a formation that is there already, and writes that where nothing is yet. It reads, and changes nothing else.
 * @param how `file` is undefined where nothing is to be written; `named` is how people give a key
 * @throws InputError where something of that name is there, which is left as it is; as findFormation does
 */
export async function adopt(
  asked: AdoptionAsked,
  how: { file: NewFile | undefined; named: (key: AdoptionKey) => string; log: Log; signal: AbortSignal },
): Promise<Adopted> {
  const { file, named, log, signal } = how;
  if (file !== undefined && isThere(file.path)) throw new InputError([kept(file)]);
  const { remote = 'local', project = 'default', monitor, formation, containers } = asked;
  const incus = new Incus({ remote, project }, log);
  const found = await findFormation(incus, { monitor, formation, containers, named, log, signal });
  const strangers = strangersAsked(found, asked, named);
  if (strangers.length > 0) throw new InputError(strangers);
  const description = describe(found, asked);
  const described = parseFormation(description.text, file?.given ?? 'the file');
  if (file !== undefined) write(file, description.text);
  for (const remark of description.remarks) log.warn(remark);
  return { ...description, formation: described, incus };
}

function write(file: NewFile, text: string): void {
  try {
    createText(file.path, text);
  } catch (error) {
    throw new InputError([
      error instanceof FileError && error.code === 'EEXIST'
        ? kept(file)
        : `${file.by}: cannot write ${file.given}: ${messageOf(error)}`,
    ]);
  }
}

const kept = ({ by, given }: NewFile) =>
  `${by}: ${given} is there already, and is left as it is; name another with ${by}`;
