import { isIP } from 'node:net';
import { EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Instance } from '../incus/answers.ts';
import type { Incus } from '../incus/incus.ts';
import { configured, hostOfMonitor } from '../member/keeper-config.ts';
import { programsFolder } from '../member/programs.ts';
import type { AdoptionKey } from './asked.ts';
import type { Found, FoundMember, FoundNode } from './found.ts';
import { type Configuration, runningUnitOf } from './look.ts';
import { Looks } from './looks.ts';
import { type FormationRow, type NodeRow, readMonitor, readNode } from './read.ts';

export interface AdoptionOptions {
  /** Container of the monitor; undefined: the only one that the project has. */
  monitor: string | undefined;
  /** The formation's name; undefined: the only one that has nodes on the monitor. */
  formation: string | undefined;
  /** Containers by what the monitor calls their nodes, where somebody says so. */
  containers: ReadonlyMap<string, string>;
  /** How somebody says one of these, for messages: `--monitor`. */
  named: (key: AdoptionKey) => string;
  log: Log;
  signal: AbortSignal;
}

/**
 * Reads what there is of a formation, whoever made it: the monitor, its nodes, and the containers that they are in. It
 * changes nothing.
 * @throws InputError where it is not one formation of which pgha could say where it is, with what to say or do;
 *   EnvironmentError, CommandError, DeadlineError where something could not be read
 */
export async function findFormation(incus: Incus, options: AdoptionOptions): Promise<Found> {
  const reading = new Reading(incus, options);
  try {
    return await reading.all();
  } finally {
    reading.close();
  }
}

class Reading {
  private readonly incus: Incus;
  private readonly options: AdoptionOptions;
  private readonly looks: Looks;

  constructor(incus: Incus, options: AdoptionOptions) {
    this.incus = incus;
    this.options = options;
    this.looks = new Looks(incus, options.signal);
  }

  close(): void {
    this.looks.close();
  }

  async all(): Promise<Found> {
    const { incus, options } = this;
    const instances = await incus.instances(options.signal);
    const container = await this.monitorAmong(instances);
    const monitor = await this.member(container, 'monitor', () => true, 'a monitor');
    options.log.info(`the monitor in ${container}: ${monitor.pgdata}, Postgres ${monitor.postgresVersion}`);
    const told = await this.looks.session(monitor, 'monitor', readMonitor);
    const formation = this.formationAmong(told.formations, container);
    const places = await this.places(formation.nodes, monitor, instances);
    const nodes = await Promise.all(
      formation.nodes.map((row) => this.node(row, places.get(row.name) ?? '', formation.name)),
    );
    this.refuseDifferences(monitor, nodes);
    const hosts = new Set(nodes.map(({ keeperConfig }) => hostOfMonitor(keeperConfig)));
    const [host] = [...hosts].filter((each) => each !== undefined);
    return {
      incus: { remote: incus.remote, project: incus.project },
      formation: { name: formation.name, numberSyncStandbys: formation.numberSyncStandbys },
      others: told.formations
        .filter(({ name, nodes: others }) => name !== formation.name && others.length > 0)
        .map(({ name }) => name),
      clocks: told.clocks,
      monitor: { ...monitor, host: host ?? monitor.host, hbaRules: told.hbaRules },
      nodes,
    };
  }

  /** The container of the monitor, which runs. */
  private async monitorAmong(instances: ReadonlyMap<string, Instance>): Promise<string> {
    const { incus, options } = this;
    const { monitor, named } = options;
    if (monitor !== undefined) {
      this.demandRunning(monitor, instances, 'monitor');
      return monitor;
    }
    const running = [...instances.values()].filter(({ status }) => status === 'Running');
    const unread = [...instances.values()].flatMap(({ name, unheard }) =>
      unheard === undefined ? [] : [`${name} (${unheard})`],
    );
    const found = await Promise.all(
      running.map(({ name }) =>
        this.looks.into(name).then(
          ({ configurations }) => (configurations.some(isMonitor) ? [name] : []),
          (error: unknown) => {
            options.signal.throwIfAborted();
            unread.push(`${name} (${messageOf(error)})`);
            return [];
          },
        ),
      ),
    );
    const [first, ...others] = found.flat();
    const unseen = unread.length === 0 ? '' : `; what is in ${unread.join(', ').slice(0, 200)} is not known`;
    if (first === undefined)
      throw new InputError([
        `no container that runs in project ${incus.project} holds a monitor of pg_auto_failover${unseen}; say where it is with ${named('monitor')}, ${named('project')} and ${named('remote')}`,
      ]);
    if (others.length > 0)
      throw new InputError([
        `there is more than one monitor (${[first, ...others].join(', ')}); say which with ${named('monitor')}`,
      ]);
    if (unseen !== '')
      options.log.warn(`the monitor in ${first} is taken for the only one${unseen} (${named('monitor')})`);
    return first;
  }

  private demandRunning(name: string, instances: ReadonlyMap<string, Instance>, key: AdoptionKey): void {
    const instance = instances.get(name);
    const [{ project }, by] = [this.incus, this.options.named(key)];
    if (instance === undefined)
      throw new InputError([
        `${by}: there is no container ${name} in project ${project}; \`incus list --project ${project}\` shows what is there`,
      ]);
    if (instance.unheard !== undefined)
      throw new InputError([
        `${by}: the container ${name} cannot be asked: ${instance.unheard}; bring that host back, and run this again`,
      ]);
    if (instance.status !== 'Running')
      throw new InputError([
        `${by}: the container ${name} is ${instance.status}; start it, and run this again`,
      ]);
  }

  private formationAmong(formations: readonly FormationRow[], container: string): FormationRow {
    const used = formations.filter(({ nodes }) => nodes.length > 0);
    const { formation: asked, named } = this.options;
    const shown = used.map(({ name }) => name).join(', ') || 'none';
    const [first, ...others] = asked === undefined ? used : used.filter(({ name }) => name === asked);
    if (first === undefined)
      throw new InputError([
        asked === undefined
          ? `no node is registered at the monitor in ${container}`
          : `${named('formation')}: no node of formation ${asked} is registered at the monitor in ${container}; formations with nodes: ${shown}`,
      ]);
    if (others.length > 0)
      throw new InputError([
        `the monitor in ${container} has several formations (${shown}); say which with ${named('formation')}`,
      ]);
    return first;
  }

  /** The container of each node, by what the monitor calls it. */
  private async places(
    rows: readonly NodeRow[],
    monitor: FoundMember,
    instances: ReadonlyMap<string, Instance>,
  ): Promise<Map<string, string>> {
    const { containers, named } = this.options;
    const strangers = [...containers.keys()].filter((name) => !rows.some((row) => row.name === name));
    if (strangers.length > 0)
      throw new InputError([
        `${named('nodes')}: the monitor knows no node ${strangers.join(', ')}; it knows ${rows.map(({ name }) => name).join(', ')}`,
      ]);
    for (const container of containers.values()) this.demandRunning(container, instances, 'nodes');
    const resolved = await this.addressesOf(rows, monitor);
    const places = new Map<string, string>();
    const errors: string[] = [];
    for (const row of rows) {
      const place =
        containers.get(row.name) ?? (await this.placeOf(row, resolved.get(row.host) ?? [], instances));
      if (place === undefined)
        errors.push(
          `no container that runs has the address of node ${row.name} (${row.host}); say which with ${named('nodes')}: ${row.name}=CONTAINER`,
        );
      else if ([...places.values()].includes(place))
        errors.push(
          `the container ${place} would be that of more than one node; say which with ${named('nodes')}`,
        );
      else places.set(row.name, place);
    }
    if (errors.length > 0) throw new InputError(errors);
    return places;
  }

  /** Of the nodes' hosts, as the monitor's container resolves them. */
  private async addressesOf(
    rows: readonly NodeRow[],
    monitor: FoundMember,
  ): Promise<Map<string, readonly string[]>> {
    const names = [...new Set(rows.map(({ host }) => host).filter((host) => isIP(host) === 0))];
    const hosts = await this.looks.resolve(monitor.container, names);
    return new Map(rows.map(({ host }) => [host, isIP(host) === 0 ? (hosts[host] ?? []) : [host]]));
  }

  private async placeOf(
    row: NodeRow,
    addresses: readonly string[],
    instances: ReadonlyMap<string, Instance>,
  ): Promise<string | undefined> {
    const [label = ''] = row.host.split('.');
    const running = [...instances.values()]
      .filter(({ status }) => status === 'Running')
      .map(({ name }) => name);
    // Its name is the likeliest; what proves it is its address.
    const likely = [row.name, label].filter((name) => running.includes(name));
    for (const name of new Set([...likely, ...running])) {
      const state = await this.incus.state(name, this.options.signal);
      if (addresses.some((address) => state.addresses.includes(address))) return name;
    }
    return undefined;
  }

  private async node(row: NodeRow, container: string, formation: string): Promise<FoundNode> {
    const { options } = this;
    const isIts = ({ text }: Configuration) =>
      configured(text, 'role') === 'keeper' && (configured(text, 'formation') || 'default') === formation;
    const member = await this.member(container, 'data', isIts, `a node of formation ${formation}`);
    options.log.info(
      `node ${row.name} (${row.state}) in ${container}: ${member.pgdata}, Postgres ${member.postgresVersion}`,
    );
    const postgres = await this.looks.session(member, 'data', readNode).catch((error: unknown) => {
      options.signal.throwIfAborted();
      options.log.warn(messageOf(error));
      return undefined;
    });
    return { ...member, host: row.host, port: row.port, row, postgres };
  }

  /** What one container holds of the member that is looked for in it. @param what it is, for messages */
  private async member(
    container: string,
    role: 'monitor' | 'data',
    isIts: (configuration: Configuration) => boolean,
    what: string,
  ): Promise<FoundMember> {
    const look = await this.looks.into(container);
    const found = look.configurations.filter(
      (each) => isMonitor(each) === (role === 'monitor') && isIts(each),
    );
    const [configuration, ...others] = found;
    if (look.home !== '' && look.home !== home)
      throw new InputError([
        `${container}: the home of its user postgres is ${look.home}, and pgha knows pg_autoctl's files in ${home} alone`,
      ]);
    if (configuration === undefined)
      throw new InputError([
        `${container}: no configuration of pg_autoctl says that ${what} is there${look.unread.length > 0 ? ` (${look.unread.join('; ')})` : ''}`,
      ]);
    if (others.length > 0)
      throw new InputError([
        `${container} holds more than one configuration of ${what} (${found.map(({ path }) => path).join(', ')}); pgha looks after one in each container`,
      ]);
    const { text, postgresVersion } = configuration;
    const pgdata = configured(text, 'pgdata');
    if (postgresVersion === undefined)
      throw new EnvironmentError(
        `${container}: the data directory ${pgdata} has no PG_VERSION that postgres can read`,
      );
    const programs = configured(text, 'pg_ctl').replace(/\/pg_ctl$/, '');
    if (programs !== '' && programs !== programsFolder(postgresVersion))
      throw new InputError([
        `${container}: its Postgres is in ${programs}, and pgha looks after Debian's, Ubuntu's and PGDG's packages alone (${programsFolder(postgresVersion)})`,
      ]);
    return {
      container,
      host: configured(text, 'hostname') || container,
      pgdata,
      unit: runningUnitOf(look, pgdata),
      port: Number(configured(text, 'port') || 5432),
      keeperConfig: text,
      postgresVersion,
      certificate: configuration.certificate,
      system: look.system,
      packages: look.packages,
    };
  }

  /** A file has one version and one port for all. */
  private refuseDifferences(monitor: FoundMember, nodes: readonly FoundNode[]): void {
    const all = [monitor, ...nodes];
    const told = (what: string, of: (member: FoundMember) => number) =>
      new Set(all.map(of)).size === 1
        ? []
        : [
            `the members have different ${what} (${all.map((member) => `${member.container} ${of(member)}`).join(', ')}), and a formation file has one for all`,
          ];
    const errors = [
      ...told('major versions of Postgres', ({ postgresVersion }) => postgresVersion),
      ...told('ports', ({ port }) => port),
    ];
    if (errors.length > 0) throw new InputError(errors);
  }
}

/** The user postgres of Debian's packages, and pg_autoctl's files. */
const home = '/var/lib/postgresql';
const isMonitor = ({ text }: Configuration) => configured(text, 'role') === 'monitor';
