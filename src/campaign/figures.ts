import { predictedFor } from '../drill/predicted.ts';
import type { CampaignRecord, JudgedDrill } from './campaign-record.ts';

/** A campaign in figures for the next step of a workflow: the worst of its drills. Undefined where none was measured. */
export interface CampaignFigures {
  /** The greatest, each. */
  rtoSeconds: number | undefined;
  clientRtoSeconds: number | undefined;
  writeOutageSeconds: number | undefined;
  rejoinSeconds: number | undefined;
  dualPrimarySeconds: number | undefined;
  /** The most that was predicted for any of its faults. */
  predictedRtoSeconds: number | undefined;
  /** Of all drills together. */
  acknowledgedWrites: number | undefined;
  lostWrites: number | undefined;
  unknownWrites: number | undefined;
  /** At 95 % confidence no more than this share of such drills breaches the target: of the fault that is proven least. */
  breachProbability: number | undefined;
}

export function figuresOf({ drills, proofs }: CampaignRecord): CampaignFigures {
  const greatest = (of: (drill: JudgedDrill) => number | undefined) => most(drills.map(of));
  const sum = (of: (drill: JudgedDrill) => number | undefined) => {
    const counted = drills.map(of).filter((count) => count !== undefined);
    return counted.length === 0 ? undefined : counted.reduce((all, one) => all + one, 0);
  };
  return {
    rtoSeconds: greatest(({ verdict }) => verdict.rtoSeconds),
    clientRtoSeconds: greatest(({ verdict }) => verdict.clientRtoSeconds),
    writeOutageSeconds: greatest(({ verdict }) => verdict.writeOutageSeconds),
    rejoinSeconds: greatest(({ verdict }) => verdict.rejoinSeconds),
    dualPrimarySeconds: greatest(({ verdict }) => verdict.dualPrimarySeconds),
    predictedRtoSeconds: greatest(({ record }) => predictedFor(record)?.promotion?.most),
    acknowledgedWrites: sum(({ verdict }) => verdict.acknowledgedWrites),
    lostWrites: sum(({ verdict }) => verdict.lostWrites),
    unknownWrites: sum(({ verdict }) => verdict.unknownWrites),
    breachProbability: most(proofs.map(({ pooled }) => pooled.breachAtMost)),
  };
}

function most(values: readonly (number | undefined)[]): number | undefined {
  const measured = values.filter((value) => value !== undefined);
  return measured.length === 0 ? undefined : Math.max(...measured);
}
