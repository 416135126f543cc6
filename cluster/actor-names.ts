/** Actors as people know them: `node1`, and `node1/2` in its second life. */
import { lifeOf, memberNumberOf } from '../protocol/dot.js';
import type { VectorClock } from '../protocol/record.js';
import type { Configuration } from './configuration.js';

export function actorName({ members }: Configuration, actor: number): string {
  const number = memberNumberOf(actor);
  const name = members.find((member) => member.number === number)?.nodeId ?? `member ${number}`;
  return lifeOf(actor) === 1 ? name : `${name}/${lifeOf(actor)}`;
}

/** `{node1: 12, node2: 7}` */
export function clockText(configuration: Configuration, clock: VectorClock): string {
  const entries = [...clock].sort(([x], [y]) => x - y).map(([actor, counter]) => `${actorName(configuration, actor)}: ${counter}`);
  return `{${entries.join(', ')}}`;
}
