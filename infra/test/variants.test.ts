/** Deployments that ask for more than the defaults: TLS, the Internet, more nodes, an image by name, a public Kubernetes API. */
import test from 'ava';
import { at, manifest, ofType, only } from '../assembly.js';
import { synthesized } from './deployment.js';

const certificate = 'arn:aws:acm:us-east-1:123456789012:certificate/0a1b';

const facing = synthesized({
  scheme: 'internet-facing',
  'certificate-arn': certificate,
  'client-cidrs': ['203.0.113.0/24'],
  'api-cidrs': ['198.51.100.0/24'],
  'admin-role-arn': 'arn:aws:iam::123456789012:role/operators',
  image: 'registry.example/torc:1.2.3',
  nodes: 7,
  zone: 'rack-7',
  protect: 'no',
});

test('facing the Internet there is TLS alone, to the same pods, for the clients named', (t) => {
  const listeners = ofType(facing.resources.TorcStore, 'AWS::ElasticLoadBalancingV2::Listener');
  t.is(listeners.length, 1);
  t.like(listeners[0], {
    Port: 6380,
    Protocol: 'TLS',
    SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
    Certificates: [{ CertificateArn: certificate }],
  });
  const { properties } = only(facing.resources.TorcStore, 'AWS::ElasticLoadBalancingV2::LoadBalancer');
  t.is(properties['Scheme'], 'internet-facing');
  t.regex(String(at(properties, 'Subnets', 0, 'Fn::ImportValue')), /VpcPublicSubnet1/);
  const group = only(facing.resources.TorcNetwork, 'AWS::EC2::SecurityGroup').properties;
  t.is((group['SecurityGroupIngress'] as unknown[]).length, 1);
  t.like(at(group, 'SecurityGroupIngress', 0), { CidrIp: '203.0.113.0/24', FromPort: 6380, ToPort: 6380 });
});

test('the Kubernetes API is open to the addresses named, and an administrator is one', (t) => {
  const access = only(facing.resources.TorcCluster, 'AWS::EKS::Cluster').properties['ResourcesVpcConfig'];
  t.like(access, { EndpointPublicAccess: true, EndpointPrivateAccess: true, PublicAccessCidrs: ['198.51.100.0/24'] });
  const entries = ofType(facing.resources.TorcCluster, 'AWS::EKS::AccessEntry').map(({ PrincipalArn }) => PrincipalArn);
  t.true(entries.includes('arn:aws:iam::123456789012:role/operators'));
});

test('seven nodes: as many pods, initial nodes and seeds, and three machines a zone', (t) => {
  const set = manifest(facing, 'StatefulSet');
  t.is(at(set, 'spec', 'replicas'), 7);
  const conf = String(at(manifest(facing, 'ConfigMap'), 'data', 'torc.conf'));
  t.regex(conf, /^initial-nodes 7$/m);
  t.is(conf.match(/:16379/g)?.length, 7);
  const groups = ofType(facing.resources.TorcCluster, 'AWS::EKS::Nodegroup').filter(
    ({ InstanceTypes }) => at(InstanceTypes, 0) === 't3.large',
  );
  t.deepEqual(
    groups.map((group) => at(group, 'ScalingConfig', 'MinSize')),
    [3, 3, 3],
  );
});

test('an image by name needs no asset, and a zone by name no label', (t) => {
  const container = at(manifest(facing, 'StatefulSet'), 'spec', 'template', 'spec', 'containers', 0);
  t.is(at(container, 'image'), 'registry.example/torc:1.2.3');
  t.like(
    (at(container, 'env') as object[]).find((one) => (one as { name: string }).name === 'ZONE'),
    { value: 'rack-7' },
  );
});

test('inside the VPC a certificate adds TLS beside TCP', (t) => {
  const both = synthesized({ 'certificate-arn': certificate });
  const listeners = ofType(both.resources.TorcStore, 'AWS::ElasticLoadBalancingV2::Listener');
  t.deepEqual(listeners.map(({ Port, Protocol }) => `${String(Protocol)} ${String(Port)}`).toSorted(), ['TCP 6379', 'TLS 6380']);
  t.deepEqual(new Set(listeners.map((one) => at(one, 'DefaultActions', 0, 'TargetGroupArn', 'Ref'))).size, 1);
});
