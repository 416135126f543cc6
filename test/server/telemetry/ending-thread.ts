/** A thread that ends with an error whenever it is asked for anything: for the test of the exporter's. */
import { parentPort } from 'node:worker_threads';

parentPort?.once('message', () => {
  throw new Error('no memory');
});
