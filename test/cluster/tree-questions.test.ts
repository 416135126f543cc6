/** Questions to a peer end with its answer, or unanswered: when a stream they travel on is gone, or after too long without a word. */
import test from 'ava';
import { Peer } from '../../cluster/peer.js';
import { TreeQuestions } from '../../cluster/tree-questions.js';
import { torc } from '../../protocol/generated/messages.js';
import { PlayedLink } from './links.js';

const description = { nodeId: 'peer', host: 'h', clientPort: 1, peerPort: 2, zone: 'z', hostLabel: 'l' };
const answer = (fields: torc.TreeAnswer.$Shape): torc.TreeAnswer => torc.TreeAnswer.decode(torc.TreeAnswer.encode(fields).finish());

async function played() {
  const link = new PlayedLink();
  await link.open();
  const peer = new Peer(description, link.link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 });
  const questions = new TreeQuestions({ clock: link.clock, firstId: 7, timeoutMs: () => 1000 });
  const results: (string | undefined)[] = [];
  const ask = (level: number): void => {
    questions.ask(peer, { level, configurationNumber: 1 }).then(
      (given) => results.push(given?.refusal),
      () => results.push('rejected'),
    );
  };
  return { link, peer, questions, results, ask };
}

test('each answer goes to its question, and to that of its peer only', async (t) => {
  const { link, peer, questions, results, ask } = await played();
  ask(1);
  ask(2);
  link.link.send();
  t.deepEqual(
    link.stream.frames.flatMap(({ treeQuestions }) => treeQuestions.map(({ id, level }) => [id, level])),
    [
      [7, 1],
      [8, 2],
    ],
  );
  const stranger = new Peer(description, new PlayedLink().link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 });
  questions.onAnswer(stranger, answer({ id: 7, refusal: 'not yours' }));
  questions.onAnswer(peer, answer({ id: 9, refusal: 'never asked' }));
  questions.onAnswer(peer, answer({ id: 8, refusal: 'second' }));
  questions.onAnswer(peer, answer({ id: 7, refusal: 'first' }));
  questions.onAnswer(peer, answer({ id: 7, refusal: 'again' }));
  await link.clock.advance(0);
  t.deepEqual(results, ['second', 'first']);
});

test('a peer that is at work is waited for; one that says nothing is not, nor one whose stream has broken', async (t) => {
  const { link, peer, questions, results, ask } = await played();
  ask(1);
  for (let i = 0; i < 5; i++) {
    await link.clock.advance(900);
    questions.onAnswer(peer, answer({ id: 7, working: true }));
    questions.tick();
  }
  await link.clock.advance(0);
  t.deepEqual(results, []);
  await link.clock.advance(1001);
  questions.tick();
  await link.clock.advance(0);
  t.deepEqual(results, [undefined]);
  ask(2);
  peer.streamsHeard++; // the answer may have been lost with the stream before
  questions.tick();
  ask(3);
  link.stream.break();
  questions.tick();
  ask(4);
  await link.clock.advance(0);
  t.deepEqual(results, [undefined, undefined, undefined, undefined]);
});

test('who answers says so while it is at work', async (t) => {
  const { link, peer, questions } = await played();
  let finish: (given: torc.TreeAnswer.$Shape) => void = () => undefined;
  const answered = questions.answer(peer, 99, () => new Promise((resolve) => (finish = resolve)));
  questions.tick();
  link.link.send();
  finish({ refusal: 'done' });
  await answered;
  questions.tick();
  link.link.send();
  const said = link.stream.frames.flatMap(({ treeAnswers }) => treeAnswers.map(({ id, working, refusal }) => [id, working, refusal]));
  t.deepEqual(said, [
    [99, true, ''],
    [99, false, 'done'],
  ]);
  await t.throwsAsync(
    questions.answer(peer, 100, () => Promise.reject(new Error('cannot'))),
    { message: 'cannot' },
  );
});
