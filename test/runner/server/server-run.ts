import { eventually } from '../../lab/harness.ts';
import { type Ended, seenIn, told, type WorkflowRun } from '../runner.ts';
import { filesIn } from './archive.ts';
import type { GiteaServer } from './gitea-server.ts';

export interface ListedRun {
  id: number;
  run_number: number;
  html_url: string;
  path: string;
  status: string;
  conclusion?: string;
}

/** What a run tells its runner about, and waits for, when it has ended. */
export interface Watch {
  isIdle(): Promise<void>;
  logs: string[];
}

/** The repository of a run. */
export interface Home {
  readonly name: string;
  readonly server: GiteaServer;
  readonly watch: Watch;
  ask<Answer>(method: string, path: string, body?: object): Promise<Answer>;
}

export interface Job {
  id: number;
  name: string;
  status: string;
  conclusion?: string;
}

/** One run of a workflow on the server, as its API and its page tell of it. */
export class ServerRun implements WorkflowRun {
  /** How long a run may take, with all that it waits for. */
  deadlineMs = 480_000;
  private endedLater: Promise<Ended> | undefined;

  constructor(
    private readonly repository: Home,
    readonly listed: ListedRun,
  ) {}

  /** Once it has ended and the runner has no more to tell of it. */
  get ended(): Promise<Ended> {
    this.endedLater ??= this.waitForEnd();
    return this.endedLater;
  }

  async says(wanted: RegExp, deadlineMs = 60_000): Promise<void> {
    await eventually(`the log to say ${wanted}`, deadlineMs, async () => {
      const { status } = await this.now();
      const log = await this.log();
      if (wanted.test(log)) return true;
      if (status === 'completed') throw new Error(`the run ended before it said ${wanted}:\n${told(log)}`);
      return false;
    });
  }

  /** By the button of the run's page. */
  async cancel(): Promise<void> {
    await this.repository.server.click(`${this.page}/cancel`);
  }

  async now(): Promise<ListedRun> {
    return await this.repository.ask<ListedRun>('GET', `/runs/${this.listed.id}`);
  }

  async conclusion(): Promise<string> {
    await this.ended;
    return (await this.now()).conclusion ?? '';
  }

  /** By their names. */
  async jobs(): Promise<Record<string, Job>> {
    const { jobs } = await this.repository.ask<{ jobs: Job[] }>('GET', `/runs/${this.listed.id}/jobs`);
    return Object.fromEntries(jobs.map((job) => [job.name, job]));
  }

  /** The log of all jobs, one after the other; with the server's times where asked for. */
  async log({ withTimes = false } = {}): Promise<string> {
    const texts: string[] = [];
    for (const job of Object.values(await this.jobs())) {
      // A job that has not begun has none.
      const text = await this.repository.ask<string>('GET', `/jobs/${job.id}/logs`).catch(() => '');
      texts.push(
        text.replace(/^(\S+Z) /gm, (_, at: string) => `[${job.name}]${withTimes ? ` ${at}` : ''} | `),
      );
    }
    return texts.join('\n');
  }

  /** The files of each artifact, fetched as a person does from the run's page, and opened. */
  async artifacts(): Promise<Map<string, Map<string, Buffer>>> {
    const { server } = this.repository;
    type View = { artifacts: { name: string }[] | null };
    const { artifacts } = (await (await server.click(this.page)).json()) as View;
    const found = new Map<string, Map<string, Buffer>>();
    for (const { name } of artifacts ?? [])
      found.set(name, filesIn(await server.download(`${this.page}/artifacts/${name}`)));
    return found;
  }

  private get page(): string {
    return `/${this.repository.name}/actions/runs/${this.listed.run_number}`;
  }

  private async waitForEnd(): Promise<Ended> {
    await eventually(`run ${this.page} to end`, this.deadlineMs, async () => {
      await new Promise((next) => setTimeout(next, 300));
      // It calls a run completed when a job has failed, though others are about to begin because of that.
      const jobs = Object.values(await this.jobs());
      return [await this.now(), ...jobs].every(({ status }) => status === 'completed');
    });
    await this.repository.watch.isIdle();
    const { conclusion = '' } = await this.now();
    const log = await this.log();
    this.repository.watch.logs.push(log);
    const artifacts = await this.artifacts();
    return {
      succeeded: conclusion === 'success' || conclusion === 'skipped',
      log,
      seen: seenIn(log),
      uploads: new Map([...artifacts].map(([name, files]) => [name, [...files.keys()]])),
    };
  }
}
