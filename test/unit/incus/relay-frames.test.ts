import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameReader, frame } from '../../../src/incus/relay/relay-frames.ts';

const anyFrame = fc.record({
  id: fc.integer({ min: 0, max: 0xffffffff }),
  kind: fc.constantFrom<string>('o', 'd', 'c', 'p'),
  body: fc.uint8Array({ maxLength: 300 }),
});

it('frames are read as they were written, however the bytes are cut on the way', () => {
  fc.assert(
    fc.property(fc.array(anyFrame), fc.array(fc.nat({ max: 50 })), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ id, kind, body }) => frame(id, kind, Buffer.from(body))));
      const read: typeof frames = [];
      const reader = new FrameReader((id, kind, body) => read.push({ id, kind, body: new Uint8Array(body) }));
      let from = 0;
      for (const length of cuts) {
        reader.push(bytes.subarray(from, from + length));
        from = Math.min(bytes.length, from + length);
      }
      reader.push(bytes.subarray(from));
      expect(read).toEqual(frames);
    }),
  );
});

it.each([
  ['text without end', Buffer.from('yes\n'.repeat(20))],
  ['zeros', Buffer.alloc(50)],
  ['numbers', Buffer.from('1\n2\n3\n4\n5\n6\n7\n8\n')],
  ['a body of 2 GB', Buffer.concat([Buffer.from([0, 0, 0, 1, 0x64]), Buffer.from('7fffffff', 'hex')])],
])('%s are no frames, and are known by their first bytes', (_, bytes) => {
  const reader = new FrameReader(() => {
    throw new Error('this is none');
  });
  expect(reader.push(bytes)).toBe(false);
});
