import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { runFromTerminal } from '../../../src/runner/terminal.ts';

const actionYml = `description: Does what its inputs say.
inputs:
  do-this: { description: What main does., default: nothing }
  count-seconds: { description: A number., default: "60" }
  app-password: { description: A secret., default: "" }
outputs:
  seen: { description: The inputs that main saw. }
runs: { main: main.mjs, post: post.mjs }
`;

const mainScript = `import { appendFileSync } from 'node:fs';
const input = (name) => process.env['INPUT_' + name.toUpperCase()];
const seen = ['do-this', 'count-seconds', 'app-password'].map(input).join('|');
appendFileSync(process.env.GITHUB_OUTPUT, 'seen<<E\\n' + seen + '\\nE\\nexit-code=0\\n');
appendFileSync(process.env.GITHUB_STEP_SUMMARY, '### summary');
console.log('::debug::detail');
console.log('::add-mask::hunter2');
console.log('the password is hunter2');
console.log('::warning::the server said%0A::stop-commands::x');
if (input('do-this') === 'expose') appendFileSync(process.env.GITHUB_STATE, 'exposed=abc\\n');
if (input('do-this') === 'miss') process.exitCode = 2;
`;
const postScript = "console.log('post saw ' + process.env.STATE_exposed); process.exitCode = 3;\n";

let root = '';
let printed = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
  for (const name of ['demo', 'broken']) {
    mkdirSync(join(root, 'actions', name), { recursive: true });
    writeFileSync(join(root, 'actions', name, 'action.yml'), actionYml);
    writeFileSync(join(root, 'actions', name, 'post.mjs'), postScript);
  }
  writeFileSync(join(root, 'actions', 'demo', 'main.mjs'), mainScript);
  writeFileSync(join(root, 'actions', 'broken', 'main.mjs'), "import './absent.mjs';\n");
  writeFileSync(join(root, 'secret'), 'hunter2\n');
});
afterAll(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  printed = '';
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
  }
  return () => void vi.restoreAllMocks();
});

const pgha = (...args: string[]) => runFromTerminal(args, root, ['app-password']);

describe('an action from a terminal', () => {
  it("has the defaults of action.yml, and its exit code is main's", async () => {
    const outputs = join(root, 'outputs.json');
    const summary = join(root, 'summary.md');
    expect(await pgha('demo', '--outputs', outputs, `--summary=${summary}`)).toBe(0);
    expect(JSON.parse(readFileSync(outputs, 'utf8'))).toEqual({ seen: 'nothing|60|', 'exit-code': '0' });
    expect(readFileSync(summary, 'utf8')).toBe('### summary');
    expect(printed).toMatch(/outputs:\n {2}seen += nothing\|60\|\n/);
    expect(await pgha('demo', '--do-this', 'miss')).toBe(2);
  });

  it('takes what is empty in the environment for empty, as a runner does', async () => {
    vi.stubEnv('INPUT_COUNT_SECONDS', '');
    try {
      await pgha('demo');
    } finally {
      vi.unstubAllEnvs();
    }
    expect(printed).toMatch(/seen += nothing\|\|/);
  });

  it('takes inputs as flags, from files, and from the environment as a shell names it', async () => {
    vi.stubEnv('INPUT_COUNT_SECONDS', '45');
    try {
      await pgha('demo', '--do-this=a=b', '--app-password-file', join(root, 'secret'));
    } finally {
      vi.unstubAllEnvs();
    }
    expect(printed).toMatch(/seen += a=b\|45\|/);
  });

  it('shows neither what is masked nor, unless asked, the debug log', async () => {
    await pgha('demo');
    expect(printed).toContain('the password is ***\n');
    expect(printed).not.toMatch(/hunter2|detail/);
    await pgha('demo', '--debug');
    expect(printed).toContain('debug: detail\n');
  });

  it('passes no order on to a runner that reads what it prints', async () => {
    await pgha('demo', '--do-this', 'a\n::add-mask::b');
    expect(printed).toContain('warning: the server said\n: :stop-commands::x\n');
    expect(printed).toMatch(/seen += a\n: :add-mask::b/);
    expect(printed).not.toMatch(/^\s*::/m);
  });

  it('runs post when main left something to undo, and the higher code stands', async () => {
    expect(await pgha('demo')).toBe(0);
    expect(printed).not.toContain('post saw');
    expect(await pgha('demo', '--do-this', 'expose')).toBe(3);
    expect(printed).toContain('post saw abc\n');
  });

  it('says so where there is no folder for what is temporary', async () => {
    vi.stubEnv('TMPDIR', join(root, 'absent'));
    try {
      expect(await pgha('demo')).toBe(3);
    } finally {
      vi.unstubAllEnvs();
    }
    expect(printed).toBe(
      `pgha: no folder can be made in ${join(root, 'absent')} (ENOENT: no such file or directory): make it, or name another in TMPDIR\n`,
    );
  });

  it('that does not even start could not run: 3, not the 1 that means an unhealthy formation', async () => {
    expect(await pgha('broken')).toBe(3);
  });
});

describe('a command line that is wrong runs nothing, ends with 3 and says what is right', () => {
  it.each([
    ['an action that is not there', ['drill'], /there is no action "drill"; there are .*demo/],
    ['an action up a folder', ['../actions/demo'], /there is no action/],
    [
      'a flag that is not known',
      ['demo', '--do-that', 'x'],
      /--do-that is not known; demo takes --do-this, /,
    ],
    ['a word without a flag', ['demo', 'x'], /x is not known/],
    ['a flag without its value', ['demo', '--do-this'], /--do-this needs a value/],
    ['outputs without a file', ['demo', '--outputs'], /--outputs needs a value/],
    ['a file that is not there', ['demo', '--do-this-file', '/absent'], /--do-this-file: .*no such file/],
    ['nothing at all', [], /pgha demo +Does what its inputs say/],
  ])('%s', async (_, args, expected) => {
    expect(await pgha(...args)).toBe(3);
    expect(printed).toMatch(expected);
    expect(printed).not.toContain('outputs:\n');
  });

  it('with a secret in it, which is not repeated', async () => {
    for (const args of [['--app-password', 'hunter2'], ['--app-password=hunter2']]) {
      expect(await pgha('demo', ...args)).toBe(3);
      expect(printed).toMatch(/--app-password would show the secret .*INPUT_APP_PASSWORD/);
      expect(printed).not.toContain('hunter2');
    }
  });

  it('with a secret behind a flag that is misspelt, which is not repeated', async () => {
    for (const args of [
      ['--app-pasword', 'hunter2'],
      ['--app-pasword=hunter2'],
      ['--App_Password=hunter2'],
      ['-app-password', 'hunter2'],
    ]) {
      expect(await pgha('demo', ...args)).toBe(3);
      expect(printed).toMatch(/(?:is --app-password meant\?|would show the secret)/);
      expect(printed).not.toContain('hunter2');
    }
  });

  it('with a secret in place of its file, or behind no flag at all, which is not repeated', async () => {
    for (const args of [['--app-password-file', 'hunter2'], ['app-password=hunter2']]) {
      expect(await pgha('demo', ...args)).toBe(3);
      expect(printed).toMatch(
        /--app-password-file: cannot read what it names, a path: no such file|app-password=… is not known/,
      );
      expect(printed).not.toContain('hunter2');
    }
  });

  it('with an input in the environment that is misspelt', async () => {
    vi.stubEnv('INPUT_COUNT_SECOND', '45');
    vi.stubEnv('INPUT_METHOD', 'ibus');
    vi.stubEnv('INPUT_OF_SOMEBODY_ELSE', 'x');
    try {
      expect(await pgha('demo')).toBe(3);
    } finally {
      vi.unstubAllEnvs();
    }
    expect(printed).toMatch(/^pgha: environment: input count_second: .*is count-seconds meant\?/);
    expect(printed).not.toMatch(/METHOD|somebody/i);
  });

  it('for outputs that nobody could read is told before anything runs', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    for (const path of [join(root, 'pipe'), join(root, 'no', 'such', 'folder'), root]) {
      expect(await pgha('demo', '--outputs', path)).toBe(3);
      expect(printed).toMatch(
        /--outputs: cannot write .*: (?:it is a pipe that nobody reads|no such file|it is a folder)/,
      );
      expect(printed).not.toContain('outputs:\n');
      printed = '';
    }
    expect(await pgha('demo', '--do-this-file', join(root, 'pipe'))).toBe(3);
    expect(printed).toContain('a pipe that nobody writes to');
  });

  it('in several places is told in one go', async () => {
    expect(await pgha('demo', '--bogus', '--app-password=x', '--do-this')).toBe(3);
    expect(printed.match(/^pgha: /gm)).toHaveLength(3);
  });
});

describe('help', () => {
  it('lists the actions, and the inputs of one with their defaults', async () => {
    expect(await pgha('--help')).toBe(0);
    expect(printed).toContain('  pgha demo               Does what its inputs say.\n');
    expect(await pgha('demo', '--help')).toBe(0);
    expect(printed).toMatch(/--count-seconds VALUE +A number\. Default: 60/);
    expect(printed).toMatch(/--app-password-file PATH +A secret\./);
  });
});
