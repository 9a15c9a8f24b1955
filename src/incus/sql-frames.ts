import { EnvironmentError } from '../contract/errors.ts';

/** First bytes of the messages that a Postgres server sends (its documentation, "Message Formats"). */
const messageTypes = new Set(Buffer.from('RSKZTDCEINAVGHWdcnst123v'));
/** No message of what we ask is a tenth as long. `pg` would keep what comes in until a message is whole. */
const longestMessageBytes = 64 * 1024 * 1024;
const headBytes = 5;

/**
 * Sees whether what comes has the frames of Postgres' protocol: a type, a length, so many bytes. What answers in place of
 * a Postgres is known by its first bytes, before it fills our memory.
 */
export class SqlFrames {
  private readonly head = Buffer.alloc(headBytes);
  private headLength = 0;
  /** Of the message that is under way. */
  private bytesLeft = 0;

  /** @returns the error that ends the session, once what came so far is none of Postgres' */
  fault(chunk: Buffer): Error | undefined {
    return this.fits(chunk) ? undefined : notPostgres(chunk);
  }

  private fits(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.bytesLeft > 0) {
        const taken = Math.min(this.bytesLeft, chunk.length - at);
        this.bytesLeft -= taken;
        at += taken;
        continue;
      }
      const copied = chunk.copy(this.head, this.headLength, at, at + headBytes - this.headLength);
      this.headLength += copied;
      at += copied;
      if (!messageTypes.has(this.head[0] ?? 0)) return false;
      if (this.headLength < headBytes) break;
      // The length counts its own four bytes.
      const length = this.head.readUInt32BE(1);
      if (length < 4 || length > longestMessageBytes) return false;
      this.bytesLeft = length - 4;
      this.headLength = 0;
    }
    return true;
  }
}

function notPostgres(chunk: Buffer): Error {
  const shown = JSON.stringify(chunk.subarray(0, 40).toString('latin1'));
  return new EnvironmentError(
    `what answers is no Postgres (it said ${shown}); is this the real incus client?`,
  );
}
