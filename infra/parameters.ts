/**
 * What an operator may choose about a deployment, typed and checked before anything is synthesized. What the specification fixes (region, CIDRs, zones,
 * instance types) is no parameter and stands in the stacks.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';

const cidr = z
  .string()
  .regex(/^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!\/)|(?=\/))){4}\/(?:3[0-2]|[12]?\d)$/, 'takes a CIDR such as 10.0.0.0/16');
const cidrs = z.union([z.array(cidr), z.string().transform((text) => text.split(',').filter(Boolean))]).pipe(z.array(cidr));
const label = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'takes up to 40 lower-case letters, digits and dashes');
const yesOrNo = z.union([z.boolean(), z.enum(['yes', 'no']).transform((word) => word === 'yes')]);
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const arn = (service: string) => z.string().regex(new RegExp(`^arn:aws:${service}:[a-z0-9-]*:\\d{12}:.+$`), `takes an ARN of ${service}`);

const schema = z.strictObject({
  /** Torc nodes when the cluster is born: pods, and at least one machine each. Not to be changed later: nodes cannot join or leave yet. */
  nodes: whole(3, 30).default(3),
  /** repository:tag or repository@digest of an image that was pushed by somebody else; without it the image is built from this tree and pushed by `cdk deploy`. */
  image: z
    .string()
    .regex(/^[^\s:@]+(?::\d+\/[^\s:@]+)?(?::[\w.-]+|@sha256:[0-9a-f]{64})$/, 'takes a name with a tag or digest')
    .optional(),
  scheme: z.enum(['internal', 'internet-facing']).default('internal'),
  /** Of AWS Certificate Manager, in us-east-1: adds a TLS listener on 6380. */
  'certificate-arn': arn('acm').optional(),
  /** Who may reach the load balancer. */
  'client-cidrs': cidrs.default(['10.0.0.0/16']),
  /** Who may reach the Kubernetes API from outside the VPC; nobody by default. */
  'api-cidrs': cidrs.default([]),
  /** An IAM role that may administer the Kubernetes cluster, beside the one that deploys. */
  'admin-role-arn': arn('iam').optional(),
  'volume-gib': whole(10, 16_384).default(100),
  /** When the commit log is synced; see README. */
  durability: z.enum(['always', 'everysec', 'os']).default('everysec'),
  'cache-mib': whole(64, 3072).default(2048),
  /** How long a pod that stops goes on serving. A network load balancer sends new connections for up to two minutes after it was told not to. */
  'drain-wait-seconds': whole(0, 600).default(120),
  'shutdown-timeout-seconds': whole(5, 600).default(20),
  /** Of all pods, where the cluster's Kubernetes does not label pods with their zone (before 1.35). */
  zone: label.optional(),
  /** ServiceMonitor, alert rules and dashboard of infra/observability, for a cluster that runs the Prometheus operator. */
  monitoring: yesOrNo.default(false),
  /** The load balancer cannot be deleted by mistake; to be switched off before a teardown. */
  protect: yesOrNo.default(true),
  'cluster-name': label.default('torc'),
  namespace: label.default('torc'),
});

export type Parameters = Readonly<z.output<typeof schema>>;
const parameterNames: readonly string[] = Object.keys(schema.shape);

/** What is wrong with the parameters, one line each. */
export class ParameterError extends Error {}

/** @throws ParameterError */
export function checkedParameters(given: Readonly<Record<string, unknown>>): Parameters {
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'parameters'}: ${issue.message}`);
    throw new ParameterError(lines.join('\n'));
  }
  const conflict = conflictWithin(parsed.data);
  if (conflict !== undefined) throw new ParameterError(conflict);
  return parsed.data;
}

/** What no parameter shows alone. */
function conflictWithin(parameters: Parameters): string | undefined {
  if (parameters.scheme === 'internet-facing') {
    if (parameters['certificate-arn'] === undefined)
      return 'scheme internet-facing: needs certificate-arn, or values would cross the Internet in the clear';
    const open = parameters['client-cidrs'].find((one) => one.endsWith('/0'));
    // There is no password before an operator has set one, and then one for everything.
    if (open !== undefined) return `client-cidrs ${open}: not with scheme internet-facing: a deployment begins without a password`;
  }
  const apiOpen = parameters['api-cidrs'].find((one) => one.endsWith('/0'));
  if (apiOpen !== undefined) return `api-cidrs ${apiOpen}: the Kubernetes API is not opened to everyone`;
  return undefined;
}

/**
 * `--name value`, as on the command line of app.js.
 *
 * @throws ParameterError
 */
export function parametersOf(argv: readonly string[]): {
  readonly parameters: Parameters;
  /** Where the cloud assembly, and the picture of it, are wanted. */
  readonly output: string | undefined;
  readonly picture: string | undefined;
} {
  const options = Object.fromEntries([...parameterNames, 'output', 'picture'].map((name) => [name, { type: 'string' } as const]));
  let values: Record<string, unknown>;
  try {
    ({ values } = parseArgs({ args: [...argv], options }));
  } catch (error) {
    throw new ParameterError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const { output, picture, ...given } = values;
  const place = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return { parameters: checkedParameters(given), output: place(output), picture: place(picture) };
}
