import type { Judged } from '../check/wait.ts';
import type { Provisioned } from '../provision/provision.ts';
import { judgedMarkdown } from './check-report.ts';
import { markdownTable } from './table.ts';

/** The job summary's section: what was changed, or would be, then the proof. */
export function provisionMarkdown({ mode, changes, proof }: Provisioned): string {
  const rows = changes.map((change) => [
    change.container,
    change.restarts === undefined ? change.what : `${change.what} (restarts ${change.restarts})`,
    change.seconds === 0 ? '' : change.seconds.toFixed(2),
  ]);
  const nothing = mode === 'plan' ? 'Nothing would be changed.' : 'Nothing had to be changed.';
  const headings = mode === 'plan' ? ['container', 'would change', ''] : ['container', 'change', 'seconds'];
  const changed = changes.length === 0 ? nothing : markdownTable({ headings, rows });
  const title = mode === 'plan' ? '### Plan\n\n' : '';
  return `${proof ? `${judgedMarkdown(proof)}\n` : title}${changed}\n`;
}

/** Of an adoption: what check-formation says by the new file, and the file itself. @param adoption `about` is a sentence */
export function adoptionMarkdown(adoption: {
  about: string;
  text: string;
  proof: Judged | undefined;
}): string {
  const { about, text, proof } = adoption;
  const checked = proof ? `${judgedMarkdown(proof)}\n` : '';
  // No line of the file can end its block: names of others stand in it.
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `### ${about.replaceAll('<', '&lt;')}\n\n${checked}\n${fence}yaml\n${text}${fence}\n`;
}
