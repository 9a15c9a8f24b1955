import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { containerTarget, listCommand } from '../../../src/formation/command-line.ts';
import { formationOf } from '../builders.ts';

describe('the command lines that people are told', () => {
  const elsewhere = formationOf('incus: { remote: rack, project: teams }\n');

  it('are for the remote and the project of the formation', () => {
    expect(containerTarget(elsewhere, 'pgaf-monitor')).toBe('rack:pgaf-monitor --project teams');
    expect(listCommand(elsewhere, 'network')).toBe('incus network list rack: --project teams');
    expect(listCommand(formationOf('{}'), 'image')).toBe('incus image list --project default');
    expect(listCommand(elsewhere, 'cluster')).toBe('incus cluster list rack:');
  });

  it('leave out neither anywhere: no other place writes one', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
      (path) =>
        // What Incus itself did is no advice.
        path.endsWith('.ts') && !['incus/client.ts', 'incus/images.ts'].includes(path),
    );
    const verbs =
      'exec|start|stop|resume|restart|delete|export|info|config \\w+|network \\w+|image \\w+|profile \\w+';
    // A server as such, whose name ends with the colon, is of no project.
    const bare = new RegExp(
      `\\bincus (?:${verbs})(?: --force)? (?!\\$\\{(?:this\\.target|containerTarget|on|word\\(\`\\S+:\`\\))[\\(}])[\\\\\`\\w$]`,
    );
    const found = sources.flatMap((path) =>
      readFileSync(join('src', path), 'utf8')
        .split('\n')
        .filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line) && bare.test(line) && !line.includes('--project'))
        .map((line) => `${path}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});
