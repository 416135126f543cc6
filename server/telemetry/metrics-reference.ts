/** docs/metrics.md, made from the tables of metrics. `npm run docs` writes it. */
import { metricRows } from './telemetry.js';

function line({ name, kind, unit, help, labels }: (typeof metricRows)[number]): string {
  return `| \`${name}\` | ${kind} | \`${unit}\` | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |`;
}

/** The whole file. */
export function metricsReference(): string {
  return `# Metrics

Made from the tables in [server/telemetry/](../server/telemetry) by \`npm run docs\`; a test fails when this file is stale.

\`GET /metrics\` on a node's HTTP port (\`http-port\`, client port + 2000) answers in Prometheus' text format. Units are written as UCUM has them: \`s\` seconds, \`By\` bytes,
\`1\` a figure without a unit, \`{batch}\` a count of batches. Counters begin at zero with the process; \`CONFIG RESETSTAT\` sets those of clients back, but for durations.
Histograms have buckets that double from 1 us to 16.8 s.

The node counts in its own fields at nanoseconds an event, and is read only when it is scraped; the text is made by OpenTelemetry's SDK in a thread that the first scrape
begins ([decision 19](decisions/0019-metrics-in-a-thread.md)). Dashboard and alert rules are in [infra/observability/](../infra/observability).

| metric | kind | unit | labels | what it is |
| --- | --- | --- | --- | --- |
${metricRows.map(line).join('\n')}
`;
}
