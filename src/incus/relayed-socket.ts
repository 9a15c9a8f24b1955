import { Duplex } from 'node:stream';
import type { SqlFrames } from './sql-frames.ts';

/** One connection of a relay, shaped as the socket that `pg` expects. */
export class RelayedSocket extends Duplex {
  private readonly open: (port: number) => void;
  private readonly send: (bytes: Buffer) => void;
  private readonly expected: SqlFrames | undefined;
  private why = '';

  /** @param expected what comes must be, where whoever reads it would not see to that */
  constructor(open: (port: number) => void, send: (bytes: Buffer) => void, expected?: SqlFrames) {
    super({ allowHalfOpen: false });
    this.open = open;
    this.send = send;
    this.expected = expected;
  }

  connect(port: number): this {
    this.open(port);
    return this;
  }

  /** What was said of the connection's end, '' for nothing. */
  complaint(): string {
    return this.why;
  }

  opened(): void {
    this.emit('connect');
  }

  hear(bytes: Buffer): void {
    const fault = this.expected?.fault(bytes);
    if (fault) this.destroy(fault);
    else this.push(bytes);
  }

  /** The other side, or the relay, ended it: '' for an end in good order, after which what came is still read. */
  closedThere(why: string): void {
    this.why = why;
    if (why === '') this.push(null);
    else this.destroy(new Error(why));
  }

  // What comes is bounded by one statement's answer, so nothing is held back on the way.
  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.send(bytes);
    done();
  }

  /** A TLS session on top tells its error only after it has ended its socket: the end must not be heard first. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    setImmediate(done, error);
  }

  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
