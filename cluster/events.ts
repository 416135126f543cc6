/**
 * What a node tells its operator: events, each a line of the log with a name to look for and fields to filter by. Something to know or to look after,
 * never something per command.
 */
export type EventName =
  /** Of links: to a peer opened or lost, a peer that does not take this node for its own, a stream that was closed for what it said. */
  | 'link-opened'
  | 'link-broken'
  | 'refused-by-peer'
  | 'stream-closed'
  | 'frame-refused'
  | 'peer-refused'
  | 'peer-unproved'
  | 'peer-not-understood'
  /** Of nodes: as this one judges them, or as others judge this one. */
  | 'peer-suspected'
  | 'peer-down'
  | 'doubted-by-others'
  /** The cluster formed, or is known again after a start. */
  | 'configuration'
  /** Partitions that this node took over, hints that it kept, handed over or dropped since the last such line. */
  | 'took-over'
  | 'hints'
  /** It may have lost writes, and when it has made sure. */
  | 'rebuild-began'
  | 'loss-proven'
  | 'rebuild-done'
  /** The disk refuses writes, or takes them again. */
  | 'disk-failing'
  | 'disk-recovered'
  /** It does not keep up with the writes, and none are taken, or it has caught up. */
  | 'disk-behind'
  | 'disk-caught-up'
  /** Of an earlier life of a node something is missing that nobody has: it is missed no longer. */
  | 'gap-closed'
  /** A command threw what no command should. */
  | 'command-failed'
  /** Comparison with other replicas. */
  | 'repair-began'
  | 'repair-done'
  | 'repair-failed'
  | 'payload-differs'
  | 'payload-replaced';

export interface NodeEvent {
  readonly event: EventName;
  readonly [field: string]: string | number | boolean;
}

/** `message`: a sentence for people; `event`: the same for programs. */
export type EventLog = (level: 'info' | 'warn', message: string, event: NodeEvent) => void;
