/**
 * All that this node knows of every node, members of the configuration and others: states that merge (gossip-state.ts), and beside each what this node
 * judges by its own clock: phi over the heartbeats that reach it by whatever road, since when it is suspected, when it was last heard of.
 *
 *   up --- phi passes the threshold, or a suspicion of the last heartbeat is heard ---> suspected --- suspicion-timeout ---> down
 *    ^---------------------------- a later heartbeat, or a new incarnation -------------------------|--------------------------|
 *
 * Pure but for its own fields: time is handed in, and what came of it is returned. (The idea is SWIM's, Das, Gupta and Motivala 2002, with
 * Cassandra's heartbeats: a suspicion is refuted by the next heartbeat, and by a raised incarnation from a node that hears it of itself.)
 */
import type { NodeDescription } from './configuration.js';
import type { Exchange } from './gossip-codec.js';
import { compareDigests, merge, newsFor, type Digest, type MemberState } from './gossip-state.js';
import { heartbeat, phi, phiAccrual, postponed, type PhiState } from './phi-accrual.js';

/** Nodes known at once. What is heard of more is ignored, and counted. */
const nodesMax = 10_000;
/** After so many suspicion timeouts of being down a node is not told of any more, and after twice as many forgotten. */
const forgetAfter = 60;
/** An incarnation is a time in ms. What lies further ahead of this node's clock is made up, and ignored: nobody could refute the greatest of all. */
const incarnationAheadMaxMs = 10 * 365 * 86_400_000;
/** A heartbeat count near the end of its 32 bits begins anew in a new incarnation. */
const heartbeatsMax = 2 ** 31 - 1;
const intervalsMax = 100;

export interface GossipDirectives {
  readonly gossipIntervalMs: number;
  readonly phiThreshold: number;
  readonly suspicionTimeoutMs: number;
}

/** What a node says of itself at a heartbeat. */
export interface OwnWords {
  readonly clock: number;
  readonly load: number;
  readonly seen: Buffer;
}

export interface Known {
  readonly state: MemberState;
  /** Where it says it is. */
  readonly description: NodeDescription;
  /** Monotonic ms: its last heartbeat that was news; -Infinity before any. */
  readonly heardMs: number;
}

interface Entry {
  state: MemberState;
  phi: PhiState;
  heardMs: number;
  /** Of a state that is not up. */
  silentSinceMs: number;
}

export type Change =
  | { readonly kind: 'met' | 'renewed' | 'moved' | 'up' | 'suspected' | 'down' | 'forgotten'; readonly nodeId: string }
  /** This node was suspected, and raised its incarnation. */
  | { readonly kind: 'refuted'; readonly nodeId: string };

export class GossipView {
  private readonly entries = new Map<string, Entry>();
  private judgedMs: number | undefined;
  private own: MemberState;
  /** Nodes that were not taken for lack of room. */
  ignored = 0;
  refutations = 0;

  /** `incarnation`: of `clockMs`, Unix ms, and so greater than that of any earlier process of this node, as far as it can know. */
  constructor(
    private readonly self: NodeDescription,
    incarnation: number,
    private readonly clockMs: () => number,
    private readonly directives: GossipDirectives,
  ) {
    this.own = {
      nodeId: self.nodeId,
      incarnation,
      heartbeat: 1,
      status: 'up',
      clock: 0,
      load: 0,
      intervalMs: directives.gossipIntervalMs,
      description: { at: 1, value: self },
      seen: undefined,
    };
  }

  /** This node's state, whole. */
  get ownState(): MemberState {
    return this.own;
  }

  /** Nodes known, this one included. */
  get size(): number {
    return this.entries.size + 1;
  }

  /** Everyone but this node. */
  *others(): IterableIterator<Known> {
    for (const { state, heardMs } of this.entries.values()) yield { state, description: descriptionOf(state), heardMs };
  }

  get(nodeId: string): Known | undefined {
    const entry = this.entries.get(nodeId);
    return entry === undefined ? undefined : { state: entry.state, description: descriptionOf(entry.state), heardMs: entry.heardMs };
  }

  phiOf(nodeId: string, nowMs: number): number {
    const entry = this.entries.get(nodeId);
    return entry === undefined ? 0 : phi(entry.phi, nowMs);
  }

  /** This node's next heartbeat. */
  beat({ clock, load, seen }: OwnWords): void {
    const { own, directives } = this;
    if (own.heartbeat >= heartbeatsMax) this.raiseIncarnation(own.incarnation);
    const beats = this.own.heartbeat + 1;
    const changed = this.own.seen === undefined || !this.own.seen.value.equals(seen);
    this.own = {
      ...this.own,
      heartbeat: beats,
      clock,
      load,
      intervalMs: directives.gossipIntervalMs,
      seen: changed ? { at: beats, value: seen } : this.own.seen,
    };
  }

  /** A member of the configuration of which nothing need have been heard: it is suspected like anyone when it stays so. */
  expect(description: NodeDescription, nowMs: number): void {
    if (description.nodeId === this.self.nodeId || this.entries.has(description.nodeId)) return;
    const state: MemberState = {
      nodeId: description.nodeId,
      incarnation: 0,
      heartbeat: 1,
      status: 'up',
      clock: 0,
      load: 0,
      intervalMs: this.directives.gossipIntervalMs,
      description: { at: 1, value: description },
      seen: undefined,
    };
    this.entries.set(description.nodeId, { state, phi: rhythm(state, nowMs), heardMs: -Infinity, silentSinceMs: nowMs });
  }

  /** The first message of an exchange: how far everyone is known. */
  opening(nowMs: number): Exchange {
    const digests: Digest[] = [this.own];
    for (const entry of this.entries.values()) if (!this.isFading(entry, nowMs)) digests.push(entry.state);
    return { whole: true, digests, news: [] };
  }

  /** The answer to a message, once its news have been taken; undefined when there is nothing to say. */
  answer({ whole, digests }: Exchange, nowMs: number): Exchange | undefined {
    const news: MemberState[] = [];
    const wanted: Digest[] = [];
    const named = new Set<string>();
    for (const digest of digests) {
      named.add(digest.nodeId);
      const mine = digest.nodeId === this.self.nodeId ? this.own : this.entries.get(digest.nodeId)?.state;
      const order = mine === undefined ? -1 : compareDigests(mine, digest);
      if (mine !== undefined && order > 0) news.push(newsFor(mine, digest));
      // One who knows nothing of a node wants all of it, and says so with a digest below all others.
      if (whole && order < 0) wanted.push(mine ?? { ...digest, incarnation: 0, heartbeat: 0, status: 'up' });
    }
    if (whole) {
      if (!named.has(this.self.nodeId)) news.push(this.own);
      for (const entry of this.entries.values()) if (!named.has(entry.state.nodeId) && !this.isFading(entry, nowMs)) news.push(entry.state);
    }
    if (news.length + wanted.length === 0) return undefined;
    return { whole: false, digests: wanted, news };
  }

  /** Merges what was heard. What is older changes nothing. */
  take({ digests, news }: Pick<Exchange, 'digests' | 'news'>, nowMs: number): Change[] {
    const changes: Change[] = [];
    const incarnationMax = this.clockMs() + incarnationAheadMaxMs;
    for (const digest of digests)
      if (digest.incarnation <= incarnationMax && digest.nodeId === this.self.nodeId) this.hearOfSelf(digest, changes);
    for (const state of news) {
      if (state.incarnation > incarnationMax) continue;
      if (state.nodeId === this.self.nodeId) this.hearOfSelf(state, changes);
      else this.takeOne(state, nowMs, changes);
    }
    return changes;
  }

  /** Someone who watches the node more closely gave it up: it is suspected unless it was heard of since. */
  suspect(nodeId: string, nowMs: number): Change[] {
    const entry = this.entries.get(nodeId);
    if (entry?.state.status !== 'up') return [];
    return this.silence(entry, 'suspected', nowMs);
  }

  /** Judges everyone's silence. What this node slept through nobody is blamed for. */
  judge(nowMs: number): Change[] {
    const { phiThreshold, suspicionTimeoutMs, gossipIntervalMs } = this.directives;
    const sleptMs = nowMs - (this.judgedMs ?? nowMs);
    this.judgedMs = nowMs;
    const changes: Change[] = [];
    for (const entry of this.entries.values()) {
      if (sleptMs > gossipIntervalMs) {
        entry.phi = postponed(entry.phi, sleptMs);
        entry.silentSinceMs += sleptMs;
        continue;
      }
      const { status, nodeId } = entry.state;
      if (status === 'up' && phi(entry.phi, nowMs) > phiThreshold) changes.push(...this.silence(entry, 'suspected', nowMs));
      else if (status === 'suspected' && nowMs - entry.silentSinceMs >= suspicionTimeoutMs)
        changes.push(...this.silence(entry, 'down', nowMs));
      else if (status === 'down' && nowMs - entry.silentSinceMs >= 2 * forgetAfter * suspicionTimeoutMs && entry.state.incarnation > 0) {
        this.entries.delete(nodeId);
        changes.push({ kind: 'forgotten', nodeId });
      }
    }
    return changes;
  }

  private isFading({ state, silentSinceMs }: Entry, nowMs: number): boolean {
    return (
      state.incarnation === 0 || (state.status === 'down' && nowMs - silentSinceMs >= forgetAfter * this.directives.suspicionTimeoutMs)
    );
  }

  private silence(entry: Entry, status: 'suspected' | 'down', nowMs: number): Change[] {
    entry.state = { ...entry.state, status };
    entry.silentSinceMs = nowMs;
    return [{ kind: status, nodeId: entry.state.nodeId }];
  }

  /** What others have of this node. To be doubted is refuted once an incarnation, though by its later heartbeats alone it would be believed. */
  private hearOfSelf(state: Digest, changes: Change[]): void {
    const { own } = this;
    const isDoubted = state.incarnation === own.incarnation && state.status !== 'up';
    if (state.incarnation <= own.incarnation && !isDoubted) return;
    this.raiseIncarnation(state.incarnation);
    this.refutations++;
    changes.push({ kind: 'refuted', nodeId: own.nodeId });
  }

  private raiseIncarnation(above: number): void {
    const { own } = this;
    this.own = {
      ...own,
      incarnation: above + 1,
      heartbeat: 1,
      description: { at: 1, value: this.self },
      seen: own.seen && { ...own.seen, at: 1 },
    };
  }

  private takeOne(state: MemberState, nowMs: number, changes: Change[]): void {
    const { nodeId } = state;
    const entry = this.entries.get(nodeId);
    if (entry === undefined) {
      if (state.description === undefined) return; // meant for one who knew it: it will be told whole
      if (this.size >= nodesMax) {
        this.ignored++;
        return;
      }
      this.entries.set(nodeId, { state, phi: rhythm(state, nowMs), heardMs: nowMs, silentSinceMs: nowMs });
      changes.push({ kind: 'met', nodeId });
      if (state.status !== 'up') changes.push({ kind: state.status, nodeId });
      return;
    }
    const before = entry.state;
    if (state.incarnation > before.incarnation && state.description === undefined) return;
    const after = merge(before, state);
    if (after === before) return;
    entry.state = after;
    const isLater = after.incarnation > before.incarnation || after.heartbeat > before.heartbeat;
    const isRenewed = after.incarnation > before.incarnation;
    if (isLater) {
      entry.heardMs = nowMs;
      const keepsRhythm = !isRenewed && before.status === 'up' && after.intervalMs === before.intervalMs;
      entry.phi = keepsRhythm ? heartbeat(entry.phi, nowMs) : rhythm(after, nowMs);
    }
    if (isRenewed) changes.push({ kind: 'renewed', nodeId });
    if (isElsewhere(descriptionOf(before), descriptionOf(after))) changes.push({ kind: 'moved', nodeId });
    if (isLater || after.status !== before.status) entry.silentSinceMs = nowMs;
    if (after.status !== before.status) changes.push({ kind: after.status, nodeId });
  }
}

/** Without a history: heartbeats come by any road and number of steps, so irregularly. */
function rhythm({ intervalMs }: MemberState, nowMs: number): PhiState {
  return heartbeat(phiAccrual({ firstIntervalMs: intervalMs, intervalsMax, deviationMinMs: intervalMs }), nowMs);
}

/** An entry always has one: what came without was not taken. */
function descriptionOf({ description, nodeId }: MemberState): NodeDescription {
  if (description === undefined) throw new Error(`nothing is known of where '${nodeId}' is`);
  return description.value;
}

function isElsewhere(x: NodeDescription, y: NodeDescription): boolean {
  return x !== y && (x.host !== y.host || x.peerPort !== y.peerPort);
}
