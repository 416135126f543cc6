/** What a member's frame says, told to whom it concerns, in the one order that is right: batches are stored before what may rest on them is looked at. */
import type { torc } from '../protocol/generated/messages.js';
import type { Acknowledgements } from './acknowledgements.js';
import type { AntiEntropy } from './anti-entropy.js';
import type { BulkIntake } from './bulk-intake.js';
import type { BulkReceiver } from './bulk-receiver.js';
import type { Comparison } from './comparison.js';
import type { HandOff } from './hand-off.js';
import type { HintExchange } from './hint-exchange.js';
import type { LinkGossip } from './link-gossip.js';
import type { Peer } from './peer.js';
import type { ReadAnswerer } from './read-answerer.js';
import type { Reader } from './reader.js';
import type { Replica } from './replica.js';
import type { Router } from './router.js';
import type { SeenInquiries } from './seen-inquiry.js';
import type { SystemRecords } from './system-records.js';
import type { TakeOver } from './take-over.js';
import type { TermProofs } from './term-proofs.js';

export interface FrameListeners {
  readonly replica: Replica;
  readonly handOff: HandOff;
  readonly hintExchange: HintExchange;
  readonly takeOver: TakeOver;
  readonly comparison: Comparison;
  readonly antiEntropy: AntiEntropy;
  readonly router: Router;
  readonly reader: Reader;
  readonly readAnswerer: ReadAnswerer;
  readonly termProofs: TermProofs;
  readonly systemRecords: SystemRecords;
  readonly inquiries: SeenInquiries;
  readonly linkGossip: LinkGossip;
  readonly acknowledgements: Acknowledgements;
  readonly bulkIntake: BulkIntake;
}

/** How far this node can store what it is sent. */
export interface DiskState {
  /** Of what others push it takes only what a read of theirs waits for. */
  readonly isFull: boolean;
  /** Not even that: whoever sends it is told so. */
  readonly isFailing: boolean;
  /** The log lacks some of what memory has: nothing is stored, and nothing is told that may rest on it. */
  readonly isHeld: boolean;
}

/** `bulk`: of the stream that brought it. Throws FormatError, GossipError and RangeError: the stream is to be ended. */
export function distribute(frame: torc.Frame, peer: Peer, bulk: BulkReceiver, to: FrameListeners, disk: DiskState): void {
  if (frame.batches.length > 0) to.replica.receive(peer, frame.batches as Buffer, frame.batchTraces);
  for (const hints of frame.hints) to.handOff.onHints(peer, hints as torc.Hints);
  for (const piece of frame.bulkPieces) to.bulkIntake.receive(peer, piece as torc.BulkPiece, bulk);
  for (const ack of frame.bulkAcks) to.acknowledgements.bulkAcknowledged(peer, ack as torc.BulkAck);
  for (const working of frame.working) to.router.onWorking(peer, working as torc.Working);
  for (const ack of frame.ack) to.acknowledgements.acknowledged(peer, ack as torc.Ack);
  for (const ack of frame.hintAcks) to.hintExchange.onAck(peer, ack as torc.HintAck);
  for (const pull of frame.hintPulls) to.handOff.onHintPull(peer, pull as torc.HintPull);
  for (const takeOver of disk.isHeld ? [] : frame.takeOvers) to.takeOver.onTakeOver(peer, takeOver as torc.TakeOver);
  for (const promises of frame.promises) to.takeOver.onPromises(peer, promises as torc.Promises);
  for (const transfer of frame.transfers) takeTransfer(transfer as torc.Transfer, peer, to.comparison, disk);
  for (const ack of frame.transferAcks) to.comparison.onTransferAck(peer, ack as torc.TransferAck);
  for (const pull of disk.isHeld ? [] : frame.pulls) to.comparison.onPull(peer, pull as torc.Pull);
  for (const question of disk.isHeld ? [] : frame.treeQuestions) to.antiEntropy.onQuestion(peer, question as torc.TreeQuestion);
  for (const answer of frame.treeAnswers) to.antiEntropy.onAnswer(peer, answer as torc.TreeAnswer);
  if (frame.commands) to.router.onCommands(peer, frame.commands as torc.Commands);
  if (frame.replies) to.router.onReplies(peer, frame.replies as torc.Replies);
  if (frame.reads) to.readAnswerer.onReads(peer, frame.reads as torc.Reads);
  if (frame.readAnswers) to.reader.onAnswers(peer, frame.readAnswers as torc.ReadAnswers);
  for (const check of frame.termChecks) to.termProofs.onTermCheck(peer, check as torc.TermCheck);
  for (const answer of frame.termAnswers) to.termProofs.onTermAnswer(peer, answer as torc.TermAnswer);
  for (const records of disk.isHeld ? [] : frame.systemRecords) to.systemRecords.onRecords(peer, records as torc.SystemRecords);
  for (const inquiry of disk.isHeld ? [] : frame.inquiries) to.inquiries.onInquiry(peer, inquiry as torc.Inquiry);
  if (frame.gossip) to.linkGossip.heard(peer, frame.gossip as torc.Gossip);
}

function takeTransfer(transfer: torc.Transfer, peer: Peer, comparison: Comparison, { isFull, isFailing, isHeld }: DiskState): void {
  if ((isFailing && !transfer.answer) || (isFull && isOfPartition(transfer))) comparison.refuse(peer, transfer);
  else if (isHeld) comparison.discard(peer, transfer);
  else comparison.onTransfer(peer, transfer);
}

/** All that a replica lacks of a partition, which it did not ask for. Where it is not taken it is sent again, or the sender does without. */
function isOfPartition({ answer, complete, termCounter }: torc.Transfer): boolean {
  return !answer && (complete || termCounter > 0);
}
