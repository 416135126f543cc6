/**
 * How the first configuration comes to be: `initial-nodes` nodes of one `cluster-name` meet through their seeds, and the one with the smallest
 * node id proposes configuration 1, naming itself and the others. It is chosen once every node it names has accepted it.
 *
 * Invariant: two different first configurations are never both chosen while there are fewer than twice `initial-nodes` nodes: each needs
 * every node it names, two of them then share one, and a node accepts one proposal in its life, on disk before it says so. So a proposal that
 * is refused stays refused; nothing was stored yet, and the operator who mixed up nodes empties their directories.
 *
 * Pure: `step` decides, a driver performs the effects in order, and steps again only when they are done. A crash between two effects is
 * harmless; `beginFormation` goes on from what was persisted.
 */
import { type Configuration, type NodeDescription, sameConfiguration } from './configuration.js';

/** The directives that count, the same on every node. */
export interface FormationSettings {
  readonly clusterName: string;
  readonly initialNodes: number;
  readonly partitions: number;
  readonly replicas: number;
}

/** What must outlive a crash. */
export interface FormationDurable {
  /** The one proposal this node ever accepted, its own included. Its first member is its proposer. */
  readonly accepted?: Configuration | undefined;
  /** The configuration. */
  readonly chosen?: Configuration | undefined;
}

export interface FormationState {
  readonly settings: FormationSettings;
  readonly self: NodeDescription;
  readonly durable: FormationDurable;
  /** Others of this cluster that are linked now, by node id. */
  readonly met: ReadonlyMap<string, NodeDescription>;
  /** Node ids that accepted this node's proposal, as far as heard since the start; itself included. */
  readonly acceptedBy: ReadonlySet<string>;
  /** Why this node's proposal, or this node, was last turned down. */
  readonly refusal: string | undefined;
  /** A chosen configuration that does not name this node. */
  readonly without: Configuration | undefined;
}

export type FormationMessage =
  /** Both sides of a new link say it, and unconfigured nodes again each tick. `configuration` is the sender's chosen one: a configured node
   * keeps a link to every member, so a member that missed `chosen` hears of it here. */
  | {
      readonly kind: 'hello';
      readonly clusterName: string;
      readonly node: NodeDescription;
      readonly knows: readonly NodeDescription[];
      readonly configuration?: Configuration | undefined;
    }
  | { readonly kind: 'propose'; readonly configuration: Configuration }
  | { readonly kind: 'accept'; readonly configuration: Configuration }
  | { readonly kind: 'refuse'; readonly reason: string }
  | { readonly kind: 'chosen'; readonly configuration: Configuration };

export type FormationEvent =
  /** `from` is the node id that the link's other side gave. May be late, lost or repeated. */
  | { readonly kind: 'received'; readonly from: string; readonly message: FormationMessage }
  /** The link to a node is gone. */
  | { readonly kind: 'lost'; readonly nodeId: string }
  /** Once a gossip interval, and once at the start. */
  | { readonly kind: 'tick' };

export type FormationEffect =
  /** Durable before any effect after it. */
  | { readonly kind: 'persist'; readonly durable: FormationDurable }
  | { readonly kind: 'send'; readonly to: string; readonly message: FormationMessage }
  /** Say it to every seed and on every link. */
  | { readonly kind: 'greet'; readonly message: FormationMessage }
  /** Somebody knows this node of the cluster: connect to it unless there is a link. */
  | { readonly kind: 'connect'; readonly node: NodeDescription }
  /** Tell the node why, and close its link. */
  | { readonly kind: 'disconnect'; readonly nodeId: string; readonly reason: string }
  /** Once: the configuration is known. */
  | { readonly kind: 'formed'; readonly configuration: Configuration };

export interface FormationStep {
  readonly state: FormationState;
  readonly effects: readonly FormationEffect[];
}

/** The data directory and the directives contradict each other; the message is for the operator. */
export class FormationError extends Error {
  readonly code = 'FOREIGN_DIRECTORY';
  override readonly name = 'FormationError';
}

/** A node's start, with what it persisted before ({} on a new directory). Throws FormationError. */
export function beginFormation(settings: FormationSettings, self: NodeDescription, durable: FormationDurable): FormationStep {
  for (const found of [durable.accepted, durable.chosen]) {
    if (found === undefined) continue;
    if (found.clusterName !== settings.clusterName) {
      throw new FormationError(`this directory belongs to cluster-name '${found.clusterName}', not '${settings.clusterName}'`);
    }
    if (!names(found, self.nodeId)) {
      throw new FormationError(`this directory belongs to one of ${memberList(found)}, not to node-id '${self.nodeId}'`);
    }
  }
  const state: FormationState = {
    settings,
    self,
    durable,
    met: new Map(),
    acceptedBy: new Set([self.nodeId]),
    refusal: undefined,
    without: undefined,
  };
  if (durable.chosen !== undefined) return { state, effects: [{ kind: 'formed', configuration: durable.chosen }] };
  return advance(state);
}

export function step(state: FormationState, event: FormationEvent): FormationStep {
  switch (event.kind) {
    case 'tick':
      if (state.durable.chosen !== undefined) return unchanged(state);
      return { state, effects: [{ kind: 'greet', message: hello(state) }, ...reconnections(state), ...proposals(state)] };
    case 'lost': {
      const met = new Map(state.met);
      met.delete(event.nodeId);
      return unchanged({ ...state, met });
    }
    case 'received':
      return received(state, event.from, event.message);
  }
}

/** What a node says first on every link. */
export function hello({ settings, self, met, durable }: FormationState): FormationMessage {
  return { kind: 'hello', clusterName: settings.clusterName, node: self, knows: [...met.values()], configuration: durable.chosen };
}

/** One line on how far it is, for the log and for those who wait. */
export function formationStatus(state: FormationState): string {
  const { settings, self, durable, met, without, acceptedBy } = state;
  if (durable.chosen !== undefined) return `configuration ${durable.chosen.number} of ${durable.chosen.members.length} nodes`;
  if (without !== undefined) return `the cluster formed with ${memberList(without)}, without this node ('${self.nodeId}')`;
  const refused = state.refusal === undefined ? '' : `; ${state.refusal}`;
  if (durable.accepted === undefined) return `${met.size + 1} of ${settings.initialNodes} initial nodes have met${refused}`;
  if (!proposes(state)) return `accepted the proposal of '${durable.accepted.members[0]?.nodeId}'; it is not chosen yet${refused}`;
  return `${acceptedBy.size} of ${settings.initialNodes} nodes accepted this node's proposal of ${memberList(durable.accepted)}${refused}`;
}

function received(state: FormationState, from: string, message: FormationMessage): FormationStep {
  switch (message.kind) {
    case 'hello':
      return receivedHello(state, from, message);
    case 'propose':
      return receivedProposal(state, from, message.configuration);
    case 'accept': {
      const { accepted } = state.durable;
      if (accepted === undefined || !proposes(state) || !names(accepted, from)) return unchanged(state);
      if (!sameConfiguration(accepted, message.configuration)) return unchanged(state);
      return advance({ ...state, acceptedBy: new Set(state.acceptedBy).add(from) });
    }
    case 'refuse':
      return unchanged({ ...state, refusal: `'${from}' says: ${message.reason}` });
    case 'chosen':
      return learn(state, from, message.configuration);
  }
}

function receivedHello(state: FormationState, from: string, message: FormationMessage & { kind: 'hello' }): FormationStep {
  const { settings, self, met, durable } = state;
  const { node, clusterName, knows, configuration } = message;
  if (clusterName !== settings.clusterName) {
    return disconnect(state, from, `cluster-name '${clusterName}' is not '${settings.clusterName}'`);
  }
  if (node.nodeId === self.nodeId) {
    const itself = node.host === self.host && node.peerPort === self.peerPort;
    return itself ? unchanged(state) : disconnect(state, from, `node-id '${self.nodeId}' is taken by ${self.host}:${self.peerPort}`);
  }
  // Once there is a configuration nobody has to be met any more, and whoever comes by is not remembered.
  const introduced: FormationState = durable.chosen === undefined ? { ...state, met: new Map(met).set(node.nodeId, node) } : state;
  if (configuration !== undefined) return learn(introduced, from, configuration);
  if (durable.chosen !== undefined) {
    return { state: introduced, effects: [{ kind: 'send', to: from, message: { kind: 'chosen', configuration: durable.chosen } }] };
  }
  const effects: FormationEffect[] = knows
    .filter(({ nodeId }) => nodeId !== self.nodeId && !introduced.met.has(nodeId))
    .map((stranger) => ({ kind: 'connect', node: stranger }));
  if (!met.has(node.nodeId)) effects.unshift({ kind: 'send', to: from, message: hello(introduced) });
  const { state: next, effects: more } = advance(introduced);
  return { state: next, effects: [...effects, ...more] };
}

function receivedProposal(state: FormationState, from: string, proposed: Configuration): FormationStep {
  const reason = objection(state, from, proposed);
  if (reason !== undefined) return { state, effects: [{ kind: 'send', to: from, message: { kind: 'refuse', reason } }] };
  const accept: FormationEffect = { kind: 'send', to: from, message: { kind: 'accept', configuration: proposed } };
  if (state.durable.accepted !== undefined) return { state, effects: [accept] };
  const durable: FormationDurable = { ...state.durable, accepted: proposed };
  return { state: { ...state, durable }, effects: [{ kind: 'persist', durable }, accept] };
}

/** Why this node does not accept a proposal; undefined when it does. */
function objection({ settings, self, durable, without }: FormationState, from: string, proposed: Configuration): string | undefined {
  if (proposed.clusterName !== settings.clusterName) return `cluster-name '${proposed.clusterName}' is not '${settings.clusterName}'`;
  if (proposed.members[0]?.nodeId !== from || !names(proposed, self.nodeId)) return `it proposed ${memberList(proposed)}`;
  if (proposed.number !== 1) return `it proposed configuration ${proposed.number} to a new node`;
  if (proposed.members.length !== settings.initialNodes) {
    return `it proposed ${proposed.members.length} members and initial-nodes is ${settings.initialNodes}`;
  }
  const earlier = durable.chosen ?? durable.accepted ?? without;
  if (earlier !== undefined && !sameConfiguration(earlier, proposed)) return `it holds to ${memberList(earlier)}`;
  return undefined;
}

/** Somebody showed a chosen configuration. */
function learn(state: FormationState, from: string, chosen: Configuration): FormationStep {
  const { settings, self, durable } = state;
  if (chosen.clusterName !== settings.clusterName) {
    return disconnect(state, from, `cluster-name '${chosen.clusterName}' is not '${settings.clusterName}'`);
  }
  if (durable.chosen !== undefined) {
    if (durable.chosen.number !== chosen.number || sameConfiguration(durable.chosen, chosen)) return unchanged(state);
    return disconnect(
      state,
      from,
      `two clusters are named '${settings.clusterName}': this one of ${memberList(durable.chosen)}, that one of ${memberList(chosen)}`,
    );
  }
  return names(chosen, self.nodeId) ? form(state, chosen) : unchanged({ ...state, without: chosen });
}

/** Proposes when it is time to, and settles the proposal when everybody has accepted it. */
function advance(state: FormationState): FormationStep {
  const { settings, self, durable, met, acceptedBy, without } = state;
  const { accepted } = durable;
  if (durable.chosen !== undefined || without !== undefined) return unchanged(state);
  if (accepted !== undefined) {
    if (!proposes(state) || acceptedBy.size < accepted.members.length) return unchanged(state);
    const { state: formed, effects } = form(state, accepted);
    const announcements = others(accepted, self.nodeId).map((to): FormationEffect => ({
      kind: 'send',
      to,
      message: { kind: 'chosen', configuration: accepted },
    }));
    return { state: formed, effects: [...effects, ...announcements] };
  }
  const candidates = [...met.values()].sort((x, y) => (x.nodeId < y.nodeId ? -1 : 1));
  if (candidates.length + 1 < settings.initialNodes || candidates.some(({ nodeId }) => nodeId < self.nodeId)) return unchanged(state);
  const { clusterName, partitions, replicas, initialNodes } = settings;
  const members = [self, ...candidates].slice(0, initialNodes).map((node, index) => ({ number: index + 1, ...node }));
  const proposing = { ...state, durable: { accepted: { number: 1, clusterName, partitions, replicas, members } } };
  const { state: next, effects } = advance(proposing);
  if (next.durable.chosen !== undefined) return { state: next, effects };
  return { state: next, effects: [{ kind: 'persist', durable: next.durable }, ...proposals(next)] };
}

function form(state: FormationState, chosen: Configuration): FormationStep {
  const durable: FormationDurable = { ...state.durable, chosen };
  return {
    state: { ...state, durable, refusal: undefined },
    effects: [
      { kind: 'persist', durable },
      { kind: 'formed', configuration: chosen },
    ],
  };
}

/** After a restart the nodes of the accepted proposal are found by the addresses in it. */
function reconnections({ durable, self, met }: FormationState): FormationEffect[] {
  const members = durable.accepted?.members ?? [];
  return members.filter(({ nodeId }) => nodeId !== self.nodeId && !met.has(nodeId)).map((node) => ({ kind: 'connect', node }));
}

/** This node's proposal, to everybody who has not accepted it yet. */
function proposals(state: FormationState): FormationEffect[] {
  const configuration = state.durable.accepted;
  if (configuration === undefined || !proposes(state) || state.without !== undefined) return [];
  return others(configuration, state.self.nodeId)
    .filter((nodeId) => !state.acceptedBy.has(nodeId))
    .map((to) => ({ kind: 'send', to, message: { kind: 'propose', configuration } }));
}

function proposes({ durable, self }: FormationState): boolean {
  return durable.accepted?.members[0]?.nodeId === self.nodeId;
}

function names(configuration: Configuration, nodeId: string): boolean {
  return configuration.members.some((member) => member.nodeId === nodeId);
}

function others(configuration: Configuration, nodeId: string): string[] {
  return configuration.members.map((member) => member.nodeId).filter((id) => id !== nodeId);
}

function memberList(configuration: Configuration): string {
  return configuration.members.map((member) => `'${member.nodeId}'`).join(', ');
}

function disconnect(state: FormationState, nodeId: string, reason: string): FormationStep {
  return { state: { ...state, refusal: reason }, effects: [{ kind: 'disconnect', nodeId, reason }] };
}

function unchanged(state: FormationState): FormationStep {
  return { state, effects: [] };
}
