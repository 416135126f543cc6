/** The dashboard and the alert rules in infra/observability/ speak of metrics, and of labels, that nodes export. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { parse } from 'yaml';
import { metricRows } from '../../../server/telemetry/telemetry.js';

const read = (file: string): string => readFileSync(new URL(`../../../../infra/observability/${file}`, import.meta.url), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

const rules = (parse(read('alerts.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const dashboard = JSON.parse(read('torc-dashboard.json')) as { panels: Panel[] };
const panels = dashboard.panels.filter(({ type }) => type !== 'row');

/** What Prometheus adds to every sample. */
const addedLabels = ['instance', 'job', 'le'];
const words = /\b(histogram_quantile|sum|max|min|absent|rate|increase|deriv|by|on|and|or|up)\b/g;

/** Why an expression cannot be meant; empty when it can. */
function complaints(expr: string): string[] {
  const found: string[] = [];
  const labelsOf = new Map<string, readonly string[]>();
  for (const { name, kind, labels } of metricRows) {
    const names = kind === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
    for (const one of names) labelsOf.set(one, labels);
  }
  const used = [...expr.matchAll(/\b([a-z]\w*_\w+)\b(?:\{([^}]*)\})?/g)].filter(
    ([, name = '']) => name !== 'histogram_quantile' && !name.startsWith('__'),
  );
  const allowed = new Set(addedLabels);
  for (const [, name = '', matchers = ''] of used) {
    const labels = labelsOf.get(name);
    if (labels === undefined) {
      found.push(`${name} is no metric`);
      continue;
    }
    for (const label of labels) allowed.add(label);
    for (const [, label = ''] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (![...labels, ...addedLabels].includes(label)) found.push(`${name} has no label ${label}`);
    }
  }
  for (const [, list = ''] of expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)) {
    for (const label of list.split(',').map((one) => one.trim())) if (!allowed.has(label)) found.push(`nothing in it has label ${label}`);
  }
  const rest = expr.replaceAll(/"[^"]*"/g, '').replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)/g, '');
  const strange = rest
    .replaceAll(words, '')
    .replaceAll(/\b[a-z]\w*_\w+\b/g, '')
    .match(/[a-z]{2,}/g);
  if (strange !== null) found.push(`what is ${strange.join()}?`);
  let depth = 0;
  for (const letter of rest) depth += letter === '(' ? 1 : letter === ')' ? -1 : 0;
  if (depth !== 0) found.push('parentheses do not match');
  return found;
}

test('what is wrong with an expression is found', (t) => {
  t.deepEqual(complaints('torc_ready == 0'), []);
  t.deepEqual(complaints('torc_hits > 1'), ['torc_hits is no metric']);
  t.deepEqual(complaints('torc_quorum_wait_seconds > 1'), ['torc_quorum_wait_seconds is no metric'], 'it is a histogram');
  t.deepEqual(complaints('sum by (peer) (torc_errors_total{kode="ERR"})'), [
    'torc_errors_total has no label kode',
    'nothing in it has label peer',
  ]);
  t.deepEqual(complaints('avrg(torc_ready'), ['what is avrg?', 'parentheses do not match']);
});

test('every alert is about what is exported, and says what it is', (t) => {
  t.true(rules.length >= 15);
  t.is(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, labels, annotations } of rules) {
    if (alert !== 'TorcNodeAway') t.regex(expr, /torc_/, alert);
    t.deepEqual(complaints(expr), [], alert);
    t.regex(labels.severity, /^(info|warning|critical)$/);
    t.true(annotations.summary.length > 10);
  }
});

test('operations.md says of every alert what to do', (t) => {
  const operations = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  for (const { alert } of rules) t.regex(operations, new RegExp(`\\| \`${alert}\` +\\| \\S`), alert);
});

test('every panel shows what is exported, and none covers another', (t) => {
  t.true(panels.length >= 25);
  for (const { title, targets = [] } of panels) {
    t.true(targets.length > 0, title);
    for (const { expr, legendFormat } of targets) {
      t.deepEqual(complaints(expr), [], `${title}: ${expr}`);
      t.true(legendFormat.length > 0);
    }
  }
  t.is(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  const cells = dashboard.panels.flatMap(({ gridPos: { h, w, x, y } }) =>
    Array.from({ length: h * w }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
  );
  t.is(new Set(cells).size, cells.length);
});

test('there is no metric of the node that the dashboard leaves out, but a few that only an alert or a person asks for', (t) => {
  const text = JSON.stringify([...panels, rules]);
  const left = metricRows.map(({ name }) => name).filter((name) => !text.includes(name));
  t.deepEqual(left.toSorted(), [
    'process_start_time_seconds',
    'torc_batches_applied_total',
    'torc_batches_written_total',
    'torc_build_info',
    'torc_clients_accepted_total',
    'torc_expired_elements_total',
    'torc_expired_keys_total',
    'torc_gossip_failures_total',
    'torc_gossip_rounds_total',
    'torc_hints_to_stand_ins_total',
    'torc_members',
    'torc_repair_failures_total',
    'torc_repair_rounds_total',
    'torc_repair_sent_bytes_total',
    'torc_storage_compactions_running',
    'torc_storage_flushes_total',
    'torc_storage_log_written_bytes_total',
    'torc_storage_unflushed_records',
    'torc_unsettled_batches',
  ]);
});
