import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and its parents where they are missing. Not by mkdirSync's own recursion: in a place such
 * as /proc that goes round for ever (Node 20 to 24).
 * @throws as mkdirSync
 */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
}
