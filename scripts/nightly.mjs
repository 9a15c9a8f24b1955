// Writes the composite action: nightly/action.yml for Gitea and Forgejo, nightly/github/action.yml for GitHub. They differ in
// upload-artifact alone: github.com refuses a job that names v3 anywhere, even under an `if` that is false, and most of
// the others know no v4.
//
// Its inputs are those of the root action and its own, its outputs those of the root action. It names its siblings by the
// exact tag of this version (package.json), so that the version that is pinned is the one that runs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const read = (...path) => readFileSync(join(...path), 'utf8');

const own = `  provision:
    description: "Whether the formation is first brought to its file, as provision-pgaf does with mode: apply."
    default: "false"
  artifact-name:
    description: Name of the artifact that holds the reports.
    default: failover-drill
  webhook:
    description: Address that is told when something did not pass, from your vault; empty for nobody.
    default: ""
  webhook-format:
    description: "text posts the message as plain text; json posts {\\"text\\": …}, as Slack and Mattermost take it."
    default: text
`;

/** What provision-pgaf finds as its mode where `provision` is no word for yes or no. */
const neither = 'the input provision of nightly is neither true nor false';

const inputsIn = (text) => /^inputs:\n((?: {2}.*\n)*)/m.exec(text)[1];
const step = (name) => `\${{ ${name} }}`;

/** @param ours what each sibling is given: those of its inputs that nightly has */
function stepsOf(tag, artifacts, ours) {
  const sibling = (action) => `veza/pgha/${action}@${tag}`;
  const passedOn = (action) =>
    ours(action)
      .map((name) => `        ${name}: ${step(`inputs.${name}`)}\n`)
      .join('');
  const last = (output) =>
    step(['drill', 'check', 'provision'].map((id) => `steps.${id}.outputs.${output}`).join(' || '));
  const folder = step("inputs.report-folder || 'pgha-reports'");
  const reports = ['provision-pgaf', 'check-formation', 'failover-drill'];
  return `    # Anything else than true or false is refused there, as every other input is.
    - id: provision
      if: inputs.provision != 'false' && inputs.replay == ''
      uses: ${sibling('provision-pgaf')}
      with:
        mode: ${step(`inputs.provision == 'true' && 'apply' || '${neither}'`)}
${passedOn('provision-pgaf')}    - id: check
      if: inputs.replay == ''
      uses: ${sibling('check-formation')}
      with:
${passedOn('check-formation')}    - id: drill
      uses: ${sibling('failover-drill')}
      with:
${passedOn('failover-drill')}    # The reports alone, whatever folder was said: a bare "/" would be all that the runner has.
    - id: upload
      if: always()
      uses: actions/upload-artifact@${artifacts}
      with:
        name: ${step('inputs.artifact-name')}
        path: |
${reports.map((report) => `          ${folder}/${report}*.*\n`).join('')}        if-no-files-found: ignore
    - if: (failure() || cancelled()) && inputs.webhook != ''
      uses: ${sibling('alert')}
      with:
        webhook: ${step('inputs.webhook')}
        format: ${step('inputs.webhook-format')}
        results: |
          provision-pgaf: ${step('steps.provision.outcome')}
          check-formation: ${step('steps.check.outcome')}
          failover-drill: ${step('steps.drill.outcome')}
          upload of the reports: ${step('steps.upload.outcome')}
        formation: ${step("inputs.formation || 'the built-in formation'")}
        outcome: ${last('outcome')}
        message: ${last('message')}
        rto-seconds: ${step('steps.drill.outputs.rto-seconds')}
        token: ${step('github.token')}
        report-folder: ${step('inputs.report-folder')}
    # act's, Gitea's and Forgejo's runners take the outputs of whatever ran last for those of the whole; this has none.
    - if: always()
      shell: sh
      run: ':'
`;
}

/** Where an output of the composite comes from: the last step that has it and ran. */
function sourceOf(output, outputsOf) {
  const steps = { drill: 'failover-drill', check: 'check-formation', provision: 'provision-pgaf' };
  const writers = Object.entries(steps).filter(([, action]) => outputsOf(action).includes(output));
  return step(writers.map(([id]) => `steps.${id}.outputs.${output}`).join(' || '));
}

export function writeNightly() {
  const tag = `v${JSON.parse(read('package.json')).version}`;
  const root = read('action.yml');
  const file = (action) => parse(read('actions', action, 'action.yml'));
  const names = Object.keys(parse(root).inputs);
  const ours = (action) => Object.keys(file(action).inputs).filter((name) => names.includes(name));
  const outputs = Object.entries(parse(root).outputs).map(
    ([name, { description }]) =>
      `  ${name}:\n    description: ${JSON.stringify(description)}\n    value: ${sourceOf(name, (action) => Object.keys(file(action).outputs))}\n`,
  );
  for (const [folder, server, artifacts] of [
    ['nightly', 'Gitea and Forgejo', 'v3'],
    [join('nightly', 'github'), 'GitHub', 'v4'],
  ]) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'action.yml'),
      `# Written by the build (scripts/nightly.mjs); nightly/README.md says how to use it.
name: pgha nightly (${server})
description: Provisions a Postgres HA formation if asked, checks it, drills it, keeps the reports as an artifact, and tells a webhook if something did not pass.
author: Veza
inputs:
${inputsIn(root)}${own}outputs:
${outputs.join('')}runs:
  using: composite
  steps:
${stepsOf(tag, artifacts, ours)}branding:
  icon: moon
  color: blue
`,
    );
  }
}
