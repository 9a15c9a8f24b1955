import type { GenericSchema } from 'valibot';

export function publishedSchema(
  schema: GenericSchema,
  about?: { name: string; title: string; description: string },
): string;
export function mapsOf(schema: object, path?: string[]): string[];
export function keyRows(schema: object, path: string): string[][];
