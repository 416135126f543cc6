/** Writes docs/configuration.md from the table of directives, as it was built into dist/. A test fails when the file is stale. */
import { writeFileSync } from 'node:fs';
import { configurationReference } from '../dist/server/config/configuration-reference.js';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationReference());
