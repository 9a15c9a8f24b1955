import { Duplex } from 'node:stream';

/** One connection of a TCP relay, shaped as the socket that `pg` expects. */
export class RelayedSocket extends Duplex {
  private readonly address: string;
  private readonly send: (kind: 'o' | 'd', body: string | Buffer) => void;
  private why = '';

  constructor(address: string, send: (kind: 'o' | 'd', body: string | Buffer) => void) {
    super({ allowHalfOpen: false });
    this.address = address;
    this.send = send;
  }

  connect(port: number): this {
    this.send('o', `${this.address} ${port}`);
    return this;
  }

  /** What was said of the connection's end, '' for nothing. */
  complaint(): string {
    return this.why;
  }

  opened(): void {
    this.emit('connect');
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
    this.send('d', bytes);
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
