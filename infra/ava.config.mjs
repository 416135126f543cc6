/** The tests of infra/ are a run of their own: loading aws-cdk-lib and synthesizing takes seconds that the other tests should not pay. */
export default {
  files: ['dist/infra/test/**/*.test.js'],
  timeout: '120s',
  workerThreads: false,
  concurrency: 2,
};
