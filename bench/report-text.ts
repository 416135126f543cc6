/** The summary as lines for a terminal: one table a pipeline depth, setups of one load below each other. */
import { loadName, type Row } from './results.js';

const headings = ['load', 'setup', 'req/s', 'p50 ms', 'p99 ms', 'cpu us/req', 'ratio', 'to', 'floor', ''];

export function reportText(rows: readonly Row[]): string {
  const pipelines = [...new Set(rows.map((row) => row.load.pipeline))];
  return (
    pipelines
      .map((pipeline) =>
        table(
          rows.filter((row) => row.load.pipeline === pipeline),
          pipeline,
        ),
      )
      .join('\n') + hotKeys(rows)
  );
}

function table(rows: readonly Row[], pipeline: number): string {
  const cells = [headings, ...rows.map(cellsOf)];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const leftAligned = new Set([0, 1, 7, 9]);
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (leftAligned.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return `P=${pipeline}\n${lines.join('\n')}\n`;
}

function cellsOf(row: Row): string[] {
  const { ratio, floor } = row;
  const verdict = ratio === undefined || floor === undefined ? '' : ratio >= floor ? 'ok' : 'below';
  return [
    loadName(row.load),
    row.setup.name,
    row.requestsPerSecond.toFixed(0),
    row.p50Ms.toFixed(3),
    row.p99Ms.toFixed(3),
    row.cpuMicrosPerRequest?.toFixed(1) ?? 'n/a',
    ratio?.toFixed(2) ?? '',
    ratio === undefined ? '' : (row.setup.baseline ?? ''),
    floor?.toFixed(2) ?? '',
    verdict,
  ];
}

/** A hot single key must not be slower than many keys: the ratio of the two on each Torc setup. */
function hotKeys(rows: readonly Row[]): string {
  const lines = rows.flatMap((hot) => {
    const { test, pipeline } = hot.load;
    const many = rows.find((row) => row.setup === hot.setup && row.load.test === test && row.load.pipeline === pipeline && !row.load.hot);
    if (!hot.load.hot || many === undefined || !hot.setup.name.startsWith('torc')) return [];
    return [`  ${hot.setup.name} ${test} P=${pipeline}: ${(hot.requestsPerSecond / many.requestsPerSecond).toFixed(2)}`];
  });
  return lines.length === 0 ? '' : `\nOne hot key against many keys:\n${lines.join('\n')}\n`;
}
