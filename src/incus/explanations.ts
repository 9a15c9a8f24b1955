import { CommandError, EnvironmentError, messageOf } from '../contract/errors.ts';

/**
 * What a failed `incus` command says of its surroundings: who did not answer or refused, and what mends that. Every
 * pattern is of the one who speaks: the local socket is named by its path, another server by its URL. What names neither
 * is left in Incus' own words.
 */

/** The client, of the socket of the daemon on this machine (Incus 6.0, client/connection.go and cmd/incus/main.go). */
const socketRefuses =
  /needed permissions to talk to the incus daemon|dial unix \S+ connect: permission denied|unix\.socket: connect: permission denied/i;
const socketIsDead =
  /daemon doesn't appear to be started|(?:dial unix \S+|unix\.socket:) connect: (?:no such file|connection refused)/i;

/** What keeps a client from any server that is reached by URL; the words are those of Go's net and crypto/tls. */
const unreachable =
  /Unable to connect to|connect: (?:connection refused|connection timed out|no route to host|network is unreachable)|no such host|i\/o timeout|deadline exceeded|server misbehaving|: EOF$|connection reset by peer|proxyconnect/im;
const untrusted = /x509: |tls: |certificate (?:has expired|is not trusted|signed by unknown)/i;
/** Of an HTTP answer, in simplestreams' and the REST client's words: `404 Not Found` after the URL, `unexpected HTTP status`. */
const status = /(?:https?:\/\/\S+: |status(?: code)?:? |Proxy )?\b(40[0-9]|50[0-9]) [A-Z][a-z]+/;
const notIn = /not authorized|Missing TLS client certificate/i;

/** Of a client that its server left alone, also in the middle of what it does. Others say such words too. */
const alone = /websocket: close|unexpected EOF|use of closed network connection|broken pipe/i;

/** Whether what became of a command may be that its server is gone: a reason to look, and no more. */
export const mayBeUnheard = (error: unknown): boolean =>
  error instanceof CommandError &&
  [unreachable, socketIsDead, alone].some((words) => words.test(error.stderr));

/** A server was asked, and nothing came back. */
export class UnansweredError extends EnvironmentError {}

/**
 * A member of a cluster that was asked for what another has, and hands on in what way that one did not answer. The client
 * itself asks for /1.0 before anything else, so that what keeps it from a server is said of that.
 */
const ofMember = /^(?:Error: )?Get "https?:\/\/([^/"]+)\/1\.0\/[^"]+": (?=Unable to connect)/m;

/** @param remote the remote of the formation, whose server the command was for */
export function explainSurroundings(error: unknown, remote: string): unknown {
  if (!(error instanceof CommandError)) return error;
  // What a command inside a container says is not about our access to Incus.
  if (error.argv[1] === 'exec') return error;
  const [, member] = ofMember.exec(error.stderr) ?? [];
  if (member !== undefined)
    return new EnvironmentError(
      `the Incus server at ${member} does not answer, and the remote ${remote} needs it for this: see which member of its cluster that is (incus cluster list ${remote}:), and bring it back (${messageOf(error)})`,
    );
  const why = ofSocket(error.stderr) ?? ofServer(error.stderr, remote);
  if (why === undefined) return error;
  const told = `${why} (${messageOf(error)})`;
  return unreachable.test(error.stderr) ? new UnansweredError(told) : new EnvironmentError(told);
}

function ofSocket(stderr: string): string | undefined {
  if (socketRefuses.test(stderr))
    return "this user may not talk to the Incus daemon of this machine; add the runner's user to the group incus, which has a restricted project of its own (docs/runner.md; the group incus-admin is root on the host), and log in again";
  if (socketIsDead.test(stderr))
    return 'the Incus daemon does not answer; start it (systemctl start incus), or check INCUS_DIR, INCUS_SOCKET and the remote (for the lab: eval "$(./pgha lab env)")';
  return undefined;
}

/** Only where the client itself speaks of the URL that it asked: a daemon that answers tells what others said to it. */
function ofServer(stderr: string, remote: string): string | undefined {
  if (!/^(?:Error: )?Get "https?:\/\/|^Error: (?:not authorized|Missing TLS client)/m.test(stderr))
    return undefined;
  const server = `the Incus server of the remote ${remote}`;
  if (unreachable.test(stderr))
    return `${server} does not answer; check its address (incus remote list), that it runs, and the network to it`;
  if (untrusted.test(stderr))
    return `${server} has a certificate that this user's client does not accept; check its address, and add the remote again if its certificate has changed (incus remote add)`;
  if (notIn.test(stderr))
    return `${server} does not know this user; have its administrator trust this client's certificate for the formation's project (docs/runner.md)`;
  return undefined;
}

/**
 * Why an image is not available from the server of its remote, and what mends that.
 * @param image as the formation file names it, with its remote
 * @returns undefined where the failure is not the image server's, or it answered that it has no such image
 */
export function explainImageServer(error: unknown, image: string): EnvironmentError | undefined {
  if (!(error instanceof CommandError)) return undefined;
  const { stderr } = error;
  if (ofSocket(stderr) !== undefined) return undefined;
  const server = `the image server of the remote ${image.split(':')[0]}`;
  const [, code] = status.exec(stderr) ?? [];
  let why: string | undefined;
  if (/remote .* doesn't exist/i.test(stderr))
    why = `${image.split(':')[0]} is not a remote of this user; \`incus remote list\` shows them`;
  else if (code !== undefined && Number(code) === 407)
    why = `a proxy on the way to ${server} asks for a login; fix core.proxy_https of Incus, or HTTPS_PROXY`;
  else if (code !== undefined && Number(code) >= 500)
    why = `${server} reports an internal error (HTTP ${code}); try again later, or copy the image to your own server (incus image copy)`;
  else if (code === '404')
    why = `${server} has no such file (HTTP 404): is its address right (incus remote list)?`;
  else if (code !== undefined)
    why = `${server} refuses to hand it out (HTTP ${code}); only that server, or a proxy on the way to it, can allow it; no permission on Incus helps`;
  else if (untrusted.test(stderr))
    why = `${server} has a certificate that is not accepted; check its address (incus remote list), and whether a proxy stands in between`;
  else if (unreachable.test(stderr))
    why = `${server} does not answer; check its address (incus remote list) and the network and proxy on the way to it, or copy the image to your own server (incus image copy)`;
  return why === undefined
    ? undefined
    : new EnvironmentError(`image: ${image} is not available: ${why} (${messageOf(error)})`);
}
