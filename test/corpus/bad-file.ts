/**
 * A formation file that must be refused with one error: what is wrong with it, its text, the line and the key
 * that the error must name, and what it must say.
 */
export type BadFile = readonly [what: string, text: string, place: `${number}: ${string}`, says: RegExp];
