import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SqlFrames } from '../../../src/incus/sql-frames.ts';

/** The first fault that is found in chunks that come one after the other. */
function faultOf(chunks: Iterable<Buffer>): Error | undefined {
  const frames = new SqlFrames();
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

const messages = fc.array(
  fc
    .tuple(fc.constantFrom('R', 'S', 'K', 'Z', 'T', 'D', 'C', 'E', 'N', 'A', '1', '2', 'n'), fc.uint8Array())
    .map(([type, body]) => message(type, body)),
);

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
    ['text after a message', Buffer.concat([message('Z', Buffer.from('I')), Buffer.from('garbage')])],
  ])('are not %s', (_, given) => {
    expect(faultOf([given])?.message).toContain('what answers is no Postgres');
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
