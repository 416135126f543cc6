/**
 * The ratios as an SVG: a bar for each load of each setup that has a baseline, the floor as a red mark across it, the baseline itself
 * as the line at 1.0.
 */
import { loadName, type Row } from './results.js';

const labelWidth = 130;
const plotWidth = 560;
const barHeight = 18;
const barGap = 6;
const groupGap = 44;
const colours = { ok: '#2f7d5b', below: '#c0392b', plain: '#5b7fa6' } as const;

/** A whole SVG document. Bars that pass the right edge are cut there; their label tells the true ratio. */
export function ratioChart(rows: readonly Row[], subtitle: string): string {
  const shown = rows.filter((row) => row.ratio !== undefined);
  const ratioMax = Math.min(2, Math.max(1.1, ...shown.map((row) => row.ratio ?? 0)));
  const x = (ratio: number): number => labelWidth + (Math.min(ratio, ratioMax) / ratioMax) * plotWidth;
  const parts: string[] = [];
  let y = 70;
  for (const setup of new Set(shown.map((row) => row.setup))) {
    parts.push(text(10, y, `${setup.title} / ${setup.baseline} = 1.0`, 'font-weight="bold"'));
    y += 12;
    const top = y;
    for (const row of shown.filter((one) => one.setup === setup)) {
      parts.push(...bar(row, y, x));
      y += barHeight + barGap;
    }
    parts.push(line(x(1), top - 2, y, '#444', 'stroke-dasharray="4 3"'));
    y += groupGap;
  }
  const width = labelWidth + plotWidth + 110;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="sans-serif" font-size="13">`,
    `<rect width="${width}" height="${y}" fill="#fff"/>`,
    text(10, 24, 'Torc and redis-server: requests per second as a ratio', 'font-size="16" font-weight="bold"'),
    text(10, 43, `${subtitle}. Red marks are floors; the dashed line is the baseline.`, 'fill="#555"'),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function bar(row: Row, y: number, x: (ratio: number) => number): string[] {
  const ratio = row.ratio ?? 0;
  const colour = row.floor === undefined ? colours.plain : ratio >= row.floor ? colours.ok : colours.below;
  const middle = y + barHeight - 5;
  const parts = [
    text(labelWidth - 8, middle, `${loadName(row.load).toUpperCase()} P=${row.load.pipeline}`, 'text-anchor="end"'),
    `<rect x="${labelWidth}" y="${y}" width="${(x(ratio) - labelWidth).toFixed(1)}" height="${barHeight}" fill="${colour}"/>`,
    text(
      Math.max(x(ratio), x(row.floor ?? 0)) + 6,
      middle,
      ratio.toFixed(2) + (row.floor === undefined ? '' : ` (floor ${row.floor.toFixed(2)})`),
    ),
  ];
  if (row.floor !== undefined) parts.push(line(x(row.floor), y - 2, y + barHeight + 2, '#e00000', 'stroke-width="3"'));
  return parts;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${escaped}</text>`;
}

function line(x: number, top: number, bottom: number, colour: string, attributes: string): string {
  return `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${top}" y2="${bottom}" stroke="${colour}" ${attributes}/>`;
}
