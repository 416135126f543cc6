/**
 * OpenTelemetry's tracing, in a thread of its own, as with metrics: it makes spans of what the serving thread noted, and sends them by OTLP (http/protobuf). The SDK batches, repeats and bounds:
 * 2048 spans wait at most, and those beyond are dropped.
 */
import { api, core, NodeSDK, resources, type tracing } from '@opentelemetry/sdk-node';
import { parentPort, workerData } from 'node:worker_threads';
import type { SpanAttributes, SpanKind, TraceContext } from '../../cluster/tracing.js';
import type { ThreadResource } from './metrics-thread.js';

export interface FinishedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: TraceContext;
  readonly parent: TraceContext | undefined;
  /** Unix ms, with fractions. */
  readonly beganMs: number;
  readonly endedMs: number;
  readonly attributes: SpanAttributes;
  readonly errorCode: string | undefined;
}

/** From the thread: spans were taken, or could not be sent. */
export type TracesAnswer = { readonly taken: true } | { readonly problem: string };

/** Gives the ids that the serving thread chose. */
class NotedIds implements tracing.IdGenerator {
  traceId = '';
  spanId = '';
  readonly generateTraceId = (): string => this.traceId;
  readonly generateSpanId = (): string => this.spanId;
}

const kinds = { server: api.SpanKind.SERVER, internal: api.SpanKind.INTERNAL } as const;

function begin(port: NonNullable<typeof parentPort>, { nodeId, clusterName, version }: ThreadResource): void {
  const say = (answer: TracesAnswer): void => port.postMessage(answer);
  const complain = (problem: unknown): void => say({ problem: problem instanceof Error ? problem.message : String(problem) });
  const ignore = (): void => undefined;
  api.diag.setLogger({ error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore }, api.DiagLogLevel.WARN);
  core.setGlobalErrorHandler(complain);
  const resource = resources.resourceFromAttributes({
    'service.name': 'torc',
    'service.namespace': clusterName,
    'service.instance.id': nodeId,
    'service.version': version,
  });
  const idGenerator = new NotedIds();
  // The exporter and its batches are what the environment of this thread says (traces.ts).
  const sdk = new NodeSDK({ resource, autoDetectResources: false, instrumentations: [], metricReaders: [], idGenerator });
  sdk.start();
  const tracer = api.trace.getTracer('torc', version);
  const make = ({ name, kind, context, parent, beganMs, endedMs, attributes, errorCode }: FinishedSpan): void => {
    const [traceId, spanId] = idsOf(context);
    idGenerator.traceId = traceId;
    idGenerator.spanId = spanId;
    const root = api.ROOT_CONTEXT;
    const within =
      parent === undefined
        ? root
        : api.trace.setSpanContext(root, {
            traceId,
            spanId: idsOf(parent)[1],
            traceFlags: api.TraceFlags.SAMPLED,
            isRemote: kind === 'server',
          });
    const span = tracer.startSpan(name, { kind: kinds[kind], startTime: hrTime(beganMs), attributes: { ...attributes } }, within);
    if (errorCode !== undefined) {
      span.setAttribute('error.type', errorCode);
      if (kind === 'server') span.setAttribute(parent === undefined ? 'db.response.status_code' : 'rpc.response.status_code', errorCode);
      span.setStatus({ code: api.SpanStatusCode.ERROR });
    }
    span.end(hrTime(endedMs));
  };
  port.on('message', (spans: readonly FinishedSpan[] | 'end') => {
    if (spans === 'end') {
      void sdk
        .shutdown()
        .catch(complain)
        .then(() => port.close());
      return;
    }
    for (const span of spans) make(span);
    say({ taken: true });
  });
}

function idsOf(context: Uint8Array): [traceId: string, spanId: string] {
  const hex = Buffer.from(context).toString('hex');
  return [hex.slice(0, 32), hex.slice(32)];
}

function hrTime(unixMs: number): [seconds: number, nanoseconds: number] {
  const seconds = Math.floor(unixMs / 1000);
  return [seconds, Math.floor((unixMs - seconds * 1000) * 1e6)];
}

if (parentPort !== null) begin(parentPort, workerData as ThreadResource);
