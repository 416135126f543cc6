/**
 * The whole of `torc` but for the composition of a node, which it is handed. Every way of failing ends here as one line on standard error and an
 * exit code: 2 for a command line or configuration that cannot be meant, 1 for everything that went wrong in earnest.
 */
import { ConfigurationError } from '../config/configuration-file.js';
import type { Configuration } from '../config/directives.js';
import { clientPort } from '../config/own-address.js';
import { environmentSettings, type Environment } from '../config/environment.js';
import { loadConfiguration } from '../config/load-configuration.js';
import { parseCommandLine, UsageError } from './arguments.js';
import { planCluster, reachableHost } from './cluster-plan.js';
import { askToDrain } from './ask-to-drain.js';
import { unavailablePort } from './free-ports.js';
import { helpText } from './help.js';
import { runLocalCluster } from './local-cluster.js';
import { readyLine } from './ready-line.js';
import { onStopRequest } from './stop-request.js';

/** A node that listens, and may still be waiting for others. */
export interface StartedNode {
  /** Resolves when the node serves clients. */
  readonly ready: Promise<void>;
  /** Resolves when a client asked the node to stop (TORC DRAIN, SHUTDOWN). */
  readonly stopAsked: Promise<'now' | 'in order'>;
  /** Ends cleanly, ready or not: hands over what it coordinates, answers what it was asked, closes log and engine. `now`: without waiting for others to take over. */
  stop(how?: 'now' | 'in order'): Promise<void>;
  /** Rejects when the node cannot go on (its disk failed, for example); never resolves. */
  readonly failure: Promise<never>;
}

export interface Program {
  /** Absolute path of the script that was started, for the nodes of `torc cluster`. */
  readonly mainScript: string;
  readonly version: string;
  readonly environment: Environment;
  /** Resolves when the node listens. An error with a `code` is shown as its message alone, any other with its stack, as a bug. */
  readonly startNode: (configuration: Configuration, file: string | undefined) => Promise<StartedNode>;
}

/**
 * @param argv what follows the script's name
 * @returns the exit code, when everything has ended
 */
export async function runCommandLine(argv: readonly string[], program: Program): Promise<number> {
  try {
    const commandLine = parseCommandLine(argv);
    switch (commandLine.kind) {
      case 'help':
        process.stdout.write(helpText(commandLine.about));
        return 0;
      case 'version':
        print(`torc ${program.version}`);
        return 0;
      case 'cluster': {
        const planned = planCluster(commandLine.nodes, [...environmentSettings(program.environment), ...commandLine.settings]);
        return await runLocalCluster(planned, { mainScript: program.mainScript, onStopRequest, print, complain });
      }
      case 'drain':
        await askToDrain(loadConfiguration({ file: commandLine.file, environment: program.environment, overrides: commandLine.settings }));
        return 0;
      case 'server':
        return await runServer(
          loadConfiguration({ file: commandLine.file, environment: program.environment, overrides: commandLine.settings }),
          commandLine.file,
          program,
        );
    }
  } catch (error) {
    complain(`torc: ${describeFailure(error)}`);
    return error instanceof UsageError || error instanceof ConfigurationError ? 2 : 1;
  }
}

async function runServer(configuration: Configuration, file: string | undefined, program: Program): Promise<number> {
  const unavailable = await unavailablePort(configuration);
  if (unavailable !== undefined) {
    complain(`torc: ${unavailable}`);
    return 1;
  }
  let signals = 0;
  const signalled = new Promise<'in order'>((resolve) => {
    onStopRequest(() => {
      // The commit log makes an end at any instant safe, so a second signal is granted at once. One after TORC DRAIN joins what that began.
      if (++signals > 1) process.exit(130);
      resolve('in order');
    });
  });
  const node = await program.startNode(configuration, file);
  const stopAsked = Promise.race([signalled, node.stopAsked]);
  const isReady = await Promise.race([stopAsked.then(() => false), node.failure, node.ready.then(() => true)]);
  if (isReady) print(readyLine({ nodeId: configuration.nodeId, host: reachableHost(configuration), port: clientPort(configuration) }));
  await node.stop(await Promise.race([stopAsked, node.failure]));
  return 0;
}

/** One line for what can happen to anyone; the stack for a bug. */
function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code: unknown = 'code' in error ? error.code : undefined;
  const expected = typeof code === 'string' && !code.startsWith('ERR_');
  return expected ? error.message.replaceAll(/\s*[\r\n]+\s*/g, ' ') : (error.stack ?? error.message);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}
