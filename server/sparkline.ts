/** A little chart of text, as LATENCY GRAPH draws it (`sparklineRenderRange` in Redis' src/sparkline.c, with its fill). */

export interface SparklinePoint {
  readonly value: number;
  /** Written downwards below its column. */
  readonly label: string;
}

const marks = '_o#';

/** Lines, each ended by a line break. */
export function sparkline(points: readonly SparklinePoint[], rows: number): string {
  const values = points.map(({ value }) => value);
  const least = Math.min(...values);
  const range = Math.max(...values) - least || 1;
  const steps = marks.length * rows;
  const stepOf = (value: number): number => Math.min(steps - 1, Math.floor(((value - least) * steps) / range));
  const lines: string[] = [];
  for (let row = 0; row < rows; row++) {
    const base = (rows - row - 1) * marks.length;
    lines.push(values.map((value) => markOf(stepOf(value) - base)).join(''));
  }
  lines.push(' '.repeat(points.length));
  const labelLength = Math.max(...points.map(({ label }) => label.length));
  for (let at = 0; at < labelLength; at++) lines.push(points.map(({ label }) => label[at] ?? ' ').join(''));
  return lines.map((line) => `${line}\n`).join('');
}

function markOf(step: number): string {
  if (step < 0) return ' ';
  return marks[step] ?? '|';
}
