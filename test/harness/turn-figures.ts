/** A server of a group under the turn meter (turn-meter-main.ts), and what that measured. Linux only. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerGroup } from './processes.js';
import { ServerProcess } from './server-process.js';
import { until } from './until.js';
import type { TurnFigures } from './turn-meter-main.js';

const meter = fileURLToPath(new URL('turn-meter-main.js', import.meta.url));

/** One server of a stopped group's place, started anew with its command line and the meter. The caller stops it, before the group. */
export class MeteredServer {
  private constructor(
    readonly server: ServerProcess,
    private readonly file: string,
  ) {}

  /** Stops the group's server and starts it again, metered. */
  static async inPlaceOf(group: ServerGroup, index: number): Promise<MeteredServer> {
    await group.server(index).stop();
    return MeteredServer.start(group, index);
  }

  private static async start(group: ServerGroup, index: number): Promise<MeteredServer> {
    const { command } = group.server(index);
    const file = join(group.dir, `turns-${index}.json`);
    process.env['TORC_TURN_METER'] = file;
    const server = await ServerProcess.start({ ...command, args: ['--import', meter, ...command.args] });
    return new MeteredServer(server, file);
  }

  /** The longest turn since the last call. */
  async figures(): Promise<TurnFigures> {
    await rm(this.file, { force: true });
    process.kill(this.server.pid, 'SIGUSR2');
    let text = '';
    await until(async () => (text = await readFile(this.file, 'utf8').catch(() => '')).endsWith('}'), 'the meter writes');
    return JSON.parse(text) as TurnFigures;
  }
}
