/** Members and scores in replies: pairs in RESP3, one after the other in RESP2. */
import { DoubleReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, ScoredMember } from '../../storage/execution.js';

const pairOf = ({ member, score }: ScoredMember): readonly Reply[] => [member, new DoubleReply(score)];

export const flatPairs = (members: readonly ScoredMember[]): Reply => members.flatMap(pairOf);
export const nestedPairs = (members: readonly ScoredMember[]): Reply => members.map(pairOf);

/** `withScores` false: the members alone. */
export function scoredReply({ resp }: Execution, members: readonly ScoredMember[], withScores: boolean): Reply {
  if (!withScores) return members.map(({ member }) => member);
  return resp === 3 ? nestedPairs(members) : flatPairs(members);
}
