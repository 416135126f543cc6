/** Clients that take turns: nobody rests for ever, and a turn does only so much. */
import test from 'ava';
import { TurnBudget } from '../../server/turn-budget.js';

/** A client with so many commands of `args` arguments left. */
class Client {
  done = 0;
  constructor(
    private readonly budget: TurnBudget,
    private readonly args: number,
    private left: number,
    private readonly note: (args: number) => void,
  ) {}

  wake(): void {
    while (this.left > 0) {
      if (!this.budget.mayBegin(this.args, this)) return;
      this.left--;
      this.done++;
      this.note(this.args);
    }
  }
}

test('a turn takes five hundred arguments and what completes them; each client goes on in its order', (t) => {
  let due: (() => void)[] = [];
  const budget = new TurnBudget(
    (callback) => due.push(callback),
    () => 0,
  );
  const turns: number[] = [0];
  const note = (args: number): void => void turns.push((turns.pop() ?? 0) + args);
  const clients = [new Client(budget, 200, 10, note), new Client(budget, 33, 200, note), new Client(budget, 5000, 3, note)];
  for (const client of clients) client.wake();
  while (due.length > 0) {
    const now = due;
    due = [];
    turns.push(0);
    for (const callback of now) callback();
  }
  t.deepEqual(
    clients.map(({ done }) => done),
    [10, 200, 3],
  );
  t.true(
    turns.every((args) => args < 500 + 5000),
    turns.join(),
  );
  t.true(turns.filter((args) => args > 0).length >= 8);
});

test('a turn takes what begins within a millisecond, and one command however slow', (t) => {
  let due: (() => void)[] = [];
  let nowMs = 0;
  const budget = new TurnBudget(
    (callback) => due.push(callback),
    () => nowMs,
  );
  const turns: string[] = [''];
  const slow = (name: string, ms: number, left: number): Client =>
    new Client(budget, 40, left, () => {
      nowMs += ms;
      turns.push(`${turns.pop()}${name}`);
    });
  for (const client of [slow('a', 0.25, 6), slow('b', 5, 2), slow('c', 0.5, 3)]) client.wake();
  while (due.length > 0) {
    const now = due;
    due = [];
    turns.push('');
    for (const callback of now) callback();
  }
  t.deepEqual(
    turns.filter((done) => done !== ''),
    ['aaaa', 'aab', 'cc', 'b', 'c'],
  );
});

test('those that rest for what they were sent are woken as many as there is room for, late after the start as well', (t) => {
  let due: (() => void)[] = [];
  const budget = new TurnBudget(
    (callback) => due.push(callback),
    () => 1_000_000,
  );
  const woken: number[] = [];
  for (let client = 0; client < 15; client++) {
    const resting = {
      wake: (): void => {
        woken.push(client);
        if (client < 11) budget.rest(resting);
      },
    };
    budget.rest(resting);
  }
  const perTurn: number[] = [];
  while (woken.length < 20) {
    const before = woken.length;
    const now = due;
    due = [];
    for (const callback of now) callback();
    if (woken.length > before) perTurn.push(woken.length - before);
  }
  t.deepEqual(perTurn, [10, 14]);
  t.deepEqual(woken, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('after a turn of much other input those that rest wait one turn more, and no longer', (t) => {
  let due: (() => void)[] = [];
  let nowMs = 0;
  const budget = new TurnBudget(
    (callback) => due.push(callback),
    () => nowMs,
  );
  let turn = 0;
  const ran: number[] = [];
  const client = new Client(budget, 2000, 5, () => ran.push(turn));
  client.wake();
  // What the input of each turn takes, ms: a turn's end comes after it.
  for (const inputMs of [0, 0, 5, 0, 5, 5, 0, 5, 5, 5, 5, 5, 5, 5]) {
    turn++;
    nowMs += inputMs;
    const now = due;
    due = [];
    for (const callback of now) callback();
  }
  t.is(client.done, 5);
  t.deepEqual(ran, [2, 4, 7, 10, 13]);
});

test('a command that fills a turn by itself does not begin before those that rested do', (t) => {
  let due: (() => void)[] = [];
  const budget = new TurnBudget(
    (callback) => due.push(callback),
    () => 0,
  );
  const order: string[] = [];
  const named = (name: string, args: number, left: number): Client => new Client(budget, args, left, () => order.push(name));
  const clients = [named('large', 501, 2), named('small', 33, 2)];
  for (const client of clients) client.wake();
  t.deepEqual(order, ['small', 'small']);
  for (let turn = 0; turn < 4; turn++) {
    const now = due;
    due = [];
    for (const callback of now) callback();
    order.push(`end ${turn}`);
  }
  t.deepEqual(order, ['small', 'small', 'end 0', 'large', 'end 1', 'end 2', 'large', 'end 3']);
});
