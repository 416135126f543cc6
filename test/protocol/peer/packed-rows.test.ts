/** Packed rows: what was written is what is read, and rubbish is refused by a FormatError, never read past the end. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { ByteReader } from '../../../protocol/byte-reader.js';
import { ByteWriter } from '../../../protocol/byte-writer.js';
import { FormatError } from '../../../protocol/format-error.js';
import {
  CommandRow,
  readCommand,
  readRead,
  ReadRow,
  tokenActor,
  writeCommand,
  writeRead,
  writeReply,
} from '../../../protocol/peer/packed-rows.js';

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const counter = fc.maxSafeNat();

test('commands, replies and reads come back as they were', (t) => {
  const command = fc.record({ partition: fc.nat(0xffff), options: fc.nat(0xfff), remainingMs: fc.nat(2 ** 31), args: fc.array(bytes, { minLength: 1 }) }); // prettier-ignore
  const reply = fc.record({ id: counter, bytes });
  const read = fc.record({ slot: fc.nat(16383), key: bytes, actor: fc.nat(tokenActor - 1), counter, token: fc.option(bytes, { nil: undefined }) }); // prettier-ignore
  fc.assert(
    fc.property(fc.array(command), fc.array(reply), fc.array(read), (commands, replies, reads) => {
      const writer = new ByteWriter(16);
      for (const { partition, options, remainingMs, args } of commands) writeCommand(writer, partition, options, remainingMs, args);
      let reader = new ByteReader(writer.take());
      const row = new CommandRow();
      for (const { partition, options, remainingMs, args } of commands) {
        readCommand(reader, row);
        t.deepEqual([row.partition, row.options, row.remainingMs, row.args], [partition, options, remainingMs, args]);
      }
      t.is(reader.remaining, 0);
      for (const each of replies) writeReply(writer, each.id, each.bytes);
      reader = new ByteReader(writer.take());
      for (const each of replies) {
        t.is(reader.counter(), each.id);
        t.deepEqual(reader.bytes(reader.u32()), each.bytes);
      }
      const withToken = (token: Buffer | undefined, actor: number): number => (token === undefined ? actor : tokenActor);
      for (const { slot, key, actor, counter: at, token } of reads) writeRead(writer, slot, key, withToken(token, actor), at, token);
      const held = writer.take();
      reader = new ByteReader(held);
      const readRow = new ReadRow();
      for (const { slot, key, actor, counter: at, token } of reads) {
        readRead(reader, readRow);
        const { keyAt, keyLength } = readRow;
        t.deepEqual(held.subarray(keyAt, keyAt + keyLength), key);
        t.deepEqual([readRow.slot, readRow.actor, readRow.counter, readRow.token], [slot, withToken(token, actor), at, token]);
      }
    }),
  );
});

test('rubbish is refused, or read as rows, and nothing else happens', (t) => {
  fc.assert(
    fc.property(bytes, (rubbish) => {
      for (const read of [
        (reader: ByteReader) => readCommand(reader, new CommandRow()),
        (reader: ByteReader) => readRead(reader, new ReadRow()),
      ]) {
        // prettier-ignore
        const reader = new ByteReader(rubbish);
        try {
          while (reader.remaining > 0) read(reader);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }
      t.pass();
    }),
  );
});
