/**
 * The one line that a node prints on standard output, when it serves clients. Whoever starts nodes (`torc cluster`, tests, the benchmark) waits
 * for it instead of for time to pass.
 */
export interface ReadyNode {
  readonly nodeId: string;
  /** Where clients connect. */
  readonly host: string;
  readonly port: number;
}

/** `torc: node1 ready on 127.0.0.1:6379`, without a line break. */
export function readyLine(node: ReadyNode): string {
  return `torc: ${node.nodeId} ready on ${node.host}:${node.port}`;
}

/** Undefined for every other line. */
export function parseReadyLine(line: string): ReadyNode | undefined {
  const match = /^torc: (\S+) ready on (\S+):(\d+)$/.exec(line);
  return match === null ? undefined : { nodeId: match[1] ?? '', host: match[2] ?? '', port: Number(match[3]) };
}
