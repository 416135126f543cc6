/** Asks a node's HTTP port, for tests of what an orchestrator would see there. */
import { get } from 'node:http';

export interface Probe {
  readonly status: number;
  readonly body: string;
}

/** One GET on 127.0.0.1. Rejects when nobody listens. */
export function probe(port: number, path: string): Promise<Probe> {
  return new Promise((resolve, reject) => {
    get({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).on('error', reject);
  });
}

/** The HTTP port of a node of client port P. */
export function httpPortOf(port: number): number {
  return port + 2000;
}

/** Asks until the answer is as wanted; throws with the last one after `withinMs`. Whoever does not listen yet has not answered. */
export async function probed(port: number, path: string, wanted: (probe: Probe) => boolean, withinMs = 20_000): Promise<Probe> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await probe(port, path).catch((error: Error) => ({ status: 0, body: error.message }));
    if (wanted(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`${path} still answers ${answer.status} ${answer.body}`);
    await new Promise((resolve) => setTimeout(resolve, 10)); // the process is another one: there is no event to wait for
  }
}

/** Names of the checks that do not hold. */
export function failing({ body }: Probe): string[] {
  const { checks } = JSON.parse(body) as { checks: { name: string; ok: boolean }[] };
  return checks.filter(({ ok }) => !ok).map(({ name }) => name);
}
