/** Tests that measure time run one after the other, beside nothing else: beside other tests on a few cores they would measure those. */
export default {
  files: ['dist/test/**/*.timing.test.js'],
  timeout: '120s',
  workerThreads: false,
  concurrency: 1,
};
