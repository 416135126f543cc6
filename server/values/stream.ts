/** Streams among the types. */
import type { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import { streamAt, writeStream } from '../streams/stream.js';
import { readStreamPayload, writeStreamPayload } from './stream-payload.js';
import type { Restore, ValueType } from './value-type.js';

const loader = (type: number): [number, (reader: RdbReader) => Restore] => [
  type,
  (reader) => {
    const content = readStreamPayload(type)(reader);
    return (execution, key, expiresAtMs) => writeStream(execution, key, content, expiresAtMs);
  },
];

export const streamType: ValueType = {
  encoding: () => 'stream',
  copy(execution, source, target, expiresAtMs) {
    writeStream(execution, target, streamAt(execution, source).content(), expiresAtMs);
  },
  dump(execution, key, writer) {
    writeStreamPayload(writer, streamAt(execution, key).shownContent());
  },
  loaders: new Map([loader(rdbType.streamListpacks), loader(rdbType.streamListpacks2), loader(rdbType.streamListpacks3)]),
};
