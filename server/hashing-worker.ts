/** What the hashing pool's threads run: one task, its buffer transferred in and its result transferred out. */
import { move } from 'piscina';
import { runHashing, type HashingTask } from '../storage/merkle-hashing.js';

export interface HashingJob {
  readonly task: HashingTask;
  readonly input: Uint8Array<ArrayBuffer>;
}

export default function hashingJob({ task, input }: HashingJob): unknown {
  return move(runHashing(task, input));
}
