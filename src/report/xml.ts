import { escapeHtml } from './table.ts';

/** Text as XML 1.0 holds it, in text and in attributes; what it cannot hold at all becomes a question mark. */
export function escapeXml(text: string, most?: number): string {
  return (
    escapeHtml(text, most)
      // A surrogate without its other half.
      .replace(/\p{Surrogate}/gu, '?')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '?')
      .replaceAll('\n', '&#10;')
      .replaceAll('\r', '&#13;')
  );
}
