/**
 * Torc itself on the cluster: the image, what is applied to Kubernetes, and the network load balancer with its target group and health check
 * (specification, 5), bound to the pods by their addresses.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CfnOutput, Duration, IgnoreMode, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { manifests } from '../manifests/all.js';
import { monitoring } from '../manifests/monitoring.js';
import { targetGroupBinding } from '../manifests/services.js';
import type { Parameters } from '../parameters.js';
import { ports } from '../ports.js';

export interface StoreStackProps extends StackProps {
  readonly parameters: Parameters;
  readonly vpc: ec2.IVpc;
  readonly loadBalancerGroup: ec2.ISecurityGroup;
  readonly cluster: eks.Cluster;
  /** The root of the source tree. */
  readonly sources: string;
}

export class StoreStack extends Stack {
  constructor(scope: Construct, id: string, props: StoreStackProps) {
    super(scope, id, props);
    const { parameters, cluster, sources } = props;
    const targets = this.addLoadBalancer(props);

    const { foundation, settings, services, store } = manifests(parameters, this.image(parameters, sources));
    let before = this.apply(cluster, 'Foundation', foundation);
    // The binding before the pods: a pod's readiness follows the load balancer only if the binding is there when the pod is made.
    const binding = [targetGroupBinding(parameters, targets.targetGroupArn)];
    for (const [name, group] of Object.entries({ Settings: settings, Services: services, Binding: binding, Store: store })) {
      const next = this.apply(cluster, name, group);
      next.node.addDependency(before);
      before = next;
    }
    if (parameters.monitoring) {
      const watched = this.apply(cluster, 'Monitoring', monitoring(parameters, join(sources, 'infra/observability')));
      watched.node.addDependency(before);
    }

    // The security group that EKS gives machines and pods: the load balancer reaches clients' port and the readiness of pods through it.
    for (const port of [ports.client, ports.http]) {
      new ec2.CfnSecurityGroupIngress(this, `PodsFromLoadBalancer${port}`, {
        groupId: cluster.clusterSecurityGroupId,
        sourceSecurityGroupId: props.loadBalancerGroup.securityGroupId,
        ipProtocol: 'tcp',
        fromPort: port,
        toPort: port,
        description: `Torc load balancer to port ${port}`,
      });
    }
  }

  private apply(cluster: eks.Cluster, id: string, manifest: readonly object[]): eks.KubernetesManifest {
    return new eks.KubernetesManifest(this, id, { cluster, manifest: [...manifest] });
  }

  /** A name that was given, or this tree, built and pushed when it is deployed. */
  private image(parameters: Parameters, sources: string): string {
    if (parameters.image !== undefined) return parameters.image;
    const ignored = readFileSync(join(sources, 'infra/image/Dockerfile.dockerignore'), 'utf8');
    const asset = new DockerImageAsset(this, 'Image', {
      directory: sources,
      file: 'infra/image/Dockerfile',
      exclude: ignored.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
      ignoreMode: IgnoreMode.DOCKER,
      platform: Platform.LINUX_AMD64,
    });
    return asset.imageUri;
  }

  private addLoadBalancer(props: StoreStackProps): elb.NetworkTargetGroup {
    const { parameters, vpc } = props;
    const internetFacing = parameters.scheme === 'internet-facing';
    const balancer = new elb.NetworkLoadBalancer(this, 'LoadBalancer', {
      vpc,
      internetFacing,
      vpcSubnets: { subnetType: internetFacing ? ec2.SubnetType.PUBLIC : ec2.SubnetType.PRIVATE_WITH_EGRESS },
      securityGroups: [props.loadBalancerGroup],
      crossZoneEnabled: true,
      deletionProtection: parameters.protect,
    });
    const targets = new elb.NetworkTargetGroup(this, 'Targets', {
      vpc,
      port: ports.client,
      protocol: elb.Protocol.TCP,
      targetType: elb.TargetType.IP,
      // Connections that a pod has not ended by then it ends itself, with their replies.
      deregistrationDelay: Duration.seconds(parameters['drain-wait-seconds'] + parameters['shutdown-timeout-seconds']),
      healthCheck: {
        protocol: elb.Protocol.HTTP,
        port: String(ports.http),
        path: '/readyz',
        interval: Duration.seconds(5),
        timeout: Duration.seconds(3),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 2,
        healthyHttpCodes: '200',
      },
    });
    // Clients of a machine that is lost are told so after ten seconds, instead of waiting for what does not answer.
    targets.setAttribute('target_health_state.unhealthy.connection_termination.enabled', 'true');
    if (!internetFacing)
      balancer.addListener('Clients', { port: ports.client, protocol: elb.Protocol.TCP, defaultTargetGroups: [targets] });
    const certificate = parameters['certificate-arn'];
    if (certificate !== undefined) {
      balancer.addListener('ClientsTls', {
        port: ports.tls,
        protocol: elb.Protocol.TLS,
        certificates: [elb.ListenerCertificate.fromArn(certificate)],
        sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
        defaultTargetGroups: [targets],
      });
    }
    balancer.logAccessLogs(this.addAccessLogs(), 'access');
    new CfnOutput(this, 'Host', { value: balancer.loadBalancerDnsName, description: 'redis-cli -h this' });
    new CfnOutput(this, 'TargetGroup', { value: targets.targetGroupArn, description: 'aws elbv2 describe-target-health' });
    return targets;
  }

  /** A network load balancer writes them for its TLS listeners; connections of the others are in the VPC's flow logs. */
  private addAccessLogs(): s3.Bucket {
    return new s3.Bucket(this, 'AccessLogs', {
      encryption: s3.BucketEncryption.S3_MANAGED, // what load balancers can write to
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      versioned: false,
      lifecycleRules: [{ expiration: Duration.days(90) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }
}
