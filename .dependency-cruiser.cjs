/**
 * Who may import whom: protocol < storage < cluster < server, and infra, bench and test above them all (which import from below, never from each
 * other, but for tests). No cycles. Read by .ci/check-imports.mjs, which also demands that modules were looked at.
 */
const folders = ['protocol', 'storage', 'cluster', 'server'];

const upward = folders.slice(0, -1).map((folder, level) => ({
  name: `${folder}-imports-nothing-above-it`,
  severity: 'error',
  from: { path: `^${folder}/` },
  to: { path: `^(${[...folders.slice(level + 1), 'bench', 'infra', 'test'].join('|')})/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'server-imports-nothing-above-it',
      severity: 'error',
      from: { path: '^server/' },
      to: { path: '^(bench|infra|test)/' },
    },
    {
      name: 'bench-and-infra-stand-apart',
      severity: 'error',
      from: { path: '^(bench|infra)/' },
      // The bench starts and asks real servers as the tests do: by the same harness.
      to: { path: '^(bench|infra|test)/', pathNot: '^($1|test/harness)/' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'everything-resolves', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '/generated/' } },
    {
      name: 'shipped-code-uses-shipped-packages',
      severity: 'error',
      // pbjs declares `long` for 64-bit fields; the generated code never loads it.
      from: { path: '^(protocol|storage|cluster|server)/', pathNot: '/generated/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|data|infra/cdk\\.out)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
