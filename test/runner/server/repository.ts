import { eventually } from '../../lab/harness.ts';
import { commitAll, git, writeFiles } from '../git-server.ts';
import type { GiteaServer } from './gitea-server.ts';
import { ended } from './processes.ts';
import { type Home, type ListedRun, ServerRun, type Watch } from './server-run.ts';

/** A person's repository on the server, with its workflows. */
export class Repository implements Home {
  private constructor(
    readonly server: GiteaServer,
    readonly name: string,
    private readonly folder: string,
    readonly watch: Watch,
  ) {}

  /** @param folder an empty one, for a clone of it */
  static async create(server: GiteaServer, name: string, folder: string, watch: Watch): Promise<Repository> {
    const [owner = '', short = ''] = name.split('/');
    const isMine = owner === 'veza';
    if (!isMine) await server.api('POST', '/orgs', { username: owner }).catch(() => {}); // It may be there.
    await server.api('POST', isMine ? '/user/repos' : `/orgs/${owner}/repos`, { name: short });
    return new Repository(server, name, folder, watch);
  }

  /** Sends a folder's branches and tags as they are. */
  async pushAsIs(folder: string, ...refs: string[]): Promise<void> {
    await ended('git', ['push', '--quiet', `${this.server.url}/${this.name}.git`, ...refs], {
      cwd: folder,
      env: this.server.gitEnv,
      timeout: 60_000,
    });
  }

  /** Commits these files and sends them. `quietly`: no workflow starts because of that. */
  async push(
    files: Record<string, string>,
    { quietly = false, tag }: { quietly?: boolean; tag?: string } = {},
  ): Promise<void> {
    writeFiles(this.folder, files);
    commitAll(this.folder);
    if (quietly) git(this.folder, 'commit', '--quiet', '--amend', '--message', 'test [skip ci]');
    if (tag !== undefined) git(this.folder, 'tag', tag);
    await this.pushAsIs(
      this.folder,
      'HEAD:refs/heads/main',
      ...(tag === undefined ? [] : [`refs/tags/${tag}`]),
    );
    // It takes note of a first push a moment later, and fails until then.
    await eventually(`${this.name} to be noted`, 20_000, async () => {
      return !(await this.server.api<{ empty: boolean }>('GET', `/repos/${this.name}`)).empty;
    });
  }

  async keepSecret(name: string, data: string): Promise<void> {
    await this.ask('PUT', `/secrets/${name}`, { data });
  }

  async keepVariable(name: string, value: string): Promise<void> {
    await this.ask('POST', `/variables/${name}`, { value });
  }

  async dispatch(workflow: string, inputs: Record<string, string> = {}): Promise<void> {
    await this.ask('POST', `/workflows/${workflow}/dispatches`, { ref: 'main', inputs });
  }

  /** A pull request with another content of a file. */
  async propose(path: string, content: string): Promise<void> {
    const { sha } = await this.server.api<{ sha: string }>('GET', `/repos/${this.name}/contents/${path}`);
    await this.server.api('PUT', `/repos/${this.name}/contents/${path}`, {
      ...{ content: Buffer.from(content).toString('base64'), sha, message: 'test' },
      ...{ branch: 'main', new_branch: 'change' },
    });
    const pull = { title: 'test', head: 'change', base: 'main' };
    await this.server.api('POST', `/repos/${this.name}/pulls`, pull);
  }

  /** A schedule goes on for ever otherwise. */
  async disable(workflow: string): Promise<void> {
    await this.ask('PUT', `/workflows/${workflow}/disable`);
  }

  /** The runs of a workflow's file, oldest first. */
  async runsOf(workflow: string, event: string): Promise<ListedRun[]> {
    // What it lists for a schedule bears the event `push` all the same.
    const path = `/runs?limit=50&event=${event}`;
    const { workflow_runs } = await this.ask<{ workflow_runs: ListedRun[] }>('GET', path);
    return workflow_runs.filter((run) => run.path.split('@')[0] === workflow).sort((a, b) => a.id - b.id);
  }

  /** Waits for a workflow's first run after `known` others; events of a schedule come within two minutes. */
  async newRun(workflow: string, event: string, known = 0): Promise<ServerRun> {
    let found: ListedRun | undefined;
    await eventually(`a run of ${workflow} for ${event}`, 150_000, async () => {
      found = (await this.runsOf(workflow, event))[known];
      return found !== undefined;
    });
    return new ServerRun(this, found as ListedRun);
  }

  /** Asks the API of this repository's actions. */
  async ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    return await this.server.api<Answer>(method, `/repos/${this.name}/actions${path}`, body);
  }
}
