/** Writes docs/configuration.md and docs/metrics.md from their tables, as these were built into dist/. A test fails when a file is stale. */
import { writeFileSync } from 'node:fs';
import { configurationReference } from '../dist/server/config/configuration-reference.js';
import { metricsReference } from '../dist/server/telemetry/metrics-reference.js';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationReference());
writeFileSync(new URL('../docs/metrics.md', import.meta.url), metricsReference());
