import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from '../harness/properties.js';
import { BatchEncoder, batchDot, batchLength, decodeBatches, type Batch } from '../../protocol/batch.js';
import { FormatError } from '../../protocol/format-error.js';
import { recordPart, recordType } from '../../protocol/record-key.js';
import { emptyClock, versionKind, type VersionedRecord } from '../../protocol/record.js';
import { buffers, records } from './records.js';

interface Written {
  readonly slot: number;
  readonly key: Buffer;
  readonly element: Buffer;
  readonly record: VersionedRecord;
}
interface WrittenPart {
  readonly partition: number;
  readonly epoch: number;
  readonly term: number;
  readonly prev: number;
  readonly records: readonly Written[];
}
interface WrittenBatch {
  readonly actor: number;
  readonly counter: number;
  readonly parts: readonly WrittenPart[];
}

const counters = fc.maxSafeNat();
const written = fc.record({ slot: fc.nat(16383), key: buffers, element: buffers, record: records });
const parts = fc.record({
  partition: fc.nat(0xffff),
  epoch: fc.nat(0xffff_ffff),
  term: counters,
  prev: counters,
  records: fc.array(written, { maxLength: 3 }),
});
const batches = fc.record({ actor: fc.nat(0xffff_ffff), counter: counters, parts: fc.array(parts, { maxLength: 3 }) });

function encode(encoder: BatchEncoder, batch: WrittenBatch): { readonly offset: number; readonly length: number } {
  encoder.begin(batch.actor, batch.counter);
  for (const part of batch.parts) {
    encoder.part(part.partition, part.epoch, part.term, part.prev);
    for (const { slot, key, element, record } of part.records) {
      encoder.record(slot, key, recordType.hash, recordPart.element, element, record);
    }
  }
  return encoder.end();
}

function expected({ actor, counter, parts: list }: WrittenBatch): Batch {
  return {
    dot: { actor, counter },
    parts: list.map(({ partition, epoch, term, prev, records: inPart }) => ({
      partition,
      epoch,
      term,
      prev,
      records: inPart.map(({ slot, key, element, record }) => ({
        slot,
        name: key.toString('latin1'),
        type: recordType.hash,
        part: recordPart.element,
        element,
        record,
      })),
    })),
  };
}

test('the bytes of a batch are fixed', (t) => {
  const encoder = new BatchEncoder();
  encoder.begin(0x10001, 0x1_0000_0002);
  encoder.part(17, 3, 4, 5);
  const version = {
    kind: versionKind.plain,
    actor: 0x10001,
    counter: 0x1_0000_0002,
    term: 4,
    expiresAtMs: 0,
    bytes: Buffer.from('v'),
  } as const;
  encoder.record(0x0110, Buffer.from('k'), recordType.string, recordPart.value, Buffer.alloc(0), {
    context: emptyClock,
    versions: [version],
  });
  const { offset, length } = encoder.end();
  const bytes = encoder.writer.view(offset, offset + length);
  const value = '01' + '01' + '00010001' + '0000000100000002' + '0000000000000004' + '76';
  const record = '00000009' + '0110' + '00000001' + '6b' + '73' + '00' + '00000017' + value;
  const part = '0011' + '00000003' + '0000000000000004' + '0000000000000005' + '00000001' + '00000028' + record;
  t.is(bytes.toString('hex'), '01' + '00' + '0001' + '0000005a' + '00010001' + '0000000100000002' + part);
  t.is(length, 0x5a);
});

test('batches back to back are decoded as they were encoded', (t) => {
  fc.assert(
    fc.property(fc.array(batches, { maxLength: 4 }), (list) => {
      const encoder = new BatchEncoder();
      const places = list.map((batch) => encode(encoder, batch));
      const bytes = encoder.writer.view();
      const peeked = places.every(
        ({ offset, length }, i) =>
          batchLength(bytes, offset) === length && isDeepStrictEqual(batchDot(bytes, offset), expected(list[i]!).dot),
      );
      return peeked && isDeepStrictEqual(decodeBatches(bytes), list.map(expected));
    }),
  );
  t.pass();
});

test('a batch that is aborted leaves no trace', (t) => {
  fc.assert(
    fc.property(batches, batches, batches, (first, dropped, last) => {
      const encoder = new BatchEncoder();
      encode(encoder, first);
      encoder.begin(dropped.actor, dropped.counter);
      for (const part of dropped.parts) {
        encoder.part(part.partition, part.epoch, part.term, part.prev);
        for (const { slot, key, element, record } of part.records) {
          encoder.record(slot, key, recordType.hash, recordPart.element, element, record);
        }
      }
      encoder.abort();
      encode(encoder, last);
      return isDeepStrictEqual(decodeBatches(encoder.writer.view()), [first, last].map(expected));
    }),
  );
  t.pass();
});

test('the encoder refuses to be used out of order', (t) => {
  const encoder = new BatchEncoder();
  const none = Buffer.alloc(0);
  const write = () => encoder.record(0, none, recordType.string, recordPart.value, none, { context: emptyClock, versions: [] });
  t.throws(() => encoder.part(0, 0, 0, 0));
  t.throws(write);
  t.throws(() => encoder.end());
  encoder.begin(1, 1);
  t.throws(() => encoder.begin(1, 2));
  t.throws(write);
  encoder.abort();
  encoder.abort();
  t.is(encoder.writer.length, 0);
});

test('cut short anywhere, batches are refused as truncated', (t) => {
  fc.assert(
    fc.property(batches, fc.nat(), (batch, at) => {
      const encoder = new BatchEncoder();
      const { length } = encode(encoder, batch);
      const cut = encoder.writer.view(0, 1 + (at % (length - 1)));
      try {
        decodeBatches(cut);
        return false;
      } catch (error) {
        return error instanceof FormatError && error.code === 'TRUNCATED';
      }
    }),
  );
  t.pass();
});

test('damage throws nothing but a format error', (t) => {
  fc.assert(
    fc.property(batches, fc.nat(), fc.nat(255), (batch, at, value) => {
      const encoder = new BatchEncoder();
      const { length } = encode(encoder, batch);
      const bytes = encoder.writer.take();
      bytes[at % length] = value;
      try {
        decodeBatches(bytes);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('a newer format and unknown flags are refused by name', (t) => {
  const encoder = new BatchEncoder();
  encode(encoder, { actor: 1, counter: 2, parts: [] });
  for (const at of [0, 1]) {
    const bytes = Buffer.from(encoder.writer.view());
    bytes[at] = 2;
    t.is(t.throws(() => decodeBatches(bytes), { instanceOf: FormatError }).code, 'UNKNOWN');
  }
});
