import type { HbaRule } from '../postgres/hba-rules.ts';
import type { Configuration } from './look.ts';
import type { FormationRow, NodeFound, NodeRow } from './read.ts';

/** A formation as it was found, whoever made it: plain data that its file is made of. */
export interface Found {
  incus: { remote: string; project: string };
  formation: Omit<FormationRow, 'nodes'>;
  /** Other formations that have nodes on the same monitor. */
  others: string[];
  clocks: Record<string, number>;
  monitor: FoundMember & { hbaRules: HbaRule[] };
  /** In order of registration. */
  nodes: FoundNode[];
}

export interface FoundMember {
  container: string;
  /** What the others reach it by. */
  host: string;
  pgdata: string;
  /** The systemd service that runs pg_autoctl; '' where none does. */
  unit: string;
  port: number;
  /** Text of its pg_autoctl.cfg. */
  keeperConfig: string;
  postgresVersion: number;
  certificate: Configuration['certificate'];
  /** Distribution and release: `debian 12`. */
  system: string;
  packages: Record<string, string>;
}

export interface FoundNode extends FoundMember {
  row: NodeRow;
  /** What its Postgres says; undefined where it does not answer. */
  postgres: NodeFound | undefined;
}
