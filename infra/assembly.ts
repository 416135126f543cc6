/** A synthesized cloud assembly as plain values: for tests that look at it, and for the picture that is drawn of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Fields = { [name: string]: unknown };

export interface Resource {
  Type: string;
  Properties: Fields;
  DependsOn?: string[];
}

export type StackName = 'TorcNetwork' | 'TorcCluster' | 'TorcStore';

export interface Deployment {
  readonly environments: Record<StackName, string>;
  readonly resources: Record<StackName, Record<string, Resource>>;
  /** What is applied to Kubernetes, as the templates have it; values that are known only when it is deployed are `<token>`. */
  readonly manifests: Fields[];
}

const stackNames: readonly StackName[] = ['TorcNetwork', 'TorcCluster', 'TorcStore'];

/** Reads a cloud assembly. */
export function deploymentIn(directory: string): Deployment {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(directory, name), 'utf8'));
  const { artifacts } = read('manifest.json') as { artifacts: Record<string, { environment: string }> };
  const environments = mapped((name) => artifacts[name]?.environment ?? '');
  const resources = mapped((name) => (read(`${name}.template.json`) as { Resources: Record<string, Resource> }).Resources);
  return { environments, resources, manifests: manifestsOf(resources.TorcStore) };
}

function mapped<T>(of: (name: StackName) => T): Record<StackName, T> {
  return Object.fromEntries(stackNames.map((name) => [name, of(name)])) as Record<StackName, T>;
}

function manifestsOf(resources: Record<string, Resource>): Fields[] {
  return ofType(resources, 'Custom::AWSCDK-EKS-KubernetesResource').flatMap(({ Manifest }) => JSON.parse(text(Manifest)) as Fields[]);
}

/** A string of a template with its tokens replaced. */
function text(value: unknown): string {
  if (typeof value === 'string') return value;
  const join = at(value, 'Fn::Join', 1);
  return Array.isArray(join) ? join.map((part) => (typeof part === 'string' ? part : '<token>')).join('') : '<token>';
}

/** What is at a path; undefined where there is none. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((here, key) => (typeof here === 'object' && here !== null ? (here as Fields)[key] : undefined), value);
}

/** Properties of all resources of a type, in the template's order. */
export function ofType(resources: Record<string, Resource>, type: string): Fields[] {
  return Object.values(resources)
    .filter((resource) => resource.Type === type)
    .map(({ Properties }) => Properties);
}

/** The resource of a type whose properties satisfy `is`, with its id; throws when there is none, or more than one. */
export function only(
  resources: Record<string, Resource>,
  type: string,
  is: (properties: Fields) => boolean = () => true,
): { readonly id: string; readonly resource: Resource; readonly properties: Fields } {
  const found = Object.entries(resources).filter(([, resource]) => resource.Type === type && is(resource.Properties));
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Error(`${found.length} resources of type ${type} are such, not one`);
  return { id: first[0], resource: first[1], properties: first[1].Properties };
}

/** The manifest of a kind, and of a name where there are several; throws when there is none. */
export function manifest(deployment: Deployment, kind: string, name?: string): Fields {
  const found = deployment.manifests.filter((one) => one['kind'] === kind && (name === undefined || at(one, 'metadata', 'name') === name));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} manifests of kind ${kind} ${name ?? ''}, not one`);
  return found[0];
}
