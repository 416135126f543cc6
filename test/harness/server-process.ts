/**
 * One real server process, whoever made it: started, waited for, stopped, killed, frozen.
 *
 * Invariant: a process started here never outlives the one that started it. Every living child is in `living`, and leaving this
 * process by any road that runs code (return, exit, exception, SIGINT, SIGTERM, SIGHUP) kills each of them by its pid.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** How a server is started and how it tells that it serves. */
export interface ServerCommand {
  /** What failure messages call it. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly port: number;
  /** A piece of the line on stdout that says that it serves. */
  readonly readyText: string;
}

/** What is kept of a server's stdout and stderr: their end, in characters. */
const outputCharsMax = 64 * 1024;
const readyTimeoutMs = 30_000;
/** Variables for tests, not for servers: how large tests are, and what they must find. */
const saidToTests = /^TORC_(FULL|REQUIRE_\w+|\w+_(HISTORIES|RUNS|INPUTS|KEYS|STREAMS|COMMANDS)|SEEDS?|CONNECTIONS|ELEMENTS)$/;
const stopTimeoutMs = 15_000;

const living = new Set<ChildProcess>();
let guarded = false;

export class ServerProcess {
  readonly pid: number;
  /** Settles when the process has ended, however it did: `exit code 1`, `signal SIGKILL`. */
  readonly exited: Promise<string>;
  #output = '';
  #ending: string | undefined;
  readonly #watchers = new Set<() => void>();

  private constructor(
    readonly command: ServerCommand,
    private readonly child: ChildProcess,
    pid: number,
  ) {
    this.pid = pid;
    const keep = (chunk: string): void => {
      this.#output = (this.#output + chunk).slice(-outputCharsMax);
      this.#wake();
    };
    child.stdout?.setEncoding('utf8').on('data', keep);
    child.stderr?.setEncoding('utf8').on('data', keep);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        living.delete(child);
        this.#ending = signal === null ? `exit code ${code}` : `signal ${signal}`;
        resolve(this.#ending);
        this.#wake();
      });
    });
  }

  /** Starts the server and waits until it serves. Rejects with what it printed when it ends or says nothing first. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    killChildrenOnExit();
    // In a process group of its own, so that Ctrl-C reaches it through us only and each server is ended in one way.
    // What tells tests what to do is no directive, and a node would say that it does not know it.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !saidToTests.test(name)));
    const child = spawn(command.program, command.args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env });
    const pid = child.pid;
    if (pid === undefined) {
      const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new Error(`${command.name} did not start: ${cause.message}`, { cause });
    }
    living.add(child);
    const server = new ServerProcess(command, child, pid);
    try {
      await server.printed(command.readyText, readyTimeoutMs);
    } catch (error) {
      await server.kill();
      throw error;
    }
    return server;
  }

  get port(): number {
    return this.command.port;
  }

  get running(): boolean {
    return this.#ending === undefined;
  }

  /** The end of its stdout and stderr, as they came. */
  get output(): string {
    return this.#output;
  }

  /** Resolves once its output holds the text. Rejects when the process ends or the time passes first. */
  printed(text: string, timeoutMs: number = readyTimeoutMs): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        finish();
      };
      const fail = (what: string): void =>
        settle(() => reject(new Error(`${this.command.name} ${what} before it printed '${text.trim()}'. ${this.lastWords()}`)));
      const look = (): void => {
        if (this.#output.includes(text)) settle(resolve);
        else if (this.#ending !== undefined) fail(`ended (${this.#ending})`);
      };
      const timer = setTimeout(() => fail(`let ${timeoutMs} ms pass`), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Asks it to end, waits, and kills it when it does not in time. Returns how it ended. */
  async stop(timeoutMs: number = stopTimeoutMs): Promise<string> {
    if (this.running) {
      this.child.kill('SIGTERM');
      this.child.kill('SIGCONT');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), timeoutMs);
      await this.exited;
      clearTimeout(timer);
    }
    return this.exited;
  }

  /** kill -9, waited for. */
  async kill(): Promise<string> {
    if (this.running) this.child.kill('SIGKILL');
    return this.exited;
  }

  /** SIGSTOP: it stands still, its connections stay open. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  /** SIGCONT: it goes on. */
  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** The last lines it printed, for failure messages. */
  lastWords(): string {
    const lines = this.#output.trimEnd().split('\n').slice(-8).join('\n');
    return lines === '' ? 'It printed nothing.' : `Its last words:\n${lines}`;
  }

  #wake(): void {
    const looking = [...this.#watchers]; // who looks may stop looking, or begin anew
    for (const look of looking) look();
  }
}

/** Kills, by pid, every server this process started and that still lives. Does not wait. */
export function killAllServers(): void {
  for (const child of living) child.kill('SIGKILL');
}

function killChildrenOnExit(): void {
  if (guarded) return;
  guarded = true;
  process.once('exit', killAllServers);
  // Without a listener these signals end the process without 'exit'.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => process.exit(code));
}
