import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SqlFrames } from '../../../src/incus/sql-frames.ts';

/** What comes out of a stream of chunks, and the error that ended it. */
async function through(chunks: readonly Buffer[]): Promise<{ out: Buffer; error: Error | undefined }> {
  const out: Buffer[] = [];
  const frames = new SqlFrames();
  try {
    await pipeline(chunks, frames, async (source) => {
      for await (const chunk of source) out.push(chunk as Buffer);
    });
    return { out: Buffer.concat(out), error: undefined };
  } catch (error) {
    return { out: Buffer.concat(out), error: error as Error };
  }
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
  it('come through to the byte, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(messages, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), async (sent, sizes) => {
        const whole = Buffer.concat(sent);
        const chunks: Buffer[] = [];
        for (let at = 0; at < whole.length; ) {
          const size = sizes.next().value as number;
          chunks.push(whole.subarray(at, at + size));
          at += size;
        }
        expect(await through(chunks)).toEqual({ out: whole, error: undefined });
      }),
    );
  });

  it.each([
    ['text', Buffer.from('yes\n'.repeat(20))],
    ['a message that is too long', Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])],
    ['a length that leaves out its own', Buffer.from([0x44, 0, 0, 0, 3])],
    ['text after a message', Buffer.concat([message('Z', Buffer.from('I')), Buffer.from('garbage')])],
  ])('are not %s', async (_, given) => {
    const { error } = await through([given]);
    expect(error?.message).toContain('what answers is no Postgres');
  });

  it('end what goes on without end at its first bytes', async () => {
    let asked = 0;
    const endless = function* () {
      for (;;) {
        asked++;
        yield Buffer.alloc(65_536, 'y');
      }
    };
    const frames = new SqlFrames();
    await expect(
      pipeline(endless(), frames, async (source) => {
        for await (const _ of source);
      }),
    ).rejects.toThrow('no Postgres');
    expect(asked).toBeLessThan(10);
  });
});
