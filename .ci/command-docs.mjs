/** Writes docs/commands.md from the command table, as it was built into dist/. A test fails when the file is stale. */
import { writeFileSync } from 'node:fs';
import { commandReference } from '../dist/server/commands/command-reference.js';

writeFileSync(new URL('../docs/commands.md', import.meta.url), commandReference());
