import { exitCodeOf, type Outcome } from '../contract/outcome.ts';
import { escapeHtml, htmlTable, type Table } from './table.ts';

/** A report as one page that needs nothing else: no script, no font, no network. */
export interface HtmlReport {
  title: string;
  outcome: Outcome;
  message: string;
  /** SVG, drawn inline; '' for none. */
  picture: string;
  sections: HtmlSection[];
  /** What a reader of the page may want to know of where it comes from. */
  footer: string;
}

export interface HtmlSection {
  heading: string;
  /** SVG, drawn inline. */
  picture?: string;
  table?: Table | undefined;
  lines?: readonly string[];
  /** Only its heading shows until a reader opens it. */
  folded?: boolean;
  within?: readonly HtmlSection[];
}

const badges: Record<Outcome, string> = {
  pass: 'passed',
  unhealthy: 'not healthy',
  missed: 'missed its objective',
  error: 'could not tell',
};

export function htmlPage({ title, outcome, message, picture, sections, footer }: HtmlReport): string {
  const name = escapeHtml(title);
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    // Should anything that was read ever become markup, it could neither run nor fetch.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${name}: ${badges[outcome]}</title>`,
    style,
    '</head>',
    '<body>',
    `<h1><span class="badge ${outcome}">${badges[outcome]}</span> ${name}</h1>`,
    `<p class="message">${escapeHtml(message)} <span class="code">exit code ${exitCodeOf(outcome)}</span></p>`,
    ...(picture === '' ? [] : [`<figure>${picture}</figure>`]),
    ...sections.flatMap((section) => drawn(section, 2)),
    `<footer>${escapeHtml(footer)}</footer>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function drawn(section: HtmlSection, level: number): string[] {
  const { heading, picture = '', table, lines = [], folded = false, within = [] } = section;
  const inner = [
    ...(picture === '' ? [] : [`<figure>${picture}</figure>`]),
    ...(table === undefined ? [] : ['<div class="scroll">', htmlTable(table), '</div>']),
    ...(lines.length === 0 ? [] : ['<ul>', ...lines.map((each) => `<li>${escapeHtml(each)}</li>`), '</ul>']),
    ...within.flatMap((each) => drawn(each, level + 1)),
  ];
  const told = escapeHtml(heading);
  return folded
    ? [`<details><summary>${told}</summary>`, ...inner, '</details>']
    : [`<section><h${level}>${told}</h${level}>`, ...inner, '</section>'];
}

const style = `<style>
:root{--ink:#1f2328;--faint:#59636e;--paper:#fff;--line:#d1d9e0;--stripe:#f6f8fa;--good:#1a7f37;--bad:#b3261e;--odd:#9a6700}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9198a1;--paper:#0d1117;--line:#3d444d;--stripe:#151b23;--good:#3fb950;--bad:#ff7b72;--odd:#d29922}}
body{font:15px/1.5 ui-sans-serif,system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1160px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:.95rem;margin:1.2rem 0 .4rem}summary{cursor:pointer;font-weight:600;margin:.6rem 0}ul{margin:.6rem 0;padding-left:1.2rem;color:var(--faint)}details details summary{font-weight:400}p,li,h1,h2,summary{overflow-wrap:anywhere}td{min-width:9rem;overflow-wrap:break-word}td.short{min-width:0;white-space:nowrap}.message{margin:0 0 1.5rem}.code,footer{color:var(--faint);font-size:.85rem}
.badge{font-size:.8rem;font-weight:600;padding:.15rem .6rem;border-radius:1rem;border:1px solid currentColor;vertical-align:middle}
.pass{color:var(--good)}.missed,.unhealthy{color:var(--bad)}.error{color:var(--odd)}
figure{margin:0}figure svg{width:100%;height:auto;border:1px solid var(--line);border-radius:6px}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--faint);font-weight:600;font-size:.85rem}tbody tr:nth-child(even){background:var(--stripe)}footer{margin:2rem 0;border-top:1px solid var(--line);padding-top:.5rem}
</style>`;
