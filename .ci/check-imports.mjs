/**
 * Runs dependency-cruiser over the folders that exist, and fails also when it looked at no modules: with a compiler it does not know it cruises
 * none, finds nothing wrong and passes.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const { options, ...ruleSet } = createRequire(import.meta.url)('../.dependency-cruiser.cjs');
const folders = ['protocol', 'storage', 'cluster', 'server', 'infra', 'bench', 'test'].filter(
  (folder) => existsSync(folder) && readdirSync(folder, { recursive: true }).some((file) => /^(?!.*node_modules).*\.ts$/.test(file)),
);
const { output } = await cruise(folders, { ...options, validate: true, ruleSet }, undefined, {
  tsConfig: extractTSConfig(options.tsConfig.fileName),
});

const unseen = folders.filter((folder) => !output.modules.some(({ source }) => source.startsWith(`${folder}/`)));
for (const { rule, from, to, cycle } of output.summary.violations) {
  const way = cycle === undefined ? to : cycle.map(({ name }) => name).join(' -> ');
  console.error(`${rule.name}: ${from} -> ${way}`);
}
for (const folder of unseen) console.error(`no module of ${folder}/ was looked at`);
const own = output.modules.filter(({ source }) => !source.includes('node_modules') && source.endsWith('.ts')).length;
console.log(`imports: ${own} modules, ${output.summary.violations.length} violations`);
process.exitCode = output.summary.violations.length > 0 || unseen.length > 0 || own === 0 ? 1 : 0;
