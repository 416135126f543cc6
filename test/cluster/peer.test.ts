/** Whether a peer can be relied on: its heartbeats, and the answers it owes. */
import test from 'ava';
import { Peer } from '../../cluster/peer.js';
import { TestCall } from './calls.js';
import { PlayedLink } from './links.js';

async function peerOf(): Promise<{ readonly peer: Peer; readonly played: PlayedLink }> {
  const played = new PlayedLink();
  await played.open();
  const description = { nodeId: 'peer', host: 'h', clientPort: 1, peerPort: 2, zone: 'z', hostLabel: 'l' };
  const peer = new Peer(description, played.link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1500 });
  peer.restarted(0);
  return { peer, played };
}

test('a steady heart is not suspected, a silent one is within seconds, and is again relied on when it is heard', async (t) => {
  const { peer } = await peerOf();
  let now = 0;
  for (let i = 1; i <= 50; i++) {
    now = i * 1000 + (i % 3) * 50;
    peer.heard(now, true);
    t.false(peer.judge(now + 1000));
  }
  let suspectedAt = 0;
  for (let later = now; suspectedAt === 0 && later < now + 60_000; later += 100) if (peer.judge(later)) suspectedAt = later;
  t.true(suspectedAt > now + 1500 && suspectedAt < now + 5000, `after ${suspectedAt - now} ms`);
  t.false(peer.reachable);
  t.false(peer.judge(suspectedAt + 1000), 'told once');
  t.true(peer.heard(suspectedAt + 2000, false));
  t.true(peer.reachable);
  t.false(peer.heard(suspectedAt + 2001, false), 'told once');
});

test('a peer that owes an answer and is silent is suspected after the timeout; any word is an answer', async (t) => {
  const { peer, played } = await peerOf();
  for (let i = 1; i <= 5; i++) peer.heard(i * 1000, true);
  played.link.forward(new TestCall('a', 1));
  played.link.send();
  t.false(peer.judge(5100));
  t.false(peer.judge(6599), 'owed for less than the timeout');
  peer.heard(6600, true);
  t.false(peer.judge(6650));
  t.false(peer.judge(8100));
  t.true(peer.judge(8200), 'since it was last heard of');
});

test('what a peer that can be reached has not answered in time is waited for until it has said something since; of one that cannot, no longer', async (t) => {
  const { peer, played } = await peerOf();
  peer.heard(3000, true);
  t.true(peer.answeredUntilMs(10_000) < 3000, 'its word on what was due then may have come a moment later');
  t.true(peer.answeredUntilMs(10_000) > 2500);
  peer.heard(10_400, false);
  t.is(peer.answeredUntilMs(10_100), 10_100);
  played.stream.break();
  t.is(peer.answeredUntilMs(20_000), 20_000);
});

test('a broken link makes it unreachable at once, a new start wipes its rhythm and suspicion', async (t) => {
  const { peer, played } = await peerOf();
  for (let i = 1; i <= 20; i++) peer.heard(i * 1000, true);
  t.true(peer.reachable);
  played.stream.break();
  t.false(peer.reachable);
  t.false(peer.judge(20_500), 'it may be back at once');
  t.true(peer.judge(60_000), 'silence behind a broken link is silence');
  (await played.redial()).welcome();
  peer.restarted(60_000);
  t.true(peer.reachable);
  t.false(peer.judge(61_000));
});

test('a peer that others have not heard of is given up where nothing came here for an interval either', async (t) => {
  const { peer } = await peerOf();
  for (let i = 1; i <= 5; i++) peer.heard(i * 1000, true);
  t.false(peer.giveUp(5900));
  t.true(peer.reachable);
  t.true(peer.giveUp(6100));
  t.false(peer.reachable);
  t.false(peer.giveUp(6200), 'told once');
  t.true(peer.heard(6300, false));
  t.true(peer.reachable);
});

test('nobody is blamed for what this node slept through', async (t) => {
  const { peer, played } = await peerOf();
  for (let i = 1; i <= 5; i++) peer.heard(i * 1000, true);
  played.link.forward(new TestCall('a', 1));
  played.link.send();
  t.false(peer.judge(5100));
  peer.excuse(60_000);
  t.false(peer.judge(65_200));
  t.true(peer.judge(68_000));
});

test('a peer that says that it beats less often is waited for as long', async (t) => {
  const { peer } = await peerOf();
  for (let i = 1; i <= 5; i++) peer.heard(i * 1000, true);
  peer.beatsEvery(4000, 5000);
  t.false(peer.judge(10_000));
  t.true(peer.judge(5000 + 12_000));
});

test('what a stream brings late does not make a clock go back, nor does a stream that is accepted late; a new process has told nothing yet', async (t) => {
  const { peer } = await peerOf();
  peer.streamAccepted(7);
  t.is(peer.seenOf(1), undefined);
  peer.saw(1, new Map([[1, 10]]));
  peer.saw(1, new Map([[2, 5]]));
  peer.saw(1, new Map([[1, 9]]));
  const told = new Map([
    [1, 10],
    [2, 5],
  ]);
  t.deepEqual(peer.seenOf(1), told);
  peer.streamAccepted(7);
  t.deepEqual(peer.seenOf(1), told);
  t.is(peer.seenOf(2), undefined);
  peer.streamAccepted(8);
  t.is(peer.seenOf(1), undefined);
});

test('how late a frame is is seen by the same process, whatever stream it came over', async (t) => {
  const { peer } = await peerOf();
  peer.streamAccepted(7);
  peer.frameSent(1000, 100);
  peer.streamAccepted(7); // this process stood still for four seconds, and the new stream is looked at before what waits on the old one
  peer.frameSent(1100, 4200);
  t.is(peer.frameSentMs, 200);
  peer.streamAccepted(8);
  peer.frameSent(1200, 4300);
  t.is(peer.frameSentMs, 4300);
});
