/**
 * What a turn says to one peer: commands, questions, replies and answers as rows (packed-rows.ts), gathered until they leave as the columns of one
 * frame. Small things only; what is too large for a frame goes past it, in pieces.
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import type { torc } from '../protocol/generated/messages.js';
import { commandParts, writeCommand, writeRead, writeReply } from '../protocol/peer/packed-rows.js';
import type { Call } from './call.js';
import { addWords, type RareWords } from './rare-words.js';
import { contextRow } from './tracing.js';

/** Memory for a turn's rows that a link keeps. */
const rowsKeptBytes = 1024 * 1024;
/** Arguments of more bytes are not copied into a row of its own. */
const copiedBytesMost = 256 * 1024;

/** A command that was forwarded oftener says no more than this. */
export const hopsMost = 3;

/** Among a forwarded command's options (frame.proto). */
export const fromCoordinatorBit = 1 << 12;

export class FrameColumns {
  private readonly commands = new ByteWriter();
  private readonly reads = new ByteWriter();
  private readonly replies = new ByteWriter();
  private firstCommandId = 0;
  private firstReadId = 0;
  /** When the first command of the frame was gathered: it leaves with this turn. */
  private commandsBeganMs = 0;
  private answers = noAnswers();
  /** The id after the last run of equal ones. */
  private equalEnd = -1;
  private acks: torc.Ack.$Shape[] = [];
  private rest: torc.Frame.$Shape = {};
  /** Contexts of what is traced; undefined = nothing in the frame is. */
  private commandTraces: Buffer[] | undefined = undefined;
  private readTraces: Buffer[] | undefined = undefined;
  private batchTraces: Buffer[] | undefined = undefined;

  constructor(private readonly monotonicMs: () => number) {}

  /** Ids of one frame's commands run on from the first. */
  command(id: number, call: Call): void {
    if (this.commands.length === 0) {
      this.firstCommandId = id;
      this.commandsBeganMs = this.monotonicMs();
    }
    writeForwarded(this.commands, call, this.commandsBeganMs);
    if (call.trace?.context !== undefined) (this.commandTraces ??= []).push(contextRow(id, call.trace.context));
  }

  /** The same of ids of questions. */
  read(id: number, slot: number, key: Buffer, actor: number, counter: number, token: Buffer | undefined): void {
    if (this.reads.length === 0) this.firstReadId = id;
    writeRead(this.reads, slot, key, actor, counter, token);
  }

  traceRead(id: number, context: Buffer): void {
    (this.readTraces ??= []).push(contextRow(id, context));
  }

  traceBatch(context: Buffer): void {
    (this.batchTraces ??= []).push(context);
  }

  reply(id: number, reply: Buffer): void {
    writeReply(this.replies, id, reply);
  }

  equal(id: number): void {
    const { equal, equalCount } = this.answers;
    if (id === this.equalEnd && equal.length > 0) equalCount[equal.length - 1] = (equalCount[equal.length - 1] ?? 0) + 1;
    else {
      equal.push(id);
      equalCount.push(1);
    }
    this.equalEnd = id + 1;
  }

  doubtful(id: number): void {
    this.answers.doubtful.push(id);
  }

  different(id: number, transfer: torc.Transfer.$Shape): void {
    this.answers.different.push({ id, transfer });
  }

  acknowledge(ack: torc.Ack.$Shape): void {
    this.acks.push(ack);
  }

  say(words: RareWords): void {
    addWords(this.rest, words);
  }

  /** The frame of all that was gathered, and of `batches`. Its rows lie in memory of this object: they are to be written before clear(). */
  frame(clock: number, batches: Buffer | undefined): torc.Frame.$Shape {
    const frame = this.rest;
    frame.clock = clock;
    if (batches !== undefined) frame.batches = batches;
    if (this.batchTraces !== undefined && frame.batches) frame.batchTraces = Buffer.concat(this.batchTraces);
    if (this.acks.length > 0) frame.ack = this.acks;
    if (this.commands.length > 0) frame.commands = { firstId: this.firstCommandId, rows: this.commands.view() };
    if (this.reads.length > 0) frame.reads = { firstId: this.firstReadId, rows: this.reads.view() };
    if (this.commandTraces !== undefined && frame.commands) frame.commands.traces = Buffer.concat(this.commandTraces);
    if (this.readTraces !== undefined && frame.reads) frame.reads.traces = Buffer.concat(this.readTraces);
    if (this.replies.length > 0) frame.replies = { rows: this.replies.view() };
    if (this.hasAnswers) frame.readAnswers = this.answers;
    return frame;
  }

  clear(): void {
    this.rest = {};
    this.commandTraces = this.readTraces = this.batchTraces = undefined;
    if (this.acks.length > 0) this.acks = [];
    empty(this.commands);
    empty(this.reads);
    empty(this.replies);
    if (this.hasAnswers) this.answers = noAnswers();
  }

  private get hasAnswers(): boolean {
    return this.answers.equal.length + this.answers.different.length + this.answers.doubtful.length > 0;
  }
}

/** A command's row. Its deadline is said as what is left of it at `nowMs`, monotonic. */
function writeForwarded(rows: ByteWriter, call: Call, nowMs: number): void {
  writeCommand(rows, call.partition, optionBits(call), call.deadlineMs - nowMs, call.args);
}

/** The same row in parts, one after the other; large arguments are not copied. */
export function forwardedParts(call: Call, nowMs: number): Buffer[] {
  return commandParts(call.partition, optionBits(call), call.deadlineMs - nowMs, call.args, copiedBytesMost);
}

function optionBits({ options, hops, fromCoordinator }: Call): number {
  const { resp, writeQuorum, readQuorum } = options;
  const usual = (resp & 3) | ((writeQuorum & 15) << 2) | ((readQuorum & 15) << 6) | (Math.min(hops, hopsMost) << 10);
  return fromCoordinator ? usual | fromCoordinatorBit : usual;
}

interface Answers {
  readonly equal: number[];
  readonly equalCount: number[];
  readonly doubtful: number[];
  readonly different: torc.Difference.$Shape[];
}

function noAnswers(): Answers {
  return { equal: [], equalCount: [], doubtful: [], different: [] };
}

/** The rows have been copied into their frame. One turn of large ones does not keep their memory for ever. */
function empty(rows: ByteWriter): void {
  if (rows.length > rowsKeptBytes) rows.take();
  else rows.reset();
}
