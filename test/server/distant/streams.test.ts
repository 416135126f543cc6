/** A stream as it goes from its partition to another: all of it is what there was, in any range that is asked for; and what a peer sends instead of one is an error. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { EncodedReply, ErrorReply, type Reply } from '../../../protocol/resp/reply.js';
import { encodeReply } from '../../../protocol/resp/reply-writer.js';
import { decoded } from '../../../server/decode-reply.js';
import { DistantExecution } from '../../../server/distant/execution.js';
import { argumentsOf, distantValueAt, distantValueOf, type DistantValue } from '../../../server/distant/value.js';
import { streamAt, writeStream, type StreamContent } from '../../../server/streams/stream.js';
import { valueTypes } from '../../../server/values/all.js';
import { CommandError } from '../../../storage/execution.js';
import { MemoryExecution } from '../commands/memory-execution.js';

const nowMs = 1_700_000_000_000;
const [here, far] = [Buffer.from('here'), Buffer.from('far')];

const bytes = fc.oneof(fc.constantFrom('', 'g', 'h', 'v').map((text) => Buffer.from(text)), fc.uint8Array({ maxLength: 6 }).map((each) => Buffer.from(each))); // prettier-ignore
const id = fc.oneof(fc.bigInt(1n, 40n), fc.bigInt(1n, 2n ** 128n - 1n));
const ids = fc.uniqueArray(id, { maxLength: 12 }).map((each) => each.sort((x, y) => (x < y ? -1 : 1)));
const instant = fc.integer({ min: 1, max: nowMs });
const times = fc.bigInt(0n, 2n ** 63n - 1n);
const byName = (x: { readonly name: Buffer }, y: { readonly name: Buffer }): number => Buffer.compare(x.name, y.name);
const nameOf = ({ name }: { readonly name: Buffer }): string => name.toString('latin1');
const consumer = fc.record({ name: bytes, seenMs: instant, activeMs: fc.oneof(instant, fc.constant(0)) });
const group = fc.record({
  name: bytes,
  lastId: fc.oneof(id, fc.constant(0n)),
  entriesRead: fc.option(fc.nat(), { nil: undefined }),
  consumers: fc.uniqueArray(consumer, { selector: nameOf, maxLength: 3 }).map((each) => each.sort(byName)),
  pending: ids.chain((each) => fc.tuple(...each.map((at) => fc.record({ id: fc.constant(at), consumer: bytes, sinceMs: instant, times })))),
});
const content: fc.Arbitrary<StreamContent> = fc
  .record({
    entries: ids.chain((each) => fc.tuple(...each.map((one) => fc.record({ id: fc.constant(one), fields: fc.array(bytes) })))),
    beyond: fc.nat(50),
    greatestDeletedId: fc.oneof(id, fc.constant(0n)),
    removed: fc.nat(1000),
    groups: fc.uniqueArray(group, { selector: nameOf, maxLength: 3 }).map((each) => each.sort(byName)),
  })
  .map(({ beyond, removed, ...rest }) => {
    const last = rest.entries.at(-1)?.id ?? 0n;
    const lastId = last + BigInt(beyond);
    return { ...rest, entriesAdded: rest.entries.length + removed, lastId: lastId < 2n ** 128n ? lastId : last };
  });

function execution(all: StreamContent | undefined): MemoryExecution {
  const made = new MemoryExecution(nowMs);
  if (all !== undefined) writeStream(made, far, all, nowMs + 1000);
  return made;
}

function brought(reply: Reply): DistantValue {
  const args = argumentsOf(far, decoded(new EncodedReply(encodeReply(reply, 2))));
  const taken = args instanceof ErrorReply ? undefined : distantValueAt(args, 0);
  if (taken === undefined) throw new Error('it is no value');
  return taken.value;
}
/** What is pending, as it was written, without the dots by which it was. */
const withoutDots = ({ groups, ...rest }: StreamContent): StreamContent => ({
  ...rest,
  groups: groups.map((each) => ({
    ...each,
    pending: each.pending.map(({ id, consumer, sinceMs, times }) => ({ id, consumer, sinceMs, times })),
  })),
});
const seeing = (at: MemoryExecution, value: DistantValue): DistantExecution => new DistantExecution(at, new Map([['far', value]]));

test('a stream that was brought is copied whole: entries, marks, counts, groups, who has what, since when', (t) => {
  fc.assert(
    fc.property(content, (all) => {
      const value = brought(distantValueOf(execution(all), far, true));
      const target = execution(undefined);
      valueTypes.stream.copy(seeing(target, value), far, here, 0);
      t.deepEqual(withoutDots(streamAt(target, here).content()), all);
      t.deepEqual([value.type, value.expiresAtMs], ['stream', nowMs + 1000]);
    }),
    { numRuns: 500 },
  );
});

test('ranges of it are those that it had where it was', (t) => {
  const end = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }).map((each) => Buffer.from(each)),
    fc.constantFrom(0, 3, 5, 64, 65).map((each) => Buffer.of(each)),
  );
  fc.assert(
    fc.property(content, end, end, fc.constantFrom(0, 1, 2, 5, Infinity), fc.boolean(), (all, x, y, most, backwards) => {
      const [from, to] = Buffer.compare(x, y) < 0 ? [x, y] : [y, x];
      const source = execution(all);
      const target = seeing(execution(undefined), brought(distantValueOf(source, far, true)));
      const [theirs, ours] = [source.stream(far), target.stream(far)];
      t.deepEqual(ours?.range(from, to, most, backwards), theirs?.range(from, to, most, backwards));
      t.is(ours?.countIn(from, to), theirs?.countIn(from, to));
      t.is(ours?.size, theirs?.size);
    }),
    { numRuns: 500 },
  );
});

test('for a command that refuses streams none of it is brought but its type', (t) => {
  const all = { entries: [{ id: 5n, fields: [far, far] }], lastId: 5n, greatestDeletedId: 0n, entriesAdded: 1, groups: [] };
  const value = brought(distantValueOf(execution(all), far, false));
  t.is(value.content.length, 0);
  const target = seeing(execution(undefined), value);
  t.is(target.typeOf(far), 'stream');
  for (const asks of [() => target.string(far), () => target.collection(far, 'set'), () => target.sorted(far), () => target.list(far)])
    t.regex(t.throws(asks, { instanceOf: CommandError })?.message ?? '', /^WRONGTYPE /);
  t.throws(() => streamAt(target, far).content(), { instanceOf: CommandError, message: 'ERR malformed value of another partition' });
});

test('what has expired by now, or is no stream, is none', (t) => {
  const target = execution(undefined);
  target.nowMs += 1000;
  t.is(seeing(target, brought(distantValueOf(execution({ entries: [], lastId: 9n, greatestDeletedId: 0n, entriesAdded: 0, groups: [] }), far, true))).stream(far), undefined); // prettier-ignore
  const set = brought([Buffer.from('set'), Buffer.from('0'), Buffer.from('*1\r\n$1\r\nm\r\n')]);
  t.throws(() => seeing(target, set).stream(far), { instanceOf: CommandError });
});
