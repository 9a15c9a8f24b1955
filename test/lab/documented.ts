import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The command lines of the documents, as a reader would copy them. */

const root = resolve(import.meta.dirname, '..', '..');

/** What a reader types at a prompt begins with one of these, and has more to it. */
const typed =
  /^(?:[A-Z][A-Z_]+=\S+ )*(?:\.\/pgha|incus|pg_autoctl|on_monitor|on_node|psql|npx|npm|lab\/lab|eval|usermod|git|\.\/config\.sh|\.\/svc\.sh) ./;

const functionOfSeveralLines = /^\w+\(\) \{\n[\s\S]*?^\}\n/gm;

/** Every document but the list of what changed, which tells of what was. */
export function documents(): string[] {
  const listed = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).split('\n');
  return listed.filter((path) => path !== '' && path !== 'CHANGELOG.md');
}

/** The command lines of one document: each of its `sh` blocks, and those amid its text. */
export function commandsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const found: string[] = [];
  const rest = text.replace(/^```(\w*)\n([\s\S]*?)^```$/gm, (_, language: string, block: string) => {
    if (language !== 'sh') return '';
    const lines = block.replace(functionOfSeveralLines, (text) => {
      found.push(text.trim());
      return '';
    });
    for (const line of lines.replace(/\\\n\s*/g, '').split('\n')) {
      const command = line.replace(/(?:^|\s+)# .*$/, '').trim();
      if (command !== '') found.push(command);
    }
    return '';
  });
  for (const [, span = ''] of rest.matchAll(/`([^`]+)`/g)) {
    const command = span.replace(/\s*\n\s*/g, ' ');
    if (typed.test(command)) found.push(command);
  }
  return [...new Set(found)];
}

/** What test/lab/existing-formation.test.ts runs, in this order. */
export const ofAnExistingFormation = ['./pgha adopt --monitor pgaf-monitor'] as const;

/** Theirs is a lab of another kind. */
const onACluster = 'test/cluster/lab.test.ts runs it, or its like, in a cluster';

/** Why a command line of the documents is not run by test/lab/documents.test.ts, by command line. */
export const notRun: Readonly<Record<string, string>> = {
  './pgha demo': 'it raises a lab of its own, and its three actions are run here',
  './pgha test': 'this is one of its tests',
  './pgha test static': 'it is run beside this one',
  './pgha test unit': 'it is run beside this one',
  './pgha test lab': 'this is one of its tests',
  './pgha test runner': 'it is run beside this one',
  './pgha test cluster': 'it has a command of its own, which is not part of ./pgha test',
  './pgha demo --members 3': 'test/cluster/documents.test.ts runs it',
  'npm run build': 'the static tests run it',
  './pgha lab down': 'other tests need this lab; test/lab/lab.test.ts takes one down',
  'lab/lab up --members 3': onACluster,
  'incus cluster list': onACluster,
  './pgha check-formation --formation lab/formations/debian-12-hosts.yml':
    'test/cluster/half-gone.test.ts runs its like, in a cluster',
  'lab/lab host kill m2': onACluster,
  'lab/lab host boot m2': onACluster,
  'lab/lab host cut m3': onACluster,
  'lab/lab host heal m3': onACluster,
  'lab/lab host kill --incusd m1': onACluster,
  'lab/lab host delay m2 10ms': onACluster,
  'lab/lab down': 'other tests need this lab; test/lab/lab.test.ts takes one down',
  'PGHA_TEST_RUNNER=gitea ./pgha test runner': 'it needs a runner that is not on this machine',
  "PGHA_TEST_RUNNER='act_runner exec --event {event} --workflows {workflow} --image=-self-hosted --debug --default-actions-url {server} --secret APP_PASSWORD --secret USER_PASSWORDS --secret ALERT_WEBHOOK' ./pgha test runner":
    'it needs a runner that is not on this machine',
  'PGHA_TEST_SERVERS=/var/cache/pgha-servers PGHA_TEST_RUNNER=gitea-server ./pgha test runner':
    'it needs a server that is not on this machine',
  './pgha release 1.2.3 --dry-run': 'test/unit/release.test.ts runs it in a repository of its own',
  './pgha release 1.2.3 --push': 'test/unit/release.test.ts runs it in a repository of its own',
  './pgha release --verify v1.2.3': 'test/unit/release.test.ts runs it in a repository of its own',
  './pgha release --notes 1.2.3': 'test/unit/release.test.ts runs it in a repository of its own',
  'git push --atomic github main v1.2.3 +v1': 'it needs a mirror on GitHub',
  'PGHA_KILLS=50 PGHA_SEED=2026 npx vitest run --project lab test/lab/faults-killed.test.ts':
    'it takes hours; the lab tests have a few kills of it',
  'PGHA_TESTS=all npx vitest run --project lab test/lab/client-uri.test.ts':
    'the lab tests themselves, which a run of all has',
  'PGHA_SCALE=1000 npx vitest run --project cluster test/cluster/scale.test.ts': onACluster,
  'PGHA_RUNS=5 npx vitest run --project lab test/lab/prediction.test.ts':
    'it takes an hour; the lab tests have one run of it',
  'PGHA_RUNS=5 npx vitest run --project lab test/lab/timings.test.ts':
    'it takes an hour; the lab tests have one run of it',
  'incus image copy images:ubuntu/22.04 local: --target-project pgha --copy-aliases':
    'the lab reaches no image server',
  'usermod -aG incus RUNNER-USER': "it changes this machine's users",
  './config.sh --labels self-hosted': "it is a program of GitHub's runner",
  './svc.sh install RUNNER-USER': "it is a program of GitHub's runner",
  // Named in the text, without what they are done to.
  'incus exec': 'named only',
  'incus stop --force': 'named only',
  'incus start': 'named only',
  'incus pause': 'named only',
  'incus resume': 'named only',
  'incus restart': 'named only',
  'incus remote add': 'named only',
  'incus cluster edit': 'named only',
  'incus cluster evacuate': 'named only',
  'incus cluster remove --force': 'named only',
  'incus cluster restore': 'named only',
  'pg_autoctl do …': 'named only',
  'pg_autoctl show state': 'named only; on_monitor of docs/operations.md runs it in a container',
};
