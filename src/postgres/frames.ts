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

/** Of an error or notice. A longer one is passed on without what is beyond, which `pg` would keep in memory as text. */
const longestTextBytes = 16 * 1024;

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
  /** Of an error or notice that is too long: its beginning, and how long it is. */
  private long: { kept: Buffer[]; keptBytes: number; bytes: number } | undefined;

  /** @returns what may be passed on of it, or the error that ends the session: what came so far is none of Postgres' */
  pass(chunk: Buffer): Buffer | Error {
    const passed: Buffer[] = [];
    if (!this.fits(chunk, passed)) return notPostgres(chunk);
    return passed.length === 1 ? (passed[0] as Buffer) : Buffer.concat(passed);
  }

  private fits(chunk: Buffer, passed: Buffer[]): boolean {
    // What is passed on of the chunk begins here.
    let from = this.long === undefined && this.headLength === 0 ? 0 : chunk.length;
    const passTo = (end: number) => {
      if (from < end) passed.push(chunk.subarray(from, end));
      from = chunk.length;
    };
    for (let at = 0; at < chunk.length; ) {
      if (this.bytesLeft > 0) {
        const taken = chunk.subarray(at, at + this.bytesLeft);
        this.bytesLeft -= taken.length;
        at += taken.length;
        this.last = [taken.at(-2) ?? this.last[1], taken.at(-1) ?? 0];
        this.keep(taken);
        if (this.bytesLeft > 0) continue;
        if (fielded.has(this.type) && this.last.some((byte) => byte !== 0)) return false;
        if (this.long) {
          passed.push(shortened(this.type, Buffer.concat(this.long.kept), this.long.bytes));
          this.long = undefined;
          from = at;
        }
        continue;
      }
      const wasCut = this.headLength > 0;
      const start = at;
      const copied = chunk.copy(this.head, this.headLength, at, at + headBytes - this.headLength);
      this.headLength += copied;
      at += copied;
      if (!messageTypes.has(this.head[0] ?? 0)) return false;
      if (this.headLength < headBytes) {
        // It is passed on once it is whole.
        if (!wasCut) passTo(start);
        break;
      }
      this.headLength = 0;
      const length = this.head.readUInt32BE(1);
      if (!this.begins(this.head[0] ?? 0, length)) return false;
      if (fielded.has(this.type) && length > longestTextBytes) {
        if (!wasCut) passTo(start);
        this.long = { kept: [], keptBytes: 0, bytes: length - 4 };
      } else if (wasCut) {
        passed.push(Buffer.from(this.head));
        from = at;
      }
    }
    passTo(chunk.length);
    return true;
  }

  private keep(taken: Buffer): void {
    if (this.long === undefined || this.long.keptBytes >= longestTextBytes) return;
    const kept = Buffer.from(taken.subarray(0, longestTextBytes - this.long.keptBytes));
    this.long.kept.push(kept);
    this.long.keptBytes += kept.length;
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

const shownTextBytes = 500;

/** An error or notice of the same severity and code, with the beginning of its text, and how long it was. */
function shortened(type: number, beginning: Buffer, bytes: number): Buffer {
  const fields = new Map<string, string>();
  for (let at = 0; at < beginning.length; ) {
    const end = beginning.indexOf(0, at);
    const field = beginning.subarray(at, end === -1 ? beginning.length : end);
    if (field.length === 0) break;
    fields.set(String.fromCharCode(field[0] ?? 0), field.toString('utf8', 1, shownTextBytes));
    at += field.length + 1;
  }
  // What is cut may be in the midst of a character.
  const text = (fields.get('M') ?? '').replace(/\ufffd+$/, '');
  fields.set('M', `${text}… (${bytes} bytes in all)`);
  const told = ['S', 'V', 'C', 'M'].filter((name) => fields.has(name));
  const body = Buffer.from(`${told.map((name) => `${name}${fields.get(name)}\0`).join('')}\0`);
  const head = Buffer.alloc(headBytes);
  head[0] = type;
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
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
  const endWith = (error: Error) => {
    isOver = true;
    stream.destroy(error);
  };
  const hear = (listener: (chunk: Buffer) => void) => (chunk: Buffer) => {
    if (isOver) return;
    const passed = frames.pass(chunk);
    if (passed instanceof Error) return endWith(passed);
    try {
      if (passed.length > 0) listener(passed);
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
