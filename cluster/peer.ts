/**
 * What this node knows of another: its address, the link to it, and whether it can be relied on now. A peer is reachable while the link to it is open
 * and it is not suspected: by phi over its heartbeats, or because it owes an answer and has been silent for the peer timeout.
 */
import { heartbeat, phi, phiAccrual, postponed, type PhiState } from './phi-accrual.js';
import { emptyClock, type VectorClock } from '../protocol/record.js';
import { maxClock } from '../storage/vector-clock.js';
import type { NodeDescription } from './configuration.js';
import type { PeerLink } from './peer-link.js';
import type { BulkReceiver } from './bulk-receiver.js';
import type { HeardStream } from './stream-echo.js';

export interface SuspicionOptions {
  readonly gossipIntervalMs: number;
  readonly phiThreshold: number;
  readonly peerTimeoutMs: number;
}

/** By how much the word that it is at work may be later than others. */
const lateWordMs = 250;

export class Peer {
  private phiState: PhiState;
  /** Between its heartbeats. */
  private intervalMs: number;
  private lastHeardMs = -Infinity;
  private owesSinceMs: number | undefined;
  /** The least that this node's monotonic clock was ahead of a frame's. */
  private clockLeadMs = Infinity;
  /** When the frame now being read was sent, as this node's monotonic clock tells it from the quickest of all frames: it may have waited while this process stood still. */
  frameSentMs = 0;
  suspected = false;
  /** Of the peer's process, from its last hand-shake. */
  incarnation = 0;
  /** Index among the configuration's members; -1 = none. */
  member = -1;
  /** It may have lost some of what it wrote, or is about to stop: it does not coordinate. */
  doubtful = false;
  /** It came back a moment ago and is catching up: it coordinates only where nobody else may. */
  arriving = false;
  /** Its disk is nearly full: it takes no batches, and counts for no write. */
  full = false;
  /** `changes` of each partition when this peer was last told its clock. */
  readonly told = new Map<number, number>();
  /** Its clocks of partitions that this node is a home replica of too, as far as the process `speaker` has told them. */
  private readonly seen = new Map<number, VectorClock>();
  private speaker = 0;
  /** What it sends in pieces, by stream that it dialled here and that is open. */
  readonly bulks = new Set<BulkReceiver>();
  /** The stream that it dialled last, to be told what came over it. */
  heardStream: HeardStream = { stream: 0, heard: 0, ended: false };
  /** Ends that stream on this side. */
  endHeardStream: (() => void) | undefined;
  /** That it dialled here and that are open. */
  streams = 0;
  /** Since when this node's link to it is open though none of its own is, monotonic; -1 = that is not so. */
  oneWaySinceMs = -1;
  /** Bytes of frames from it. */
  bytesReceived = 0;
  /** Streams that it opened to this node and has said something over. */
  streamsHeard = 0;

  constructor(
    public description: NodeDescription,
    readonly link: PeerLink,
    private readonly options: SuspicionOptions,
  ) {
    this.intervalMs = options.gossipIntervalMs;
    this.phiState = rhythm(this.intervalMs);
  }

  get nodeId(): string {
    return this.description.nodeId;
  }

  /** A write may count on it. */
  get takesWrites(): boolean {
    return this.reachable && !this.full;
  }

  /**
   * Another number whenever the stream to it or the one from it is another: what was asked under an earlier one may be lost, or its answer. A peer that hears a
   * question before its own stream is open answers nobody, so a stream counts from its first word on.
   */
  get way(): number {
    return this.link.streamNumber + this.streamsHeard;
  }

  get reachable(): boolean {
    return this.link.isOpen && !this.suspected;
  }

  /** Bytes of what is too large for a frame and on its way to or from it: what waits for an answer waits for that, too. Links see to it that it moves. */
  get largeBytes(): number {
    let bytes = this.link.largeBytes;
    for (const { arrivingBytes, takingBytes } of this.bulks) bytes += arrivingBytes + takingBytes;
    return bytes;
  }

  /** Of the heartbeats that come over its own stream. */
  phi(nowMs: number): number {
    return phi(this.phiState, nowMs);
  }

  /** Monotonic ms of the last frame; -Infinity before any. */
  get heardMs(): number {
    return this.lastHeardMs;
  }

  /**
   * What it should have answered by then it will not. One that is at work on a call says so before the call's time is over (`Working`); but that word may be late, or this node, which had much to
   * do itself, has not read it yet: so one that can be reached has to have said something since.
   */
  answeredUntilMs(nowMs: number): number {
    return this.reachable ? Math.min(nowMs, this.lastHeardMs - lateWordMs) : nowMs;
  }

  /** A frame was sent at `sentMs` of the peer's clock, hybrid, and is read at `nowMs`, monotonic. The peer's clock leaps forward, never back. */
  frameSent(sentMs: number, nowMs: number): void {
    this.clockLeadMs = Math.min(this.clockLeadMs, nowMs - sentMs);
    this.frameSentMs = sentMs + this.clockLeadMs;
  }

  /** A frame came. Returns true when that ends a suspicion. */
  heard(nowMs: number, isHeartbeat: boolean): boolean {
    this.lastHeardMs = nowMs;
    this.owesSinceMs = undefined;
    if (isHeartbeat) this.phiState = heartbeat(this.phiState, nowMs);
    if (!this.suspected) return false;
    this.restarted(nowMs); // any frame ends it: by the silence before, phi would suspect it again at once
    return true;
  }

  /** Judges the silence so far. Returns true when that begins a suspicion. */
  judge(nowMs: number): boolean {
    if (!this.link.expectsAnswer) this.owesSinceMs = undefined;
    else this.owesSinceMs ??= nowMs;
    if (this.suspected) return false;
    const { phiThreshold, peerTimeoutMs } = this.options;
    const owes = this.owesSinceMs !== undefined && nowMs - this.owesSinceMs > peerTimeoutMs && nowMs - this.lastHeardMs > peerTimeoutMs;
    this.suspected = owes || phi(this.phiState, nowMs) > phiThreshold;
    return this.suspected;
  }

  /** Others have not heard of it in time. Returns true when that begins a suspicion: nothing came from it for an interval here either. */
  giveUp(nowMs: number): boolean {
    if (this.suspected || nowMs - this.lastHeardMs <= this.intervalMs) return false;
    this.suspected = true;
    return true;
  }

  /** This node stood still for so long and could hear nobody. */
  excuse(ms: number): void {
    this.phiState = postponed(this.phiState, ms);
    this.lastHeardMs += ms;
    if (this.owesSinceMs !== undefined) this.owesSinceMs += ms;
  }

  /** Its heartbeats come so often from now on. */
  beatsEvery(intervalMs: number, nowMs: number): void {
    if (intervalMs === this.intervalMs) return;
    this.intervalMs = intervalMs;
    this.phiState = heartbeat(rhythm(intervalMs), nowMs);
  }

  /** What it says that it has seen of a partition. A stream that was given up may bring late what is out of date by then; a clock never goes back. */
  saw(partition: number, clock: VectorClock): void {
    this.seen.set(partition, maxClock(this.seen.get(partition) ?? emptyClock, clock));
  }

  /** What it has seen of the partition at least; undefined = it has not told that yet. */
  seenOf(partition: number): VectorClock | undefined {
    return this.seen.get(partition);
  }

  /** Its process or the link began anew: its old rhythm says nothing. */
  restarted(nowMs: number): void {
    this.phiState = heartbeat(rhythm(this.intervalMs), nowMs);
    this.lastHeardMs = nowMs;
    this.suspected = false;
  }

  /** Its frames come over a new stream, perhaps from a new process, with another clock, that lost some of what it held. Returns whether it is a new one. */
  streamAccepted(incarnation: number): boolean {
    // It may be an older stream of the same process, accepted late: what was told since holds. And by that process' clock is seen how late its frames are, of which some
    // may have waited on another stream while this process stood still: a command among them that was given up long ago must not run.
    if (incarnation === this.speaker) return false;
    this.clockLeadMs = Infinity;
    this.speaker = incarnation;
    this.seen.clear();
    return true;
  }
}

function rhythm(intervalMs: number): PhiState {
  return phiAccrual({ firstIntervalMs: intervalMs, intervalsMax: 100, deviationMinMs: intervalMs / 4 });
}
