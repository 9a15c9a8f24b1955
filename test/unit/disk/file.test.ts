import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendHistory, readHistory, tryHistory } from '../../../src/campaign/drill-history.ts';
import { replayed } from '../../../src/campaign/replay.ts';
import {
  openAnything,
  openToAppend,
  readText,
  readTextOrPipe,
  waitsForReader,
  writeText,
} from '../../../src/disk/file.ts';
import { makeFolder } from '../../../src/disk/folder.ts';
import { readJournal } from '../../../src/evidence/journal.ts';
import { loadFormation } from '../../../src/formation/file/load.ts';
import { compileSources } from '../../compiled.ts';

/** Whatever a user's path names, nothing waits for it. Before, all of these hung or never ended. */

let folder = '';
const at = (name: string) => join(folder, name);
const server = createServer();
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-disk-'));
  execFileSync('mkfifo', [at('pipe')]);
  symlinkSync(at('pipe'), at('to-pipe'));
  symlinkSync(at('nowhere'), at('dangling'));
  symlinkSync(at('circle'), at('circle'));
  writeFileSync(at('file'), 'héllo\n');
  await new Promise<void>((done) => server.listen(at('socket'), done));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const odd: [string, RegExp][] = [
  ['pipe', /^it is a pipe, not a file$/],
  ['to-pipe', /^it is a pipe, not a file$/],
  ['socket', /^it is a socket, not a file$/],
  ['.', /^it is a folder, not a file$/],
  ['/dev/zero', /^it is a device, not a file$/],
  ['circle', /^its links lead in a circle$/],
  ['file/x', /^something in its path is not a folder$/],
  ['a\0b', /^it is no path$/],
];
const path = (name: string) => (name.startsWith('/') ? name : at(name));

describe.each(odd)('%j is told for what it is', (name, why) => {
  it.each([
    ['read', () => readText(path(name), 100)],
    ['appended to', () => openToAppend(path(name))],
    ['written', () => writeText(path(name), 'x')],
  ])('when it is to be %s', (_, use) => {
    expect(use).toThrow(why);
  });

  it('as a history, a replay, a journal and a formation', () => {
    const said = new RegExp(why.source.slice(1, -1));
    for (const use of [readHistory, tryHistory, readJournal]) expect(() => use(path(name))).toThrow(said);
    expect(() => appendHistory(path(name), {} as Parameters<typeof appendHistory>[1])).toThrow(said);
    const silent = { info() {}, warn() {}, debug() {} };
    expect(() => replayed(path(name), silent)).toThrow(said);
    expect(() => loadFormation(path(name), folder)).toThrow(said);
  });
});

describe('a file', () => {
  it('is read whole, up to a size', () => {
    expect(readText(at('file'), 7)).toBe('héllo\n');
    expect(() => readText(at('file'), 6)).toThrow('it has 7 bytes; at most 6 are read');
    const large = 'x'.repeat(3_000_000);
    writeText(at('large'), large);
    expect(readText(at('large'), 3_000_000)).toBe(large);
  });

  it('that says it is empty and is not, as in /proc, is read whole and bounded as well', () => {
    expect(readText('/proc/self/status', 100_000)).toContain('Pid:');
    expect(() => readText('/proc/self/status', 10)).toThrow(/at most 10 are read/);
  });

  it('that is not there is told, and so is a link that leads nowhere', () => {
    expect(() => readText(at('none'), 10)).toThrow('no such file');
    expect(() => readText(at('dangling'), 10)).toThrow('it is a link that leads nowhere');
  });

  it('is appended to, and made where there is none', () => {
    for (const text of ['a', 'b']) {
      const file = openToAppend(at('grows'));
      writeSync(file, text);
      closeSync(file);
    }
    expect(readFileSync(at('grows'), 'utf8')).toBe('ab');
  });
});

describe('a pipe that may be named', () => {
  it('is read to its end', async () => {
    const writing = spawn(
      'sh',
      [
        '-c',
        `exec 3<>'${at('pipe')}'; echo ready; for part in hunter 2; do sleep 0.2; printf $part >&3; done; sleep 0.2`,
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    await new Promise((done) => writing.stdout?.once('data', done));
    expect(readTextOrPipe(at('pipe'), 100, 10_000)).toBe('hunter2');
  });

  it('is not waited for where nobody is at its other end', () => {
    expect(() => readTextOrPipe(at('pipe'), 100, 10_000)).toThrow('a pipe that nobody writes to');
    expect(() => openAnything(at('pipe'))).toThrow('a pipe that nobody reads');
    expect(waitsForReader(at('pipe'))).toBe(true);
    for (const other of ['', at('none'), at('file'), '/dev/null']) expect(waitsForReader(other)).toBe(false);
  });

  it('is given up where its other end is silent', async () => {
    const holding = spawn('sh', ['-c', `exec 3<>'${at('pipe')}'; echo ready; sleep 20`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await new Promise((done) => holding.stdout?.once('data', done));
      expect(() => readTextOrPipe(at('pipe'), 100, 200)).toThrow('does not come to its end');
    } finally {
      holding.kill();
    }
  });
});

describe('a folder that several runs make at once', () => {
  it('is there for each of them', async () => {
    const compiled = compileSources();
    const script = `
      const { makeFolder } = await import(${JSON.stringify(compiled.url('disk/folder'))});
      while (Date.now() < Number(process.argv[2])) {}
      for (let n = 0; n < 500; n++) makeFolder(process.argv[1] + '/race/' + n + '/a/b');`;
    const startAt = String(Date.now() + 3000);
    try {
      const runs = Array.from({ length: 3 }, () =>
        promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, folder, startAt]),
      );
      await Promise.all(runs);
    } finally {
      compiled.remove();
    }
    expect(readdirSync(at('race'))).toHaveLength(500);
  });

  it('is not a file of that name', () => {
    symlinkSync(at('nowhere'), at('no-folder'));
    expect(() => makeFolder(at('no-folder'))).toThrow(/EEXIST/);
  });
});
