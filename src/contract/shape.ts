import * as v from 'valibot';

/**
 * The words that records are described in. A record is a schema of these; its type, what a reader of it holds it to and
 * the published JSON Schema all come of that.
 */

export const text = (what: string) => v.pipe(v.string(), v.description(what));
export const number = (what: string) => v.pipe(v.number(), v.description(what));
export const seconds = (what: string) => number(`${what} Seconds, to the millisecond.`);
export const count = (what: string) => v.pipe(v.number(), v.integer(), v.minValue(0), v.description(what));
export const list = <S extends v.GenericSchema>(schema: S, what: string) =>
  v.pipe(v.array(schema), v.description(what));

/** What JSON leaves out where it is undefined. */
export const maybe = <S extends v.GenericSchema>(schema: S) => v.optional(schema);
