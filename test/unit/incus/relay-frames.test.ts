import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameReader, frame } from '../../../src/incus/relay-frames.ts';

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
