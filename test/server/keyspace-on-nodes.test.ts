/** Commands on many keys through three nodes in turn: what is split, what is refused across partitions, and SCAN of a large slot while writes go on. */
import test from 'ava';
import { patient, startCluster } from '../harness/processes.js';
import { RawClient, type Shown } from './raw-client.js';

const crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot";
/** More than a partition is looked through for each SCAN. */
const inOneSlot = 20_000;
const elsewhere = 3000;
const scanCount = 700;
/** A SCAN returns whole leaves of the order, or a slot's keys with one hash. */
const scanSlack = 65;

test('keys far apart, a slot of 20,000 keys, and nodes asked in turn', async (t) => {
  t.timeout(240_000);
  const torc = await startCluster({ directives: patient });
  t.teardown(() => torc.stop());
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
  let turn = 0;
  const ask = async (...words: string[]): Promise<Shown> => (await (nodes[turn++ % nodes.length] as RawClient).ask(words))[0] ?? '';

  t.is(await ask('MSET', 'a', '1', 'b', '2', 'c', '3'), '+OK');
  t.is(await ask('TOUCH', 'a', 'b', 'c', 'none', 'a'), ':4');
  t.is(await ask('UNLINK', 'b', 'c', 'none', 'b'), ':2');
  t.is(await ask('EXISTS', 'a', 'b', 'c'), ':1');
  for (const words of [
    ['MSETNX', 'a', '1', 'b', '2'],
    ['RENAME', 'a', 'b'],
    ['RENAMENX', 'a', 'b'],
    ['SMOVE', 'a', 'b', 'x'],
  ])
    t.is(await ask(...words), crossSlot);
  t.deepEqual([await ask('GET', 'a'), await ask('GET', 'b')], ['$1', 'nil']);
  t.regex(await ask('OBJECT', 'HELP'), /^\*\[\+OBJECT <subcommand>/);
  t.is(await ask('RANDOMKEY'), '$a');
  t.is(await ask('FLUSHALL'), '+OK');
  t.is(await ask('RANDOMKEY'), 'nil');
  t.is(await ask('KEYS', '*'), '*[]');

  const staying = [...Array.from({ length: inOneSlot }, (_, i) => `{tag}${i}`), ...Array.from({ length: elsewhere }, (_, i) => `key:${i}`)];
  for (let i = 0; i < staying.length; i += 1000) t.is(await ask('MSET', ...staying.slice(i, i + 1000).flatMap((key) => [key, 'v'])), '+OK');

  const found: string[] = [];
  let calls = 0;
  for (let cursor = '0'; ;) {
    const [, next = '', keys = ''] = /^\*\[\$(\d+), \*\[(.*)\]\]$/.exec(await ask('SCAN', cursor, 'COUNT', String(scanCount))) ?? [];
    const returned = keys === '' ? [] : keys.split(', ').map((key) => key.slice(1));
    t.true(returned.length <= scanCount + scanSlack, `${returned.length} keys in one call`);
    found.push(...returned);
    calls++;
    // What comes and goes in the same slot meanwhile moves nothing that stays.
    await ask('MSET', `{tag}new${calls}`, 'v', `{tag}newer${calls}`, 'v');
    await ask('DEL', `{tag}new${calls - 1}`);
    if (next === '0') break;
    t.true(BigInt(next) < 1n << 53n && next !== '', `a cursor that every client's numbers hold: ${next}`);
    cursor = next;
  }
  const seen = new Set(found);
  t.deepEqual(
    staying.filter((key) => !seen.has(key)),
    [],
    'keys that stayed and were not returned',
  );
  const stayed = new Set(staying);
  t.is(found.filter((key) => stayed.has(key)).length, staying.length, 'none of them twice');
  t.true(calls >= staying.length / (scanCount + scanSlack));

  t.is((await ask('KEYS', '{tag}*')).split(', ').length, inOneSlot + 1 + calls);
  t.is((await ask('KEYS', 'key:12?')).split(', ').length, 10);
  const random = new Set<string>();
  for (let i = 0; i < 30; i++) random.add(await ask('RANDOMKEY'));
  t.true(random.size > 15, `${random.size} different keys in 30`);
  await Promise.all(nodes.map((node) => node.end()));
});
