/** Frames of a container's relay: connection or command (32 bits), kind (one letter), length (32 bits), bytes. Big-endian. */

const headBytes = 9;
/** Of both sides' bytes; a relay reads 64 KiB at a time. */
const longestBodyBytes = 16 * 1024 * 1024;

export function frame(id: number, kind: string, body: string | Buffer = ''): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(id, 0);
  head.write(kind, 4, 'latin1');
  head.writeUInt32BE(bytes.length, 5);
  return Buffer.concat([head, bytes]);
}

/** Puts frames together again, however the bytes are cut. */
export class FrameReader {
  private rest: Buffer = Buffer.alloc(0);
  private readonly hear: (id: number, kind: string, body: Buffer) => void;

  constructor(hear: (id: number, kind: string, body: Buffer) => void) {
    this.hear = hear;
  }

  /** @returns whether it is still frames that come: false for good once it is something else */
  push(bytes: Buffer): boolean {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    while (this.rest.length >= headBytes) {
      const [id, kind] = [this.rest.readUInt32BE(0), this.rest.toString('latin1', 4, 5)];
      const length = this.rest.readUInt32BE(5);
      if (!/[a-z]/.test(kind) || length > longestBodyBytes) return false;
      const end = headBytes + length;
      if (this.rest.length < end) return true;
      const body = this.rest.subarray(headBytes, end);
      this.rest = this.rest.subarray(end);
      this.hear(id, kind, body);
    }
    return true;
  }
}
