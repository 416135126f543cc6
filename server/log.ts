/**
 * A node's log: lines of JSON by pino, with Redis' level names, to a file or standard error. Written synchronously, since it is little and a line
 * about a crash must not be lost in it; nothing on a command's way logs.
 */

import { dirname } from 'node:path';
import { destination, pino, stdTimeFunctions, type Logger } from 'pino';
import type { Configuration } from './config/directives.js';
import { makeDirectory } from './make-directory.js';

/** Redis' levels from most to least; its `nothing` is pino's `silent`. */
const levels = { debug: 20, verbose: 30, notice: 40, warning: 50 } as const;

/** `log.notice({ member }, 'joined')`. */
export type Log = Logger<keyof typeof levels>;

/** @throws Error with the system's `code` when the file cannot be opened. */
export function createLog(configuration: Pick<Configuration, 'logLevel' | 'logFile' | 'nodeId'>): Log {
  const { logFile } = configuration;
  if (logFile !== '') makeDirectory(dirname(logFile));
  return pino(
    {
      level: pinoLevel(configuration.logLevel),
      customLevels: levels,
      useOnlyCustomLevels: true,
      base: { node: configuration.nodeId },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    destination({ dest: logFile === '' ? 2 : logFile, sync: true }),
  );
}

/** For CONFIG SET loglevel: `running.onChange('logLevel', ({ logLevel }) => setLogLevel(log, logLevel))`. */
export function setLogLevel(log: Log, level: Configuration['logLevel']): void {
  log.level = pinoLevel(level);
}

function pinoLevel(level: Configuration['logLevel']): string {
  return level === 'nothing' ? 'silent' : level;
}
