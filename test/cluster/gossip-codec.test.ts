/** Gossip on the wire: what was said is what is heard, and what makes no sense is refused. */
import test from 'ava';
import fc from '../harness/properties.js';
import { decodeExchange, encodeExchange, GossipError, type Exchange } from '../../cluster/gossip-codec.js';
import { statuses, type MemberState } from '../../cluster/gossip-state.js';
import { torc } from '../../protocol/generated/messages.js';
import { clockBytes } from '../../storage/partition-clocks.js';

const bytesOf = (exchange: torc.GossipExchange.$Shape): Buffer => Buffer.from(torc.GossipExchange.encode(exchange).finish());

const nodeIds = fc.string({ minLength: 1, maxLength: 20 }).filter((id) => !id.includes('\0'));
const digests = fc.record({
  nodeId: nodeIds,
  incarnation: fc.integer({ min: 0, max: 2 ** 52 }),
  heartbeat: fc.integer({ min: 1, max: 2 ** 31 }),
  status: fc.constantFrom(...statuses),
});
const news: fc.Arbitrary<MemberState> = fc
  .record({
    digest: digests,
    clock: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    load: fc.integer({ min: 0, max: 2 ** 31 }),
    intervalMs: fc.integer({ min: 10, max: 60_000 }),
    parts: fc.integer({ min: 0, max: 3 }),
    port: fc.integer({ min: 1, max: 65535 }),
  })
  .map(({ digest, clock, load, intervalMs, parts, port }) => ({
    ...digest,
    clock,
    load,
    intervalMs,
    description:
      (parts & 1) === 0
        ? undefined
        : { at: digest.heartbeat, value: { nodeId: digest.nodeId, host: 'h', peerPort: port, clientPort: 0, zone: 'z', hostLabel: '' } },
    seen: (parts & 2) === 0 ? undefined : { at: 1, value: clockBytes(new Map([[65537, clock]])) },
  }));
const exchanges: fc.Arbitrary<Exchange> = fc.record({ whole: fc.boolean(), digests: fc.array(digests), news: fc.array(news) });

test('what is encoded decodes to itself', (t) => {
  fc.assert(
    fc.property(exchanges, (exchange) => {
      t.deepEqual(decodeExchange(bytesOf(encodeExchange(exchange))), exchange);
    }),
  );
});

test('what makes no sense is refused', (t) => {
  const state = { nodeId: 'n', incarnation: 1, heartbeat: 5, intervalMs: 1000 };
  const senseless: readonly torc.GossipExchange.$Shape[] = [
    { nodeId: [''], incarnation: [1], heartbeat: [1], status: [0] },
    { nodeId: ['n'.repeat(300)], incarnation: [1], heartbeat: [1], status: [0] },
    { nodeId: ['n'], incarnation: [1.5], heartbeat: [1], status: [0] },
    { nodeId: ['n'], incarnation: [NaN], heartbeat: [1], status: [0] },
    { nodeId: ['n'], incarnation: [2 ** 53], heartbeat: [1], status: [0] },
    { nodeId: ['n'], incarnation: [1], heartbeat: [2 ** 32 - 1], status: [0] },
    { nodeId: ['n'], incarnation: [1], heartbeat: [1], status: [3] },
    { news: [{ ...state, clock: Infinity }] },
    { news: [{ ...state, intervalMs: 0 }] },
    { news: [{ ...state, addressAt: 6, address: { host: 'h', peerPort: 1 } }] },
    { news: [{ ...state, addressAt: 1 }] },
    { news: [{ ...state, addressAt: 1, address: { host: 'h', peerPort: 70_000 } }] },
  ];
  for (const exchange of senseless)
    t.throws(() => decodeExchange(bytesOf(exchange)), { instanceOf: GossipError }, JSON.stringify(exchange));
  t.throws(() => decodeExchange(bytesOf({ news: [{ ...state, seenAt: 1, seen: Buffer.from([255, 255]) }] })));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeExchange(Buffer.from(bytes));
      } catch (error) {
        t.true(error instanceof Error);
      }
    }),
  );
});
