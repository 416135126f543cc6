/** A server of a group under the heap meter (heap-meter-main.ts), and what that measured. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HeapFigures } from './heap-meter-main.js';
import type { ServerGroup } from './processes.js';
import { ServerProcess } from './server-process.js';
import { until } from './until.js';

const meter = fileURLToPath(new URL('heap-meter-main.js', import.meta.url));
/** A collection of a gigabyte on a busy machine takes a while. */
const meterMs = 60_000;

/** One server of a group, started anew in its place with its command line and the meter. The caller stops it, before the group. */
export class WeighedServer {
  private constructor(
    readonly server: ServerProcess,
    private readonly file: string,
  ) {}

  /** Stops the group's server and starts it again, metered. */
  static async inPlaceOf(group: ServerGroup, index: number): Promise<WeighedServer> {
    const { command } = group.server(index);
    await group.server(index).stop();
    const file = join(group.dir, `held-${index}.json`);
    process.env['TORC_HEAP_METER'] = file;
    return new WeighedServer(await ServerProcess.start({ ...command, args: ['--expose-gc', '--import', meter, ...command.args] }), file);
  }

  /** What it holds once all garbage is collected. */
  async figures(): Promise<HeapFigures> {
    await rm(this.file, { force: true });
    process.kill(this.server.pid, 'SIGUSR2');
    let text = '';
    await until(async () => (text = await readFile(this.file, 'utf8').catch(() => '')).endsWith('}'), 'the meter writes', meterMs);
    return JSON.parse(text) as HeapFigures;
  }
}
