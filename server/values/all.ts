/** The types of values by name. */
import type { TypeName } from '../../storage/execution.js';
import { hashType } from './hash.js';
import { listType } from './list.js';
import { setType } from './set.js';
import { streamType } from './stream.js';
import { stringType } from './string.js';
import type { ValueType } from './value-type.js';
import { zsetType } from './zset.js';

export const valueTypes: Readonly<Record<TypeName, ValueType>> = {
  string: stringType,
  hash: hashType,
  set: setType,
  zset: zsetType,
  list: listType,
  stream: streamType,
};
