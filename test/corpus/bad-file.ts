/**
 * A formation file that must be refused with one fault: what is wrong with it, its text, the line and the key
 * that the fault must name, and what it must say.
 */
export type BadFile = readonly [what: string, text: string, place: `${number}: ${string}`, says: RegExp];
