import type { Check } from '../check.ts';
import { clientChecks } from './clients.ts';
import { clusterSettings } from './cluster-settings.ts';
import { failureDomains, hostsOnline, placementMatchesFile } from './hosts.ts';
import { walAgrees } from './lineage.ts';
import { fileChecks } from './matches-file.ts';
import { objectiveChecks } from './objective.ts';
import { ownSessions } from './own-sessions.ts';
import { reachChecks } from './reach.ts';
import { replicationChecks } from './replication.ts';
import { stateChecks } from './states.ts';
import { storageChecks } from './storage.ts';
import { surroundingChecks } from './surroundings.ts';

/** Every check, in the order in which a person would look. */
export const checkCatalogue: readonly Check[] = [
  hostsOnline,
  ...reachChecks,
  ownSessions,
  ...stateChecks,
  walAgrees,
  ...replicationChecks,
  ...clientChecks,
  ...storageChecks,
  ...surroundingChecks,
  ...objectiveChecks,
  failureDomains,
  placementMatchesFile,
  clusterSettings,
  ...fileChecks,
];
