/** A server of a group under the turn meter (turn-meter-main.ts), and what that measured. Linux only. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerGroup } from './processes.js';
import { ServerProcess, type ServerCommand } from './server-process.js';
import { watchStolenTime } from './stolen-time.js';
import { until } from './until.js';
import type { TurnFigures } from './turn-meter-main.js';

const meter = fileURLToPath(new URL('turn-meter-main.js', import.meta.url));

/** A server with the meter. The caller stops it, before the group. */
export class MeteredServer {
  private constructor(
    readonly server: ServerProcess,
    private readonly file: string,
  ) {}

  /** Stops the group's server and starts it again with its command line, metered. */
  static async inPlaceOf(group: ServerGroup, index: number): Promise<MeteredServer> {
    await group.server(index).stop();
    return MeteredServer.run(group.server(index).command, join(group.dir, `turns-${index}.json`));
  }

  /** Runs a Node.js program metered; `file` is for the figures, and others whose names begin with it are made beside it. */
  static async run(command: ServerCommand, file: string): Promise<MeteredServer> {
    process.env['TORC_TURN_METER'] = file;
    const server = await ServerProcess.start({ ...command, args: ['--import', meter, ...command.args] });
    watchStolenTime(server.pid, file);
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
