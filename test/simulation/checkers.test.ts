/** Each checker accepts what may happen and refuses what must not: a checker that cannot refuse proves nothing. */
import test from 'ava';
import fc from '../harness/properties.js';
import { checkCounterReads, checkFinalCounter, type CounterInput, type CounterOutput } from './counter-checker.js';
import { checkFeed, checkFeedLoosely, checkFinalFeed, type FeedInput, type FeedOutput } from './feed-checker.js';
import { History, type Verdict } from './history.js';
import { checkFinalList, checkList, checkListReadsKeepUp, type ListInput, type ListOutput } from './list-checker.js';
import { play } from './pictures.js';
import { SeededRandom } from './random.js';
import { checkFinalValue, checkReadsKeepUp, checkRegister, type RegisterInput, type RegisterOutput } from './register-checker.js';

/** Operations: `w1` writes (or appends) 1, `r:1` reads 1, `r:` reads nothing, `d` deletes; a following quote mark tells equal ones apart. */
function register(picture: string): History<RegisterInput, RegisterOutput> {
  const history = new History<RegisterInput, RegisterOutput>();
  play(picture, (name) => {
    const [value = ''] = name.slice(name[0] === 'r' ? 2 : 1).split("'");
    const read = name.startsWith('r');
    const write = { kind: 'write', value: name.startsWith('d') ? null : value } as const;
    const ending = history.invoke('c', 'k', read ? { kind: 'read' } : write);
    return { ...ending, complete: () => ending.complete(read && value !== '' ? value : null) };
  });
  return history;
}

function list(picture: string): History<ListInput, ListOutput> {
  const history = new History<ListInput, ListOutput>();
  play(picture, (name) => {
    const [value = ''] = name.slice(name[0] === 'r' ? 2 : 1).split("'");
    const read = name.startsWith('r');
    const ending = history.invoke('c', 'k', read ? { kind: 'read' } : { kind: 'append', element: value });
    return { ...ending, complete: () => ending.complete(read ? value.split(',').filter((element) => element !== '') : null) };
  });
  return history;
}

const is = (expected: Verdict['verdict'], { verdict }: Verdict): boolean => verdict === expected;

const linearizable = [
  'r:( r:)',
  'w1( w1) r:1( r:1)',
  'w1( r:( r:) w1) r:1( r:1)',
  'w1( r:1( r:1) w1)',
  'w1( w2( w1) w2) r:1( r:1)',
  'w1( w2( w1) w2) r:2( r:2)',
  "w1( w1! r:( r:) r:1( r:1) r:1'( r:1')",
  'w1( w1! w2( w2) r:2( r:2) r:1( r:1)',
  'w1( w1) w2( w2- r:1( r:1)',
  'w1( w1) d( d) r:( r:)',
  'w1( r:1( r:1)',
  "w1( w1) w2( r:1( r:2( r:2) r:1) w2) r:2'( r:2')",
];
const notLinearizable = [
  'r:1( r:1)',
  'w1( w1) r:( r:)',
  'w1( w1) w2( w2) r:1( r:1)',
  'w1( w1) w2( r:2( r:2) r:1( r:1) w2)',
  'w1( w1) w2( w2- r:2( r:2)',
  "w1( w1! r:1( r:1) w2( w2) r:1'( r:1')",
  'w1( w1! w2( w2! r:1( r:1) r:2( r:2) r:( r:)',
  'r:1( r:1) w1( w1)',
  "w1( w2( w1) w2) r:1( r:1) r:2( r:2) r:1'( r:1')",
];

for (const picture of linearizable)
  test(`register, linearizable: ${picture}`, (t) => t.true(is('accepted', checkRegister(register(picture).operations))));
for (const picture of notLinearizable) {
  test(`register, not linearizable: ${picture}`, (t) => t.true(is('refused', checkRegister(register(picture).operations))));
}

const keepsUp = [...linearizable, 'w1( w1) w2( w2! r:2( r:2) r:1( r:1)', 'w1( r:1( r:1) r:( r:) w1)'];
const fallsBehind = [
  'r:1( r:1)',
  'w1( w1) r:( r:)',
  'w1( w1) w2( w2) r:1( r:1)',
  'w1( w1) w2( w2- r:2( r:2)',
  'r:1( r:1) w1( w1)',
  'w1( w1) d( d) r:1( r:1)',
];
for (const picture of keepsUp)
  test(`reads keep up: ${picture}`, (t) => t.true(is('accepted', checkReadsKeepUp(register(picture).operations))));
for (const picture of fallsBehind) {
  test(`reads fall behind: ${picture}`, (t) => t.true(is('refused', checkReadsKeepUp(register(picture).operations))));
}

test('the final value is an acknowledged, later or unknown write', (t) => {
  const final = (picture: string, value: string | null): Verdict['verdict'] => checkFinalValue(register(picture).operations, value).verdict;
  t.is(final('w1( w1)', '1'), 'accepted');
  t.is(final('w1( w1)', null), 'refused');
  t.is(final('w1( w1!', null), 'accepted');
  t.is(final('w1( w1!', '1'), 'accepted');
  t.is(final('w1( w1-', '1'), 'refused');
  t.is(final('w1( w1) w2( w2)', '1'), 'refused');
  t.is(final('w1( w2( w1) w2)', '1'), 'accepted');
  t.is(final('w1( w1) w2( w2!', '1'), 'accepted');
  t.is(final('w1( w1! w2( w2)', '1'), 'accepted');
  t.is(final('w1( w1) w2( w2)', '3'), 'refused');
  t.is(final('w1( w1) d( d)', null), 'accepted');
  t.is(final('d( d) w1( w1)', null), 'refused');
});

const linearizableLists = [
  'w1( w1) w2( w2) r:1,2( r:1,2)',
  'w1( w2( w1) w2) r:2,1( r:2,1)',
  'w1( w1! w2( w2) r:2( r:2) r:2,1( r:2,1)',
  'w1( w1! w2( w2) r:2( r:2)',
  'w1( r:( r:) r:1( r:1) w1)',
];
const notLinearizableLists = [
  'w1( w1) w2( w2) r:2,1( r:2,1)',
  'w1( w1) w2( w2) r:2( r:2)',
  'w1( w2( w1) w2) r:1( r:1)',
  'w1( w1! w2( w2) r:2( r:2) r:1,2( r:1,2)',
  'w1( w1- r:1( r:1)',
  'w1( r:1( r:1) r:( r:) w1)',
  'w1( w1) r:1,1( r:1,1)',
];
for (const picture of linearizableLists)
  test(`list, linearizable: ${picture}`, (t) => t.true(is('accepted', checkList(list(picture).operations))));
for (const picture of notLinearizableLists)
  test(`list, not linearizable: ${picture}`, (t) => t.true(is('refused', checkList(list(picture).operations))));

test('lists: what reads and the end may show', (t) => {
  const keepUp = (picture: string): Verdict['verdict'] => checkListReadsKeepUp(list(picture).operations).verdict;
  t.is(keepUp('w1( w1! w2( w2) r:1,2( r:1,2) r:2( r:2)'), 'accepted');
  t.is(keepUp('w1( w1) w2( w2) r:2( r:2)'), 'refused');
  t.is(keepUp('w1( w1) r:1,1( r:1,1)'), 'refused');
  t.is(keepUp('r:1( r:1) w1( w1)'), 'refused');
  const final = (picture: string, ...elements: string[]): Verdict['verdict'] => checkFinalList(list(picture).operations, elements).verdict;
  t.is(final('w1( w1) w2( w2! w3( w3-', '1'), 'accepted');
  t.is(final('w1( w1) w2( w2! w3( w3-', '2', '1'), 'accepted');
  t.is(final('w1( w1) w2( w2! w3( w3-', '2'), 'refused');
  t.is(final('w1( w1) w2( w2! w3( w3-', '1', '3'), 'refused');
  t.is(final('w1( w1) w2( w2! w3( w3-', '1', '1'), 'refused');
});

test('lists: the lengths that appends were told count', (t) => {
  const appended = (...lengths: number[]): Verdict => {
    const history = new History<ListInput, ListOutput>();
    lengths.forEach((length, at) => history.invoke('c', 'k', { kind: 'append', element: `e${at}` }).complete(length));
    return checkList(history.operations);
  };
  t.true(is('accepted', appended(1, 2, 3)));
  t.true(is('refused', appended(1, 2, 2)));
});

test('counters: acknowledged <= seen <= attempted', (t) => {
  const history = new History<CounterInput, CounterOutput>();
  history.invoke('c', 'k', { kind: 'increment', by: 5 }).complete(5);
  history.invoke('c', 'k', { kind: 'increment', by: 2 }).leaveUnknown();
  history.invoke('c', 'k', { kind: 'increment', by: -1 }).leaveUnknown();
  history.invoke('c', 'k', { kind: 'increment', by: 100 }).fail();
  const final = (value: number): Verdict['verdict'] => checkFinalCounter(history.operations, value).verdict;
  for (const value of [4, 5, 6, 7]) t.is(final(value), 'accepted');
  for (const value of [0, 3, 8, 105]) t.is(final(value), 'refused');
  const afterRead = (value: number): Verdict['verdict'] => {
    const read = new History<CounterInput, CounterOutput>();
    read.invoke('c', 'k', { kind: 'increment', by: 1 }).complete(1);
    const concurrent = read.invoke('d', 'k', { kind: 'increment', by: 1 });
    read.invoke('c', 'k', { kind: 'read' }).complete(value);
    concurrent.complete(2);
    read.invoke('d', 'k', { kind: 'increment', by: 1 }).complete(3);
    return checkCounterReads(read.operations).verdict;
  };
  t.is(afterRead(0), 'refused');
  t.is(afterRead(1), 'accepted');
  t.is(afterRead(2), 'accepted');
  t.is(afterRead(3), 'refused');
});

test('counters: an increment whose answer leaves out an acknowledged one is refused', (t) => {
  const history = new History<CounterInput, CounterOutput>();
  history.invoke('a', 'k', { kind: 'increment', by: 1 }).complete(1);
  history.invoke('b', 'k', { kind: 'increment', by: 1 }).complete(1);
  t.true(is('refused', checkCounterReads(history.operations)));
});

/** Clients on one register that takes effect at a random instant of each operation; `stale` plants a bug: now and then a read of the last value but one. */
function runRegister(seed: number, operations: number, clients: number, stale: boolean): History<RegisterInput, RegisterOutput> {
  const random = new SeededRandom(seed);
  const history = new History<RegisterInput, RegisterOutput>();
  const open: { effect: (() => void) | undefined; end: () => void }[] = [];
  let value: string | null = null;
  let previous: string | null = null;
  for (let begun = 0; begun < operations || open.length > 0;) {
    if (begun < operations && open.length < clients && random.chance(0.4)) {
      const id = String(begun++);
      const write = random.chance(0.5);
      const written = random.chance(0.15) ? null : id;
      const ending = history.invoke('c', 'k', write ? { kind: 'write', value: written } : { kind: 'read' });
      let answer: string | null = null;
      const effect = (): void => {
        if (write) [previous, value] = [value, written];
        else answer = stale && random.chance(0.3) ? previous : value;
      };
      const unknown = write && random.chance(0.1);
      const lost = unknown && random.chance(0.5);
      open.push({ effect: lost ? () => undefined : effect, end: () => (unknown ? ending.leaveUnknown() : ending.complete(answer)) });
    } else if (open.length > 0) {
      const at = random.integer(open.length);
      const operation = open[at];
      if (operation?.effect !== undefined) {
        operation.effect();
        operation.effect = undefined;
      } else {
        operation?.end();
        open.splice(at, 1);
      }
    }
  }
  return history;
}

test('register: long concurrent histories of a right register are accepted, of a stale one refused', (t) => {
  let refusals = 0;
  for (let seed = 1; seed <= 30; seed++) {
    t.is(checkRegister(runRegister(seed, 400, 6, false).operations).verdict, 'accepted', `seed ${seed}`);
    t.is(checkReadsKeepUp(runRegister(seed, 400, 6, false).operations).verdict, 'accepted', `seed ${seed}`);
    if (checkRegister(runRegister(seed, 400, 6, true).operations).verdict === 'refused') refusals++;
  }
  t.is(refusals, 30);
});

/** All orders that keep real time, tried one by one: slow and plainly right. */
function explained(history: History<RegisterInput, RegisterOutput>): boolean {
  const { operations } = history;
  const search = (left: readonly number[], value: string | null): boolean => {
    if (left.every((at) => operations[at]?.outcome !== 'completed')) return true;
    return left.some((at) => {
      const operation = operations[at];
      if (operation === undefined || left.some((other) => (operations[other]?.ended ?? 0) < operation.invoked)) return false;
      const rest = left.filter((other) => other !== at);
      if (operation.input.kind === 'write') return search(rest, operation.input.value);
      return (operation.outcome !== 'completed' || operation.output === value) && search(rest, value);
    });
  };
  return search(
    operations.flatMap(({ outcome }, at) => (outcome === 'failed' ? [] : [at])),
    null,
  );
}

test('register: agrees with trying all orders', (t) => {
  const verdicts = new Set<boolean>();
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), (seed, stale) => {
      const history = runRegister(seed, 7, 3, stale);
      const right = explained(history);
      verdicts.add(right);
      return is(right ? 'accepted' : 'refused', checkRegister(history.operations));
    }),
    { numRuns: 1500, seed: 1 },
  );
  t.is(verdicts.size, 2);
});

/** As `explained`, for lists. */
function explainedList({ operations }: History<ListInput, ListOutput>): boolean {
  const search = (left: readonly number[], elements: string): boolean => {
    if (left.every((at) => operations[at]?.outcome !== 'completed')) return true;
    return left.some((at) => {
      const operation = operations[at];
      if (operation === undefined || left.some((other) => (operations[other]?.ended ?? 0) < operation.invoked)) return false;
      const rest = left.filter((other) => other !== at);
      if (operation.input.kind === 'append') return search(rest, `${elements},${operation.input.element}`);
      return String([''].concat((operation.output as readonly string[] | undefined) ?? [])) === elements && search(rest, elements);
    });
  };
  return search([...operations.keys()], '');
}

test('list: agrees with trying all orders', (t) => {
  const verdicts = new Map<boolean, number>();
  for (let seed = 1; seed <= 1500; seed++) {
    const random = new SeededRandom(seed);
    const history = new History<ListInput, ListOutput>();
    const open: (() => void)[] = [];
    const elements: string[] = [];
    for (let id = 0; id < 6;) {
      if (open.length < 3 && random.chance(0.6)) {
        const element = String(id++);
        const append = random.chance(0.5);
        const ending = history.invoke('c', 'k', append ? { kind: 'append', element } : { kind: 'read' });
        if (append) elements.push(element);
        if (append && random.chance(0.2)) ending.leaveUnknown();
        // Reads lack the last element at times, and two elements have changed places at times: often explicable, often not.
        const shown = append ? [] : elements.slice(0, random.chance(0.5) ? -1 : undefined);
        if (random.chance(0.2)) shown.push(...shown.splice(-2, 1));
        open.push(() => ending.complete(append ? null : shown));
      } else if (open.length > 0) open.splice(random.integer(open.length), 1)[0]?.();
    }
    for (const end of open) end();
    const right = explainedList(history);
    verdicts.set(right, (verdicts.get(right) ?? 0) + 1);
    t.is(checkList(history.operations).verdict, right ? 'accepted' : 'refused', `seed ${seed}`);
  }
  t.true((verdicts.get(true) ?? 0) > 200 && (verdicts.get(false) ?? 0) > 200, JSON.stringify([...verdicts]));
});

test('the search gives up at its bound', (t) => {
  t.is(checkRegister(runRegister(1, 400, 6, false).operations, { stepsMax: 100 }).verdict, 'undecided');
});

/** Operations: `+1` adds 1, `t:1,2` takes both, `k1` acknowledges 1, `m` makes the group. */
function feed(picture: string): History<FeedInput, FeedOutput> {
  const history = new History<FeedInput, FeedOutput>();
  play(picture, (name) => {
    const value = name.slice(1);
    const kinds: Readonly<Record<string, FeedInput>> = {
      '+': { kind: 'add', value },
      t: { kind: 'take' },
      k: { kind: 'acknowledge', value },
    };
    const ending = history.invoke('c', 'k', kinds[name[0] ?? ''] ?? { kind: 'make' });
    const output = name.startsWith('t') ? value.slice(1).split(',') : name.startsWith('k') ? true : null;
    return { ...ending, complete: () => ending.complete(output) };
  });
  return history;
}

test('a group that gives what was not added, or gives it twice under strict quorums, is refused', (t) => {
  const check = (picture: string): string => checkFeed(feed(picture).operations).verdict;
  t.is(check('m( m) +1( +1) +2( t:1( t:1) t:2( t:2) +2)'), 'accepted');
  t.is(check('+1( +1) t:2( t:2)'), 'refused');
  t.is(check('t:1( t:1) +1( +1)'), 'refused');
  t.is(check('+1( +1- t:1( t:1)'), 'refused');
  t.is(check('+1( +1) t:1( t:1) t:1( t:1)'), 'refused');
  t.is(checkFeedLoosely(feed('+1( +1) t:1( t:1) t:1( t:1)').operations).verdict, 'accepted');
});

test('a value that a group never gave, and one that is pending after its acknowledgement, is refused', (t) => {
  const check = (picture: string, pending: string[], sloppy = false): string =>
    checkFinalFeed(feed(picture).operations, pending, sloppy).verdict;
  t.is(check('m( m) +1( +1) t:1( t:1)', []), 'accepted');
  t.is(check('m( m) +1( +1) t:1( t:1!', ['1']), 'accepted');
  t.is(check('m( m) +1( +1) t:1( t:1!', []), 'refused');
  t.is(check('m( m) +1( +1) +2( +2) t:2( t:2)', [], true), 'refused');
  t.is(check('+1( +1)', []), 'accepted');
  t.is(check('m( m) +1( +1) t:1( t:1) k1( k1)', ['1']), 'refused');
  t.is(check('m( m) +1( +1) t:1( t:1) k1( k1)', ['1'], true), 'accepted');
});
