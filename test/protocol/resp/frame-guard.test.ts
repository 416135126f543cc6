import test from 'ava';
import { FrameGuard } from '../../../protocol/resp/frame-guard.js';
import { encodeRequest, redisLimits } from './decoding.js';

/** A Buffer that counts how often each of its bytes is read by index. */
function watched(bytes: Buffer, base: number, reads: Uint32Array): Buffer {
  return new Proxy(bytes, {
    get(target, property): unknown {
      const index = typeof property === 'string' ? Number(property) : NaN;
      if (Number.isInteger(index)) reads[base + index] = (reads[base + index] ?? 0) + 1;
      return Reflect.get(target, property, target);
    },
  });
}

for (const cut of [1, 3, 64, 1000, 1_000_000]) {
  test(`cut at ${cut}: headers are read a fixed few times, the bytes of bulks never`, (t) => {
    const value = Buffer.alloc(20_000, 'v');
    const request = encodeRequest(['SET', 'key', value]);
    const stream = Buffer.concat([request, request]);
    const reads = new Uint32Array(stream.length);
    const guard = new FrameGuard(redisLimits);
    for (let at = 0; at < stream.length; at += cut) {
      const piece = stream.subarray(at, at + cut);
      t.is(guard.scan(watched(piece, at, reads), 0, false), 'more');
    }
    const bodyAt = stream.indexOf(value);
    t.true(reads.subarray(bodyAt, bodyAt + value.length).every((count) => count === 0));
    t.true(reads.every((count) => count <= 3));
    t.true(reads.some((count) => count > 0));
  });
}

test('a scan says where whole requests end and why it stopped', (t) => {
  const guard = new FrameGuard(redisLimits);
  const ping = encodeRequest(['PING']);
  const chunk = Buffer.concat([ping, ping, Buffer.from('PING\r\n*0\r\n*1\r\n$4')]);
  t.is(guard.scan(chunk, 0, true), 'frame');
  t.deepEqual([guard.begin, guard.at], [ping.length, ping.length]);
  t.is(guard.scan(chunk, guard.at, false), 'inline');
  t.deepEqual([guard.begin, guard.at], [2 * ping.length, 2 * ping.length + 6]);
  t.is(guard.scan(chunk, guard.at, false), 'empty');
  t.deepEqual([guard.begin, guard.at], [2 * ping.length + 6, 2 * ping.length + 10]);
  t.is(guard.scan(chunk, guard.at, false), 'more');
  t.deepEqual([guard.begin, guard.at], [2 * ping.length + 10, chunk.length]);
  t.is(guard.scan(Buffer.from('x\r\n'), 0, false), 'error');
  t.is(guard.errorText, 'ERR Protocol error: invalid bulk length');
});
