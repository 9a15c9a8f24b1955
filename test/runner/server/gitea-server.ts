import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { eventually } from '../../lab/harness.ts';
import { freePort } from '../command-runner.ts';
import { Front } from './front.ts';
import { Process, programNamed } from './processes.ts';

/** A Gitea server on the loopback, with one administrator, who is also the person that clicks. */

const person = 'veza';
const deadlineMs = 20_000;

export class GiteaServer {
  private readonly cookies = new Map<string, string>();

  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly process: Process,
    private readonly words: { password: string; token: string },
    private readonly front: Front | undefined,
  ) {}

  /** @param withTls whether it is to answer by https as well */
  static async start(withTls: boolean): Promise<GiteaServer> {
    const program = programNamed('gitea-server');
    const folder = mkdtempSync(join(tmpdir(), 'pgha-gitea-'));
    const port = await freePort();
    const ownPort = withTls ? await freePort() : port;
    const url = `http://127.0.0.1:${port}`;
    const owner = ownerOf(folder);
    const config = join(folder, 'app.ini');
    writeFileSync(config, configuration(folder, dirname(program), { url, port: ownPort }, owner.name));
    chownSync(config, owner.uid, owner.gid);
    const env = { PATH: process.env['PATH'], HOME: folder, USER: owner.name, GITEA_WORK_DIR: folder };
    const command = (...args: string[]) => [...owner.become, program, '--config', config, ...args];
    const ask = (...args: string[]) => {
      const [file = '', ...rest] = command(...args);
      return execFileSync(file, rest, { cwd: folder, env, encoding: 'utf8', timeout: 60_000 });
    };
    ask('migrate');
    const made = ask(
      ...['admin', 'user', 'create', '--admin', '--username', person, '--email', `${person}@localhost`],
      ...['--random-password', '--must-change-password=false'],
    );
    const [, password = ''] = /random password is '(.*)'/.exec(made) ?? [];
    const token = ask(
      ...['admin', 'user', 'generate-access-token', '--username', person, '--scopes', 'all', '--raw'],
    ).trim();
    const front = withTls ? await Front.open(port, ownPort) : undefined;
    const server = new Process("Gitea's server", command('web'), { cwd: folder, env });
    const gitea = new GiteaServer(url, folder, server, { password, token }, front);
    try {
      await eventually('the Gitea server to answer', 60_000, async () => {
        if (!server.runs) throw new Error(`the Gitea server ended:\n${server.log}`);
        return await gitea.api('GET', '/version').then(
          () => true,
          () => false,
        );
      });
      await gitea.signIn();
    } catch (error) {
      await gitea.close();
      throw error;
    }
    return gitea;
  }

  /** Of the authority that issued its certificate, where it answers by https. */
  get authority(): string | undefined {
    return this.front?.authority;
  }

  /** What the API answers, as JSON or as text. */
  async api<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { Authorization: `token ${this.words.token}`, 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(deadlineMs),
    });
    const text = await response.text();
    if (!response.ok) {
      await new Promise((next) => setTimeout(next, 500)); // It tells a moment later.
      const said =
        response.status >= 500 ? (this.process.log.split(/^(?=.*PANIC)/m).at(-1) ?? '').slice(0, 3000) : text;
      throw new Error(`${method} ${path}: ${response.status} ${said}`);
    }
    const isJson = response.headers.get('content-type')?.includes('json');
    return (isJson ? JSON.parse(text) : text) as Answer;
  }

  /** What a person's browser sends for a button of the web page. */
  async click(path: string): Promise<Response> {
    return await this.browse('POST', path, { 'X-Csrf-Token': this.cookies.get('_csrf') ?? '' });
  }

  async download(path: string): Promise<Buffer> {
    return Buffer.from(await (await this.browse('GET', path)).arrayBuffer());
  }

  /** Git's surroundings, in which it may push to this server. */
  get gitEnv(): NodeJS.ProcessEnv {
    const basic = Buffer.from(`${person}:${this.words.token}`).toString('base64');
    return {
      ...process.env,
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'http.extraHeader',
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    };
  }

  async close(): Promise<void> {
    this.front?.close();
    await this.process.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async signIn(): Promise<void> {
    await this.browse('GET', '/user/login');
    await this.browse(
      'POST',
      '/user/login',
      {},
      {
        _csrf: this.cookies.get('_csrf') ?? '',
        user_name: person,
        password: this.words.password,
      },
    );
    // Anew, for the session's own token.
    await this.browse('GET', '/user/settings');
  }

  private async browse(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    form?: Record<string, string>,
  ): Promise<Response> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...headers,
        Cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
      ...(form && { body: new URLSearchParams(form) }),
      signal: AbortSignal.timeout(deadlineMs),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      this.cookies.set(name, value);
    }
    if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status}`);
    return response;
  }
}

/** The server refuses to be root. */
function ownerOf(folder: string): { name: string; uid: number; gid: number; become: string[] } {
  const { uid, gid, username } = userInfo();
  if (uid !== 0) return { name: username, uid, gid, become: [] };
  const id = (kind: string) => Number(execFileSync('id', [kind, 'nobody'], { encoding: 'utf8' }));
  const nobody = { uid: id('-u'), gid: id('-g') };
  chownSync(folder, nobody.uid, nobody.gid);
  const become = ['setpriv', `--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, '--clear-groups', '--'];
  return { name: 'nobody', ...nobody, become };
}

/** A job whose runner is gone is given up after a minute, in place of ten. */
const configuration = (
  folder: string,
  source: string,
  { url, port }: { url: string; port: number },
  user: string,
) => `
RUN_USER = ${user}
RUN_MODE = prod
WORK_PATH = ${folder}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = ${port}
ROOT_URL = ${url}/
STATIC_ROOT_PATH = ${source}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
SQLITE_JOURNAL_MODE = WAL
[repository]
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
[actions]
ENABLED = true
DEFAULT_ACTIONS_URL = self
ZOMBIE_TASK_TIMEOUT = 1m
[cron.stop_zombie_tasks]
ENABLED = true
SCHEDULE = @every 10s
[cron.update_checker]
ENABLED = false
[log]
MODE = console
LEVEL = warn
`;
