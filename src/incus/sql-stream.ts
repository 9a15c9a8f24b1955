import { spawn } from 'node:child_process';
import { Duplex, pipeline, Writable } from 'node:stream';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, lastLines } from '../contract/errors.ts';
import type { Incus } from './incus.ts';
import { SqlFrames } from './sql-frames.ts';

/**
 * Runs inside the container, as the user postgres, and joins its standard input and output with the Unix
 * socket given as argument: peer authentication, no password, no route to the container. perl-base is part
 * of every Debian and Ubuntu.
 *
 * It stays away from a Postgres that listens on no address (line 6 of postmaster.pid). That is how
 * pg_autoctl starts one for crash recovery before pg_rewind, and it then stops it with SIGTERM, the smart
 * shutdown, which waits for sessions: one of ours would make the rewind fail and the node stay down
 * (primary_standby.c, postgres_maybe_do_crash_recovery; seen in the lab).
 */
const socketPipe = `
use strict; use Socket;
my ($socket) = @ARGV;
# incus exec may lose what is printed just before the end, so the end comes a little later.
sub fail { print STDERR $_[0]; select(undef, undef, undef, 0.1); exit 1 }
my (undef, undef, $uid, $gid) = getpwnam("postgres") or fail "there is no user postgres\\n";
$( = $gid; $) = "$gid $gid"; $< = $uid; $> = $uid;
sub lines { open(my $file, "<", $_[0]) or fail "Postgres does not run ($_[0]: $!)\\n"; my @l = <$file>; chomp @l; @l }
my @postmaster = lines((lines("$socket.lock"))[1] . "/postmaster.pid");
fail "Postgres listens on no address: pg_autoctl recovers it from a crash\\n" unless length($postmaster[5] // "");
socket(my $db, PF_UNIX, SOCK_STREAM, 0) or fail "socket: $!\\n";
connect($db, sockaddr_un($socket)) or fail "connect to $socket: $!\\n";
sub pass { my ($from, $to) = @_;
  my $n = sysread($from, my $bytes, 65536); exit 0 unless $n;
  for (my $o = 0; $o < $n; ) { my $w = syswrite($to, $bytes, $n - $o, $o); exit 0 unless $w; $o += $w } }
while (1) { my $r = ''; vec($r, 0, 1) = 1; vec($r, fileno($db), 1) = 1;
  select($r, undef, undef, undef) > 0 or exit 0;
  pass(\\*STDIN, $db) if vec($r, 0, 1); pass($db, \\*STDOUT) if vec($r, fileno($db), 1) }
`;

/** A two-way byte stream to a Postgres in a container, shaped as the socket that `pg` expects. */
export interface SqlStream extends Duplex {
  /** What the client or the pipe in the container said on standard error so far, shortened. */
  complaint(): string;
  /** The same once the client has ended, or shortly: the end of a stream may be heard before its reason. */
  lastWords(): Promise<string>;
}

const lastWordsMs = 500;

/**
 * Opens a stream to the Postgres that listens on `port` in `instance`. Failures show as `error` or
 * `close` on the stream; a frozen container shows as silence, so every use needs a deadline.
 * `destroy()` ends the client at once.
 */
export function openSqlStream(incus: Incus, instance: string, port: number): SqlStream {
  const socket = `/var/run/postgresql/.s.PGSQL.${port}`;
  const child = spawn('incus', incus.argv('exec', instance, '-T', '--', 'perl', '-e', socketPipe, socket), {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });

  const readable = pipeline(child.stdout, new SqlFrames(), () => {});
  // A client that has ended is known by the end of its output, and by what it said: not by our broken pipe.
  child.stdin.on('error', () => {});
  const writable = new Writable({
    write: (chunk, _, done) => void child.stdin.write(chunk, () => done()),
    final: (done) => void child.stdin.end(() => done()),
  });
  const stream = Duplex.from({ readable, writable }) as SqlStream;
  stream.complaint = () => lastLines(stderr, 2);
  const ended = new Promise<void>((done) => {
    child.on('close', () => done());
  });
  stream.lastWords = async () => {
    await withDeadline('the end of the client', lastWordsMs, () => ended).catch(() => {});
    return stream.complaint();
  };
  child.on('error', (error: NodeJS.ErrnoException) => {
    stream.destroy(
      error.code === 'ENOENT'
        ? new EnvironmentError('`incus` is not on PATH; install it or add its folder to PATH')
        : error,
    );
  });
  // The client ends by itself when its input closes, unless the server is silent.
  // Half of it is of no use: pg takes the end of a session from this alone.
  stream.on('end', () => stream.destroy());
  // A child of its own that outlives it must not keep us.
  stream.on('close', () => {
    child.kill('SIGKILL');
    child.stdin.destroy();
    setTimeout(() => child.stderr.destroy(), lastWordsMs).unref();
  });

  // What pg calls on a net.Socket. There is nothing to connect, delay or keep alive on a pipe.
  return Object.assign(stream, {
    connect: () => {
      child.once('spawn', () => stream.emit('connect'));
      return stream;
    },
    setNoDelay: () => stream,
    setKeepAlive: () => stream,
    ref: () => stream,
    unref: () => stream,
  });
}
