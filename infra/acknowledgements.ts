/**
 * Findings of cdk-nag's AwsSolutions rules that stay, each by its exact id, at the narrowest construct that can be named, and with the reason why.
 * Any other finding fails the synthesis.
 */
import type { IConstruct } from 'constructs';
import type { ClusterStack } from './stacks/cluster-stack.js';
import type { NetworkStack } from './stacks/network-stack.js';
import type { StoreStack } from './stacks/store-stack.js';

const managedPolicy = (name: string): string => `AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${name}]`;
const wildcard = (resource: string): string => `AwsSolutions::AwsSolutions-IAM5[Resource::${resource}]`;

/** The construct at a path below `scope`. */
function at(scope: IConstruct, ...path: readonly string[]): IConstruct {
  return path.reduce((parent, id) => parent.node.findChild(id), scope);
}

export interface Acknowledgement {
  readonly construct: IConstruct;
  readonly id: string;
  readonly reason: string;
}

export function acknowledgements({
  network,
  cluster,
  store,
}: {
  readonly network: NetworkStack;
  readonly cluster: ClusterStack;
  readonly store: StoreStack;
}): Acknowledgement[] {
  const accepted: Acknowledgement[] = [];
  const accept = (construct: IConstruct, reason: string, ...ids: readonly string[]): void => {
    for (const id of ids) accepted.push({ construct, id, reason });
  };

  for (const name of ['PrivateAcl', 'PublicAcl'])
    accept(
      at(network, name),
      'The specification asks for network ACLs. They let replies in on every ephemeral port, which a test holds, and leave the rest to security groups.',
      'AwsSolutions::AwsSolutions-VPC3',
    );

  accept(
    at(cluster, 'Cluster', 'Role'),
    'EKS requires this policy of the role of a control plane, and AWS keeps it up with what EKS needs.',
    managedPolicy('AmazonEKSClusterPolicy'),
  );
  accept(
    at(cluster, 'NodeRole'),
    'EKS requires these policies of the role of machines, and AWS keeps them up with what kubelet and the VPC CNI need.',
    ...['AmazonEKSWorkerNodePolicy', 'AmazonEKS_CNI_Policy', 'AmazonEC2ContainerRegistryReadOnly'].map(managedPolicy),
  );
  accept(
    at(cluster, 'EbsDriverRole'),
    'The policy that the EBS CSI driver documents; only its own service account can take the role, by pod identity.',
    managedPolicy('service-role/AmazonEBSCSIDriverPolicy'),
  );
  accept(
    at(cluster, 'Cluster'),
    "aws-cdk-lib writes EncryptionConfig's Resources itself; 'secrets' is the only value that EKS takes there.",
    'CloudFormation-Validate::W9009',
  );

  const kubectl =
    'The function that applies manifests, made by aws-cdk-lib: it writes its log, runs in the private subnets and fetches charts from registries.';
  accept(
    at(cluster, 'Cluster', 'KubectlProvider'),
    kubectl,
    ...[
      'service-role/AWSLambdaBasicExecutionRole',
      'service-role/AWSLambdaVPCAccessExecutionRole',
      'AmazonEC2ContainerRegistryReadOnly',
    ].map(managedPolicy),
    'AwsSolutions::AwsSolutions-IAM4[Policy::{"Fn::If":["ClusterKubectlProviderHandlerHasEcrPublic69E09706",{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":iam::aws:policy/AmazonElasticContainerRegistryPublicReadOnly"]]},{"Ref":"AWS::NoValue"}]}]',
  );
  accept(
    at(cluster, 'Cluster', 'KubectlProvider', 'Handler'),
    'aws-cdk-lib pins the Python that its kubectl layer is tested with; it moves on with aws-cdk-lib.',
    'AwsSolutions::AwsSolutions-L1',
  );
  accept(
    at(cluster, 'Cluster', 'KubectlProvider', 'Provider'),
    'The wildcard is the versions of one function: the one that it exists to call.',
    wildcard('<ClusterKubectlProviderHandler2E05C68A.Arn>:*'),
  );
  accept(
    at(store, 'AccessLogs'),
    'It holds nothing but the logs of the load balancer. A log of its own accesses would be written to it or to another such bucket, without end.',
    'AwsSolutions::AwsSolutions-S1',
  );
  const { albController } = cluster.cluster;
  if (albController !== undefined) {
    const elb = 'arn:<AWS::Partition>:elasticloadbalancing:*:*';
    accept(
      albController,
      "The policy that the AWS load balancer controller publishes for this version. Most of its wildcards are conditional on the controller's own tags.",
      ...[
        '*',
        'arn:<AWS::Partition>:ec2:*:*:security-group/*',
        ...['loadbalancer/app/*/*', 'loadbalancer/net/*/*', 'targetgroup/*/*'].map((name) => `${elb}:${name}`),
        ...['listener-rule/app/*/*/*', 'listener-rule/net/*/*/*', 'listener/app/*/*/*', 'listener/net/*/*/*'].map(
          (name) => `${elb}:${name}`,
        ),
      ].map(wildcard),
    );
  }
  return accepted;
}
