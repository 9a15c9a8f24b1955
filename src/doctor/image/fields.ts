/** What a script said, by key, in its order. */
export type Fields = Partial<Record<string, string[]>>;

/** @param text lines of a key and a value */
export function parseFields(text: string): Fields {
  const fields: Fields = {};
  for (const line of text.split('\n')) {
    const [, key, value = ''] = /^([a-z][a-z0-9]*)(?: (.*))?$/.exec(line) ?? [];
    if (key !== undefined) fields[key] = [...(fields[key] ?? []), value.trim()];
  }
  return fields;
}

/** The first value of a key, '' where there is none. */
export const first = (fields: Fields, key: string) => fields[key]?.[0] ?? '';
export const all = (fields: Fields, key: string): string[] => fields[key] ?? [];

/** The version of a package that is installed; undefined where it is not. */
export function versionOf(fields: Fields, name: string): string | undefined {
  const found = all(fields, 'package').find((line) => line.startsWith(`${name} `));
  return found?.slice(name.length + 1);
}
