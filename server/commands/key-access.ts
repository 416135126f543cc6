/**
 * What a command does to its keys, in the words of COMMAND GETKEYSANDFLAGS and of COMMAND INFO's key specifications: for the first key, for the
 * second, and so on; the last entry is for all that follow. Source: COMMAND INFO of redis-server 7.0.
 */
import type { CommandRow } from '../command-table.js';
import { isToken } from './arguments.js';

const byAccess: readonly (readonly [access: string, names: string])[] = [
  ['RW insert', 'append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd xgroup|create xgroup|createconsumer'],
  [
    'RO access',
    'bitcount bitfield_ro bitpos dump eval_ro evalsha_ro expiretime fcall_ro geodist geohash geopos georadius_ro georadiusbymember_ro geosearch get getbit getrange hget hgetall hkeys hmget hrandfield hpexpiretime hpttl hscan hexpiretime httl hvals lcs lindex lpos lrange mget pexpiretime pttl sdiff sinter sintercard smembers smismember srandmember sscan substr sunion ttl xinfo|stream xinfo|groups xinfo|consumers xpending xrange xread xreadgroup xrevrange zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion',
  ],
  ['RW access update variable_flags', 'bitfield set'],
  ['OW update, RO access', 'bitop geosearchstore sdiffstore sunionstore zdiffstore zinterstore zrangestore zunionstore'],
  ['RW access delete, RW insert', 'blmove brpoplpush lmove rpoplpush smove'],
  ['RW access delete', 'blmpop blpop brpop bzmpop bzpopmax bzpopmin getdel hgetdel lmpop lpop rpop spop zmpop zpopmax zpopmin'],
  ['RO access, OW update', 'copy'],
  [
    'RW access update',
    'decr decrby eval evalsha fcall getex getset hgetex hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby',
  ],
  ['RM delete', 'del unlink'],
  [
    'RO',
    'exists hexists hlen hstrlen llen memory|usage object|idletime object|freq object|encoding object|refcount scard sismember strlen touch type watch xlen zcard',
  ],
  [
    'RW update',
    'expire expireat geoadd hexpire hexpireat hmset hpersist hpexpire hpexpireat hset hsetex lset persist pexpire pexpireat setrange xack xadd xclaim xgroup|setid xsetid zadd',
  ],
  ['RO access, OW update, OW update', 'georadius georadiusbymember'],
  [
    'RW delete',
    'hdel lrem ltrim srem xautoclaim xdel xgroup|destroy xgroup|delconsumer xtrim zrem zremrangebylex zremrangebyrank zremrangebyscore',
  ],
  ['RW access delete, RW access delete incomplete', 'migrate'],
  ['OW update', 'mset psetex restore restore-asking setex'],
  ['OW insert', 'msetnx setnx'],
  ['RW access', 'pfcount pfdebug'],
  ['RW access insert, RO access', 'pfmerge'],
  ['RW access delete, OW update', 'rename'],
  ['RW access delete, OW insert', 'renamenx'],
  ['RW update, RO access', 'sinterstore'],
  ['RO access, RO access, OW update', 'sort'],
  ['RO access, RO access', 'sort_ro'],
];

const accessByName: ReadonlyMap<string, readonly (readonly string[])[]> = new Map(
  byAccess.flatMap(([access, names]) => {
    const words = access.split(', ').map((one) => one.split(' '));
    return names.split(' ').map((name) => [name, words] as const);
  }),
);

/** One list of words per key, the last for all further keys. Redis has no such command: judged by whether it writes. */
export function keyAccess(row: CommandRow): readonly (readonly string[])[] {
  return accessByName.get(row.name) ?? [row.flags.includes('write') ? ['RW', 'update'] : ['RO', 'access']];
}

/** SET reads its key only with GET (`setGetKeys` in Redis' src/db.c). */
const setAccess = (args: readonly Buffer[]): readonly string[] =>
  args.slice(3).some((option) => isToken(option, 'GET')) ? ['RW', 'access', 'update'] : ['OW', 'update'];

/** BITFIELD that only gets writes nothing (`bitfieldGetKeys` there). */
const bitfieldAccess = (args: readonly Buffer[]): readonly string[] =>
  args.slice(2).some((option) => isToken(option, 'SET') || isToken(option, 'INCRBY')) ? ['RW', 'access', 'update'] : ['RO', 'access'];

/** SORT's second key is what STORE names: among its key specifications, of which the second means what BY and GET name, it is the third. */
const sortAccess = (i: number): readonly string[] => (i === 0 ? ['RO', 'access'] : ['OW', 'update']);

/** Of the command's key number `i`, counted from 0. */
export function accessOfKey(row: CommandRow, i: number, args: readonly Buffer[]): readonly string[] {
  if (row.name === 'set') return setAccess(args);
  if (row.name === 'bitfield') return bitfieldAccess(args);
  if (row.name === 'sort') return sortAccess(i);
  const accesses = keyAccess(row);
  return accesses[Math.min(i, accesses.length - 1)] ?? [];
}

/** A command of the row may name keys. */
export const hasKeys = (row: CommandRow): boolean => row.keys.first > 0 || (row.scope === 'keys' && row.findKeys !== undefined);

/** The keys among a command's arguments, the name first. */
export function keysAt(row: CommandRow, args: readonly Buffer[]): readonly Buffer[] {
  if (row.scope === 'keys' && row.findKeys !== undefined) return row.findKeys(args);
  const { first, last, step } = row.keys;
  if (first === 0 || step === 0) return [];
  const end = last < 0 ? args.length + last : last;
  return args.filter((_, index) => index >= first && index <= end && (index - first) % step === 0);
}
