/** The three stacks, each built on the one before, under cdk-nag's AwsSolutions rules. Nothing here asks an account or a network anything. */
import { App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { acknowledgements } from './acknowledgements.js';
import type { Parameters } from './parameters.js';
import { ClusterStack } from './stacks/cluster-stack.js';
import { NetworkStack, region } from './stacks/network-stack.js';
import { StoreStack } from './stacks/store-stack.js';

export interface TorcApp {
  readonly app: App;
  readonly network: NetworkStack;
  readonly cluster: ClusterStack;
  readonly store: StoreStack;
}

/**
 * Synthesis (`app.synth()`) throws on any finding that is not acknowledged.
 *
 * @param sources the root of the source tree, for the image
 * @param outdir where the synthesized cloud assembly goes
 * @param accepts false: findings are not acknowledged, for a test of what they are
 */
export function torcApp(parameters: Parameters, sources: string, outdir: string, accepts = true): TorcApp {
  const app = new App({
    outdir,
    analyticsReporting: false,
    // Versions of tools and paths of this machine have no place in a template: the same sources give the same bytes.
    treeMetadata: false,
    context: {
      '@aws-cdk/aws-eks:useNativeOidcProvider': true,
      '@aws-cdk/aws-iam:minimizePolicies': true,
    },
  });
  // The account is the one that deploys.
  const env = { region };
  const network = new NetworkStack(app, 'TorcNetwork', { env, parameters, description: 'Torc: VPC' });
  const cluster = new ClusterStack(app, 'TorcCluster', { env, parameters, vpc: network.vpc, description: 'Torc: EKS cluster' });
  const { vpc, loadBalancerGroup } = network;
  const store = new StoreStack(app, 'TorcStore', {
    env,
    parameters,
    vpc,
    loadBalancerGroup,
    cluster: cluster.cluster,
    sources,
    description: 'Torc: nodes and load balancer',
  });
  Tags.of(app).add('app', 'torc');
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const stacks = { network, cluster, store };
  if (accepts) for (const { construct, id, reason } of acknowledgements(stacks)) Validations.of(construct).acknowledge({ id, reason });
  return { app, ...stacks };
}
