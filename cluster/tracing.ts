/**
 * What the cluster tells of a sampled command's way: where it was, from when to when. Whoever keeps and sends the spans is handed in from above; a command that was not sampled carries
 * nothing, and costs one comparison with undefined in each place.
 *
 * A context is 24 bytes, W3C Trace Context's ids: trace id 16 | id of the span 8. It travels in peer frames in fields of their own (frame.proto), which are absent for what is not traced.
 */

export const contextBytes = 24;

/** Trace id and span id, back to back. Owned, never changed. */
export type TraceContext = Buffer;

/** Where a span stands: at a request that came from outside this process, or within it. */
export type SpanKind = 'server' | 'internal';

/** Names and numbers alone: never keys, values, or what clients wrote. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

export interface OpenSpan {
  readonly context: TraceContext;
  /** Once. `errorCode`: an error reply's first word. */
  end(errorCode?: string): void;
}

export interface Tracer {
  /** `parent` undefined: the first of a new trace. */
  begin(name: string, kind: SpanKind, parent: TraceContext | undefined, attributes: SpanAttributes): OpenSpan;
}

/** One call's open spans in this process, each within the one before it. */
export class CallTrace {
  private readonly open: OpenSpan[] = [];

  /** `outer`: what the call is part of; its first span's parent. */
  constructor(
    readonly tracer: Tracer,
    private readonly outer: TraceContext | undefined,
  ) {}

  /** Of the innermost span. */
  get context(): TraceContext | undefined {
    return this.open.at(-1)?.context ?? this.outer;
  }

  /** What happens next happens within this. It ends with the call. */
  enter(name: string, kind: SpanKind, attributes: SpanAttributes): void {
    this.open.push(this.begin(name, kind, attributes));
  }

  /** Something on the call's way, beside which it may go on; whoever began it ends it. */
  begin(name: string, kind: SpanKind, attributes: SpanAttributes): OpenSpan {
    return this.tracer.begin(name, kind, this.context, attributes);
  }

  /** The call was answered. */
  end(errorCode?: string): void {
    for (let span = this.open.pop(); span !== undefined; span = this.open.pop()) span.end(errorCode);
  }
}

/** What another node asks of this one, as `service/method`: the name of the span and, by OpenTelemetry's conventions for RPC, of the method. */
type PeerMethod = `torc.peer/${string}`;

export function requestAttributes(method: PeerMethod): SpanAttributes {
  return { 'rpc.system.name': 'torc', 'rpc.method': method };
}

/** `context`: of the span on the node that asks. */
export function beginRequest(tracer: Tracer, method: PeerMethod, context: TraceContext): OpenSpan {
  return tracer.begin(method, 'server', context, requestAttributes(method));
}

/** Contexts back to back, as a frame brings them; a rest that is none is dropped, for traces are never worth a stream. */
export function contextsIn(bytes: Uint8Array): TraceContext[] {
  const contexts: TraceContext[] = [];
  for (let at = 0; at + contextBytes <= bytes.length; at += contextBytes) contexts.push(Buffer.from(bytes.subarray(at, at + contextBytes)));
  return contexts;
}

/** Rows of id u64 | context, by id. Undefined = there is none. */
export function contextsById(bytes: Uint8Array): Map<number, TraceContext> | undefined {
  if (bytes.length === 0) return undefined;
  const contexts = new Map<number, TraceContext>();
  const rows = Buffer.from(bytes);
  for (let at = 0; at + 8 + contextBytes <= rows.length; at += 8 + contextBytes) {
    contexts.set(Number(rows.readBigUInt64BE(at)), rows.subarray(at + 8, at + 8 + contextBytes));
  }
  return contexts;
}

export function contextRow(id: number, context: TraceContext): Buffer {
  const row = Buffer.alloc(8 + contextBytes);
  row.writeBigUInt64BE(BigInt(id));
  context.copy(row, 8);
  return row;
}
