import { type ChildProcess, spawn } from 'node:child_process';
import { type Moment, now } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, lastLines, messageOf } from '../contract/errors.ts';
import type { Incus } from './incus.ts';
import { FrameReader, frame } from './relay-frames.ts';
import { RelayedSocket } from './relayed-socket.ts';

/**
 * Runs inside a container, as nobody, and carries TCP connections from there over its standard input and
 * output, all of them over the one pair: an `incus exec` costs 180 ms of processor time in the lab, and
 * clients that look for a primary connect several times a second. perl-base is part of every Debian and Ubuntu.
 *
 * Frames both ways: number of the connection (0: the relay itself), one letter, length, bytes.
 * To it: o address port (open), d (data), c (close), p (ping). From it: o (opened), d, c reason, p.
 * It takes addresses and no names, as a look-up would hold up every connection. At the end of its input it ends.
 */
const relayScript = `
use strict; use Socket qw(:DEFAULT :addrinfo inet_pton TCP_NODELAY IPPROTO_TCP AF_INET6 pack_sockaddr_in6); use Fcntl; use Errno qw(EINPROGRESS EAGAIN EINTR);
my ($in, %socket, %opening, %out) = ('');
$SIG{PIPE} = 'IGNORE';
sub tell_ { my ($id, $kind, $body) = @_;
  my $bytes = pack('NaN/a*', $id, $kind, $body // '');
  for (my $o = 0; $o < length $bytes; ) {
    my $w = syswrite(STDOUT, $bytes, length($bytes) - $o, $o); next if !defined $w && $!{EINTR}; exit 0 unless $w; $o += $w } }
sub drop { my ($id, $why) = @_; close $socket{$id}; delete $_->{$id} for \\%socket, \\%opening, \\%out; tell_($id, 'c', $why) if defined $why }
sub open_ { my ($id, $address, $port) = @_;
  my $v6 = $address =~ /:/;
  my $packed = inet_pton($v6 ? AF_INET6 : AF_INET, $address) or return tell_($id, 'c', "not an address: $address");
  socket(my $s, $v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or return tell_($id, 'c', "socket: $!");
  fcntl($s, F_SETFL, O_NONBLOCK); setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);
  $socket{$id} = $s; $opening{$id} = 1; $out{$id} = '';
  connect($s, $v6 ? pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed)) or $!{EINPROGRESS} or drop($id, "$!") }
sub heard { my ($id, $kind, $body) = @_;
  if ($kind eq 'p') { tell_($id, 'p') } elsif ($kind eq 'o') { open_($id, split / /, $body) }
  elsif (!$socket{$id}) { } elsif ($kind eq 'd') { $out{$id} .= $body } else { drop($id) } }
sub opened { my $id = $_[0]; my $e = unpack('i', getsockopt($socket{$id}, SOL_SOCKET, SO_ERROR));
  if ($e) { $! = $e; return drop($id, "$!") } delete $opening{$id}; tell_($id, 'o') }
sub flush_ { my $id = $_[0]; my $w = syswrite($socket{$id}, $out{$id});
  if (defined $w) { substr($out{$id}, 0, $w) = '' } elsif (!$!{EAGAIN} && !$!{EINTR}) { drop($id, "$!") } }
sub take { my $id = $_[0]; my $n = sysread($socket{$id}, my $bytes, 65536);
  if ($n) { tell_($id, 'd', $bytes) } elsif (defined $n) { drop($id, '') } elsif (!$!{EAGAIN} && !$!{EINTR}) { drop($id, "$!") } }
tell_(0, 'o');
while (1) {
  my ($r, $w) = ('', ''); vec($r, 0, 1) = 1;
  for my $id (keys %socket) { my $n = fileno $socket{$id};
    if ($opening{$id}) { vec($w, $n, 1) = 1 } else { vec($r, $n, 1) = 1; vec($w, $n, 1) = 1 if length $out{$id} } }
  next if select($r, $w, undef, undef) < 0;
  for my $id (keys %socket) { my $n = fileno $socket{$id};
    if (vec($w, $n, 1)) { $opening{$id} ? opened($id) : flush_($id) }
    take($id) if $socket{$id} && !$opening{$id} && vec($r, $n, 1) }
  if (vec($r, 0, 1)) {
    my $n = sysread(STDIN, $in, 65536, length $in); exit 0 unless $n;
    while (length $in >= 9 && length $in >= 9 + unpack('x5N', $in)) {
      my ($id, $kind, $body) = unpack('NaN/a*', $in); substr($in, 0, 9 + length $body) = ''; heard($id, $kind, $body) } }
}
`;

/** nobody, on every Debian and Ubuntu. */
const nobody = '65534';
const openDeadlineMs = 10_000;

/** TCP connections that start in a container: what a client there would have, without a route to it from here. */
export class TcpRelay {
  private readonly child: ChildProcess;
  private readonly sockets = new Map<number, RelayedSocket>();
  private lastId = 0;
  private stderr = '';
  private ended: string | undefined;
  private pings: { sentAt: Moment; answered(tookMs: number): void; failed(error: Error): void }[] = [];
  /** Called once when it ends, unless it was closed. */
  onLost: ((why: string) => void) | undefined;
  private onReady: (() => void) | undefined;
  private onFailed: ((error: Error) => void) | undefined;

  private constructor(incus: Incus, instance: string) {
    const args = incus.argv('exec', instance, '-T', '--user', nobody, '--', 'perl', '-e', relayScript);
    const child = spawn('incus', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-2000);
    });
    const frames = new FrameReader((id, kind, body) => this.hear(id, kind, body));
    child.stdout.on('data', (bytes: Buffer) => frames.push(bytes));
    // A relay that is gone shows by its end; what was written to it last is lost with it.
    child.stdin.on('error', () => {});
    child.on('error', (error: NodeJS.ErrnoException) =>
      this.end(error.code === 'ENOENT' ? '`incus` is not on PATH' : messageOf(error)),
    );
    child.on('close', () => this.end(lastLines(this.stderr, 2) || 'it ended'));
  }

  /** @throws EnvironmentError or DeadlineError when it does not come to life within 10 s */
  static async open(incus: Incus, instance: string, signal?: AbortSignal): Promise<TcpRelay> {
    const relay = new TcpRelay(incus, instance);
    try {
      await withDeadline(
        `the relay in ${instance}`,
        openDeadlineMs,
        () =>
          new Promise<void>((ready, failed) => {
            relay.onReady = ready;
            relay.onFailed = failed;
            if (relay.ended !== undefined) failed(new Error(relay.ended));
          }),
        signal,
      );
      return relay;
    } catch (error) {
      relay.close();
      if (signal?.aborted) throw error;
      throw new EnvironmentError(`the relay in ${instance} could not be started: ${messageOf(error)}`);
    }
  }

  /** Why it is over, or undefined while it lives. Its connections are closed then. */
  get lost(): string | undefined {
    return this.ended;
  }

  /** A socket that connects to `address` once its `connect` is called. @throws EnvironmentError when the relay is gone */
  socket(address: string): RelayedSocket {
    if (this.ended !== undefined) throw new EnvironmentError(`the relay is gone: ${this.ended}`);
    const id = ++this.lastId;
    const socket = new RelayedSocket(address, (kind, body) => this.send(id, kind, body));
    this.sockets.set(id, socket);
    socket.once('close', () => {
      if (this.sockets.delete(id)) this.send(id, 'c');
    });
    return socket;
  }

  /** How long a byte takes there and back, in milliseconds. @throws EnvironmentError when the relay is gone */
  async ping(): Promise<number> {
    return await new Promise<number>((answered, failed) => {
      if (this.ended !== undefined) failed(new EnvironmentError(`the relay is gone: ${this.ended}`));
      else this.pings.push({ sentAt: now(), answered, failed });
      this.send(0, 'p');
    });
  }

  /** Ends it and every connection that it carries. */
  close(): void {
    this.onLost = undefined;
    this.end('closed');
    this.child.stdin?.end();
    this.child.kill('SIGKILL');
  }

  private send(id: number, kind: string, body: string | Buffer = ''): void {
    if (this.ended === undefined) this.child.stdin?.write(frame(id, kind, body));
  }

  private hear(id: number, kind: string, body: Buffer): void {
    if (id === 0) {
      if (kind === 'o') this.onReady?.();
      const ping = kind === 'p' ? this.pings.shift() : undefined;
      ping?.answered(now() - ping.sentAt);
      return;
    }
    const socket = this.sockets.get(id);
    if (kind === 'o') socket?.opened();
    else if (kind === 'd') socket?.push(body);
    else if (kind === 'c') {
      this.sockets.delete(id);
      socket?.closedThere(body.toString());
    }
  }

  private end(why: string): void {
    if (this.ended !== undefined) return;
    this.ended = why;
    const error = new EnvironmentError(`the relay is gone: ${why}`);
    this.onFailed?.(new Error(why));
    for (const ping of this.pings.splice(0)) ping.failed(error);
    for (const socket of this.sockets.values()) socket.closedThere(error.message);
    this.sockets.clear();
    this.onLost?.(why);
  }
}
