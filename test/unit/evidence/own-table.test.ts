import { describe, expect, it } from 'vitest';
import { tableColumns } from '../../../src/evidence/table/drill-table.ts';
import { type TableLook, tableProblems } from '../../../src/evidence/table/own-table.ts';

const schema: NonNullable<TableLook['schema']> = {
  owner: 'postgres',
  isOwn: true,
  creators: [],
  isOpen: true,
};
const table: NonNullable<TableLook['table']> = {
  owner: 'postgres',
  isOwn: true,
  isOrdinary: true,
  triggers: 0,
  rules: 0,
  policies: 0,
  relatives: 0,
  constraints: 0,
  indexes: 0,
  columns: tableColumns,
  hangers: [],
  isOpen: true,
};
const problems = (changed: { schema?: object; table?: object | null }) =>
  tableProblems({
    schema: { ...schema, ...changed.schema },
    table: changed.table === null ? null : { ...table, ...changed.table },
    events: [],
  });

describe("the drill's table", () => {
  it('may be touched by a superuser where it is his own, or where there is none', () => {
    expect(problems({})).toEqual([]);
    expect(problems({ table: null })).toEqual([]);
    expect(tableProblems({ schema: null, table: null, events: [] })).toEqual([]);
  });

  it.each<[string, Parameters<typeof problems>[0], string]>([
    [
      'whose schema is another role’s',
      { schema: { owner: 'veza', isOwn: false } },
      'schema pgha belongs to veza',
    ],
    [
      'whose schema is another role’s, and that is not there',
      { schema: { owner: 'veza', isOwn: false }, table: null },
      'schema pgha belongs to veza',
    ],
    [
      'in whose schema others may create',
      { schema: { creators: ['everybody'] } },
      'everybody may create in schema pgha',
    ],
    ['that is another role’s', { table: { owner: 'veza', isOwn: false } }, 'pgha.drill belongs to veza'],
    [
      'that is a view, foreign, unlogged or a partition',
      { table: { isOrdinary: false } },
      'pgha.drill is no ordinary table',
    ],
    ['with a trigger', { table: { triggers: 1 } }, "pgha.drill has triggers that are none of the drill's"],
    [
      'with rules and policies',
      { table: { rules: 1, policies: 2 } },
      "pgha.drill has rules and policies that are none of the drill's",
    ],
    [
      'with a check or an index on an expression',
      { table: { constraints: 1, indexes: 1 } },
      "pgha.drill has constraints and indexes that are none of the drill's",
    ],
    ['with a child', { table: { relatives: 1 } }, 'pgha.drill has parts or is a part of another table'],
    [
      'that others may hang triggers onto',
      { table: { hangers: ['veza'] } },
      'veza may hang triggers or foreign keys onto pgha.drill',
    ],
    [
      'with a default of another kind',
      { table: { columns: ['run text NOT NULL DEFAULT public.f()', ...tableColumns.slice(1)] } },
      'pgha.drill has the columns (run text NOT NULL DEFAULT public.f(), connection text NOT NULL, seq integer NOT NULL, at timestamp with time zone NOT NULL DEFAULT now())',
    ],
    ['with no columns', { table: { columns: null } }, 'pgha.drill has the columns ()'],
  ])('may not be touched by a superuser %s', (_, changed, problem) => {
    expect(problems(changed)).toEqual([problem]);
  });
});
