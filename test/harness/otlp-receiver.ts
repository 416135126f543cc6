/** A receiver of traces: OTLP over HTTP in its binary form, decoded by the field numbers of opentelemetry/proto/trace/v1/trace.proto. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';

const request = protobuf
  .parse(
    `syntax = "proto3";
    message Request { repeated ResourceSpans resource_spans = 1; }
    message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
    message Resource { repeated KeyValue attributes = 1; }
    message ScopeSpans { repeated Span spans = 2; }
    message Span {
      bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
      fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
    }
    message Status { string message = 2; int32 code = 3; }
    message KeyValue { string key = 1; AnyValue value = 2; }
    message AnyValue { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; }`,
  )
  .root.lookupType('Request');

interface DecodedSpan {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId?: Buffer;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly DecodedAttribute[];
  readonly status?: { readonly code?: number };
}

interface DecodedAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string; readonly doubleValue?: number };
}

interface DecodedRequest {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes: readonly DecodedAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly DecodedSpan[] }[];
  }[];
}

export interface ReceivedSpan {
  readonly trace: string;
  readonly id: string;
  /** Empty for the first of a trace. */
  readonly parent: string;
  readonly name: string;
  /** 1 internal, 2 server. */
  readonly kind: number;
  readonly node: string;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly isError: boolean;
  readonly attributes: ReadonlyMap<string, string>;
}

const attributesOf = (all: readonly DecodedAttribute[] = []): Map<string, string> =>
  new Map(all.map(({ key, value }) => [key, String(value.stringValue ?? value.intValue ?? value.doubleValue)]));

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly bodies: Buffer[] = [];
  readonly wrong: string[] = [];
  private readonly unanswered: ServerResponse[] = [];

  private constructor(private readonly server: Server) {}

  /** With `answers` false it takes everything and never answers. */
  static async open(answers = true): Promise<OtlpReceiver> {
    const server = createServer((asked, response) => {
      const chunks: Buffer[] = [];
      asked.on('data', (chunk: Buffer) => chunks.push(chunk));
      asked.on('end', () => {
        if (asked.url !== '/v1/traces' || asked.headers['content-type'] !== 'application/x-protobuf')
          receiver.wrong.push(`${asked.url} ${asked.headers['content-type']}`);
        receiver.take(Buffer.concat(chunks));
        if (answers) response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
        else receiver.unanswered.push(response);
      });
    });
    const receiver = new OtlpReceiver(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private take(body: Buffer): void {
    this.bodies.push(body);
    const { resourceSpans = [] } = request.toObject(request.decode(body), { longs: String, bytes: Buffer }) as DecodedRequest;
    for (const { resource, scopeSpans } of resourceSpans) {
      const node = attributesOf(resource.attributes).get('service.instance.id') ?? '';
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          this.spans.push({
            trace: span.traceId.toString('hex'),
            id: span.spanId.toString('hex'),
            parent: span.parentSpanId?.toString('hex') ?? '',
            name: span.name,
            kind: span.kind,
            node,
            beganMs: Number(span.startTimeUnixNano) / 1e6,
            endedMs: Number(span.endTimeUnixNano) / 1e6,
            isError: span.status?.code === 2,
            attributes: attributesOf(span.attributes),
          });
        }
      }
    }
  }
}
