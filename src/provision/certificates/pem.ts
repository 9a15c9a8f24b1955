/** One part of a PEM text: what stands between `-----BEGIN label-----` and `-----END label-----`. */
export interface PemBlock {
  label: string;
  /** With both of its lines, without what stands around them, ended by line feeds. */
  text: string;
}

/**
 * The blocks of a PEM text. Text between them is passed over, as OpenSSL does (`openssl x509 -text` puts some
 * there), and so is indentation.
 * @returns undefined when a block does not end
 */
export function pemBlocks(text: string): PemBlock[] | undefined {
  const blocks: PemBlock[] = [];
  let open: { label: string; lines: string[] } | undefined;
  for (const line of text.split(/\r\n|\r|\n/).map((each) => each.trim())) {
    const begins = /^-----BEGIN ([A-Z0-9 ]{1,40})-----$/.exec(line)?.[1];
    if (begins !== undefined) {
      if (open) return undefined;
      open = { label: begins, lines: [line] };
    } else if (open) {
      open.lines.push(line);
      if (line === `-----END ${open.label}-----`) {
        blocks.push({ label: open.label, text: `${open.lines.join('\n')}\n` });
        open = undefined;
      }
    }
  }
  return open ? undefined : blocks;
}

/** Whether a text is PEM itself, and not a YAML map that holds some, where it stands further in. */
export function isPem(text: string): boolean {
  return /^-----BEGIN /m.test(text) || text.trimStart().startsWith('-----BEGIN ');
}
