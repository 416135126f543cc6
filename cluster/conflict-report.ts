/** The conflicts that this node met, with its members' names: TORC CONFLICTS. */
import { conflictTypes, type ConflictLog, type ConflictType } from '../storage/conflict-log.js';
import { actorName } from './actor-names.js';
import type { Configuration } from './configuration.js';

export interface ReportedConflict {
  readonly key: Buffer;
  /** Of a hash's field. */
  readonly field: Buffer | undefined;
  readonly partition: number;
  readonly type: ConflictType;
  readonly rule: string;
  /** Unix ms. */
  readonly metAtMs: number;
  /** Unix ms; undefined = it is open. */
  readonly coveredAtMs: number | undefined;
  readonly versions: readonly {
    readonly node: string;
    readonly counter: number;
    readonly term: number;
    readonly value: Buffer;
    readonly shown: boolean;
  }[];
  readonly shown: Buffer;
}

export interface ConflictReport {
  /** Met since this node began. */
  readonly counts: Readonly<Record<ConflictType, number>>;
  readonly open: number;
  /** The newest first. */
  readonly conflicts: readonly ReportedConflict[];
}

export function conflictReport(log: ConflictLog, configuration: Configuration | undefined, count: number): ConflictReport {
  const nodeOf = (actor: number): string => (configuration === undefined ? `actor ${actor}` : actorName(configuration, actor));
  const conflicts = log.newest(count).map(({ versions, ...conflict }) => ({
    ...conflict,
    versions: versions.map(({ actor, ...version }) => ({ node: nodeOf(actor), ...version })),
  }));
  return { counts: { ...log.counts }, open: log.openCount, conflicts };
}

/** For INFO. */
export function conflictFigures({ counts, openCount }: ConflictLog): (readonly [name: string, value: number])[] {
  return [...conflictTypes.map((type) => [`conflicts_${type}`, counts[type]] as const), ['conflicts_open', openCount]];
}
