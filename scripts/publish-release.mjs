// publish-release.mjs TAG NOTES: makes the release of a tag by the API that Gitea, Forgejo and GitHub have in common;
// does nothing where it is there already. Environment: GITHUB_API_URL, GITHUB_REPOSITORY, TOKEN.
import { readFileSync } from 'node:fs';

const [tag, notes] = process.argv.slice(2);
const { GITHUB_API_URL, GITHUB_REPOSITORY, TOKEN } = process.env;
const releases = `${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/releases`;

async function call(method, url, body) {
  return await fetch(url, {
    method,
    headers: { Authorization: `token ${TOKEN}`, 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
}

const found = await call('GET', `${releases}/tags/${tag}`);
if (found.ok) {
  console.log(`the release ${tag} is there already`);
} else {
  const made = await call('POST', releases, { tag_name: tag, name: tag, body: readFileSync(notes, 'utf8') });
  if (!made.ok) {
    console.error(
      `the release ${tag} could not be made: ${made.status} ${(await made.text()).slice(0, 300)}`,
    );
    process.exitCode = 3;
  } else console.log(`the release ${tag} is published`);
}
