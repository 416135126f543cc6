/** LOLWUT's picture: the ring with the members at their first virtual nodes, drawn in a square of characters. */
import { createHash } from 'node:crypto';
import type { ClusterView } from '../cluster/view.js';

const width = 41;
const height = 19;
const pointsPerMember = 5;

/** Lines, each ended by a line break; the same for every node of a cluster. */
export function ringDrawing(cluster: ClusterView): string {
  const rows = Array.from({ length: height }, () => Array.from({ length: width }, () => ' '));
  const put = (turn: number, mark: string): void => {
    const angle = 2 * Math.PI * turn;
    const x = Math.round((width - 1) * (0.5 + 0.5 * Math.sin(angle)));
    const y = Math.round((height - 1) * (0.5 - 0.5 * Math.cos(angle)));
    (rows[y] as string[])[x] = mark;
  };
  for (let step = 0; step < 8 * width; step++) put(step / (8 * width), '.');
  const members = cluster.members();
  members.forEach(({ name }, member) => {
    for (let point = 0; point < pointsPerMember; point++) {
      const position = createHash('sha256').update(`${name}#${point}`).digest().readUInt32BE();
      put(position / 2 ** 32, String.fromCharCode(0x41 + (member % 26)));
    }
  });
  const names = members.map(({ name }, member) => `${String.fromCharCode(0x41 + (member % 26))} ${name}`).join('   ');
  return `${rows.map((row) => `${row.join('').trimEnd()}\n`).join('')}\n${names}\n`;
}
