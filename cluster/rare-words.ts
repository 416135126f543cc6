/** What a node says to a peer rarely: fields of a frame that are gathered as they are, and the question which of them are too large for one. */
import type { torc } from '../protocol/generated/messages.js';
import { bytesOfTransfer } from './long-transfer.js';

type RareWord =
  | 'gossip'
  | 'takeOvers'
  | 'promises'
  | 'transfers'
  | 'transferAcks'
  | 'pulls'
  | 'formation'
  | 'termChecks'
  | 'termAnswers'
  | 'hints'
  | 'hintAcks'
  | 'hintPulls'
  | 'treeQuestions'
  | 'treeAnswers'
  | 'inquiries'
  | 'systemRecords'
  | 'bulkPieces'
  | 'bulkAcks'
  | 'working';

export type RareWords = Pick<torc.Frame.$Shape, RareWord>;

/** Adds `words` to what was gathered for the frame `rest`. */
export function addWords(rest: torc.Frame.$Shape, words: RareWords): void {
  if (words.gossip) rest.gossip = rest.gossip ? joined(rest.gossip, words.gossip) : words.gossip;
  if (words.takeOvers) (rest.takeOvers ??= []).push(...words.takeOvers);
  if (words.promises) (rest.promises ??= []).push(...words.promises);
  if (words.transfers) (rest.transfers ??= []).push(...words.transfers);
  if (words.transferAcks) (rest.transferAcks ??= []).push(...words.transferAcks);
  if (words.pulls) (rest.pulls ??= []).push(...words.pulls);
  if (words.formation) (rest.formation ??= []).push(...words.formation);
  if (words.inquiries) (rest.inquiries ??= []).push(...words.inquiries);
  if (words.hints) (rest.hints ??= []).push(...words.hints);
  if (words.hintAcks) (rest.hintAcks ??= []).push(...words.hintAcks);
  if (words.hintPulls) (rest.hintPulls ??= []).push(...words.hintPulls);
  if (words.termChecks) (rest.termChecks ??= []).push(...words.termChecks);
  if (words.termAnswers) (rest.termAnswers ??= []).push(...words.termAnswers);
  if (words.treeQuestions) (rest.treeQuestions ??= []).push(...words.treeQuestions);
  if (words.treeAnswers) (rest.treeAnswers ??= []).push(...words.treeAnswers);
  if (words.systemRecords) (rest.systemRecords ??= []).push(...words.systemRecords);
  if (words.bulkPieces) (rest.bulkPieces ??= []).push(...words.bulkPieces);
  if (words.bulkAcks) (rest.bulkAcks ??= []).push(...words.bulkAcks);
  if (words.working) (rest.working ??= []).push(...words.working);
}

/** The words bring records, of which pieces have to stay in order. */
export function bringsRecords({ transfers, hints, treeQuestions, treeAnswers }: RareWords): boolean {
  return Boolean(transfers ?? hints ?? treeQuestions ?? treeAnswers);
}

/** Bytes of the records in words, about. */
export function bytesOfRecords({ transfers, hints, treeQuestions }: RareWords): number {
  let bytes = 0;
  for (const transfer of transfers ?? []) bytes += bytesOfTransfer(transfer);
  for (const { batches } of hints ?? []) bytes += batches?.length ?? 0;
  for (const { records } of treeQuestions ?? []) bytes += records ? bytesOfTransfer(records) : 0;
  return bytes;
}

/** Two gossips of one turn: what the first says of clocks is not said again. */
function joined(first: torc.Gossip.$Shape, second: torc.Gossip.$Shape): torc.Gossip.$Shape {
  return {
    ...second,
    partition: [...(first.partition ?? []), ...(second.partition ?? [])],
    seen: [...(first.seen ?? []), ...(second.seen ?? [])],
  };
}
