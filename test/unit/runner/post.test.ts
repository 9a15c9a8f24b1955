import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exposedText, readExposed } from '../../../actions/failover-drill/exposed-state.ts';
import { markText } from '../../../src/faults/mark.ts';
import { drillMarkKey } from '../../../src/incus/labels.ts';
import { type Compiled, compileSources } from '../../compiled.ts';
import { builtInFormation, formationOf } from '../builders.ts';

/** The post step of a drill that was killed: the formation's file may be gone by then. The client of Incus is a script here. */

const drill = '0123456789ab';
let compiled: Compiled;
let folder: string;
beforeAll(() => {
  compiled = compileSources();
  folder = mkdtempSync(join(tmpdir(), 'pgha-post-'));
  const instance = JSON.stringify({
    name: 'pgaf-primary',
    status: 'Running',
    config: { [drillMarkKey]: markText({ drill, fault: 'stop' }, 0) },
  });
  writeFileSync(
    join(folder, 'incus'),
    `#!/bin/sh
case "$*" in
  *instances?recursion*) echo '[${instance}]' ;;
  *query*instances/pgaf-primary*) echo '${instance}' ;;
  *config*unset*) echo "$*" >> '${folder}/calls' ;;
esac
`,
  );
  chmodSync(join(folder, 'incus'), 0o755);
}, 180_000);
afterAll(() => {
  compiled.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function post(state: string) {
  writeFileSync(join(folder, 'calls'), '');
  const script = `
    const { failoverDrillPost } = await import(${JSON.stringify(compiled.url('../actions/failover-drill/post'))});
    console.log('ended with ' + (await failoverDrillPost()));`;
  const env = {
    PATH: `${folder}:${process.env['PATH']}`,
    GITHUB_WORKSPACE: join(folder, 'gone'),
    INPUT_FORMATION: 'formation.yml',
    STATE_exposed: state,
  };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env,
  });
  return { log: stdout, calls: readFileSync(join(folder, 'calls'), 'utf8') };
}

describe('the post step', () => {
  it("undoes the fault without the formation's file, which is gone with its folder", async () => {
    const { log, calls } = await post(exposedText(drill, builtInFormation()));
    expect(log).toContain('pgaf-primary bore the mark of an interrupted drill; it was brought back');
    expect(log).toContain('ended with pass');
    expect(calls).toContain(`local:pgaf-primary ${drillMarkKey}`);
  });

  it('reads the file where an earlier release has left the id of the drill alone', async () => {
    const { log, calls } = await post(drill);
    expect(log).toContain('cannot read formation.yml');
    expect(log).toContain('ended with error');
    expect(calls).toBe('');
  });
});

describe('what main leaves to it', () => {
  it('says where the formation is, however large its file', () => {
    const settings = Array.from({ length: 500 }, (_, n) => `app.n${n}: "${'x'.repeat(400)}"`).join(', ');
    const text = exposedText(
      drill,
      formationOf(`incus: { remote: far, project: ha }\npostgres: { settings: { ${settings} } }`),
    );
    expect(text.length).toBeLessThan(1000);
    expect(readExposed(text)).toEqual({
      drill,
      remote: 'far',
      project: 'ha',
      containers: ['pgaf-monitor', 'pgaf-primary', 'pgaf-replica'],
    });
  });

  it.each([drill, '', '{', '[]', '{"drill":"a","remote":"a b","project":"p","containers":[]}'])(
    'is no more than that: %s',
    (text) => expect(readExposed(text)).toBeUndefined(),
  );
});
