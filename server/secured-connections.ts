/** What TLS and the cluster's secret are made of on the real machine, and what is logged of those who fail at them. */
import type { EventLog } from '../cluster/events.js';
import { SecretTransport } from '../cluster/secret-transport.js';
import type { Transport } from '../cluster/transport.js';
import type { Configuration } from './config/directives.js';
import { LineBudget } from './line-budget.js';
import type { ClientTls } from './listener.js';
import type { Log } from './log.js';
import { systemClock, systemRandom } from './system-clock.js';
import type { PeerTls } from './tcp-transport.js';
import type { TlsFiles } from './tls-files.js';

/** Of refusals: the first at once, what comes within a second is counted in the next line. */
function refusalLog(log: Log, what: string): (address: string, reason: string) => void {
  const budget = new LineBudget(1, () => systemClock.monotonicMs());
  return (address, reason) => {
    const unsaid = budget.take();
    if (unsaid === undefined) return;
    log.warning({ event: 'tls-failed', what, address, reason, unsaid }, `TLS with a ${what} at ${address} failed: ${reason}`);
  };
}

export function peerTls(files: TlsFiles, log: Log): PeerTls {
  return {
    get options() {
      return files.options;
    },
    onReload: (listener) => files.onReload(listener),
    refused: refusalLog(log, 'peer'),
  };
}

export function clientTls(
  files: TlsFiles,
  { tlsPort, tlsAuthClients }: Pick<Configuration, 'tlsPort' | 'tlsAuthClients'>,
  log: Log,
): ClientTls {
  return {
    port: tlsPort,
    authClients: tlsAuthClients,
    get options() {
      return files.options;
    },
    onReload: (listener) => files.onReload(listener),
    refused: refusalLog(log, 'client'),
  };
}

/** The same transport where there is no secret. */
export function provingTransport(
  inner: Transport,
  { clusterSecret, clusterName }: Pick<Configuration, 'clusterSecret' | 'clusterName'>,
  log: EventLog,
): Transport {
  if (clusterSecret === '') return inner;
  return new SecretTransport({ inner, secret: clusterSecret, clusterName, clock: systemClock, random: systemRandom, log });
}
