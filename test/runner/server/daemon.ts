import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from '../../lab/harness.ts';
import type { GiteaServer } from './gitea-server.ts';
import { descendantsOf, ended, Process, programNamed } from './processes.ts';

/** A runner's daemon, registered at the server for jobs on the host, in the lab's surroundings. */
export class Daemon {
  private process: Process | undefined;
  private readonly program: string;
  private readonly config: string;
  private readonly ownNode: string;
  private readonly authority: string;

  /** @param folder where its home, its jobs and its copies of the actions are */
  constructor(
    private readonly runner: string,
    private readonly server: GiteaServer,
    private readonly folder: string,
  ) {
    this.program = programNamed(runner);
    this.config = join(folder, 'config.yaml');
    this.ownNode = join(folder, 'node', 'node');
    this.authority = join(folder, 'authority.pem');
    mkdirSync(join(folder, 'node'), { recursive: true });
    const settings = {
      log: { level: 'info' },
      runner: {
        file: join(folder, '.runner'),
        capacity: 4,
        fetch_interval: '1s',
        labels: ['self-hosted:host'],
      },
      cache: { enabled: false },
      host: { workdir_parent: join(folder, 'work') },
    };
    writeFileSync(this.config, stringify(settings));
    if (server.authority !== undefined) writeFileSync(this.authority, server.authority);
  }

  async start(): Promise<void> {
    if (!existsSync(join(this.folder, '.runner'))) await this.register();
    const daemon = new Process(this.runner, [this.program, '--config', this.config, 'daemon'], {
      cwd: this.folder,
      env: this.env,
    });
    this.process = daemon;
    await eventually(`${this.runner} to be online`, 30_000, async () => {
      if (!daemon.runs) throw new Error(`${this.runner} ended:\n${daemon.log}`);
      type Listed = { runners: { status: string }[] };
      const { runners } = await this.server.api<Listed>('GET', '/admin/actions/runners');
      return runners.some(({ status }) => status === 'online' || status === 'idle' || status === 'active');
    });
  }

  get log(): string {
    return this.process?.log ?? '';
  }

  version(): string {
    return execFileSync(this.program, ['--version'], { encoding: 'utf8' }).trim();
  }

  /** Jobs that begin from now on find the `node` of this folder, or the tests' own. */
  useNode(folder: string | undefined): void {
    rmSync(this.ownNode, { force: true });
    symlinkSync(folder ? join(folder, 'node') : process.execPath, this.ownNode);
  }

  /** Waits until no job runs any more, and none is being tidied up after. */
  async isIdle(): Promise<void> {
    const { process: daemon } = this;
    if (daemon === undefined || !daemon.runs) return;
    let quietSince = performance.now();
    await eventually(`${this.runner} to have no job`, 90_000, async () => {
      if (descendantsOf(daemon.pid).length > 0) quietSince = performance.now();
      return performance.now() - quietSince > 1500;
    });
  }

  /** SIGKILL for the daemon alone, as when it crashes: its jobs' processes have no parent from then on. */
  kill(): void {
    this.process?.kill();
  }

  async end(): Promise<void> {
    await this.process?.end();
  }

  private get env(): NodeJS.ProcessEnv {
    const inherited = ['LANG', 'INCUS_DIR', 'INCUS_SOCKET', 'INCUS_CONF'];
    return {
      ...Object.fromEntries(inherited.map((name) => [name, process.env[name]])),
      HOME: this.folder,
      XDG_CACHE_HOME: join(this.folder, 'cache'),
      PATH: [join(this.folder, 'node'), process.env['PATH']].join(':'),
      ...(this.server.authority !== undefined && { SSL_CERT_FILE: this.authority }),
    };
  }

  /** The token is not for everybody's list of processes: it is an answer to a question, or in the surroundings. */
  private async register(): Promise<void> {
    this.useNode(undefined);
    const { token } = await this.server.api<{ token: string }>('GET', '/admin/runners/registration-token');
    const [instance, name, labels] = [this.server.url, 'tests', 'self-hosted:host'];
    // Gitea's newer one takes no token as an answer.
    const fromEnv = this.runner === 'gitea-runner';
    const given = fromEnv
      ? ['--no-interactive', '--instance', instance, '--name', name, '--labels', labels]
      : [];
    await ended(this.program, ['--config', this.config, 'register', ...given], {
      cwd: this.folder,
      env: { ...this.env, ...(fromEnv && { GITEA_RUNNER_REGISTRATION_TOKEN: token }) },
      input: fromEnv ? '' : [instance, token, name, labels].map((answer) => `${answer}\n`).join(''),
      timeout: 30_000,
    });
  }
}
