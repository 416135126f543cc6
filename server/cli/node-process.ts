/** One child process of `torc server`, as its supervisor sees it: when it is ready, what it complained of, and how it ended. */
import { strict as assert } from 'node:assert';
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { PlannedNode } from './cluster-plan.js';
import { parseReadyLine } from './ready-line.js';

/** Lines of standard error that are kept from before the node is ready. */
const heldLinesMax = 200;

export class NodeProcess {
  readonly name: string;
  /** Resolves when the node has said that it serves clients; never, when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves with the cause, as the end of "node1 stopped ...", when the process and its output have ended. */
  readonly ended: Promise<string>;
  hasEnded = false;
  readonly #child: ChildProcess;
  readonly #held: string[] = [];
  isReady = false;

  /**
   * The child is in a process group of its own, so that Ctrl-C in a terminal reaches the supervisor alone and the nodes are stopped in one way only.
   * Its channel tells it when the supervisor is gone.
   *
   * @param complain takes what the node writes to standard error once it is ready, a line at a time
   */
  constructor(
    readonly planned: PlannedNode,
    mainScript: string,
    complain: (line: string) => void,
  ) {
    this.name = planned.configuration.nodeId;
    const child = spawn(process.execPath, [mainScript, ...planned.args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true });
    this.#child = child;
    const { stdout, stderr } = child;
    assert(stdout !== null && stderr !== null);
    this.ready = new Promise((resolve) => {
      createInterface({ input: stdout }).on('line', (line) => {
        if (parseReadyLine(line) === undefined) return;
        this.isReady = true;
        resolve();
      });
    });
    createInterface({ input: stderr }).on('line', (line) => {
      if (this.isReady) complain(`${this.name}: ${line}`);
      else if (this.#held.push(line) > heldLinesMax) this.#held.shift();
    });
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(`(${error.message})`));
      child.once('close', (code, signal) => resolve(signal === null ? `(exit code ${code})` : `(${signal})`));
    }).then((cause) => {
      this.hasEnded = true;
      return cause as string;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The one line that says why the node did not start: its own, else what a crash left, else nothing. */
  get complaint(): string | undefined {
    const own = this.#held.findLast((line) => line.startsWith('torc: '));
    if (own !== undefined) return own.slice('torc: '.length);
    return this.#held.find((line) => /^\w*Error\b/.test(line)) ?? this.#held.findLast((line) => line.trim() !== '');
  }

  /** By the child's own handle, so never another process that has got its number. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.hasEnded) this.#child.kill(signal);
  }
}
