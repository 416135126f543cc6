/** The checkers of sets and of lists that are popped from accept what may happen and refuse what must not. */
import test from 'ava';
import { History } from './history.js';
import { bitsIn } from './member-clients.js';
import { play } from './pictures.js';
import { placeNamed, valueAt } from './places.js';
import { checkFinalQueue, checkQueue, checkQueueLoosely, type QueueInput, type QueueOperation, type QueueOutput } from './queue-checker.js';
import { checkFinalSet, checkSetReads, checkSetReadsAreOfAdds, type SetInput, type SetOperation, type SetOutput } from './set-checker.js';

const listed = (text: string): string[] => text.split(',').filter((each) => each !== '');

/**
 * Operations: `+1` adds 1, `+1@5` with rank 5, `-1` removes it, `c` clears, `w` writes again, `t5` removes what ranks below 5, `^5` raises ranks above 5; `p:1` pops 1, `l:1` as the least, `g:1` as
 * the greatest; `r:1,2` reads both, `y1` finds 1, `n1` does not, `#2` counts two. A following quote mark tells equal ones apart.
 */
function set(picture: string): readonly SetOperation[] {
  const history = new History<SetInput, SetOutput>();
  play(picture, (name) => {
    const [member = '', rank] = name.replaceAll("'", '').slice(1).replace(':', '').split('@');
    const kinds: Readonly<Record<string, readonly [SetInput, SetOutput]>> = {
      '+': [{ kind: 'add', member }, rank ?? null],
      '-': [{ kind: 'remove', member }, null],
      c: [{ kind: 'clear' }, null],
      w: [{ kind: 'rewrite' }, null],
      t: [{ kind: 'trim', below: member }, null],
      '^': [{ kind: 'raise', to: member }, null],
      p: [{ kind: 'pop', from: 'anywhere' }, listed(member)],
      l: [{ kind: 'pop', from: 'least' }, listed(member)],
      g: [{ kind: 'pop', from: 'greatest' }, listed(member)],
      r: [{ kind: 'read' }, listed(member)],
      y: [{ kind: 'look', member }, [member]],
      n: [{ kind: 'look', member }, []],
      '#': [{ kind: 'count' }, Number(member)],
    };
    const [input, output] = kinds[name[0] ?? ''] ?? [];
    if (input === undefined || output === undefined) throw new Error(`no operation ${name}`);
    const ending = history.invoke('c', 'k', input);
    return { ...ending, complete: () => ending.complete(output) };
  });
  return history.operations;
}

const rightSets = [
  'r:( r:) n1( n1) #0( #0) p:( p:)',
  '+1( +1) r:1( r:1) y1( y1) #1( #1)',
  '+1( r:( r:) y1( y1) #1( #1) n1( n1) #0( #0) +1)',
  '+1( +1! #0( #0) #1( #1) y1( y1)',
  '+1( +1) -1( r:1( r:1) r:( r:) -1)',
  '+1( +1) -1( -1! r:1( r:1) n1( n1)',
  '+1( +1) +2( +2) p:1( p:1) r:2( r:2) n1( n1) #1( #1) p:2( p:2) p:( p:)',
  '+1( +1) +2( +2) p:( p:! r:2( r:2)', // one was taken, whichever
  '+1( +1) +2( +2) p:( p:! n1( n1) n2( n2) #1( #1)',
  '+1( +1) p:1( p:1) w( w) p:( p:)',
  '+1( +1) w( p:1( p:1) y1( y1) w)', // it had found 1 before
  "+1( +1) w( p:1( p:1) p:1'( p:1') w)",
  '+1( p:1( p:1) y1( +1) y1)', // the add took effect once more
  '+1@1( +1@1) +2@2( +2@2) l:1( l:1) g:2( g:2)',
  '+1@1( l:2( +2@2( +2@2) +1@1) l:2)',
  '+1@1( +1@1) +2@2( +2@2) l:( l:! l:2( l:2)',
  '+1@1( +1@1) +2@2( +2@2) -1( l:2( l:2) -1)',
  '+1@1( +1@1) +2@2( +2@2) t2( t2) r:2( r:2) n1( n1)',
  '+1@1( +1@1) +2@2( +2@2) t2( r:1,2( r:1,2) r:2( r:2) t2)',
  '+1( +1) c( c) +2( +2) r:2( r:2)',
  '+1@1( +1@1) ^5( ^5) +2@6( +2@6)',
  '^5( +1@1( +1@1) ^5)',
  '^5( ^5! +1@1( +1@1)',
  '^5( ^5- +1@1( +1@1)',
  '^7( ^5( ^7) ^5) +1@6( +1@6)',
  '^7( ^7) ^5( +1@6( +1@6) ^5)',
  '^7( ^7) ^5( ^5! +1@6( +1@6)',
];
const wrongSets = [
  'r:1( r:1)',
  'y1( y1)',
  '#1( #1)',
  'p:1( p:1)',
  '+1( +1- y1( y1)',
  '+1( +1- p:1( p:1)',
  'p:1( p:1) +1( +1)',
  '+1( +1) r:( r:)',
  '+1( +1) n1( n1)',
  '+1( +1) #0( #0)',
  '+1( +1) #2( #2)',
  '+1( +1) p:( p:)',
  '+1( +1) r:1,1( r:1,1)',
  '+1( +1) -1( -1) r:1( r:1)',
  '+1( +1) -1( -1) y1( y1)',
  '+1( +1) -1( -1) #1( #1)',
  '+1( +1) -1( -1) p:1( p:1)',
  '+1( +1) c( c) y1( y1)',
  '+1( +1) p:1( p:1) r:1( r:1)',
  '+1( +1) p:1( p:1) #1( #1)',
  "+1( +1) p:1( p:1) p:1'( p:1')",
  "+1( +1) p:1( p:1'( p:1) p:1')",
  '+1( +1) +2( +2) p:1( p:1) r:( r:)',
  '+1( +1) +2( +2) p:( p:! r:( r:)', // it took one at most
  '+1( +1) +2( +2) p:( p:! #0( #0)',
  '+1( +1) p:( p:- n1( n1)',
  '+1@1( +1@1) +2@2( +2@2) l:2( l:2)',
  '+1@1( +1@1) +2@2( +2@2) g:1( g:1)',
  '+1@1( +1@1) +2@2( +2@2) t2( t2) r:1,2( r:1,2)',
  '+1@1( +1@1) +2@2( +2@2) t2( t2) y1( y1)',
  '+1@1( +1@1) +2@2( +2@2) t2( t2) r:( r:)',
  '+1@1( +1@1) +2@1( +2@1)',
  '^5( ^5) +1@1( +1@1)',
  '^5( ^5) +1@5( +1@5)',
  '^5( ^5) ^7( ^7) +1@6( +1@6)',
  '^7( ^7) +1@6( +1@6) ^5( ^5)',
  '^7( ^6( ^7) ^6) +1@6( +1@6)',
];
for (const picture of rightSets) test(`set: ${picture}`, (t) => t.is(checkSetReads(set(picture)).verdict, 'accepted'));
for (const picture of wrongSets) test(`set, refused: ${picture}`, (t) => t.is(checkSetReads(set(picture)).verdict, 'refused'));

test('sets under sloppy quorums: what is seen was added by then, and may lack and show all else; no two have one rank', (t) => {
  const check = (picture: string): string => checkSetReadsAreOfAdds(set(picture)).verdict;
  const alien = ['r:1( r:1)', 'y1( y1)', '#1( #1)', 'p:1( p:1)', '+1( +1- y1( y1)', '+1( +1- p:1( p:1)', 'p:1( p:1) +1( +1)'];
  for (const picture of [...alien, '+1( +1) #2( #2)', '+1@1( +1@1) +2@1( +2@1)']) t.is(check(picture), 'refused', picture);
  for (const picture of [
    '+1( +1) r:( r:)',
    '+1( +1) -1( -1) y1( y1)',
    "+1( +1) p:1( p:1) p:1'( p:1')",
    '+1@1( +1@1) +2@2( +2@2) l:2( l:2)',
    '^5( ^5) +1@1( +1@1)',
  ])
    t.is(check(picture), 'accepted', picture);
});

test('what is finally in a set: all acknowledged adds but those that something took', (t) => {
  const check = (picture: string, members: string[], sloppy = false): string => checkFinalSet(set(picture), members, sloppy).verdict;
  t.is(check('+1( +1) +2( +2) p:1( p:1)', ['2']), 'accepted');
  t.is(check('+1( +1) +2( +2) p:1( p:1)', ['1', '2']), 'refused');
  t.is(check('+1( +1) +2( +2) p:1( p:1)', ['1', '2'], true), 'accepted');
  t.is(check('+1( +1) +2( +2) p:1( p:1)', []), 'refused');
  t.is(check('+1( +1) +2( +2) p:1( p:1)', [], true), 'refused');
  t.is(check('+1( +1) +2( +2) p:( p:!', ['2']), 'accepted');
  t.is(check('+1( +1) +2( +2) p:( p:!', []), 'refused');
  t.is(check('+1@1( +1@1) +2@2( +2@2) t2( t2)', ['2']), 'accepted');
  t.is(check('+1@1( +1@1) +2@2( +2@2) t2( t2)', ['1', '2']), 'refused');
  t.is(check('+1@1( +1@1) +2@2( +2@2) t2( t2)', [], true), 'refused');
});

/** Operations: `+1` pushes 1, `p:1` pops it, `-1` removes it and finds it, `~1` does not, `t` trims by one, `c` clears, `r:1,2` reads. */
function queue(picture: string): readonly QueueOperation[] {
  const history = new History<QueueInput, QueueOutput>();
  play(picture, (name) => {
    const value = name.replaceAll("'", '').slice(1).replace(':', '');
    const kinds: Readonly<Record<string, readonly [QueueInput, QueueOutput]>> = {
      '+': [{ kind: 'push', value }, null],
      p: [{ kind: 'pop' }, value === '' ? null : value],
      '-': [{ kind: 'remove', value }, value],
      '~': [{ kind: 'remove', value }, null],
      t: [{ kind: 'trim' }, null],
      c: [{ kind: 'clear' }, null],
      r: [{ kind: 'read' }, listed(value)],
    };
    const [input, output] = kinds[name[0] ?? ''] ?? [];
    if (input === undefined || output === undefined) throw new Error(`no operation ${name}`);
    const ending = history.invoke('c', 'k', input);
    return { ...ending, complete: () => ending.complete(output) };
  });
  return history.operations;
}

const rightQueues = [
  '+1( +1) +2( +2) r:1,2( r:1,2) p:1( p:1) -2( -2) r:( r:)',
  '+1( +1) -1( -1! r:1( r:1) r:( r:)',
  '+1( +1) -1( -1) ~1( ~1)',
  '+1( ~1( ~1) +1)',
  '+1( +1) p:( p:! ~1( ~1)',
  '+1( +1) +2( +2) t( t) r:2( r:2)',
  '+1( +1) +2( +2) c( c) +3( +3) r:3( r:3)',
  '+1( +1) c( r:1( r:1) r:( r:) c)',
  '+1( +1) c( c! r:1( r:1) r:( r:)',
];
const wrongQueues = [
  '+1( +1) r:( r:)',
  '+1( +1) -1( -1) r:1( r:1)',
  '+1( +1) +2( +2) -1( -1! r:1( r:1) r:( r:)', // it can have taken 1 only
  '+1( +1) -1( -1- r:( r:)',
  '+1( +1) ~1( ~1)',
  "+1( +1) -1( -1) -1'( -1')",
  '+1( +1) -1( p:1( p:1) -1)',
  '-1( -1) +1( +1)',
  '+1( +1) +2( +2) t( t) r:( r:)',
  '+1( +1) +2( +2) t( t- r:2( r:2)',
  '+1( +1) c( c) r:1( r:1)',
  '+1( +1) c( c) +2( +2) r:( r:)',
  '+1( +1) +2( +2) r:1,2( r:1,2) r:2,1( r:2,1)',
];
for (const picture of rightQueues) test(`queue: ${picture}`, (t) => t.is(checkQueue(queue(picture)).verdict, 'accepted'));
for (const picture of wrongQueues) test(`queue, refused: ${picture}`, (t) => t.is(checkQueue(queue(picture)).verdict, 'refused'));

test('queues under sloppy quorums: both sides may take the same, and a removal may miss what the other side pushed', (t) => {
  for (const picture of ["+1( +1) -1( -1) -1'( -1')", '+1( +1) ~1( ~1)', '+1( +1) c( c) r:1( r:1)', '+1( +1) r:( r:)'])
    t.is(checkQueueLoosely(queue(picture)).verdict, 'accepted', picture);
  for (const picture of ['-1( -1) +1( +1)', '+1( +1) +2( +2) r:1,2( r:1,2) r:2,1( r:2,1)'])
    t.is(checkQueueLoosely(queue(picture)).verdict, 'refused', picture);
});

test('what is finally in a queue: all acknowledged pushes but those that something took', (t) => {
  const check = (picture: string, values: string[], sloppy = false): string => checkFinalQueue(queue(picture), values, sloppy).verdict;
  t.is(check('+1( +1) +2( +2) -1( -1)', ['2']), 'accepted');
  t.is(check('+1( +1) +2( +2) -1( -1)', ['1', '2'], true), 'refused');
  t.is(check('+1( +1) +2( +2) -1( -1)', []), 'refused');
  t.is(check('+1( +1) c( c)', ['1']), 'refused');
  t.is(check('+1( +1) c( c)', ['1'], true), 'accepted');
  t.is(check('+1( +1) +2( +2) t( t)', ['1']), 'accepted');
  t.is(check('+1( +1) +2( +2) t( t)', []), 'refused');
});

test('bits of a bitmap by their offsets; places by their numbers, and none that is half one and half another', (t) => {
  t.deepEqual(bitsIn(Buffer.from([0x81, 0, 0x10])), ['0', '7', '19']);
  t.deepEqual(bitsIn(null), []);
  for (const number of [1, 160, 17_899]) t.is(valueAt(placeNamed(number)), `p${number}`);
  t.throws(() => valueAt({ ...placeNamed(7), latitude: placeNamed(8).latitude }));
  t.throws(() => placeNamed(17_900), { instanceOf: RangeError });
});
