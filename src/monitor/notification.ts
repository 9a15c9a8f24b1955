/**
 * A notification on the monitor's channel `state`: sent by pg_auto_failover's notifications.c when the
 * transaction that changed a node's state or health commits.
 */
export interface StateNotification {
  formation: string;
  groupId: number;
  nodeId: number;
  name: string;
  reportedState: string;
  goalState: string;
  /** 1 good, 0 bad, -1 unknown. */
  health: number;
}

/** The notification in a payload, or undefined when it is something else. Never throws. */
export function parseStateNotification(payload: string): StateNotification | undefined {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, formation, groupId, nodeId, name, reportedState, goalState, health } = value as Record<
    string,
    unknown
  >;
  if (type !== 'state') return undefined;
  if (![formation, name, reportedState, goalState].every((field) => typeof field === 'string'))
    return undefined;
  const group = wholeNumber(groupId);
  const node = wholeNumber(nodeId);
  if (group === undefined || node === undefined) return undefined;
  return {
    formation: formation as string,
    groupId: group,
    nodeId: node,
    name: name as string,
    reportedState: reportedState as string,
    goalState: goalState as string,
    health: parseHealth(health),
  };
}

/** The payload spells health as a word in some releases and as a number in others. */
function parseHealth(health: unknown): number {
  if (health === 'good') return 1;
  if (health === 'bad') return 0;
  const number = wholeNumber(health);
  return number === 1 || number === 0 ? number : -1;
}

/** A number, or a text that spells one; anything else, null included, is none. */
function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined;
}
