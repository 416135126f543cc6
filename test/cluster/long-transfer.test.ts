/** A transfer whose last record is large is encoded around it: what comes out is what the encoder of frames would have made. */
import test from 'ava';
import { encodedRecord, frameParts, bytesOfTransfer, type LongTransfer } from '../../cluster/long-transfer.js';
import { torc } from '../../protocol/generated/messages.js';
import { decodeRecord, emptyClock, versionKind, type VersionedRecord } from '../../protocol/record.js';

const value = Buffer.alloc(5 * 1024 * 1024, 'v');
const contexts: readonly VersionedRecord['context'][] = [emptyClock, new Map([[7, 9]])];
const versionOf = (bytes: Buffer, expiresAtMs: number) => ({ kind: versionKind.plain, actor: 3, counter: 5, term: 2, expiresAtMs, bytes });

for (const context of contexts) {
  for (const expiresAtMs of [0, 1_900_000_000_000]) {
    test(`a record with ${context.size} in its context, expiring at ${expiresAtMs}`, (t) => {
      const record: VersionedRecord = { context, versions: [versionOf(value, expiresAtMs)] };
      const { bytes, rest } = encodedRecord(record);
      t.is(rest, value, 'shared');
      const { versions, ...others } = decodeRecord(Buffer.concat([bytes, rest ?? Buffer.alloc(0)]));
      t.deepEqual(others, { context });
      t.is(versions.length, 1);
      t.deepEqual({ ...versions[0], bytes: undefined }, { ...versionOf(value, expiresAtMs), bytes: undefined });
      t.true(versions[0]?.kind === versionKind.plain && versions[0].bytes.equals(value));
      const small = encodedRecord({ context, versions: [versionOf(Buffer.from('small'), expiresAtMs)] });
      t.is(small.rest, undefined);
      const transfer: LongTransfer = {
        id: 4,
        partition: 9,
        key: [Buffer.from('a'), Buffer.from('b')],
        record: [small.bytes, bytes],
        rest,
        seen: Buffer.from('s'),
      };
      t.is(bytesOfTransfer(transfer), small.bytes.length + bytes.length + value.length);
      const expected = torc.Transfer.encode({ ...transfer, record: [small.bytes, Buffer.concat([bytes, value])] }).finish();
      const same = (decoded: torc.Transfer | undefined): boolean =>
        decoded !== undefined && Buffer.from(torc.Transfer.encode(decoded).finish()).equals(expected);
      for (const frame of [
        { clock: 77, transfers: [transfer] },
        { clock: 77, readAnswers: { different: [{ id: 6, transfer }] } },
      ]) {
        const parts = frameParts(frame);
        t.true(parts.includes(value), 'not copied');
        const decoded = torc.Frame.decode(Buffer.concat(parts));
        t.is(decoded.clock, 77);
        if (decoded.readAnswers) t.is(decoded.readAnswers.different?.[0]?.id, 6);
        t.true(same((decoded.transfers[0] ?? decoded.readAnswers?.different?.[0]?.transfer) as torc.Transfer | undefined));
      }
      t.throws(() => frameParts({ transfers: [transfer, transfer] }));
    });
  }
}

test('a frame without one is encoded as ever', (t) => {
  const frame = { clock: 5, transfers: [{ id: 1, partition: 2, record: [Buffer.from('r')] }] };
  t.deepEqual(Buffer.concat(frameParts(frame)), Buffer.from(torc.Frame.encode(frame).finish()));
});
