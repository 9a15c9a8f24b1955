import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Frames } from '../../../src/postgres/frames.ts';

/** The first fault that is found in chunks that come one after the other. */
function faultOf(chunks: Iterable<Buffer>): Error | undefined {
  const frames = new Frames();
  for (const chunk of chunks) {
    const fault = frames.fault(chunk);
    if (fault) return fault;
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
        expect(faultOf(chunks)).toBeUndefined();
      }),
    );
  });

  it.each([
    ['text', Buffer.from('yes\n'.repeat(20))],
    ['a message that is too long', Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])],
    ['a length that leaves out its own', Buffer.from([0x44, 0, 0, 0, 3])],
    ['an error without its end', message('E', Buffer.from(''))],
    ['an error whose last field has no end', message('E', Buffer.from('SERROR\0Mno'))],
    ['a notice whose fields have no end', message('N', Buffer.from('SNOTICE\0'))],
    ['text after a message', Buffer.concat([message('Z', Buffer.from('I')), Buffer.from('garbage')])],
  ])('are not %s', (_, given) => {
    expect(faultOf([given])?.message).toContain('what answers is no Postgres');
  });

  it('are not an answer without end', () => {
    expect(faultOf(Array.from({ length: 64 }, () => large('D')))?.message).toContain('no Postgres');
  });

  it.each([
    ['many answers', [large('D'), ready]],
    ['what comes unasked', [large('A'), large('S')]],
  ])('are %s', (_, given) => {
    expect(faultOf(Array.from({ length: 80 }, () => given).flat())).toBeUndefined();
  });

  it('are not what goes on without end, by its first bytes', () => {
    let asked = 0;
    const endless = function* () {
      for (;;) {
        asked++;
        yield Buffer.alloc(65_536, 'y');
      }
    };
    expect(faultOf(endless())?.message).toContain('no Postgres');
    expect(asked).toBe(1);
  });
});
