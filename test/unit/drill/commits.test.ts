import { describe, expect, it } from 'vitest';
import { waitsForNobody } from '../../../src/drill/commits.ts';
import { builtInFormation, formationOf, healthyObservation, nodeOf } from '../builders.ts';

describe("the application's commits", () => {
  const told = (...overrides: string[]) => {
    const observation = healthyObservation();
    nodeOf(observation, 'pgaf-primary').commitOverrides = overrides;
    return waitsForNobody(observation, builtInFormation());
  };

  it.each(['veza: off', 'veza: local', 'every role: off', 'veza in veza: OFF', 'every role in veza: off'])(
    'wait for nobody where somebody set %s',
    (override) => {
      expect(told(override)).toBe(true);
    },
  );

  it.each(['reports: off', 'veza in other: off', 'every role in other: off', 'veza: remote_write'])(
    'wait all the same where somebody set %s',
    (override) => {
      expect(told(override)).toBe(false);
    },
  );

  it('wait for nobody where the formation has them do so', () => {
    const formation = formationOf('environment: lab\nreplication: { sync-standbys: 0, quorum: false }');
    expect(waitsForNobody(healthyObservation(formation), formation)).toBe(true);
    expect(told()).toBe(false);
  });
});
