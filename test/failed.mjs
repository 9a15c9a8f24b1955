// Lists what failed in the reports of vitest that are named, each with the beginning of what it said: where the end of a
// log is all that is kept, this is all there is to go by.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const most = 60;
/** Characters, of all of them together. */
const room = 9000;
const firstLine = (text) => text.split('\n', 1)[0].slice(0, 200);

/** What a test said, without the places in the code; its end is kept as well, since a command's own words come last. */
function said(text, size) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colors
  const plain = text.replace(/\x1b\[[0-9;]*m/g, '').replace(/\n\s+at .*/g, '');
  if (plain.length <= size) return plain;
  const half = Math.max(100, Math.floor(size / 2));
  return `${plain.slice(0, half)} … ${plain.slice(-half)}`;
}

function failedIn(report) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, 'utf8')).testResults;
  } catch (error) {
    return [{ what: report, text: firstLine(error.message) }];
  }
  return results.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative('.', name);
    const tests = assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => ({ what: `${file} > ${test.fullName}`, text: test.failureMessages[0] ?? '' }));
    // One that fails outside its tests has none.
    return status === 'failed' && tests.length === 0 ? [{ what: file, text: message }] : tests;
  });
}

const failed = process.argv.slice(2).flatMap(failedIn);
const size = Math.max(200, Math.floor(room / Math.max(1, failed.length)));
for (const { what, text } of failed.slice(0, most)) console.log(`${what}: ${said(text, size)}`);
if (failed.length > most) console.log(`and ${failed.length - most} more`);
