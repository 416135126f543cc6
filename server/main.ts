#!/usr/bin/env node
/** The program `torc`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runCommandLine } from './cli/run-command-line.js';
import { startNode } from './start-node.js';

const mainScript = fileURLToPath(import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

process.exit(
  await runCommandLine(process.argv.slice(2), {
    mainScript,
    version,
    startNode: (configuration, file) => startNode(configuration, version, file),
  }),
);
