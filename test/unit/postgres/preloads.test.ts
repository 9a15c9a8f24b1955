import { describe, expect, it } from 'vitest';
import { filesOf, librariesOf } from '../../../src/postgres/preloads.ts';

const folders = { path: '$libdir:/opt/lib', libdir: '/usr/lib/postgresql/16/lib' };

describe('libraries that a session is to load', () => {
  it.each([
    ['', []],
    ['auto_explain', ['auto_explain']],
    [' auto_explain ,"a, b" , c', ['auto_explain', 'a, b', 'c']],
    ['"with ""quotes"""', ['with "quotes"']],
  ])('%j names %j', (value, names) => {
    expect(librariesOf(value)).toEqual(names);
  });

  it.each([
    ['session_preload_libraries', 'x', ['/usr/lib/postgresql/16/lib/x', '/opt/lib/x']],
    ['session_preload_libraries', '/srv/x', ['/srv/x']],
    ['session_preload_libraries', '$libdir/x', ['/usr/lib/postgresql/16/lib/x']],
    ['local_preload_libraries', 'x', ['/usr/lib/postgresql/16/lib/plugins/x']],
  ])('of %s, %s is looked for where Postgres looks', (setting, library, places) => {
    expect(filesOf(setting, library, folders)).toEqual(places.flatMap((place) => [place, `${place}.so`]));
  });
});
