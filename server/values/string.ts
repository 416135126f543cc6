/** Strings among the types. */
import { rdbType } from '../../protocol/rdb/types.js';
import type { Execution } from '../../storage/execution.js';
import { parseInteger } from '../commands/arguments.js';
import type { ValueType } from './value-type.js';

/** Up to here Redis keeps header and bytes of a string in one allocation (object.c). */
const embeddedBytesMax = 44;

const bytesAt = (execution: Execution, key: Buffer): Buffer => {
  const value = execution.string(key);
  if (value === undefined) throw new Error('the key of a string that is living has none');
  return value.bytes;
};

export const stringType: ValueType = {
  encoding(execution, key) {
    const bytes = bytesAt(execution, key);
    if (parseInteger(bytes) !== undefined) return 'int';
    return bytes.length <= embeddedBytesMax ? 'embstr' : 'raw';
  },
  copy(execution, source, target, expiresAtMs) {
    execution.setString(target, bytesAt(execution, source), expiresAtMs);
  },
  dump(execution, key, writer) {
    writer.u8(rdbType.string);
    writer.string(bytesAt(execution, key));
  },
  loaders: new Map([
    [
      rdbType.string,
      (reader) => {
        const bytes = reader.string();
        return (execution, key, expiresAtMs) => execution.setString(key, bytes, expiresAtMs);
      },
    ],
  ]),
};
