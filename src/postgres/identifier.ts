/** The one place that quotes an identifier for SQL. @throws Error when it cannot be one (empty, or with NUL) */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) throw new Error(`not an SQL identifier: ${JSON.stringify(name)}`);
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a literal for the few statements that take no parameters (ALTER SYSTEM, ALTER ROLE). */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new Error('an SQL literal cannot hold NUL');
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
