import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An `incus` that stands before the real one. */
export interface IncusShim {
  /** A folder of its own, in which the script may leave notes. */
  folder: string;
  /** The environment that has it found first. */
  env: { PATH: string };
}

/**
 * Puts a script of sh before the client of Incus. It gets the client's arguments, has its folder as `$shim`, finds the
 * real client as `incus`, and is followed by it unless it exits.
 */
export function incusShim(script: string): IncusShim {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-bin-'));
  const path = process.env['PATH'] ?? '';
  const text = `#!/bin/sh\nshim='${folder}'\nPATH='${path}'\n${script}\nexec incus "$@"\n`;
  writeFileSync(join(folder, 'incus'), text, { mode: 0o755 });
  return { folder, env: { PATH: `${folder}:${path}` } };
}
