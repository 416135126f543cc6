/** The configuration file of every pod. What differs between pods is on their command line, what is secret in their environment. */
import type { Parameters } from '../parameters.js';
import { ports } from '../ports.js';
import { configDirectory, dataDirectory, names } from './names.js';

/** Host names that stay with a pod whatever machine and address it gets. */
export function podHost(index: number | string, namespace: string): string {
  return `${typeof index === 'number' ? `${names.store}-${index}` : index}.${names.peers}.${namespace}.svc.cluster.local`;
}

/** The pods that the cluster forms of. */
function seeds({ nodes, namespace }: Parameters): string[] {
  return Array.from({ length: nodes }, (_, index) => `${podHost(index, namespace)}:${ports.peer}`);
}

export const configFile = `${configDirectory}/torc.conf`;

export function torcConf(parameters: Parameters): string {
  const directives: readonly (readonly [string, string | number])[] = [
    ['bind', '0.0.0.0'],
    // The network policies and the load balancer's security group keep strangers out; a password is torc-secret.conf's to give.
    ['protected-mode', 'no'],
    ['port', ports.client],
    ['peer-port', ports.peer],
    ['http-port', ports.http],
    ['dir', dataDirectory],
    ['cluster-name', parameters['cluster-name']],
    ['initial-nodes', parameters.nodes],
    ['replicas', 3],
    ['write-quorum', 2],
    ['read-quorum', 2],
    ['durability', parameters.durability],
    ['cache-size', `${parameters['cache-mib']}mb`],
    ['drain-wait', parameters['drain-wait-seconds']],
    ['shutdown-timeout', parameters['shutdown-timeout-seconds']],
    ['seeds', seeds(parameters).join(' ')],
  ];
  return directives.map(([name, value]) => `${name} ${value}\n`).join('');
}
