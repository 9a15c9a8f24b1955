import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Frames } from '../../../src/postgres/frames.ts';

/** The first refusal of chunks that come one after the other. */
function refusalOf(chunks: Iterable<Buffer>): Error | undefined {
  const frames = new Frames();
  for (const chunk of chunks) {
    const passed = frames.pass(chunk);
    if (passed instanceof Error) return passed;
  }
  return undefined;
}

function message(type: string, body: Uint8Array): Buffer {
  const head = Buffer.from([type.charCodeAt(0), 0, 0, 0, 0]);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** The body of an error or notice. */
const fields = fc
  .array(fc.tuple(fc.constantFrom('S', 'C', 'M', 'D'), fc.stringMatching(/^[^\0]*$/)))
  .map((given) => Buffer.from(`${given.map(([type, text]) => `${type}${text}\0`).join('')}\0`));
const messages = fc.array(
  fc.oneof(
    fc
      .tuple(fc.constantFrom('R', 'S', 'K', 'Z', 'T', 'D', 'C', 'A', '1', '2', 'n'), fc.uint8Array())
      .map(([type, body]) => message(type, body)),
    fc.tuple(fc.constantFrom('E', 'N'), fields).map(([type, body]) => message(type, body)),
  ),
);
/** Of a megabyte. */
const large = (type: string) => message(type, Buffer.alloc(1024 * 1024));
const ready = message('Z', Buffer.from('I'));

describe('the frames of the protocol', () => {
  it('are known as such, however they are cut', () => {
    fc.assert(
      fc.property(messages, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (sent, sizes) => {
        const whole = Buffer.concat(sent);
        const chunks: Buffer[] = [];
        for (let at = 0; at < whole.length; ) {
          const size = sizes.next().value as number;
          chunks.push(whole.subarray(at, at + size));
          at += size;
        }
        const frames = new Frames();
        const passed = chunks.map((chunk) => frames.pass(chunk));
        expect(Buffer.concat(passed as Buffer[]).equals(whole)).toBe(true);
      }),
    );
  });

  it.each([1, 7, 4096, 10_000_000])(
    'of an error or notice that is long are passed on with the beginning of its text, in chunks of %d bytes',
    (size) => {
      const long = (type: string) =>
        message(type, Buffer.from(`SERROR\0VERROR\0CP0001\0M${'ü'.repeat(40_000)}\0Dmore\0\0`));
      const short = message('E', Buffer.from('SERROR\0C42P01\0Mno such table\0\0'));
      const row = message('D', Buffer.alloc(30_000));
      const sent = Buffer.concat([ready, long('N'), row, short, long('E'), ready]);
      const frames = new Frames();
      const passed: Buffer[] = [];
      for (let at = 0; at < sent.length; at += size)
        passed.push(frames.pass(sent.subarray(at, at + size)) as Buffer);
      const told = `SERROR\0VERROR\0CP0001\0M${'ü'.repeat(249)}… (80030 bytes in all)\0\0`;
      const [notice, error] = [message('N', Buffer.from(told)), message('E', Buffer.from(told))];
      const expected = Buffer.concat([ready, notice, row, short, error, ready]);
      expect(Buffer.concat(passed).equals(expected)).toBe(true);
    },
  );

  it.each([
    ['text', Buffer.from('yes\n'.repeat(20))],
    ['a message that is too long', Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])],
    ['a length that leaves out its own', Buffer.from([0x44, 0, 0, 0, 3])],
    ['an error without its end', message('E', Buffer.from(''))],
    ['an error whose last field has no end', message('E', Buffer.from('SERROR\0Mno'))],
    ['a notice whose fields have no end', message('N', Buffer.from('SNOTICE\0'))],
    ['text after a message', Buffer.concat([message('Z', Buffer.from('I')), Buffer.from('garbage')])],
  ])('are not %s', (_, given) => {
    expect(refusalOf([given])?.message).toContain('what answers is no Postgres');
  });

  it('are not an answer without end', () => {
    expect(refusalOf(Array.from({ length: 64 }, () => large('D')))?.message).toContain('no Postgres');
  });

  it.each([
    ['many answers', [large('D'), ready]],
    ['what comes unasked', [large('A'), large('S')]],
  ])('are %s', (_, given) => {
    expect(refusalOf(Array.from({ length: 80 }, () => given).flat())).toBeUndefined();
  });

  it('are not what goes on without end, by its first bytes', () => {
    let asked = 0;
    const endless = function* () {
      for (;;) {
        asked++;
        yield Buffer.alloc(65_536, 'y');
      }
    };
    expect(refusalOf(endless())?.message).toContain('no Postgres');
    expect(asked).toBe(1);
  });
});
