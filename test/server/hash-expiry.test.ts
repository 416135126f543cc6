/**
 * Fields of hashes that expire, over the wire, on one node and on three asked in turn, in RESP2 and RESP3. What is compared with is the documentation of Redis 7.4 and
 * 8.0 and the texts of its errors: the redis-server of other tests is older. A line is a command and its reply.
 */
import test from 'ava';
import { crc64 } from '../../protocol/rdb/crc64.js';
import { allRows } from '../../server/commands/all.js';
import { hashExpiryRows } from '../../server/commands/hash-expiry.js';
import { patient, startCluster, startNode } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

const far = 33177117420;
const farMs = far * 1000;
const most = 2 ** 46 - 1;
const mandatory = '-ERR Mandatory argument FIELDS is missing or not at the right position';
const mismatch = '-ERR The `numfields` parameter must match the number of arguments';
const notPositive = '-ERR Number of fields must be a positive integer';
const notAboveZero = '-ERR Parameter `numFields` should be greater than 0';
const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value';
const notAnInteger = '-ERR value is not an integer or out of range';
const oneExpiry = '-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified';

/** From nothing. `nil` stands for the null of either protocol. */
const table: readonly (readonly [command: string, reply: string])[] = [
  // No key, no field, no expiry.
  ['HEXPIRE no 100 FIELDS 2 f g', '*[:-2, :-2]'],
  ['HTTL no FIELDS 1 f', '*[:-2]'],
  ['HPERSIST no FIELDS 1 f', '*[:-2]'],
  ['HGETDEL no FIELDS 2 f g', '*[nil, nil]'],
  ['HGETEX no EX 10 FIELDS 2 f g', '*[nil, nil]'],
  ['EXISTS no', ':0'],
  ['HSET h f 1 g 2 n 5', ':3'],
  ['HTTL h FIELDS 3 f none g', '*[:-1, :-2, :-1]'],
  ['HPTTL h FIELDS 1 f', '*[:-1]'],
  ['HEXPIRETIME h FIELDS 1 f', '*[:-1]'],
  ['HPEXPIRETIME h FIELDS 1 none', '*[:-2]'],
  ['HPERSIST h FIELDS 2 f none', '*[:-1, :-2]'],
  // Instants, and their conditions.
  [`HEXPIREAT h ${far} FIELDS 2 f none`, '*[:1, :-2]'],
  ['HEXPIRETIME h FIELDS 2 f g', `*[:${far}, :-1]`],
  ['HPEXPIRETIME h FIELDS 1 f', `*[:${farMs}]`],
  [`HEXPIREAT h ${far + 1} NX FIELDS 2 f g`, '*[:0, :1]'],
  [`HEXPIREAT h ${far + 5} XX FIELDS 2 f n`, '*[:1, :0]'],
  [`HPEXPIREAT h ${farMs} gt FIELDS 3 f g n`, '*[:0, :0, :0]'],
  [`HPEXPIREAT h ${farMs + 9001} GT FIELDS 1 f`, '*[:1]'],
  ['HEXPIRETIME h FIELDS 1 f', `*[:${far + 10}]`],
  [`HPEXPIREAT h ${farMs + 9001} LT FIELDS 2 f n`, '*[:0, :1]'],
  [`HPEXPIREAT h ${farMs} lt FIELDS 2 f f`, '*[:1, :0]'],
  ['HPERSIST h FIELDS 3 f n none', '*[:1, :1, :-2]'],
  ['HTTL h FIELDS 2 f n', '*[:-1, :-1]'],
  ['HEXPIRE h 100000 FIELDS 1 f', '*[:1]'],
  ['HTTL h FIELDS 1 f', '*[:100000]'],
  ['HPEXPIRE h 100000000 FIELDS 1 f', '*[:1]'],
  ['HTTL h FIELDS 1 f', '*[:100000]'],
  [`HPEXPIREAT h ${most} FIELDS 1 f`, '*[:1]'],
  [`HPEXPIREAT h ${most + 1} FIELDS 1 f`, "-ERR invalid expire time in 'hpexpireat' command"],
  [`HPEXPIRE h ${most} FIELDS 1 f`, "-ERR invalid expire time in 'hpexpire' command"],
  ['HEXPIRE h 9223372036854775807 FIELDS 1 f', "-ERR invalid expire time in 'hexpire' command"],
  // What is written keeps it, or takes it away.
  [`HPEXPIREAT h ${farMs} FIELDS 3 f g n`, '*[:1, :1, :1]'],
  ['HINCRBY h n 2', ':7'],
  ['HINCRBYFLOAT h n 0.5', '$7.5'],
  ['HPEXPIRETIME h FIELDS 1 n', `*[:${farMs}]`],
  ['HSET h f 3', ':0'],
  ['HSETNX h g 9', ':0'],
  ['HPEXPIRETIME h FIELDS 3 f g n', `*[:-1, :${farMs}, :${farMs}]`],
  ['HLEN h', ':3'],
  ['COPY h {h}2', ':1'],
  ['HPEXPIRETIME {h}2 FIELDS 3 f g n', `*[:-1, :${farMs}, :${farMs}]`],
  ['RENAME {h}2 {h}3', '+OK'],
  ['HPEXPIRETIME {h}3 FIELDS 3 f g n', `*[:-1, :${farMs}, :${farMs}]`],
  ['EXPIRE {h}3 100', ':1'],
  ['HPEXPIRETIME {h}3 FIELDS 1 g', `*[:${farMs}]`],
  // An instant that has passed deletes.
  ['HEXPIRE h 0 FIELDS 2 g none', '*[:2, :-2]'],
  ['HPEXPIREAT h 1 FIELDS 1 n', '*[:2]'],
  ['HGETALL h', 'f=3'],
  ['HEXPIREAT h 0 NX FIELDS 1 f', '*[:2]'],
  ['EXISTS h', ':0'],
  // HGETDEL.
  ['HSET h f 1 g 2', ':2'],
  ['HGETDEL h FIELDS 3 f none f', '*[$1, nil, nil]'],
  ['HGETDEL h FIELDS 1 g', '*[$2]'],
  ['EXISTS h', ':0'],
  // HGETEX.
  ['HSET h f 1 g 2', ':2'],
  ['HGETEX h FIELDS 2 f none', '*[$1, nil]'],
  ['HTTL h FIELDS 1 f', '*[:-1]'],
  [`HGETEX h EXAT ${far} FIELDS 2 f g`, '*[$1, $2]'],
  ['HEXPIRETIME h FIELDS 2 f g', `*[:${far}, :${far}]`],
  [`HGETEX h PXAT ${farMs + 1} FIELDS 1 f`, '*[$1]'],
  ['HPEXPIRETIME h FIELDS 1 f', `*[:${farMs + 1}]`],
  ['HGETEX h PERSIST FIELDS 2 f f', '*[$1, $1]'],
  ['HTTL h FIELDS 2 f g', `*[:-1, ttl]`],
  ['HGETEX h EX 100000 FIELDS 1 f', '*[$1]'],
  ['HTTL h FIELDS 1 f', '*[:100000]'],
  ['HGETEX h px 100000000 FIELDS 1 f', '*[$1]'],
  ['HTTL h FIELDS 1 f', '*[:100000]'],
  ['HGETEX h EX 0 FIELDS 1 f', '*[$1]'],
  ['HGETEX h EXAT 0 FIELDS 1 g', '*[$2]'],
  ['EXISTS h', ':0'],
  // HSETEX.
  ['HSETEX h EXAT 0 FIELDS 1 f 1', ':1'],
  ['HSETEX h FXX FIELDS 1 f 1', ':0'],
  ['EXISTS h', ':0'],
  [`HSETEX h FNX EXAT ${far} FIELDS 2 f 1 g 2`, ':1'],
  ['HEXPIRETIME h FIELDS 2 f g', `*[:${far}, :${far}]`],
  ['HSETEX h FNX FIELDS 2 x 1 f 9', ':0'],
  ['HEXISTS h x', ':0'],
  ['HSETEX h FXX FIELDS 2 f 9 x 1', ':0'],
  ['HSETEX h FXX KEEPTTL FIELDS 1 f 9', ':1'],
  ['HGET h f', '$9'],
  ['HEXPIRETIME h FIELDS 1 f', `*[:${far}]`],
  ['HSETEX h FIELDS 1 f 8', ':1'],
  ['HTTL h FIELDS 1 f', '*[:-1]'],
  [`HSETEX h PXAT ${farMs} FIELDS 1 f 8`, ':1'],
  ['HSETEX h PX 100000000 FIELDS 1 f 8', ':1'],
  ['HSETEX h EX 100000 FIELDS 1 f 8', ':1'],
  ['HTTL h FIELDS 1 f', '*[:100000]'],
  ['HSETEX h KEEPTTL FIELDS 1 new 8', ':1'],
  ['HTTL h FIELDS 1 new', '*[:-1]'],
  ['HSETEX h EXAT 1 FIELDS 2 f 8 other 1', ':1'],
  ['HMGET h f other new', '*[nil, nil, $8]'],
  ['HSETEX gone PXAT 1 FIELDS 1 f 8', ':1'],
  ['EXISTS gone', ':0'],
  // Errors, and in which order.
  ['SET text x', '+OK'],
  ['HEXPIRE text x y z', "-ERR wrong number of arguments for 'hexpire' command"],
  ['HEXPIRE text x FIELDS 1 f', wrongType],
  ['HTTL text x 1 f', wrongType],
  ['HPERSIST text x 1 f', wrongType],
  ['HGETDEL text x 1 f', wrongType],
  ['HGETEX text EX x FIELDS 1 f', wrongType],
  ['HSETEX text FIELDS 1 f v', wrongType],
  ['HSETEX text FIELDS 2 f v', "-ERR wrong number of arguments for 'hsetex' command"],
  ['HEXPIRE h x FIELDS 1 f', notAnInteger],
  ['HEXPIRE h -1 FIELDS 1 f', '-ERR invalid expire time, must be >= 0'],
  ['HEXPIRE h 10 XX NX FIELDS 1 f', mandatory],
  ['HEXPIRE h 10 FIELD 1 f', mandatory],
  ['HEXPIRE h 10 FIELDS 0 f', notAboveZero],
  ['HEXPIRE h 10 FIELDS x f', notAboveZero],
  ['HEXPIRE h 10 FIELDS 2 f', mismatch],
  ['HEXPIRE no 10 FIELDS 1 f g', mismatch],
  ['HTTL h FIELD 1 f', mandatory],
  ['HPTTL h FIELDS 0 f', notPositive],
  ['HEXPIRETIME h FIELDS -1 f', notPositive],
  ['HPEXPIRETIME h FIELDS 2 f', mismatch],
  ['HPERSIST h FIELDS x f', notPositive],
  ['HPERSIST h FIELDS 1 f g', mismatch],
  ['HGETDEL h FIELDS 0 f', notPositive],
  ['HGETDEL h f 1 f', mandatory],
  ['HGETDEL h FIELDS 1 f g', mismatch],
  ['HGETEX h EX x FIELDS 1 f', notAnInteger],
  ['HGETEX h EX -1 FIELDS 1 f', '-ERR invalid expire time, must be >= 0'],
  [`HGETEX h EXAT ${most} FIELDS 1 f`, "-ERR invalid expire time in 'hgetex' command"],
  ['HGETEX h PERSIST EX 10 f', mandatory],
  ['HGETEX h FIELDS 2 f', mismatch],
  ['HGETEX h FIELDS 1', "-ERR wrong number of arguments for 'hgetex' command"],
  ['HGETEX h FIELDS 3 f g', mismatch],
  ['HSETEX h FNX FXX FIELDS 1 f v', '-ERR Only one of FXX or FNX arguments can be specified'],
  ['HSETEX h EX 10 KEEPTTL FIELDS 1 f v', oneExpiry],
  ['HSETEX h KEEPTTL PX 10 FIELDS 1 f v', oneExpiry],
  ['HSETEX h EX x FIELDS 1 f v', notAnInteger],
  ['HSETEX h EX -5 FIELDS 1 f v', '-ERR invalid expire time, must be >= 0'],
  [`HSETEX h EXAT ${most} FIELDS 1 f v`, "-ERR invalid expire time in 'hsetex' command"],
  ['HSETEX h FIELDS 0 f v x', '-ERR invalid number of fields'],
  ['HSETEX h FIELDS 1 f v x', "-ERR wrong number of arguments for 'hsetex' command"],
  ['HSETEX h WRONG FIELDS 1 f v', '-ERR unknown argument: WRONG'],
  ['HSETEX h NX EX 10 FIELDS 1 f v', '-ERR unknown argument: NX'],
];

/** What differs between the protocols, and by the second that may have passed, left out. */
function asShown(command: string, shown: string): string {
  const plain = shown.replaceAll(/\bnull\b/g, 'nil');
  if (command.startsWith('HGETALL'))
    return plain
      .replace(/^[*%]\[(.*)\]$/, '$1')
      .replaceAll('$', '')
      .replaceAll(', ', '=');
  if (command.startsWith('HTTL')) return plain.replaceAll(/:(99999|100000)\b/g, ':100000').replaceAll(/:\d{9,}/g, 'ttl');
  return plain;
}

for (const [name, start] of [
  ['one node', startNode],
  ['three nodes in turn', startCluster],
] as const) {
  for (const resp of [2, 3] as const) {
    test.serial(`${name}, RESP${resp}: fields expire as in Redis 7.4 and 8.0`, async (t) => {
      const torc = await start();
      t.teardown(() => torc.stop());
      const clients = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
      if (resp === 3) for (const client of clients) await client.ask(['HELLO', '3']);
      for (const [i, [command, reply]] of table.entries()) {
        const [shown = ''] = (await clients[i % clients.length]?.ask(command.split(' '))) ?? [];
        t.is(asShown(command, shown), reply, command);
      }
      await Promise.all(clients.map((client) => client.end()));
    });
  }
}

test('every option of every row is in the table, in a command that is not refused', (t) => {
  const accepted = table.filter(([, reply]) => !reply.startsWith('-')).map(([command]) => command.toUpperCase().split(' '));
  for (const { name, docs } of hashExpiryRows) {
    const own = accepted.filter(([first]) => first === name.toUpperCase());
    t.true(own.length > 0, name);
    for (const token of new Set(docs.syntax.match(/\b[A-Z]{2,}\b/g))) {
      // The four that set an expiry take the same conditions.
      const askedOf = /^hp?expire(at)?$/.test(name) ? accepted.filter(([first = '']) => /^HP?EXPIRE(AT)?$/.test(first)) : own;
      t.true(
        askedOf.some((words) => words.includes(token)),
        `${name} ${token}`,
      );
    }
  }
  t.true(hashExpiryRows.every((row) => allRows.includes(row)));
});

/** The value of DUMP's reply. */
const payloadOf = (shown = ''): Buffer => Buffer.from(shown.slice(1), 'latin1');

test('DUMP and RESTORE keep when fields expire, in the bytes of Redis 7.4; packed ones are read, and what has expired is left out', async (t) => {
  const torc = await startNode(patient);
  t.teardown(() => torc.stop());
  const client = await RawClient.connect(torc.port);
  await client.ask(
    ['HSET', 'h', 'f', '1', 'g', '2', 'n', '3'],
    ['HPEXPIREAT', 'h', String(farMs), 'FIELDS', '1', 'f'],
    ['HPEXPIREAT', 'h', String(farMs + 2 ** 33), 'FIELDS', '1', 'g'],
  );
  const [shown] = await client.ask(['DUMP', 'h']);
  const payload = payloadOf(shown);
  t.is(payload[0], 24);
  t.is(payload.readBigUInt64LE(1), BigInt(farMs));
  t.is(payload.readUInt16LE(payload.length - 10), 12);
  t.deepEqual(
    await client.ask(['RESTORE', 'r', '0', payload], ['HPEXPIRETIME', 'r', 'FIELDS', '3', 'f', 'g', 'n'], ['HMGET', 'r', 'f', 'g', 'n']),
    ['+OK', `*[:${farMs}, :${farMs + 2 ** 33}, :-1]`, '*[$1, $2, $3]'],
  );
  // Of three fields, as a listpack: f with an instant, g with one that has passed, n with none.
  const instant = (ms: number): Buffer => {
    const bytes = Buffer.alloc(10, 0xf4);
    bytes.writeBigInt64LE(BigInt(ms), 1);
    bytes[9] = 9;
    return bytes;
  };
  const text = (char: string): Buffer => Buffer.from([0x81, char.charCodeAt(0), 2]);
  const entries = Buffer.concat([
    text('g'),
    text('2'),
    instant(1),
    text('f'),
    text('1'),
    instant(farMs),
    text('n'),
    text('3'),
    Buffer.from([0, 1]),
  ]);
  const head = Buffer.alloc(6);
  head.writeUInt32LE(entries.length + 7);
  head.writeUInt16LE(9, 4);
  const pack = Buffer.concat([head, entries, Buffer.of(0xff)]);
  const checked = Buffer.concat([Buffer.of(25), Buffer.alloc(8, 1).fill(0, 1), Buffer.of(pack.length), pack, Buffer.of(12, 0)]);
  const packed = Buffer.concat([checked, crc64(checked)]);
  t.deepEqual(await client.ask(['RESTORE', 'p', '0', packed], ['HGETALL', 'p'], ['HPEXPIRETIME', 'p', 'FIELDS', '2', 'f', 'n']), [
    '+OK',
    '*[$f, $1, $n, $3]',
    `*[:${farMs}, :-1]`,
  ]);
  await client.end();
});

test('a field is hidden at its instant at every node, and is swept', async (t) => {
  const torc = await startCluster({ directives: patient });
  t.teardown(() => torc.stop());
  const clients = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
  const [first] = clients as [RawClient];
  const lifeMs = 300;
  const begunMs = performance.now();
  t.deepEqual(await first.ask(['HSETEX', 'h', 'PX', String(lifeMs), 'FIELDS', '1', 'brief', 'v'], ['HSET', 'h', 'stays', 'w']), [
    ':1',
    ':1',
  ]);
  const setMs = performance.now();
  for (const client of clients) {
    for (;;) {
      const askedMs = performance.now();
      const [shown] = await client.ask(['HGET', 'h', 'brief']);
      if (shown === 'nil') break;
      t.is(shown, '$v');
      t.true(askedMs - setMs < lifeMs + 50, `still there ${askedMs - setMs} ms after it was written`);
    }
    t.true(performance.now() - begunMs >= lifeMs - 5, `gone after ${performance.now() - begunMs} ms`);
    t.deepEqual(
      await client.ask(['HLEN', 'h'], ['HGETALL', 'h'], ['HKEYS', 'h'], ['HVALS', 'h'], ['HEXISTS', 'h', 'brief'], ['HSCAN', 'h', '0']),
      [':1', '*[$stays, $w]', '*[$stays]', '*[$w]', ':0', '*[$0, *[$stays, $w]]'],
    );
    for (let i = 0; i < 20; i++) t.deepEqual(await client.ask(['HRANDFIELD', 'h'], ['HRANDFIELD', 'h', '2']), ['$stays', '*[$stays]']);
  }
  // One that has expired counts for nothing.
  t.deepEqual(
    await first.ask(['HSETEX', 'h', 'PX', '1', 'FIELDS', '1', 'n', '41'], ['HSETEX', 'other', 'PX', '1', 'FIELDS', '1', 'n', '41']),
    [':1', ':1'],
  );
  while ((await first.ask(['HEXISTS', 'h', 'n'], ['EXISTS', 'other'])).join() !== ':0,:0');
  t.deepEqual(await first.ask(['HINCRBY', 'h', 'n', '1'], ['HINCRBYFLOAT', 'other', 'n', '1.5'], ['HTTL', 'h', 'FIELDS', '1', 'n']), [
    ':1',
    '$1.5',
    '*[:-1]',
  ]);
  await Promise.all(clients.map((client) => client.end()));
});
