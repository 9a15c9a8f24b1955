import type { Duplex } from 'node:stream';
import type pg from 'pg';
import { EnvironmentError, messageOf } from '../contract/errors.ts';

/** First bytes of the messages that a Postgres server sends (its documentation, "Message Formats"). */
const messageTypes = new Set(Buffer.from('RSKZTDCEINAVGHWdcnst123v'));
/** Of one answer. None of what we ask is a tenth as long; `pg` keeps what comes in until its statement is over. */
const longestAnswerBytes = 64 * 1024 * 1024;
const headBytes = 5;
const readyForQuery = 'Z'.charCodeAt(0);
/** What comes unasked, and is not kept. */
const asides = new Set(Buffer.from('ANS'));
/** Errors and notices: fields, each a letter and a text that a zero ends, and a zero. */
const fielded = new Set(Buffer.from('EN'));

/**
 * Sees whether what comes is what a Postgres sends, as far as `pg` relies on it: a type, a length, so many bytes; an end
 * of the fields of an error, which `pg` would look for for ever; an answer that ends before it fills our memory.
 */
export class Frames {
  private readonly head = Buffer.alloc(headBytes);
  private headLength = 0;
  /** Of the message that is under way: its type, what is to come of it, and its last two bytes so far. */
  private type = 0;
  private bytesLeft = 0;
  private last: [number, number] = [0, 0];
  private answerBytes = 0;

  /** @returns the error that ends the session, once what came so far is none of Postgres' */
  fault(chunk: Buffer): Error | undefined {
    return this.fits(chunk) ? undefined : notPostgres(chunk);
  }

  private fits(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.bytesLeft > 0) {
        const taken = chunk.subarray(at, at + this.bytesLeft);
        this.bytesLeft -= taken.length;
        at += taken.length;
        this.last = [taken.at(-2) ?? this.last[1], taken.at(-1) ?? 0];
        if (this.bytesLeft === 0 && fielded.has(this.type) && this.last.some((byte) => byte !== 0))
          return false;
        continue;
      }
      const copied = chunk.copy(this.head, this.headLength, at, at + headBytes - this.headLength);
      this.headLength += copied;
      at += copied;
      if (!messageTypes.has(this.head[0] ?? 0)) return false;
      if (this.headLength < headBytes) break;
      this.headLength = 0;
      if (!this.begins(this.head[0] ?? 0, this.head.readUInt32BE(1))) return false;
    }
    return true;
  }

  /** @param length as sent: it counts its own four bytes */
  private begins(type: number, length: number): boolean {
    this.type = type;
    this.bytesLeft = length - 4;
    // A body of one zero has no field before its end.
    this.last = [0, 0];
    if (type === readyForQuery) this.answerBytes = 0;
    else if (!asides.has(type)) this.answerBytes += length;
    return length >= (fielded.has(type) ? 5 : 4) && Math.max(length, this.answerBytes) <= longestAnswerBytes;
  }
}

/**
 * Has a client read nothing but what `Frames` lets pass, over TLS as without it, and has its session end where it cannot
 * read that: `pg` reads in a listener of the stream's, from which an error would end the process.
 */
export function guardAnswers(client: pg.Client): void {
  const { connection } = client as unknown as { connection: { attachListeners(stream: Duplex): void } };
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = (stream) => attach(guarded(stream));
}

/** A stream to listen to, which is all that `pg` does with it there. */
function guarded(stream: Duplex): Duplex {
  const frames = new Frames();
  let isOver = false;
  const endWith = (fault: Error) => {
    isOver = true;
    stream.destroy(fault);
  };
  const hear = (listener: (chunk: Buffer) => void) => (chunk: Buffer) => {
    if (isOver) return;
    const fault = frames.fault(chunk);
    if (fault) return endWith(fault);
    try {
      listener(chunk);
    } catch (error) {
      endWith(new EnvironmentError(`what Postgres sent cannot be read: ${messageOf(error)}`));
    }
  };
  return {
    on: (event: string, listener: (chunk: Buffer) => void) =>
      stream.on(event, event === 'data' ? hear(listener) : listener),
  } as unknown as Duplex;
}

function notPostgres(chunk: Buffer): Error {
  const shown = JSON.stringify(chunk.subarray(0, 40).toString('latin1'));
  return new EnvironmentError(`what answers is no Postgres (it said ${shown})`);
}
