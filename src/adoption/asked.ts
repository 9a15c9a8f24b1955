import { nearest } from '../contract/spelling.ts';
import type { Found } from './found.ts';

/** What somebody says of a formation that is there already, where it cannot be found out. */

/** In the order in which they are told. */
export const adoptionKeys = [
  'monitor',
  'formation',
  'nodes',
  'database',
  'user',
  'remote',
  'project',
] as const;
export type AdoptionKey = (typeof adoptionKeys)[number];

/** Each is undefined where it is to be found out, or has its default. */
export interface AdoptionAsked extends Partial<Record<Exclude<AdoptionKey, 'nodes'>, string>> {
  /** Containers by what the monitor calls their nodes. */
  containers: Map<string, string>;
}

/** Takes one key's value over. @returns what is wrong with it, worded to follow the key's name and a colon */
export function takeOver(asked: AdoptionAsked, key: AdoptionKey, value: string): string[] {
  if (key !== 'nodes') {
    asked[key] = value;
    return [];
  }
  return value.split(',').flatMap((pair) => {
    const [, node, container] = /^\s*([^=\s]+)=([^=\s]+)\s*$/.exec(pair) ?? [];
    if (node === undefined || container === undefined)
      return [`${JSON.stringify(pair)} must be NODE=CONTAINER, such as node_1=db1`];
    asked.containers.set(node, container);
    return [];
  });
}

/**
 * What is wrong with the database and the role that somebody says are the application's: a name that no node knows would be
 * made anew, beside the one that was meant. Nothing where no node could be asked. Pure.
 */
export function strangersAsked(
  { nodes }: Pick<Found, 'nodes'>,
  asked: Pick<AdoptionAsked, 'database' | 'user'>,
  named: (key: AdoptionKey) => string,
): string[] {
  const answering = nodes.flatMap(({ postgres }) => (postgres === undefined ? [] : [postgres]));
  if (answering.length === 0) return [];
  const databases = new Set(answering.flatMap((each) => each.databases.map(({ name }) => name)));
  const roles = new Set(answering.flatMap((each) => each.roles.map(({ name }) => name)));
  const told = (key: 'database' | 'user', what: string, known: ReadonlySet<string>) => {
    const name = asked[key];
    if (name === undefined || known.has(name)) return [];
    const meant = nearest(name, [...known]);
    const hint = meant === undefined ? '' : ` (is ${meant} meant?)`;
    const shown = [...known].slice(0, mostShown).join(', ') || 'none';
    return [
      `${named(key)}: there is no ${what} ${JSON.stringify(name.slice(0, 100))}${hint}; there are ${shown}${known.size > mostShown ? ', …' : ''}`,
    ];
  };
  return [
    ...told('database', 'database', databases),
    ...told('user', 'role that may log in and is no superuser', roles),
  ];
}

const mostShown = 10;
