/** What a node shows at /metrics, read as Prometheus does. */
import { httpPortOf, probe } from './http-probe.js';

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export class Scrape {
  readonly help = new Map<string, string>();
  readonly type = new Map<string, string>();
  readonly unit = new Map<string, string>();
  readonly samples: Sample[] = [];

  /** Throws for a line that Prometheus would not read. */
  constructor(readonly text: string) {
    for (const line of text.split('\n').filter(Boolean)) {
      const [, word, name = '', rest = ''] = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/.exec(line) ?? [];
      if (word === 'HELP') this.help.set(name, rest);
      else if (word === 'TYPE') this.type.set(name, rest);
      else if (word === 'UNIT') this.unit.set(name, rest);
      else this.samples.push(sampleOf(line));
    }
  }

  static async of(clientPort: number): Promise<Scrape> {
    const { status, body } = await probe(httpPortOf(clientPort), '/metrics');
    if (status !== 200) throw new Error(`/metrics answers ${status} ${body}`);
    return new Scrape(body);
  }

  /** The sum of the samples of the name that have these labels; of a histogram ask for `_count`. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.all(name, labels).reduce((sum, { value }) => sum + value, 0);
  }

  all(name: string, labels: Readonly<Record<string, string>> = {}): Sample[] {
    const wanted = Object.entries(labels);
    return this.samples.filter((sample) => sample.name === name && wanted.every(([label, value]) => sample.labels.get(label) === value));
  }

  /** Everything that is shown of a metric, as text. */
  shown(metric: string): string {
    return this.text
      .split('\n')
      .filter((line) => line.startsWith(metric) && /^(_bucket|_sum|_count)?[ {]/.test(line.slice(metric.length)))
      .join('\n');
  }
}

function sampleOf(line: string): Sample {
  const [, name, labels = '', value] = sampleLine.exec(line) ?? [];
  if (name === undefined || value === undefined || Number.isNaN(Number(value.replace('Inf', 'Infinity')))) {
    throw new Error(`not a sample: ${line}`);
  }
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [label, text] as const);
  return { name, labels: new Map(pairs), value: Number(value.replace('Inf', 'Infinity')) };
}
