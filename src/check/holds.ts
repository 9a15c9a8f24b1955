import { messageOf } from '../contract/errors.ts';
import { isAllowed, shownTime } from '../formation/allowed-hours.ts';
import { containerTarget } from '../formation/command-line.ts';
import type { Formation } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import type { IncusClient } from '../incus/client.ts';
import { holdKey } from '../incus/labels.ts';
import { configOfProject, type ProjectConfig } from '../incus/project.ts';
import { shownText } from '../postgres/shown-text.ts';
import type { Observation, ObservedHold, Read } from './observation.ts';

/**
 * What keeps drills from beginning: a person's hold on the project or the monitor, and the hours in which the formation
 * file allows them. check-formation tells it, and failover-drill obeys it.
 */
export interface Holding {
  /** Why none may begin, each a sentence with what ends it; empty where nothing is known to speak against one. */
  reasons: string[];
  /** Why it is not known whether a person holds them. */
  unread?: string;
}

/** Whoever holds drills need not wait for a server that is slow. Milliseconds. */
const projectDeadlineMs = 2500;

/** What tells whether a project holds drills. */
export const projectOf =
  (incus: IncusClient, signal: AbortSignal | undefined) => async (): Promise<ProjectConfig> =>
    await configOfProject(incus, { signal, deadlineMs: projectDeadlineMs });

/** @param config of the project; rejects where it cannot be read */
export async function readHolds(
  { monitor, incus }: Pick<Formation, 'monitor' | 'incus'>,
  instances: ReadonlyMap<string, Instance>,
  config: Promise<ProjectConfig>,
): Promise<Read<ObservedHold[]>> {
  try {
    const ofProject = (await config)[holdKey];
    const container = instances.get(monitor.name);
    if (container?.unheard !== undefined) return { ok: false, failed: container.unheard };
    const ofMonitor = container?.config?.[holdKey];
    return {
      ok: true,
      value: [...held('project', incus.project, ofProject), ...held('monitor', monitor.name, ofMonitor)],
    };
  } catch (error) {
    return { ok: false, failed: messageOf(error) };
  }
}

/** An empty value is none: Incus removes such a key. */
const held = (on: ObservedHold['on'], name: string, reason: string | undefined): ObservedHold[] =>
  reason === undefined || reason === '' ? [] : [{ on, name, reason: shownText(reason) }];

/** @param at now. Pure. */
export function holdingOf(
  formation: Pick<Formation, 'incus' | 'allowedHours'>,
  { holds }: Pick<Observation, 'holds'>,
  at: Date,
): Holding {
  const { allowedHours } = formation;
  const reasons = holds?.ok ? holds.value.map((each) => toldHold(each, formation)) : [];
  if (allowedHours !== undefined && !isAllowed(allowedHours, at))
    reasons.push(
      `it is ${shownTime(allowedHours.timeZone, at)} in ${allowedHours.timeZone}, and allowed-hours has ${allowedHours.windows.join(', ')}`,
    );
  return { reasons, ...(holds?.ok === false && { unread: holds.failed }) };
}

function toldHold({ on, name, reason }: ObservedHold, formation: Pick<Formation, 'incus'>): string {
  const { remote } = formation.incus;
  const unset =
    on === 'monitor'
      ? `incus config unset ${containerTarget(formation, name)} ${holdKey}`
      : `incus project unset ${remote === 'local' ? '' : `${remote}:`}${name} ${holdKey}`;
  return `${reason} (${holdKey} of the ${on} ${name}; \`${unset}\` ends it)`;
}
