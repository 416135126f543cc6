/** ACL LOG: what this node refused its clients for want of a right or a password, newest first. Like refusals within a minute are counted as one, as in Redis (`addACLLogEntry` in src/acl.c). */

const likeWithinMs = 60_000;
/** So many of the newest entries are looked through for a like one. */
const lookedThrough = 10;

export interface Refused {
  readonly reason: 'auth' | 'command' | 'key';
  /** The command's name, the key; of a failed login the command that tried. latin1 */
  readonly object: string;
  /** latin1 */
  readonly username: string;
  /** As CLIENT LIST prints the client. */
  readonly clientInfo: string;
}

export interface AclLogEntry extends Refused {
  readonly id: number;
  readonly count: number;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export class AclLog {
  /** Newest first. */
  private entries: AclLogEntry[] = [];
  private nextId = 0;
  /** Since the node began. */
  readonly refusals: Record<Refused['reason'], number> = { auth: 0, command: 0, key: 0 };

  constructor(private readonly options: { readonly nowMs: () => number; readonly entriesMax: () => number }) {}

  add(refused: Refused): void {
    this.refusals[refused.reason]++;
    const nowMs = this.options.nowMs();
    const at = this.entries.slice(0, lookedThrough).findIndex((entry) => isLike(entry, refused) && nowMs - entry.updatedMs <= likeWithinMs);
    const [like] = at < 0 ? [] : this.entries.splice(at, 1);
    const { id, count, createdMs } = like ?? { id: this.nextId++, count: 0, createdMs: nowMs };
    this.entries.unshift({ ...refused, id, count: count + 1, createdMs, updatedMs: nowMs });
    const most = this.options.entriesMax();
    if (this.entries.length > most) this.entries.length = most;
  }

  newest(count: number): readonly AclLogEntry[] {
    return this.entries.slice(0, count);
  }

  reset(): void {
    this.entries = [];
  }
}

const isLike = (entry: Refused, { reason, object, username }: Refused): boolean =>
  entry.reason === reason && entry.object === object && entry.username === username;
