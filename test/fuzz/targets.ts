/** What is fed with inputs that are nearly right, and what it may throw: an error that whoever calls it expects, and nothing else. */
import { isDeepStrictEqual } from 'node:util';
import fc from '../harness/properties.js';
import { decodeFormationMessage, encodeFormationMessage } from '../../cluster/formation-codec.js';
import { ConfigurationError as ClusterConfigurationError } from '../../cluster/configuration.js';
import { decodeExchange, GossipError } from '../../cluster/gossip-codec.js';
import { readQuestion } from '../../cluster/key-questions.js';
import { ByteReader } from '../../protocol/byte-reader.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { BatchEncoder, decodeBatches } from '../../protocol/batch.js';
import { FormatError } from '../../protocol/format-error.js';
import { torc } from '../../protocol/generated/messages.js';
import { beginFrame, framed, FrameSplitter, FramingError } from '../../protocol/peer/framing.js';
import { CommandRow, ReadRow, readCommand, readRead, writeCommand, writeRead, writeReply } from '../../protocol/peer/packed-rows.js';
import { openPayload, sealPayload } from '../../protocol/rdb/payload.js';
import { decodeRecordKey, encodeRecordKey, recordPart, recordType } from '../../protocol/record-key.js';
import { decodeDeleted, decodeRecord, encodeDeleted, encodeRecord } from '../../protocol/record.js';
import { RequestDecoder } from '../../protocol/resp/request-decoder.js';
import { userOfLine, UserLineError } from '../../server/acl/user-files.js';
import { dumpRows } from '../../server/commands/dump.js';
import { ConfigurationError, parseConfigurationFile } from '../../server/config/configuration-file.js';
import { directiveKeys, directiveOf } from '../../server/config/directives.js';
import { resolveConfiguration } from '../../server/config/load-configuration.js';
import { emptyHyperLogLog, encodeDense, encodeRegisters, isHyperLogLog, raiseRegisters, registerCount } from '../../storage/hyperloglog.js';
import { records } from '../protocol/records.js';
import { commands as knownCommands } from '../server/acl/memory-users.js';

export interface Target {
  readonly name: string;
  readonly samples: readonly Buffer[];
  /** Throws what `expects` knows, or something is wrong. */
  readonly feed: (input: Buffer) => void;
  readonly expects: (error: unknown) => boolean;
}

const isFormatError = (error: unknown): boolean => error instanceof FormatError;
/** Errors of the generated decoders, of several kinds: thrown within their package, and whoever reads frames ends the stream on any of them. */
const isProtobufError = (error: unknown): boolean =>
  error instanceof Error &&
  (error.stack ?? '')
    .split('\n')
    .slice(1, 4)
    .some((line) => /\/(protobufjs|protocol\/generated)\//.test(line));

const sampled = <T>(arbitrary: fc.Arbitrary<T>, numRuns = 64): T[] => fc.sample(arbitrary, { seed: 6, numRuns });
const sampleRecords = sampled(records);

const recordSamples = sampleRecords.map((record) => {
  const writer = new ByteWriter();
  encodeRecord(writer, record);
  return Buffer.from(writer.view());
});

const deletedSamples = sampleRecords.map(({ context }) => {
  const writer = new ByteWriter();
  encodeDeleted(writer, { cut: context, by: new Map([[65536, 4096]]) });
  return Buffer.from(writer.view());
});

const recordKeySamples = [
  encodeRecordKey(16383, Buffer.from('k'), recordType.string, recordPart.value),
  encodeRecordKey(0, Buffer.from('k'.repeat(300)), recordType.hash, recordPart.element, Buffer.from('field')),
];

const batchSamples = sampleRecords.map((record, i) => {
  const encoder = new BatchEncoder();
  for (let batch = 0; batch <= i % 3; batch++) {
    encoder.begin(65536 + i, 4096 * (i + batch));
    for (let part = 0; part <= i % 2; part++) {
      encoder.part(i + part, 1, 5, i);
      encoder.record(16 * i, Buffer.from(`key:${i}`), recordType.string, recordPart.value, Buffer.alloc(0), record);
    }
    encoder.end();
  }
  return Buffer.from(encoder.writer.view());
});

function frameSamples(): Buffer[] {
  const commands = new ByteWriter();
  const reads = new ByteWriter();
  const replies = new ByteWriter();
  for (let i = 0; i < 3; i++) {
    writeCommand(commands, i, 2, 1000, [Buffer.from('SET'), Buffer.from(`k${i}`), Buffer.from('v')]);
    writeRead(reads, i, Buffer.from(`k${i}`), 65536, 4096 * i, undefined);
    writeReply(replies, i, Buffer.from('+OK\r\n'));
  }
  const transfer = {
    id: 1,
    partition: 3,
    key: [Buffer.from('k')],
    record: [recordSamples[0] as Buffer],
    seen: Buffer.alloc(12),
    complete: true,
  };
  const frames: readonly torc.Frame.$Shape[] = [
    {
      clock: 1,
      batches: batchSamples[0] as Buffer,
      ack: [{ actor: 1, first: 2, counter: 3, superseded: [{ counter: 2, partition: 1, termCounter: 9, termActor: 1 }] }],
    },
    {
      clock: 2,
      commands: { firstId: 5, rows: commands.view() },
      replies: { rows: replies.view() },
      reads: { firstId: 7, rows: reads.view() },
    },
    {
      clock: 3,
      readAnswers: { equal: [1, 9], equalCount: [2, 1], doubtful: [4], different: [{ id: 3, transfer }] },
      transfers: [transfer],
      pulls: [{ id: 1, partition: 2, since: Buffer.alloc(0) }],
    },
    {
      clock: 4,
      gossip: {
        configurationNumber: 1,
        partition: [1, 2],
        seen: [Buffer.alloc(12), Buffer.alloc(24)],
        whole: true,
        termCounter: [1, 2],
        termActor: [3, 4],
        systemRecords: Buffer.alloc(16),
      },
    },
    {
      clock: 5,
      systemRecords: [{ id: 1, record: [{ name: 'user:a', counter: 1, actor: 2, value: Buffer.from('on +@all') }], whole: true }],
      hints: [{ id: 1, target: 2, batches: batchSamples[1] as Buffer }],
    },
    {
      clock: 6,
      takeOvers: [{ termCounter: 1, termActor: 2, partition: [1, 2, 3] }],
      treeQuestions: [{ id: 1, level: 1, partition: [1], digest: Buffer.alloc(32) }],
      treeAnswers: [{ id: 1, digest: Buffer.alloc(32) }],
    },
  ];
  return frames.map((frame) => framed(torc.Frame.encode(frame, beginFrame())));
}

/** As cluster/peers.ts and the router, reader and replica take a stream apart. */
function feedStream(input: Buffer): void {
  const splitter = new FrameSplitter(1 << 20);
  const half = input.length >> 1;
  const row = new CommandRow();
  const read = new ReadRow();
  const message = (bytes: Buffer): void => {
    const frame = torc.Frame.decode(bytes);
    decodeBatches(frame.batches as Buffer);
    for (const reader = new ByteReader((frame.commands?.rows ?? Buffer.alloc(0)) as Buffer); reader.remaining > 0;)
      readCommand(reader, row);
    for (const reader = new ByteReader((frame.reads?.rows ?? Buffer.alloc(0)) as Buffer); reader.remaining > 0;) readRead(reader, read);
    for (const reader = new ByteReader((frame.replies?.rows ?? Buffer.alloc(0)) as Buffer); reader.remaining > 0;) {
      reader.counter();
      reader.bytes(reader.u32());
    }
    for (const { record } of frame.transfers) for (const each of record ?? []) decodeRecord(each as Buffer);
  };
  splitter.push(input.subarray(0, half), message);
  splitter.push(input.subarray(half), message);
  if (splitter.bufferedBytes > input.length) throw new Error(`${splitter.bufferedBytes} bytes are kept of ${input.length}`);
}

const exchangeSamples: readonly torc.GossipExchange.$Shape[] = [
  { whole: true, nodeId: ['a', 'b'], incarnation: [1, 2], heartbeat: [3, 4], status: [0, 2] },
  {
    news: [
      {
        nodeId: 'a',
        incarnation: 1,
        heartbeat: 2,
        status: 0,
        clock: 5,
        load: 1,
        intervalMs: 1000,
        addressAt: 1,
        seenAt: 2,
        seen: Buffer.alloc(12),
        address: { nodeId: 'a', host: '127.0.0.1', peerPort: 1, clientPort: 2, zone: 'z', hostLabel: 'h' },
      },
    ],
  },
];

const node = { nodeId: 'a', host: '127.0.0.1', peerPort: 1, clientPort: 2, zone: 'z', hostLabel: 'h' };
const formationSamples = [
  encodeFormationMessage({ kind: 'hello', clusterName: 'c', node, knows: [node], configuration: undefined }),
  encodeFormationMessage({
    kind: 'propose',
    configuration: { number: 1, clusterName: 'c', partitions: 16, replicas: 1, members: [{ number: 1, ...node }] },
  }),
  encodeFormationMessage({ kind: 'refuse', reason: 'because' }),
];

const questionSamples = [
  '010400fe61',
  '0200000001000100000000006400000000000000020001000200000000000c80',
  '03040001000000026162000000',
  '0304ffff00000001',
].map((hex) => Buffer.from(hex, 'hex'));

const configurationSamples = [
  '# a comment\nport 7000\nbind 127.0.0.1 ::1\nseeds "127.0.0.1:17001 127.0.0.1:17002"\ncache-size 1gb\n',
  'requirepass "a\\"b\\x41\\n"\nclient-output-buffer-limit normal 1gb 256mb 60\nuser alice on >secret ~a* +@read\nuser bob off\n',
  directiveKeys
    .map(
      (key) => `${directiveOf(key).name} ${typeof directiveOf(key).default === 'string' ? `"${String(directiveOf(key).default)}"` : '1'}`,
    )
    .join('\n'),
  "zone 'it\\'s'\ndurability always\nsave \"\"\nmin-free-space 1mb\ntls-port 6380\n",
].map((text) => Buffer.from(text));

const userSamples = [
  'alice on >secret ~app:* %R~b* &ch +@read -get +config|get (~c +@all -@dangerous)',
  'default on nopass ~* &* +@all',
  `bob off #${'a'.repeat(64)} resetkeys +select|1`,
].map((text) => Buffer.from(text));

const payloadBodies = [
  '00c07b',
  '000568656c6c6f',
  '00c1d08a',
  '00c2ffffff7f',
  '00c30b40780361626361e0690201626300',
  '00c3091e017878e0110001787800',
  '0e0101c07b',
  '110104',
  // Of redis-server 7.0: packed and unpacked hashes, sets and sorted sets, a list, a stream with a group, a HyperLogLog.
  '10151500000004008161020101826262038378797a04ff',
  '04010161c001',
  '020201610162',
  '0202c002c001',
  '0b0e0200000003000000010002003075',
  '111414000000040081610283312e35048162020201ff',
  '0502016200000000000008400161000000000000f83f',
  '1201020f0f00000003008161020501816202ff',
  '130110000000000000000100000000000000014056560000001f000301010102018166028167020001020100010001817602c12c020501030100010101817702f270110104050100010401dfff020101856f74686572068178020601020108010801817602dffb020501ff0309090101010204010167050081ffffffffffffffff0200000000000000010000000000000001b3d0cf26a20100000100000000000000050000000000000000b3d0cf26a201000001020163b3d0cf26a20100000200000000000000010000000000000001000000000000000500000000000000000469646c65b3d0cf26a201000000',
  '001a48594c4c01000000000000000000008061848058cd8845a08408',
].map((hex) => Buffer.from(hex, 'hex'));
const restore = dumpRows.find(({ name }) => name === 'restore');

const registers = new Uint8Array(registerCount);
registers.set([1, 2, 3, 32, 0, 7], 5);
const hyperLogLogSamples = [emptyHyperLogLog, encodeRegisters(registers), encodeDense(registers).subarray(0, 4096)];

const requestSamples = [
  '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n',
  '*1\r\n$4\r\nPING\r\n',
  'SET k "a b\\x41"\r\nGET k\r\n',
  '*2\r\n$-1\r\n',
  `*1048577\r\n`,
].map((text) => Buffer.from(text));
const requestLimits = { multibulkMax: 1 << 20, bulkBytesMax: 1 << 20, inlineBytesMax: 65536, queryBufferBytesMax: 1 << 21 };

const helloSamples = [
  { protocolVersion: 1, clusterName: 'c', from: node, incarnation: 1, stream: 7 },
  { protocolVersion: 1, clusterName: 'c', from: node, incarnation: 1, gossip: true, refusal: 'no' },
].map((hello) => Buffer.from(torc.Hello.encode(hello).finish()));

export const targets: readonly Target[] = [
  { name: 'hand-shakes', samples: helloSamples, feed: (input) => void torc.Hello.decode(input), expects: isProtobufError },
  {
    name: 'peer streams',
    samples: frameSamples(),
    feed: feedStream,
    expects: (error) => error instanceof FramingError || isFormatError(error) || isProtobufError(error),
  },
  {
    name: 'gossip',
    samples: exchangeSamples.map((exchange) => Buffer.from(torc.GossipExchange.encode(exchange).finish())),
    feed: (input) => void decodeExchange(input),
    expects: (error) => isFormatError(error) || isProtobufError(error) || error instanceof GossipError,
  },
  {
    name: 'formation',
    samples: formationSamples,
    feed: (input) => void decodeFormationMessage(input),
    expects: (error) => error instanceof ClusterConfigurationError,
  },
  {
    name: 'batches',
    samples: batchSamples,
    feed: (input) => void decodeBatches(input),
    expects: isFormatError,
  },
  {
    name: 'records',
    samples: recordSamples,
    feed(input) {
      const record = decodeRecord(input);
      const writer = new ByteWriter();
      encodeRecord(writer, record);
      if (!isDeepStrictEqual(decodeRecord(Buffer.from(writer.view())), record))
        throw new Error('what was decoded is not what is encoded of it');
    },
    expects: isFormatError,
  },
  {
    name: 'questions about keys',
    samples: questionSamples,
    feed: (input) => void readQuestion(input),
    expects: isFormatError,
  },
  {
    name: 'deletions',
    samples: deletedSamples,
    feed: (input) => void decodeDeleted(input),
    expects: isFormatError,
  },
  {
    name: 'record keys',
    samples: recordKeySamples,
    feed: (input) => void decodeRecordKey(input),
    expects: isFormatError,
  },
  {
    name: 'HyperLogLogs',
    samples: hyperLogLogSamples,
    feed(input) {
      const raised = new Uint8Array(registerCount);
      if (isHyperLogLog(input) && raiseRegisters(raised, input) && !raiseRegisters(raised, encodeRegisters(raised)))
        throw new Error('what its registers are encoded as is no HyperLogLog');
    },
    expects: () => false,
  },
  {
    name: 'configuration files',
    samples: configurationSamples,
    feed: (input) => void resolveConfiguration(parseConfigurationFile(input.toString('utf8'), 'torc.conf')),
    expects: (error) => error instanceof ConfigurationError,
  },
  {
    name: 'users',
    samples: userSamples,
    feed: (input) => void userOfLine(input.toString('latin1'), knownCommands),
    expects: (error) => error instanceof UserLineError,
  },
  {
    name: 'DUMP payloads',
    samples: payloadBodies,
    feed(input) {
      // As it came, which the checksum refuses, and sealed anew, so that what is inside is looked at.
      for (const payload of [input, sealPayload(input)])
        restore?.parse([Buffer.from('RESTORE'), Buffer.from('k'), Buffer.from('0'), payload]);
      if (openPayload(sealPayload(input))?.equals(input) !== true) throw new Error('a sealed payload does not open');
    },
    expects: () => false,
  },
  {
    name: 'requests',
    samples: requestSamples,
    feed(input) {
      let over = false;
      const decoder = new RequestDecoder(requestLimits, { request: () => undefined, protocolError: () => (over = true) });
      for (let from = 0; from < input.length && !over; from += 7) decoder.push(Buffer.from(input.subarray(from, from + 7)));
      if (decoder.bufferedBytes > input.length) throw new Error(`${decoder.bufferedBytes} bytes are kept of ${input.length}`);
    },
    expects: () => false,
  },
];
