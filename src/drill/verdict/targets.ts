import { faultCatalogue } from '../../faults/catalogue.ts';
import { memberRoles } from '../../faults/fault.ts';
import type { DrillRecord } from '../record.ts';

export type RecordedTarget = NonNullable<DrillRecord['targets']>[number];

type Hit = Pick<DrillRecord, 'fault' | 'target' | 'targets'>;

/** Whom a drill's fault hit, the one first that it is named after; earlier releases had no more than that one. Pure. */
export function targetsOf({ fault, target, targets }: Hit): readonly RecordedTarget[] {
  if (targets !== undefined) return targets;
  const { hits } = faultCatalogue[fault];
  const [role] = memberRoles.filter((each) => each === hits);
  return target === undefined ? [] : [{ container: target, role: role ?? 'primary' }];
}

/** For people: `a`, `a and b`, `a, b and c`. '' where nothing was to be hit. */
export function targetNames(record: Hit): string {
  return listed(targetsOf(record).map(({ container }) => container));
}

export function listed(names: readonly string[]): string {
  const [last = '', ...others] = [...names].reverse();
  return others.length === 0 ? last : `${others.reverse().join(', ')} and ${last}`;
}
