/** Everything that is applied to the Kubernetes cluster, in the order in which it is. */
import type { Parameters } from '../parameters.js';
import { disruptionBudget, networkPolicy } from './policies.js';
import { clientService, peerService } from './services.js';
import { configMap, namespaceOf, secret, serviceAccount, storageClass } from './settings.js';
import { statefulSet } from './stateful-set.js';

export function manifests(parameters: Parameters, image: string) {
  return {
    foundation: [namespaceOf(parameters), storageClass()],
    settings: [
      serviceAccount(parameters),
      configMap(parameters),
      secret(parameters),
      networkPolicy(parameters),
      disruptionBudget(parameters),
    ],
    services: [peerService(parameters), clientService(parameters)],
    store: [statefulSet(parameters, image)],
  };
}
