/** Frames on a stream: the same messages however it is cut, nothing kept for rubbish, and what follows a stop handed over. */
import fc from '../../harness/properties.js';
import test from 'ava';
import { frameChunks, FrameSplitter, FramingError } from '../../../protocol/peer/framing.js';

const messages = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 8 },
);
const streamOf = (list: readonly Buffer[]): Buffer => Buffer.concat(list.flatMap((message) => frameChunks(message)));

function split(chunks: readonly Buffer[], frameBytesMax = 1000): { readonly found: Buffer[]; readonly splitter: FrameSplitter } {
  const splitter = new FrameSplitter(frameBytesMax);
  const found: Buffer[] = [];
  for (const chunk of chunks) splitter.push(Buffer.from(chunk), (message) => found.push(Buffer.from(message)));
  return { found, splitter };
}

test('whole, byte by byte, or cut anywhere: the same messages', (t) => {
  fc.assert(
    fc.property(messages, fc.array(fc.nat(500), { maxLength: 12 }), (list, cuts) => {
      const stream = streamOf(list);
      const at = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((x, y) => x - y), stream.length];
      const pieces = at.slice(1).map((end, i) => stream.subarray(at[i], end));
      for (const chunks of [[stream], Array.from(stream, (byte) => Buffer.of(byte)), pieces]) {
        const { found, splitter } = split(chunks);
        if (found.length !== list.length || !found.every((message, i) => list[i]?.equals(message) === true)) return false;
        if (splitter.bufferedBytes !== 0) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('a message is not copied into its chunks, and a whole one is not copied out of its stream', (t) => {
  const message = Buffer.from('message');
  const [header, body] = frameChunks(message);
  t.is(body, message);
  t.deepEqual([...header], [0, 0, 0, 7]);
  const stream = Buffer.concat([header, body]);
  new FrameSplitter(10).push(stream, (found) => t.is(found.buffer, stream.buffer));
});

test('what is held for an unfinished frame is what came of it', (t) => {
  const splitter = new FrameSplitter(1000);
  const stream = streamOf([Buffer.alloc(900)]);
  for (let at = 0; at < stream.length - 1; at++) {
    splitter.push(stream.subarray(at, at + 1), () => t.fail());
    t.is(splitter.bufferedBytes, at + 1);
  }
  splitter.push(stream.subarray(-1), (message) => t.is(message.length, 900));
  t.is(splitter.bufferedBytes, 0);
});

test('a length of nothing or beyond the bound is refused as soon as it is known, before its bytes come', (t) => {
  for (const length of [0, 1001, 0xffff_ffff]) {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(length);
    const error = t.throws(() => split([header]), { instanceOf: FramingError });
    t.is(error.code, 'FRAMING');
    t.throws(() => split([header.subarray(0, 1), header.subarray(1, 3), header.subarray(3)]), { instanceOf: FramingError });
    t.throws(() => split([Buffer.concat([...frameChunks(Buffer.of(1)), header])]), { instanceOf: FramingError });
  }
  const longest = Buffer.alloc(1000, 7);
  t.is(split([streamOf([longest])]).found.length, 1);
});

test('rubbish is refused or waited for, and never held beyond the bound', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 }), (chunks) => {
      const splitter = new FrameSplitter(1000);
      try {
        for (const chunk of chunks) {
          splitter.push(Buffer.from(chunk), () => undefined);
          if (splitter.bufferedBytes > 1004) return false;
        }
      } catch (error) {
        return error instanceof FramingError;
      }
      return true;
    }),
  );
  t.pass();
});

test('after a stop the rest is handed over uncut, wherever the stream was cut', (t) => {
  const stream = streamOf([Buffer.from('hello'), Buffer.from('first'), Buffer.from('second')]);
  for (let cut = 0; cut <= stream.length; cut++) {
    const greeting = new FrameSplitter(5);
    const after = new FrameSplitter(1000);
    const found: string[] = [];
    const note = (message: Buffer): void => void found.push(message.toString());
    let current = greeting;
    for (const chunk of [stream.subarray(0, cut), stream.subarray(cut)]) {
      let rest: Buffer | undefined = chunk;
      while (rest !== undefined) {
        const pushed: FrameSplitter = current;
        rest = pushed.push(
          rest,
          (message) => {
            note(message);
            current = after;
          },
          () => pushed !== current,
        );
      }
    }
    t.deepEqual(found, ['hello', 'first', 'second'], `cut at ${cut}`);
    t.is(greeting.bufferedBytes + after.bufferedBytes, 0);
  }
});
