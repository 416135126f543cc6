/** Builds a node on the real machine: data directory, clock, network, listener. The one place where the seams get their real ends. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RepairPlan } from '../cluster/anti-entropy.js';
import { FailedCommands } from '../cluster/failed-commands.js';
import { Node } from '../cluster/node.js';
import { conflictFigures, conflictReport } from '../cluster/conflict-report.js';
import { keyVersions, type ElementName } from '../cluster/key-versions.js';
import type { Readiness } from '../cluster/readiness.js';
import { DataDirectory, nextLife } from '../storage/data-directory.js';
import { StorageError } from '../storage/engine.js';
import { Store } from '../storage/store.js';
import { AclLog } from './acl/acl-log.js';
import type { StartedNode } from './cli/run-command-line.js';
import { ClientGate } from './client-gate.js';
import { CommandLookup } from './command-lookup.js';
import { CommandTimings } from './command-timings.js';
import { allRows } from './commands/all.js';
import { directiveKeys, directiveOf, type Configuration } from './config/directives.js';
import { environmentWarnings } from './config/environment.js';
import { warningsOf } from './config/load-configuration.js';
import { RunningConfiguration } from './config/running-configuration.js';
import type { Connection } from './connection.js';
import { Dispatcher } from './dispatcher.js';
import { HashingPool } from './hashing-pool.js';
import { DiskGuard } from './disk-guard.js';
import { drain } from './drain.js';
import { eventLogOf } from './event-log.js';
import { Listener } from './listener.js';
import type { LocalContext } from './local-context.js';
import { createLog, setLogLevel } from './log.js';
import { HttpListener } from './probes/http-listener.js';
import { probeRoutes, type ProbedNode } from './probes/probes.js';
import { LatencyMonitor } from './latency-monitor.js';
import { nodeControl } from './node-control.js';
import { aclFileAt, nodeUsers, usersOfFiles } from './node-users.js';
import { sampleMs } from './rate-meter.js';
import { clientTls, peerTls, provingTransport } from './secured-connections.js';
import { SlowLog } from './slow-log.js';
import type { ServerState } from './server-state.js';
import { Statistics } from './statistics.js';
import { systemClock, systemRandom, unixMicroseconds } from './system-clock.js';
import { TcpTransport } from './tcp-transport.js';
import { TlsFiles } from './tls-files.js';
import { Telemetry } from './telemetry/telemetry.js';
import { Traces } from './telemetry/traces.js';
import { TurnBudget } from './turn-budget.js';

/** Redis' limit on inline commands and header lines. */
const inlineBytesMax = 64 * 1024;
const multibulkMax = 1024 * 1024;

/** Which start of the operating system this is; empty where it cannot be told. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** What the probes see of a node that starts, from before its log is replayed. */
class Progress implements ProbedNode {
  storageOpen = false;
  listening = false;
  node: Node | undefined = undefined;

  get readiness(): Readiness | undefined {
    return this.node?.readiness();
  }
}

/** Resolves when the node listens. Rejects with StorageError or the system's error. */
export async function startNode(configuration: Configuration, version: string, file?: string): Promise<StartedNode> {
  const progress = new Progress();
  // Before anything that takes time: a node that replays a long log is alive, and says so.
  const telemetry = new Telemetry({
    nodeId: configuration.nodeId,
    clusterName: configuration.clusterName,
    torcVersion: version,
    directory: configuration.directory,
    monotonicMs: () => systemClock.monotonicMs(),
    startedAtMs: performance.timeOrigin,
  });
  const routes = new Map([...probeRoutes(progress), ['/metrics', telemetry.scrape] as const]);
  const http = await HttpListener.open(configuration.bind, configuration.httpPort, routes);
  try {
    return await startServing(configuration, version, file, progress, http, telemetry);
  } catch (error) {
    http.close();
    await telemetry.close();
    throw error;
  }
}

async function startServing(
  configuration: Configuration,
  version: string,
  file: string | undefined,
  progress: Progress,
  http: HttpListener,
  telemetry: Telemetry,
): Promise<StartedNode> {
  const fromFiles = usersOfFiles(configuration);
  const running = new RunningConfiguration(configuration, file);
  const log = createLog(configuration);
  running.onChange('logLevel', ({ logLevel }) => setLogLevel(log, logLevel));
  const warn = (warnings: readonly string[]): void => warnings.forEach((warning) => log.warning({ event: 'configuration' }, warning));
  warn([...environmentWarnings(process.env), ...warningsOf(configuration)]);
  for (const key of directiveKeys) {
    running.onChange(key, (changed) => {
      const { name, type, isSecret } = directiveOf(key);
      const value = isSecret === true ? '(redacted)' : type.format(changed[key]);
      log.notice({ event: 'config-set', directive: name, value }, `CONFIG SET ${name} ${value}`);
    });
  }
  for (const key of ['writeQuorum', 'readQuorum'] as const) running.onChange(key, (changed) => warn(warningsOf(changed)));
  const tls = configuration.tlsCluster || configuration.tlsPort !== 0 ? new TlsFiles(running, log) : undefined;
  let rejectAll: (error: Error) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => (rejectAll = reject));
  const fail = (error: Error): void => {
    log.warning({ event: 'failed', cause: error.cause instanceof Error ? error.cause.message : '' }, error.message);
    rejectAll(error);
  };
  failure.catch(() => undefined); // whoever awaits it is told; nobody has to
  let askToStop: (how: 'now' | 'in order') => void = () => undefined;
  const stopAsked = new Promise<'now' | 'in order'>((resolve) => (askToStop = resolve));

  const directory = await DataDirectory.open(configuration.directory);
  const { previous } = directory;
  if (previous !== undefined && previous.nodeId !== configuration.nodeId) {
    await directory.close();
    throw new StorageError('DAMAGED', `${configuration.directory} belongs to node-id '${previous.nodeId}', not '${configuration.nodeId}'`);
  }
  let store: Store;
  let transport: TcpTransport;
  try {
    store = await Store.open({
      engine: directory.engine,
      logFiles: directory.logFiles,
      clock: systemClock,
      durability: configuration.durability,
      cacheBytesMax: configuration.cacheBytesMax,
      writeBacklogMax: configuration.writeBacklogMax,
      hashSeed: systemRandom.integer(2 ** 32),
      onFailure: fail,
    });
    progress.storageOpen = true;
    transport = await TcpTransport.bind(
      configuration.bind,
      configuration.peerPort,
      tls !== undefined && configuration.tlsCluster ? peerTls(tls, log) : undefined,
    );
  } catch (error) {
    await directory.close();
    throw error;
  }
  const record = { nodeId: configuration.nodeId, bootId: bootId(), durability: configuration.durability };
  // Under the same system a written tail cannot be lost, and after a clean stop none can be torn: what was cut off may have been acknowledged.
  const tailWasWhole = previous !== undefined && (previous.cleanStop || (record.bootId !== '' && record.bootId === previous.bootId));
  const begun = nextLife({ previous, bootId: record.bootId, logDamaged: tailWasWhole && store.tornBytes > 0 });
  const life = Math.max(begun.life, Number(store.fact('life')?.toString() ?? 0));
  const doubtful = begun.reason === 'writes may be lost' || begun.reason === 'log damaged';
  await directory.write({ ...record, life, cleanStop: false });

  const traces = new Traces({
    nodeId: configuration.nodeId,
    clusterName: configuration.clusterName,
    version,
    startedAtMs: performance.timeOrigin,
    endpoint: configuration.tracingEndpoint,
    rate: () => running.current.tracingSampleRate,
    chance: () => systemRandom.integer(2 ** 32) / 2 ** 32,
    nowMs: () => unixMicroseconds() / 1000,
    problem: (text) => log.warning({ event: 'traces', endpoint: configuration.tracingEndpoint }, `traces: ${text}`),
  });
  running.onChange('tracingSampleRate', () => traces.rateChanged());
  const eventLog = eventLogOf(log, () => systemClock.monotonicMs());
  const hasher = new HashingPool(fail);
  const failed = new FailedCommands(eventLog);
  const lookup = new CommandLookup(allRows);
  const dispatcher: Dispatcher = new Dispatcher({
    lookup,
    partitions: () => node.view.partitions,
    submit: (call) => node.router.submit(call),
    wholePartitionDeadlineMs: () => node.wholePartitionDeadlineMs(),
    nextTurn: setImmediate,
    failed,
  });
  const node = new Node({
    description: {
      nodeId: configuration.nodeId,
      host: configuration.announceHost,
      clientPort: configuration.announcePort,
      peerPort: configuration.peerPort,
      zone: configuration.zone,
      hostLabel: configuration.host,
    },
    clusterName: configuration.clusterName,
    initialNodes: configuration.initialNodes,
    seeds: configuration.seeds,
    partitions: configuration.partitions,
    replicas: configuration.replicas,
    get writeQuorum() {
      return running.current.writeQuorum;
    },
    get readQuorum() {
      return running.current.readQuorum;
    },
    get sloppyQuorum() {
      return running.current.sloppyQuorum;
    },
    get hintAgeMaxMs() {
      return running.current.hintAgeMaxSeconds * 1000;
    },
    get readFrom() {
      return running.current.readFrom;
    },
    get gossipIntervalMs() {
      return running.current.gossipIntervalMs;
    },
    get phiThreshold() {
      return running.current.phiThreshold;
    },
    get suspicionTimeoutMs() {
      return running.current.suspicionTimeoutMs;
    },
    get peerTimeoutMs() {
      return running.current.peerTimeoutMs;
    },
    get stringBytesMax() {
      return running.current.bulkBytesMax;
    },
    get sparseBytesMax() {
      return running.current.hyperLogLogSparseBytesMax;
    },
    get repairBytesPerSecond() {
      return running.current.repairBytesPerSecond;
    },
    get repairIntervalMs() {
      return 1000 * running.current.repairIntervalSeconds;
    },
    get fullRepairIntervalMs() {
      return 1000 * running.current.fullRepairIntervalSeconds;
    },
    hintBytesMax: configuration.hintBytesMax,
    life,
    doubtful,
    incarnation: randomInt(2 ** 47),
    store,
    hasher,
    transport: provingTransport(transport, configuration, eventLog),
    clock: systemClock,
    random: systemRandom,
    decoder: dispatcher,
    log: eventLog,
    tracer: traces,
    onFailure: fail,
  });

  progress.node = node;
  running.onChange('writeQuorum', () => node.quorumsChanged());
  running.onChange('readQuorum', () => node.quorumsChanged());

  const statistics = new Statistics(systemClock.wallMs(), {
    monotonicMs: () => systemClock.monotonicMs(),
    expiredKeys: () => Number(new Map(node.statistics()).get('expired_keys') ?? 0),
    section: (name) => {
      if (name === 'persistence') return [['aof_last_write_status', store.trouble.reason === undefined ? 'ok' : 'err']];
      return name === 'torc' ? [...node.statistics(), ...Object.entries(store.statistics()), ...conflictFigures(store.conflicts)] : [];
    },
  });
  const aclLog = new AclLog({ nowMs: () => systemClock.wallMs(), entriesMax: () => running.current.aclLogEntriesMax });
  const slowLog = new SlowLog({
    nowMs: () => systemClock.wallMs(),
    slowerThanMicroseconds: () => running.current.slowlogMicroseconds,
    entriesMax: () => running.current.slowlogEntriesMax,
  });
  const latency = new LatencyMonitor({ nowMs: () => systemClock.wallMs(), thresholdMs: () => running.current.latencyThresholdMs });
  const gate = new ClientGate({ monotonicMs: () => systemClock.monotonicMs(), unixMicroseconds });
  let listener: Listener | undefined;
  const users = nodeUsers(fromFiles, { running, records: node.systemRecords, gate, connections: () => listener?.clients() ?? [], log });
  const shared = {
    clients: () => listener?.clients() ?? [],
    cluster: node.view,
    configuration: running,
    statistics,
    slowLog,
    latency,
    users,
    aclLog,
    aclFile: aclFileAt(configuration.aclFile),
    node: nodeControl({ node, store, gate, shutDown: (how) => askToStop(how) }),
    torcVersion: version,
    drain: () => askToStop('in order'),
    versionsOf: (key: Buffer, of?: ElementName) => keyVersions(node, key, of),
    conflicts: (count: number) => conflictReport(store.conflicts, node.membership.configuration, count),
    repair: (plan: RepairPlan) => node.repair(plan),
  };
  const state: ServerState<Connection> = {
    lookup,
    dispatcher,
    statistics,
    failed,
    submit: node.router.submit,
    newSession: () => node.router.newSession(),
    gate,
    budget: new TurnBudget(
      (callback) => systemClock.atTurnEnd(callback),
      () => systemClock.monotonicMs(),
    ),
    timings: new CommandTimings({
      slowLog,
      latency,
      monotonicMs: () => systemClock.monotonicMs(),
      flushAtEnd: (target) => node.turn.flushAtEnd(target),
    }),
    nowMs: () => systemClock.wallMs(),
    arrivalMs: () => node.turn.nowMs,
    commandTimeoutMs: () => running.current.peerTimeoutMs,
    traces,
    users,
    aclLog,
    requestLimits: {
      multibulkMax,
      inlineBytesMax,
      get bulkBytesMax() {
        return running.current.bulkBytesMax;
      },
      get queryBufferBytesMax() {
        return running.current.queryBufferBytesMax;
      },
    },
    outputLimit: () => running.current.outputBufferLimits.normal,
    contextOf: (connection: Connection): LocalContext => ({
      ...shared,
      client: connection,
      get nowMs() {
        return store.hybridClock.nowMs();
      },
      get unixMicroseconds() {
        return Math.max(unixMicroseconds(), store.hybridClock.nowMs() * 1000);
      },
      ask: (args) => dispatcher.ask(args, connection),
      atPartition: (partition, args) => new Promise((resolve) => dispatcher.atPartition(partition, args, connection, resolve)),
    }),
    inputTaken: () => node.turn.inputTaken(),
    flushAtEnd: (connection) => node.turn.flushAtEnd(connection),
    closed: (connection) => listener?.forget(connection),
    outputLimitReached: (connection) => {
      statistics.outputLimitDisconnections++;
      log.warning(
        { event: 'client-cut', client: connection.address },
        `client ${connection.address} does not take its replies: closed at client-output-buffer-limit`,
      );
    },
  };
  try {
    listener = await Listener.open(
      {
        addresses: configuration.bind,
        port: configuration.port,
        tls: tls === undefined || configuration.tlsPort === 0 ? undefined : clientTls(tls, configuration, log),
        backlog: configuration.tcpBacklog,
        clientsMax: () => running.current.clientsMax,
        idleTimeoutSeconds: () => running.current.idleTimeoutSeconds,
        keepaliveSeconds: () => running.current.tcpKeepaliveSeconds,
        isProtected: () => running.current.protectedMode && users.default.isOpen,
      },
      state,
    );
  } catch (error) {
    transport.close();
    await store.close();
    throw error;
  }
  progress.listening = true;
  const clients = listener;
  telemetry.attach({
    node,
    store,
    statistics,
    connections: () => clients.size,
    clientsMax: () => running.current.clientsMax,
    cacheBytesMax: configuration.cacheBytesMax,
    engineFigure: (name) => directory.engine.figure(`rocksdb.${name}`),
  });
  const disk = new DiskGuard({
    directory: configuration.directory,
    freeBytesMin: () => running.current.freeBytesMin,
    changed: (full, freeBytes) => {
      node.disk.setFull(full);
      if (full)
        log.warning(
          { event: 'disk-full', freeBytes },
          `${freeBytes} bytes are left on the disk, less than min-free-space: no writes are taken`,
        );
      else log.notice({ event: 'disk-has-room', freeBytes }, `${freeBytes} bytes are left on the disk: writes are taken again`);
    },
  });
  const sampling = setInterval(() => statistics.sample(), sampleMs).unref();
  log.notice(
    {
      event: 'started',
      version,
      life,
      reason: begun.reason,
      tornBytes: store.tornBytes,
      port: configuration.port,
      tlsPort: configuration.tlsPort,
    },
    `life ${life} (${begun.reason}), ${store.tornBytes} bytes cut off the log's tail`,
  );
  node.start();
  const close = async (): Promise<void> => {
    disk.close();
    node.close();
    await hasher.close();
    transport.close();
    await store.close();
    await directory.write({ ...record, life, cleanStop: true });
    log.notice({ event: 'stopped' }, 'stopped: log and storage are closed');
    http.close();
    await traces.close();
    await telemetry.close();
  };
  return {
    ready: node.presence.ready(),
    failure,
    stopAsked,
    stop: (how) => {
      log.notice({ event: 'stopping', how }, 'stopping: not ready any more, and what this node coordinates goes to others');
      clearInterval(sampling);
      gate.unpause();
      const { drainWaitSeconds, shutdownTimeoutSeconds } = running.current;
      return drain(
        {
          handOver: () => (how === 'now' ? Promise.resolve() : node.presence.stepAside()),
          finishClients: (limitMs) => clients.finish(limitMs),
          settle: (limitMs) => node.presence.settle(limitMs),
          close,
        },
        { waitSeconds: how === 'now' ? 0 : drainWaitSeconds, timeoutSeconds: shutdownTimeoutSeconds },
      );
    },
  };
}
