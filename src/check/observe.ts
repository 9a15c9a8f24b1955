import { randomUUID } from 'node:crypto';
import type { UriAccess } from '../application/uri-access.ts';
import { now, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import type { Hosts } from '../incus/cluster/hosts.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey, environmentKey, formationKey } from '../incus/labels.ts';
import type { ProjectConfig } from '../incus/project.ts';
import { dryStart, parseDryStart } from '../member/dry-start.ts';
import { controlData, hasCheckpoint, parseCheckpoint, recordAt } from '../member/lineage.ts';
import { asPostgres } from '../member/programs.ts';
import type { Session } from '../postgres/session.ts';
import { observeUri } from './client-way.ts';
import { containerProbe, type ObservedContainer, parseContainer } from './container-probe.ts';
import { readHolds } from './holds.ts';
import { type Credentials, observeLogins } from './login.ts';
import type { Observation, ObservedInstance, ObservedLineage, ObservedNode, Read } from './observation.ts';
import { observeMonitor, observeNode } from './sql-probe.ts';
import { type ObservedTrouble, parseTrouble, troubleProbe } from './trouble-probe.ts';
import { memberDeadlineMs, OwnRelays, type WaysIn, WaysThrough } from './ways-in.ts';

/** A keeper reports once a second: of one that has not for so long, its container is asked. */
const silentSeconds = 4;

/** The probe bounds each file that it reads; all of them together are less than half of this. */
const probeBytes = 4 * 1024 * 1024;

export interface ObserveOptions {
  signal?: AbortSignal | undefined;
  /** The instances of the formation's remote and project, where they are read for several formations at once. */
  instances?: Promise<Map<string, Instance>>;
  /** The members of the Incus cluster, where they are read for several formations at once. */
  hosts?: () => Promise<Hosts | undefined>;
  /** The seconds after which the cluster heals itself, where they are read for several formations at once. */
  healing?: () => Promise<number | undefined>;
  /** Reads the settings of the project, where it is to be known whether drills are held. */
  project?: (() => Promise<ProjectConfig>) | undefined;
  /** With them every node is logged in on as the application does. */
  credentials?: Credentials | undefined;
  /** With it the application's own connection string is gone by. */
  byUri?: UriAccess | undefined;
  /** Ways into the members that are open already, or are opened; without them new ones are, and closed. */
  ways?: WaysIn | undefined;
}

/**
 * Reads the whole formation at once, each container in parallel and under its own deadline.
 * @throws only what keeps us from Incus itself (EnvironmentError, InputError, DeadlineError) or a cancellation
 */
export async function observe(
  formation: Formation,
  incus: Incus,
  {
    signal,
    instances = incus.instances(signal, namesOf(formation)),
    hosts = () => incus.hosts(signal),
    healing = () => incus.healingSeconds(signal),
    project,
    credentials,
    byUri,
    ways,
  }: ObserveOptions = {},
): Promise<Observation> {
  const observedAt = wallClock(now());
  const own = new OwnRelays(incus);
  const open = ways ?? new WaysThrough(formation, (name) => own.of(name));
  try {
    const reader = new Reader(formation, instances, { ways: open, incus, signal });
    const members = membersOf(formation);
    const [monitorMember, ...dataMembers] = members;
    const salt = randomUUID();
    const config = project?.();
    config?.catch(() => {});
    const [found, clusterHosts, healed, holds, monitor, nodes, containers, logins, uri] = await Promise.all([
      instances,
      reader.ofCluster(hosts),
      reader.ofCluster(healing),
      config && instances.then((all) => readHolds(formation, all, config)),
      reader.sql(monitorMember, (session) => observeMonitor(session, formation)),
      Promise.all(
        dataMembers.map((member) => reader.sql(member, (session) => observeNode(session, formation, salt))),
      ),
      Promise.all(members.map((member) => reader.container(member))),
      observeLogins(formation, incus, credentials, { instances, signal }),
      byUri && observeUri(formation, incus, byUri, { own: ownSystem(reader, dataMembers), signal }),
    ]);
    const isSilent = (name: string) =>
      monitor.ok &&
      monitor.value.nodes.some((row) => row.name === name && row.secondsSinceReport > silentSeconds);
    const troubled = members.filter(({ name }, index) => {
      const answers = (index === 0 ? monitor : nodes[index - 1])?.ok === true;
      return containers[index]?.ok === true && (!answers || isSilent(name));
    });
    const changed = dataMembers.filter((_, index) => {
      const node = nodes[index];
      return node?.ok === true && node.value.pendingRestart.length > 0;
    });
    const telling = new Map(troubled.map((member) => [member.name, reader.trouble(member)]));
    const observed = byName<Read<ObservedNode>>(dataMembers, nodes);
    const [troubles, dryStarts, lineages] = await Promise.all([
      Promise.all(telling.values()),
      Promise.all(changed.map((member) => reader.dryStart(member))),
      reader.lineages(dataMembers, observed, telling),
    ]);
    return {
      observedAt,
      instances: byName(
        members,
        members.map(({ name }) => observedInstance(found.get(name), formation.name)),
      ),
      ...(isTold(clusterHosts) && { hosts: clusterHosts }),
      ...(healed !== undefined && { healing: healed }),
      ...(holds !== undefined && { holds }),
      ...(uri !== undefined && { uri }),
      containers: byName<Read<ObservedContainer>>(members, containers),
      monitor,
      nodes: observed,
      lineages,
      dryStarts: byName<Read<string | undefined>>(changed, dryStarts),
      troubles: byName<Read<ObservedTrouble>>(troubled, troubles),
      logins,
    };
  } finally {
    own.close();
  }
}

const isTold = <T>(read: Read<T | undefined> | undefined): read is Read<T> =>
  read !== undefined && !(read.ok && read.value === undefined);

export const namesOf = (formation: Formation): string[] => membersOf(formation).map(({ name }) => name);

const byName = <T>(of: readonly Member[], values: readonly T[]): Record<string, T> =>
  Object.fromEntries(of.map(({ name }, index) => [name, values[index] as T]));

function observedInstance(instance: Instance | undefined, formation: string): ObservedInstance {
  const evacuation = instance?.expandedConfig['cluster.evacuate'];
  return {
    status: instance?.status ?? 'missing',
    ...(instance?.unheard !== undefined && { unheard: instance.unheard }),
    // Where Incus does not tell it the status is none that passes.
    drillMark: instance?.config?.[drillMarkKey],
    ...(instance?.location !== undefined && { location: instance.location }),
    ...(evacuation !== undefined && { evacuation }),
    limits: {
      cpu: instance?.config?.['limits.cpu'],
      memory: instance?.config?.['limits.memory'],
      disk: instance?.devices[instance.rootDisk ?? '']?.['size'],
    },
    // A monitor may belong to another formation, and tells of that one.
    environment: instance?.config?.[formationKey] === formation ? instance.config[environmentKey] : undefined,
  };
}

/** The system identifier of the formation's cluster, as the first of its nodes that answers has it. */
async function ownSystem(reader: Reader, nodes: readonly Member[]): Promise<Read<string>> {
  let read: Read<string> = { ok: false, failed: 'there is no data node' };
  for (const node of nodes) {
    read = await reader.sql(node, async (session) => {
      const [row] = await session.query('SELECT system_identifier::text AS own FROM pg_control_system()');
      return String(row?.['own']);
    });
    if (read.ok) break;
  }
  return read;
}

/** Reads single members. What cannot be read says why, and hides nothing else. */
class Reader {
  private readonly formation: Formation;
  private readonly instances: Promise<Map<string, Instance>>;
  private readonly ways: WaysIn;
  private readonly incus: Pick<Incus, 'remote'>;
  private readonly signal: AbortSignal | undefined;

  constructor(
    formation: Formation,
    instances: Promise<Map<string, Instance>>,
    { ways, incus, signal }: { ways: WaysIn; incus: Pick<Incus, 'remote'>; signal: AbortSignal | undefined },
  ) {
    this.formation = formation;
    this.instances = instances;
    this.ways = ways;
    this.incus = incus;
    this.signal = signal;
  }

  /** What the cluster tells of itself; undefined where the members' containers are on no hosts of one. */
  async ofCluster<T>(ask: () => Promise<T>): Promise<Read<T> | undefined> {
    const found = await this.instances;
    const isOnHost = ({ name }: Member) => found.get(name)?.location !== undefined;
    if (!membersOf(this.formation).some(isOnHost)) return undefined;
    try {
      return { ok: true, value: await ask() };
    } catch (error) {
      this.signal?.throwIfAborted();
      return { ok: false, failed: messageOf(error) };
    }
  }

  /** Reads a member over a session in its container. */
  async sql<T>(member: Member, work: (session: Session) => Promise<T>): Promise<Read<T>> {
    return await this.unlessStopped(member, `Postgres in ${member.name}`, async (signal) =>
      work(await this.ways.session(member, signal)),
    );
  }

  /** Has a member's container tell of itself. */
  async container(member: Member): Promise<Read<ObservedContainer>> {
    return await this.unlessStopped(member, `the container ${member.name}`, async (signal) => {
      const fromMs = Date.now();
      const command = containerProbe(member, this.formation);
      const options = { deadlineMs: memberDeadlineMs, maxBytes: probeBytes, signal };
      const output = await this.ways.relay(member).read(command, options);
      return parseContainer(output, { fromMs, toMs: Date.now() });
    });
  }

  /** Has a member's container tell why its Postgres does not answer, or its keeper is silent. */
  async trouble(member: Member): Promise<Read<ObservedTrouble>> {
    return await this.unlessStopped(member, `the container ${member.name}`, async (signal) => {
      const options = { deadlineMs: memberDeadlineMs, maxBytes: probeBytes, signal };
      return parseTrouble(await this.ways.relay(member).read(troubleProbe(member), options));
    });
  }

  /** Tries whether Postgres would start with what waits for a restart. */
  async dryStart(member: Member): Promise<Read<string | undefined>> {
    return await this.unlessStopped(member, `a dry start in ${member.name}`, async (signal) => {
      const options = { deadlineMs: memberDeadlineMs, maxBytes: probeBytes, signal };
      const argv = asPostgres(...dryStart(this.formation, member, 'own'));
      return parseDryStart(await this.ways.relay(member).read(argv, options));
    });
  }

  /**
   * Holds the last checkpoint of standbys against the WAL of the primary: of those that have one later than the
   * primary's, or follow nobody, or are recovering and take no sessions. The others replay the primary's own.
   */
  async lineages(
    members: readonly Member[],
    nodes: Readonly<Record<string, Read<ObservedNode>>>,
    telling: ReadonlyMap<string, Promise<Read<ObservedTrouble>>>,
  ): Promise<Record<string, Read<ObservedLineage>>> {
    const nodeOf = ({ name }: Member) => {
      const read = nodes[name];
      return read?.ok ? read.value : undefined;
    };
    const [primary, another] = members.filter((member) => nodeOf(member)?.inRecovery === false);
    const present = primary && nodeOf(primary);
    if (!primary || !present || another) return {};
    const isDoubtful = async (member: Member) => {
      const node = nodeOf(member);
      if (node)
        return node.inRecovery && (node.walReceiver === '' || node.checkpointByte > present.checkpointByte);
      const trouble = await telling.get(member.name);
      return trouble?.ok === true && trouble.value.postgres.startup !== undefined;
    };
    const read = await Promise.all(
      members.map(async (member) =>
        (await isDoubtful(member)) ? await this.lineage(member, primary, present) : undefined,
      ),
    );
    return Object.fromEntries(
      members.flatMap(({ name }, index): [string, Read<ObservedLineage>][] => {
        const of = read[index];
        if (of === undefined || (of.ok && of.value === undefined)) return [];
        return [[name, of as Read<ObservedLineage>]];
      }),
    );
  }

  /** Undefined of one whose last checkpoint is of another timeline: that tells by itself. */
  private async lineage(
    standby: Member,
    primary: Member,
    { timeline, checkpointByte }: ObservedNode,
  ): Promise<Read<ObservedLineage | undefined>> {
    return await this.unlessStopped(standby, `the last checkpoint of ${standby.name}`, async (signal) => {
      const options = { deadlineMs: memberDeadlineMs, maxBytes: probeBytes, signal };
      const read = async (member: Member, command: readonly string[]) =>
        await this.ways.relay(member).read(asPostgres(...command), options);
      const checkpoint = parseCheckpoint(await read(standby, controlData(this.formation, standby)));
      if (checkpoint.timeline !== timeline) return undefined;
      const record = await read(primary, recordAt(this.formation, primary, checkpoint));
      return {
        checkpoint: checkpoint.location,
        primary: primary.name,
        isOfPrimary: hasCheckpoint(record, checkpoint, checkpointByte),
      };
    });
  }

  /** A container that does not run need not be waited for: a frozen one would use up the deadline. */
  private async unlessStopped<T>(
    { name }: Member,
    what: string,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<Read<T>> {
    const given = new AbortController();
    const { signal } = this;
    const either = AbortSignal.any(signal === undefined ? [given.signal] : [signal, given.signal]);
    const read = () =>
      withDeadline(what, memberDeadlineMs, work, either).then(
        (value): Read<T> => ({ ok: true, value }),
        (error: unknown): Read<T> => ({ ok: false, failed: messageOf(error) }),
      );
    const { remote } = this.incus;
    const reading = read();
    try {
      const { status, unheard } = (await this.instances).get(name) ?? {};
      if (unheard !== undefined) return { ok: false, failed: unheard };
      if (status === undefined) return { ok: false, failed: `there is no container ${name}` };
      if (status !== 'Running') return { ok: false, failed: `the container is ${status}` };
      if (this.incus.remote === remote) {
        const found = await reading;
        if (found.ok || this.incus.remote === remote) return found;
      }
      // What was asked of a server that has been left says nothing of the member.
      return await read();
    } finally {
      given.abort();
      signal?.throwIfAborted();
    }
  }
}
