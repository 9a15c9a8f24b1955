import { onOneLine } from '../contract/errors.ts';
import { shortened } from '../contract/size.ts';

/** Of what a server says, so much is kept: enough for any message of its own. */
const most = 500;

/**
 * A server's text as it may stand anywhere: on one line, of some 500 characters, and without what a terminal or a page
 * would obey (control characters, marks that turn the direction of writing round).
 */
export function shownText(text: string): string {
  return onOneLine(shortened(text, most), ' | ').trim().replace(obeyed, escaped);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
const obeyed = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
