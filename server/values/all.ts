/** The types of values by name. Types that no command makes yet are refused by name, never taken for something else. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandError, type TypeName } from '../../storage/execution.js';
import { hashType } from './hash.js';
import { listType } from './list.js';
import { setType } from './set.js';
import { stringType } from './string.js';
import type { ValueType } from './value-type.js';
import { zsetType } from './zset.js';

function refuse(name: TypeName): ValueType {
  const fail = (): never => {
    throw new CommandError(new ErrorReply(`ERR values of type ${name} are not supported here`));
  };
  return { encoding: fail, copy: fail, dump: fail, loaders: new Map() };
}

export const valueTypes: Readonly<Record<TypeName, ValueType>> = {
  string: stringType,
  hash: hashType,
  set: setType,
  zset: zsetType,
  list: listType,
  stream: refuse('stream'),
};
