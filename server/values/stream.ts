/** Streams among the types. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandError } from '../../storage/execution.js';
import { streamAt, writeStream } from '../streams/stream.js';
import type { ValueType } from './value-type.js';

const notDumped = new ErrorReply('ERR DUMP of a stream is not supported yet: read it by XRANGE');

export const streamType: ValueType = {
  encoding: () => 'stream',
  copy(execution, source, target, expiresAtMs) {
    writeStream(execution, target, streamAt(execution, source).content(), expiresAtMs);
  },
  dump() {
    throw new CommandError(notDumped);
  },
  loaders: new Map(),
};
