import { predictedFor } from '../drill/verdict/predicted.ts';
import type { CampaignRecord, JudgedDrill } from './campaign-record.ts';

/** A campaign in figures for the next step of a workflow: the worst of its drills. Undefined where none was measured. */
export interface CampaignFigures {
  /** The greatest, each; undefined also where one that was due never came. */
  rtoSeconds: number | undefined;
  clientRtoSeconds: number | undefined;
  writeOutageSeconds: number | undefined;
  /** Of clients by the application's own connection string. */
  uriRtoSeconds: number | undefined;
  uriOutageSeconds: number | undefined;
  uriAddsSeconds: number | undefined;
  rejoinSeconds: number | undefined;
  dualPrimarySeconds: number | undefined;
  /** The most that was predicted for any of its faults. */
  predictedRtoSeconds: number | undefined;
  /** Of all drills together. */
  acknowledgedWrites: number | undefined;
  /** Undefined also where one of the drills with clients did not count them. */
  writesAtRisk: number | undefined;
  writesInFlight: number | undefined;
  /** Undefined also where none was found in one drill that did not look for all of them. */
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
  // Also those whose clients could not be judged.
  const watched = drills.filter(
    ({ record: { clients, clientsFailed } }) => clients !== undefined || clientsFailed !== undefined,
  );
  const isWhole = (of: (drill: JudgedDrill) => number | undefined, among: readonly JudgedDrill[]) =>
    among.every((drill) => of(drill) !== undefined);
  const whole = (of: (drill: JudgedDrill) => number | undefined) =>
    isWhole(of, watched) ? sum(of) : undefined;
  /** What was seen stands; that nothing was seen does not, where one of them did not look. */
  const unlessUnseen = (seen: number | undefined, isSeen: boolean) =>
    seen === 0 && !isSeen ? undefined : seen;
  const lost = ({ verdict }: JudgedDrill) => verdict.lostWrites;
  const dual = ({ verdict }: JudgedDrill) => verdict.dualPrimarySeconds;
  const promoted = watched.filter(({ record }) => record.promotion !== undefined);
  // The greatest of several, of which one never came, is none of those that did.
  const greatestOfAll = (
    of: (drill: JudgedDrill) => number | undefined,
    isDue: (record: JudgedDrill['record']) => boolean,
  ) =>
    isWhole(
      of,
      drills.filter(({ record }) => isDue(record)),
    )
      ? greatest(of)
      : undefined;
  const isHurt = ({ proof, interrupted }: JudgedDrill['record']) =>
    proof !== undefined && interrupted === undefined;
  const isFollowed = (record: JudgedDrill['record']) =>
    record.clients !== undefined && record.promotion !== undefined;
  const isFollowedByUri = (record: JudgedDrill['record']) =>
    record.clients?.ledger.byUri !== undefined && record.promotion !== undefined;
  return {
    rtoSeconds: greatestOfAll(
      ({ verdict }) => verdict.rtoSeconds,
      (record) => record.expected === 'failover' && isHurt(record),
    ),
    clientRtoSeconds: greatestOfAll(({ verdict }) => verdict.clientRtoSeconds, isFollowed),
    writeOutageSeconds: greatestOfAll(({ verdict }) => verdict.writeOutageSeconds, isFollowed),
    uriRtoSeconds: greatestOfAll(({ verdict }) => verdict.uriRtoSeconds, isFollowedByUri),
    uriOutageSeconds: greatestOfAll(({ verdict }) => verdict.uriOutageSeconds, isFollowedByUri),
    uriAddsSeconds: greatestOfAll(({ verdict }) => verdict.uriAddsSeconds, isFollowedByUri),
    rejoinSeconds: greatestOfAll(({ verdict }) => verdict.rejoinSeconds, isHurt),
    dualPrimarySeconds: unlessUnseen(greatest(dual), isWhole(dual, promoted)),
    predictedRtoSeconds: greatest(({ record }) => predictedFor(record)?.promotion?.most),
    acknowledgedWrites: sum(({ verdict }) => verdict.acknowledgedWrites),
    writesAtRisk: whole(({ verdict }) => verdict.writesAtRisk),
    writesInFlight: whole(({ verdict }) => verdict.writesInFlight),
    lostWrites: unlessUnseen(sum(lost), isWhole(lost, watched)),
    unknownWrites: sum(({ verdict }) => verdict.unknownWrites),
    breachProbability: most(proofs.map(({ pooled }) => pooled.breachAtMost)),
  };
}

function most(values: readonly (number | undefined)[]): number | undefined {
  const measured = values.filter((value) => value !== undefined);
  return measured.length === 0 ? undefined : Math.max(...measured);
}
