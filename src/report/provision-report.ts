import type { Provisioned } from '../provision/provision.ts';
import { judgedMarkdown } from './check-report.ts';
import { markdownTable } from './table.ts';

/** The job summary's section: what was changed, or would be, then the proof. */
export function provisionMarkdown({ mode, changes, proof }: Provisioned): string {
  const rows = changes.map((change) => [
    change.container,
    change.what,
    change.seconds === 0 ? '' : change.seconds.toFixed(2),
  ]);
  const nothing = mode === 'plan' ? 'Nothing would be changed.' : 'Nothing had to be changed.';
  const headings = mode === 'plan' ? ['container', 'would change', ''] : ['container', 'change', 'seconds'];
  const changed = changes.length === 0 ? nothing : markdownTable({ headings, rows });
  const title = mode === 'plan' ? '### Plan\n\n' : '';
  return `${proof ? `${judgedMarkdown(proof)}\n` : title}${changed}\n`;
}
