/** DBSIZE, FLUSHALL and SCAN over a cluster of memory partitions, and the glob patterns that SCAN matches. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { slotOf } from '../../../protocol/slot.js';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import type { KeyspacePlan } from '../../../server/command-table.js';
import { allRows } from '../../../server/commands/all.js';
import { matchesGlob } from '../../../server/glob-pattern.js';
import { MemoryExecution } from './memory-execution.js';
import { RedisOracle, linesOf, shown } from './redis-oracle.js';

const lookup = new CommandLookup(allRows);
const nowMs = 1_700_000_000_000;

class Partitions {
  readonly executions: readonly MemoryExecution[];
  visits = 0;

  constructor(readonly count: number) {
    this.executions = Array.from({ length: count }, () => new MemoryExecution(nowMs));
  }

  of(key: string): MemoryExecution {
    return this.executions[Math.floor((slotOf(Buffer.from(key)) * this.count) / 16384)] as MemoryExecution;
  }

  set(key: string): void {
    this.of(key).setString(Buffer.from(key), Buffer.from('v'), 0);
  }

  ask(line: string): Reply {
    const args = line.split(' ').map((word) => Buffer.from(word));
    const row = lookup.resolve(args);
    if (row instanceof ErrorReply) return row;
    if (row.scope !== 'keyspace') throw new Error(`${row.name} is not on the keyspace`);
    const plan = row.parse(args, this.count);
    return plan instanceof ErrorReply ? plan : this.follow(plan);
  }

  private follow(plan: KeyspacePlan): Reply {
    if (plan.visit === 'all') {
      const joined = plan.join(this.executions.map((_, partition) => this.at(partition, plan.command(partition))));
      return typeof joined === 'object' && joined !== null && 'plan' in joined ? this.follow(joined.plan) : joined;
    }
    if (plan.visit === 'drain') {
      for (const partition of plan.partitions ?? this.executions.keys()) {
        let command: readonly Buffer[] | undefined = plan.command(partition);
        while (command !== undefined) command = plan.take(partition, this.at(partition, command));
      }
      return plan.answer();
    }
    let partition = plan.from;
    for (;;) {
      const step = plan.step(partition, this.at(partition, plan.command(partition)), this.count);
      if ('answer' in step) return step.answer;
      partition = step.next;
    }
  }

  /** A whole iteration; `between` runs after each call. */
  scan(options: string, between: (call: number) => void = () => undefined): { readonly keys: readonly string[]; readonly calls: number } {
    const keys: string[] = [];
    let calls = 0;
    let cursor = '0';
    do {
      const [next, found] = this.ask(`SCAN ${cursor}${options}`) as readonly [string, readonly Buffer[]];
      keys.push(...found.map(String));
      cursor = next;
      between(++calls);
    } while (cursor !== '0');
    return { keys, calls };
  }

  private at(partition: number, args: readonly Buffer[]): Reply {
    this.visits++;
    const row = lookup.resolveForwarded(args);
    if (row instanceof ErrorReply || row.scope !== 'partition') throw new Error(`not for a partition: ${String(args[0])}`);
    const run = row.parse(args);
    return run instanceof ErrorReply ? run : (this.executions[partition] as MemoryExecution).execute(run);
  }
}

const partitionCount = fc.constantFrom(1, 3, 16, 100, 1024);
const keyNames = fc.uniqueArray(
  fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 6 }),
    fc.nat(5000).map((n) => `{tag}${n}`),
  ),
  { maxLength: 40 },
);

test('DBSIZE adds up and FLUSHALL leaves nothing, whatever the number of partitions', (t) => {
  fc.assert(
    fc.property(partitionCount, keyNames, fc.constantFrom('FLUSHALL', 'FLUSHDB async', 'flushall SYNC'), (count, names, flush) => {
      const cluster = new Partitions(count);
      names.forEach((name) => cluster.set(name));
      t.is(cluster.ask('DBSIZE'), names.length);
      t.is(shown(cluster.ask(flush)), '+OK');
      t.is(cluster.ask('DBSIZE'), 0);
    }),
    { numRuns: 40 },
  );
});

test('a SCAN returns each key that stays at least once, while others come and go', (t) => {
  fc.assert(
    fc.property(partitionCount, keyNames, keyNames, fc.integer({ min: 1, max: 20 }), (count, staying, passing, size) => {
      const cluster = new Partitions(count);
      staying.forEach((name) => cluster.set(name));
      const comeAndGo = (call: number): void => {
        for (const [i, name] of passing.entries()) {
          if (staying.includes(name)) continue;
          if ((call + i) % 2 === 0) cluster.set(name);
          else cluster.of(name).delete(Buffer.from(name));
        }
      };
      const { keys } = cluster.scan(` COUNT ${size}`, comeAndGo);
      const found = new Set(keys);
      t.true(staying.every((name) => found.has(name)));
    }),
    { numRuns: 60 },
  );
});

test('a SCAN of nothing visits each partition once, 64 a call', (t) => {
  const cluster = new Partitions(1024);
  t.deepEqual(cluster.scan(''), { keys: [], calls: 16 });
  t.is(cluster.visits, 1024);
});

test('COUNT bounds what is looked at, MATCH and TYPE what is returned', (t) => {
  const cluster = new Partitions(16);
  for (let i = 0; i < 500; i++) cluster.set(`key:${i}`);
  cluster.of('list').insertIntoList(Buffer.from('list'), 0, [Buffer.from('x')]);
  t.is(new Set(cluster.scan(' COUNT 50').keys).size, 501);
  t.is(cluster.scan(' COUNT 50').calls, 11);
  t.is(cluster.scan(' COUNT 100000').calls, 1);
  t.deepEqual(
    [...cluster.scan(' MATCH key:1?').keys].toSorted(),
    Array.from({ length: 10 }, (_, i) => `key:1${i}`),
  );
  t.deepEqual(cluster.scan(' type LIST count 20').keys, ['list']);
  t.deepEqual(cluster.scan(' TYPE nosuch').keys, []);
  t.is(cluster.scan(' MATCH nothing COUNT 50').calls, 11, 'keys that do not match are looked at too');
});

test('bad SCAN and FLUSHALL arguments are answered as Redis does', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const lines = linesOf(`
    SCAN; SCAN x; SCAN -1; SCAN +0; SCAN -; SCAN -18446744073709551616; SCAN 1x; SCAN 18446744073709551616; SCAN 0 COUNT; SCAN 0 COUNT 0; SCAN 0 COUNT x; SCAN 0 COUNT -1; SCAN 0 MATCH; SCAN 0 TYPE
    SCAN 0 nope; SCAN 0 nope x; SCAN 0 COUNT 5 COUNT; SCAN 0 COUNT x nope; SCAN 0 COUNT 100000; SCAN 18446744073709551615; SCAN 99999
    FLUSHALL nope; FLUSHALL ASYNC SYNC; FLUSHDB x; DBSIZE x; DBSIZE
  `);
  const theirs = await redis.ask(lines.map((line) => line.split(' ')));
  const cluster = new Partitions(1);
  for (const [i, line] of lines.entries()) t.is(shown(cluster.ask(line)).replace(':0', ':0'), shown(theirs[i] as Reply), line);
});

test('glob patterns match what Redis matches', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const piece = fc.constantFrom('*', '?', 'a', 'b', 'c', '[ab]', '[^a]', '[a-c]', '[c-a]', '\\', '[', ']', '^', '-', '[\\]]', '[a', '**');
  const pattern = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '[', ']', '\\', '^', '-', '*'), minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(pattern, text), { minLength: 1, maxLength: 50 }), async (pairs) => {
      const commands = pairs.flatMap(([glob, key]) => [['FLUSHALL'], ['SET', key, 'v'], ['SCAN', '0', 'MATCH', glob]]);
      const replies = await redis.ask(commands);
      for (const [i, [glob, key]] of pairs.entries()) {
        const [, found] = replies[i * 3 + 2] as readonly [Reply, readonly Reply[]];
        if (matchesGlob(Buffer.from(glob), Buffer.from(key)) !== found.length > 0) throw new Error(`${glob} on ${key}`);
      }
    }),
    { numRuns: 100, includeErrorInReport: true },
  );
  t.true(matchesGlob(Buffer.from('PEx[A-P]*'), Buffer.from('pexpire'), true));
  t.false(matchesGlob(Buffer.from('*a*a*a*a*a*a*a*a*a*a*a*a*b'), Buffer.alloc(5000, 'a')));
});
