import type { Check } from '../check.ts';
import { clientChecks } from './clients.ts';
import { fileChecks } from './file.ts';
import { objectiveChecks } from './objective.ts';
import { reachChecks } from './reach.ts';
import { replicationChecks } from './replication.ts';
import { stateChecks } from './states.ts';
import { storageChecks } from './storage.ts';
import { surroundingChecks } from './surroundings.ts';

/** Every check, in the order in which a person would look. */
export const catalogue: readonly Check[] = [
  ...reachChecks,
  ...stateChecks,
  ...replicationChecks,
  ...clientChecks,
  ...storageChecks,
  ...surroundingChecks,
  ...objectiveChecks,
  ...fileChecks,
];
