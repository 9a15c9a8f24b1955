import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { root } from '../../lab/harness.ts';
import { commitAll, exportCheckout, exportTag, git } from '../git-server.ts';
import { type Ended, ownTag, type Runner, type RunOptions, secrets } from '../runner.ts';
import { Daemon } from './daemon.ts';
import { GiteaServer } from './gitea-server.ts';
import { programNamed } from './processes.ts';
import { Repository } from './repository.ts';
import type { ServerRun } from './server-run.ts';

/** A runner's program, by the name that PGHA_TEST_RUNNER has for it on a Gitea server. */
const runners: Record<string, string> = {
  'gitea-server': 'gitea-runner',
  'gitea-server/act_runner': 'act_runner',
  'gitea-server/forgejo-runner': 'forgejo-runner',
};

/** The actions that workflows use, of their clones: of each the release that Gitea can run. */
const actions = { checkout: 'v4', 'upload-artifact': 'v3' };

export interface ServerRunOptions extends RunOptions {
  /** Of a run that a person starts by hand. */
  inputs?: Record<string, string>;
  /** The repository's variables. */
  variables?: Record<string, string>;
}

/** A server and a runner's daemon of its own: workflows are pushed to it, and start as they do for people. */
export class ServerRunner implements Runner {
  readonly logs: string[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), 'pgha-server-'));
  private started: { server: GiteaServer; daemon: Daemon } | undefined;
  private repositories = 0;

  constructor(readonly name: string) {}

  static isOne(name: string): boolean {
    return name in runners;
  }

  get server(): GiteaServer {
    return this.parts.server;
  }

  get daemon(): Daemon {
    return this.parts.daemon;
  }

  async open(): Promise<void> {
    const program = runners[this.name] ?? '';
    programNamed(program);
    const server = await GiteaServer.start(program === 'forgejo-runner');
    const daemon = new Daemon(program, server, join(this.folder, 'daemon'));
    this.started = { server, daemon };
    const checkout = join(this.folder, 'pgha');
    exportCheckout(checkout);
    await this.publish('veza/pgha', checkout, 'v1', ownTag);
    for (const [action, tag] of Object.entries(actions)) {
      const folder = join(this.folder, action);
      exportTag(join(process.env['PGHA_TEST_SERVERS'] ?? '', action), tag, folder);
      await this.publish(`actions/${action}`, folder, tag);
    }
    await daemon.start();
  }

  async close(): Promise<void> {
    await this.started?.daemon.end();
    await this.started?.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** An empty repository with the tests' secrets; without a name one of its own. */
  async repository(name?: string): Promise<Repository> {
    this.repositories += 1;
    const called = name ?? `veza/app-${this.repositories}`;
    const clone = join(this.folder, 'clones', called);
    mkdirSync(clone, { recursive: true });
    const { daemon, logs } = this;
    return await Repository.create(this.server, called, clone, { logs, isIdle: () => daemon.isIdle() });
  }

  async start(workflow: string, options: ServerRunOptions = {}): Promise<ServerRun> {
    const { event = 'push' } = options;
    const name = basename(workflow);
    const repository = await this.pushed(workflow, options);
    if (event === 'workflow_dispatch') await repository.dispatch(name, options.inputs);
    const run = await repository.newRun(name, event);
    if (event === 'schedule') await repository.disable(name);
    return run;
  }

  /** A repository of its own for a workflow, which starts by that, unless it is one that a person starts. */
  async pushed(workflow: string, options: ServerRunOptions = {}): Promise<Repository> {
    const { event, files = {}, tag } = options;
    const repository = await this.repository();
    const kept = Object.entries({ ...secrets, ...options.secrets });
    for (const [name, value] of kept) await repository.keepSecret(name, value);
    for (const [name, value] of Object.entries(options.variables ?? {}))
      await repository.keepVariable(name, value);
    this.daemon.useNode(options.node);
    const text = asOnGitea(readFileSync(join(root, workflow), 'utf8'));
    await repository.push(
      {
        ...files,
        [`.gitea/workflows/${basename(workflow)}`]: event === 'schedule' ? everyMinute(text) : text,
      },
      { quietly: event === 'workflow_dispatch', ...(tag !== undefined && { tag }) },
    );
    return repository;
  }

  async run(workflow: string, options: ServerRunOptions = {}): Promise<Ended> {
    return await (await this.start(workflow, options)).ended;
  }

  /** Makes a folder a repository of the server, with one commit that bears the tags. */
  private async publish(name: string, folder: string, ...tags: string[]): Promise<void> {
    commitAll(folder);
    for (const tag of tags) git(folder, 'tag', tag);
    const repository = await this.repository(name);
    await repository.pushAsIs(folder, 'HEAD:refs/heads/main', ...tags.map((tag) => `refs/tags/${tag}`));
  }

  private get parts() {
    if (this.started === undefined) throw new Error('the server was not started');
    return this.started;
  }
}

/** Gitea knows upload-artifact up to v3: what is for GitHub has another address there. */
export function asOnGitea(workflow: string): string {
  return workflow.replaceAll('veza/pgha/nightly/github@', 'veza/pgha/nightly@');
}

/** A schedule's workflow that need not be waited for until the night. */
function everyMinute(workflow: string): string {
  return workflow.replace(/cron: *(["'])[^"']*\1/g, 'cron: "* * * * *"');
}
