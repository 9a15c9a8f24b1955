import { Duplex } from 'node:stream';

/** One connection of a relay, shaped as the socket that `pg` expects. */
export class RelayedSocket extends Duplex {
  private readonly open: (port: number) => void;
  private readonly send: (bytes: Buffer) => void;
  private why = '';

  constructor(open: (port: number) => void, send: (bytes: Buffer) => void) {
    super({ allowHalfOpen: false });
    this.open = open;
    this.send = send;
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
    this.push(bytes);
  }

  /** The other side, or the relay, ended it: '' for an end in good order, after which what came is still read. */
  closedThere(why: string): void {
    this.why = why;
    if (why === '') this.push(null);
    else this.destroy(new Error(why));
  }

  // What comes is bounded by whoever reads it (postgres/frames.ts), so nothing is held back on the way.
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
