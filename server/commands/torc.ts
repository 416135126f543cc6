/** TORC: what Redis has no command for. Where a key lives, what its replicas hold of it, how many of them must answer, how the node is. */
import { slotOf } from '../../protocol/slot.js';
import type { RepairPlan } from '../../cluster/anti-entropy.js';
import type { ReportedConflict } from '../../cluster/conflict-report.js';
import type { ElementName } from '../../cluster/key-versions.js';
import type { NodeHealth } from '../../cluster/node-health.js';
import type { MemberView } from '../../cluster/view.js';
import { ErrorReply, MapReply, ok, StatusReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { isToken, parseIntegerWithin } from './arguments.js';
import { wrongArity } from './errors.js';
import { container, docsOf, firstIsKey, noKeys } from './row.js';

const docs = docsOf('torc');
/** By TORC CONFLICTS without a number. */
const conflictsShown = 16;
const since = '0.1.0';

const memberReply = (member: MemberView): (readonly [Reply, Reply])[] => [
  ['name', member.name],
  ['id', member.id],
  ['address', `${member.host}:${member.clientPort}`],
  ['zone', member.zone],
  ['host', member.hostLabel],
  ['reachable', member.reachable ? 'yes' : 'no'],
];

/** The key's slot and partition, and its home replicas in preference order; the first reachable one coordinates. */
function preferenceList({ cluster }: LocalContext, args: readonly Buffer[]): Reply {
  const slot = slotOf(args[2] as Buffer);
  const partition = cluster.partitionOfSlot(slot);
  const members = cluster.preferenceList(partition);
  const coordinator = members.find((member) => member.reachable);
  return new MapReply([
    ['slot', slot],
    ['partition', partition],
    [
      'replicas',
      members.map((member) => new MapReply([...memberReply(member), ['role', member === coordinator ? 'coordinator' : 'replica']])),
    ],
  ]);
}

/** What each home replica holds of the key's record, or of an element's. */
async function version({ versionsOf, ask }: LocalContext, args: readonly Buffer[]): Promise<Reply> {
  const [, , key, element] = args as readonly [Buffer, Buffer, Buffer, Buffer | undefined];
  if (args.length > 4) return wrongArity('torc|version');
  let of: ElementName | undefined;
  if (element !== undefined) {
    const answer = await ask([Buffer.from('TYPE'), key]);
    if (answer instanceof ErrorReply) return answer;
    const type = answer instanceof StatusReply ? answer.text : '';
    if (type !== 'hash' && type !== 'set' && type !== 'zset')
      return new ErrorReply('ERR TORC VERSION names elements of hashes, sets and sorted sets');
    of = { type, element };
  }
  const versions = await versionsOf(key, of);
  return versions.map(({ member, context, values, equal, error }) => {
    const entries: (readonly [Reply, Reply])[] = [['member', member]];
    if (error === undefined) entries.push(['context', context], ['values', values], ['equal', equal ? 'yes' : 'no']);
    else entries.push(['error', error]);
    return new MapReply(entries);
  });
}

/** TORC CONFLICTS [count]: what this node met of values written without one having seen the other, and what became of it. */
function conflicts({ conflicts: newest }: LocalContext, args: readonly Buffer[]): Reply {
  const [, , count] = args;
  if (args.length > 3) return wrongArity('torc|conflicts');
  const wanted = count === undefined ? conflictsShown : parseIntegerWithin(count, 0, Number.MAX_SAFE_INTEGER);
  if (wanted === undefined) return new ErrorReply('ERR TORC CONFLICTS takes how many are to be shown');
  const { counts, open, conflicts: shown } = newest(wanted);
  return new MapReply([
    ['counts', new MapReply(Object.entries(counts))],
    ['open', open],
    ['conflicts', shown.map(conflictReply)],
  ]);
}

const conflictReply = ({ key, field, partition, type, metAtMs, coveredAtMs, rule, shown, versions }: ReportedConflict): Reply =>
  new MapReply([
    ['key', key],
    ...(field === undefined ? [] : [['field', field] as const]),
    ['partition', partition],
    ['type', type],
    ['met-at-ms', metAtMs],
    ['covered-at-ms', coveredAtMs ?? null],
    ['rule', rule],
    ['shown', shown],
    [
      'versions',
      versions.map(
        ({ node, counter, term, value, shown: isShown }) =>
          new MapReply([
            ['node', node],
            ['counter', counter],
            ['term', term],
            ['value', value],
            ['shown', isShown ? 'yes' : 'no'],
          ]),
      ),
    ],
  ]);

/** TORC QUORUM: W and R of this connection. TORC QUORUM w r sets them, TORC QUORUM DEFAULT goes back to the node's. */
function quorum({ client, cluster }: LocalContext, args: readonly Buffer[]): Reply {
  const [, , first, second] = args;
  if (first === undefined) return [client.writeQuorum ?? cluster.writeQuorum, client.readQuorum ?? cluster.readQuorum];
  if (args.length === 3 && isToken(first, 'DEFAULT')) {
    client.writeQuorum = undefined;
    client.readQuorum = undefined;
    return ok;
  }
  if (second === undefined || args.length > 4) return wrongArity('torc|quorum');
  const write = parseIntegerWithin(first, 1, cluster.replicas);
  const read = parseIntegerWithin(second, 1, cluster.replicas);
  if (write === undefined || read === undefined)
    return new ErrorReply(`ERR a quorum is a number from 1 to ${cluster.replicas}, the number of replicas`);
  client.writeQuorum = write;
  client.readQuorum = read;
  return ok;
}

/** TORC REPAIR: compares this node's records with the other replicas of its partitions. It begins now; TORC STATUS tells how far it is. */
function repair({ cluster, repair: begin }: LocalContext, args: readonly Buffer[]): Reply {
  const [, , what] = args;
  if (args.length > 3) return wrongArity('torc|repair');
  let plan: RepairPlan = { kind: 'asked', anew: false };
  if (what !== undefined) {
    const isFull = isToken(what, 'FULL');
    const partition = isFull ? undefined : parseIntegerWithin(what, 0, cluster.partitions - 1);
    if (!isFull && partition === undefined)
      return new ErrorReply(`ERR TORC REPAIR takes FULL or a partition from 0 to ${cluster.partitions - 1}`);
    plan = { kind: 'asked', anew: true, partition };
  }
  const begun = begin(plan);
  if (begun === 'under way') return new ErrorReply('BUSY a repair is under way: TORC STATUS tells how far it is');
  if (begun === 'no peer')
    return new ErrorReply('ERR no other replica of what is to be repaired can be reached, or it is being rebuilt here');
  return new StatusReply(`comparing ${begun} replicas of partitions; TORC STATUS tells how far it is`);
}

/** Of a node of which nothing was heard yet there is nothing to tell. */
const healthReply = ({ status, phi, incarnation, heartbeat, load, silentMs }: NodeHealth): (readonly [Reply, Reply])[] => [
  ['status', status],
  ['phi', phi.toFixed(2)],
  ['incarnation', incarnation],
  ['heartbeat', heartbeat],
  ['load', load],
  ['last-heard-ms', silentMs === undefined ? null : Math.round(silentMs)],
];

function status({ cluster, statistics, torcVersion }: LocalContext): Reply {
  const health = cluster.health();
  const members = cluster.members().map((member) => {
    const known = health.find(({ name }) => name === member.name);
    return new MapReply([...memberReply(member), ['self', member.self ? 'yes' : 'no'], ...(known === undefined ? [] : healthReply(known))]);
  });
  const others = health
    .filter(({ member, self }) => !member && !self)
    .map((known) => new MapReply([['name', known.name], ['address', known.address], ['zone', known.zone], ...healthReply(known)]));
  return new MapReply([
    ['version', torcVersion],
    ['cluster', cluster.clusterName],
    ['node', cluster.self.name],
    ['ready', cluster.ready ? 'yes' : 'no'],
    ['configuration', cluster.configurationNumber],
    ['partitions', cluster.partitions],
    ['replicas', cluster.replicas],
    ['write-quorum', cluster.writeQuorum],
    ['read-quorum', cluster.readQuorum],
    ['members', members],
    ['others', others],
    ['figures', new MapReply(statistics.section('torc'))],
  ]);
}

/** Answered before anything is stopped. */
function drain({ drain: begin }: LocalContext): Reply {
  begin();
  return ok;
}

const usual: readonly CommandFlag[] = ['noscript', 'loading', 'stale'];

function row(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run'], keys = noKeys): LocalRow {
  return { scope: 'local', name: `torc|${name}`, arity, flags: usual, keys, categories: ['slow'], docs: rowDocs, run };
}

/** What shows keys and values of anybody, or puts work on every node, is for those who administer. */
const forAdmins = (of: LocalRow): LocalRow => ({ ...of, flags: ['admin', ...usual], categories: ['admin', 'slow', 'dangerous'] });

/** The key stands after the subcommand. */
const secondIsKey = { ...firstIsKey, first: 2, last: 2 };

const help = [
  'PREFLIST <key>',
  '    Return the slot, the partition and the home replicas of <key>, in preference order.',
  'VERSION <key> [<element>]',
  '    Return what each home replica holds of the record of <key>, or of a field or member of it.',
  'CONFLICTS [<count>]',
  '    Return the newest <count> conflicts that this node met (16 unless told), and counts of all by type.',
  'QUORUM [<w> <r> | DEFAULT]',
  '    Return or set how many replicas must answer the writes and the reads of this connection.',
  'REPAIR [FULL | <partition>]',
  '    Begin to compare records with the other replicas and to repair what differs: by digests kept, or all read anew.',
  'STATUS',
  '    Return how the cluster looks from this node.',
  'DRAIN',
  '    Stop this node as SIGTERM does: it says that it is not ready, hands over what it coordinates, answers what it was asked, and ends.',
];

export const torcRows: readonly LocalRow[] = [
  container(
    {
      name: 'torc',
      helpSince: since,
      categories: ['slow'],
      docs: docs(since, 'Depends on subcommand.', "A container for Torc's own commands."),
    },
    help,
    [
      row('preflist', 3, docs(since, 'O(1)', 'Returns the home replicas of a key.', 'key'), preferenceList, secondIsKey),
      row(
        'version',
        -3,
        docs(
          since,
          'O(N) where N is the number of replicas.',
          "Returns each home replica's version of a key, or of an element of it.",
          'key [element]',
        ),
        version,
        secondIsKey,
      ),
      forAdmins(
        row(
          'conflicts',
          -2,
          docs(since, 'O(N) where N is the number of conflicts shown.', 'Returns conflicts that the node met.', '[count]'),
          conflicts,
        ),
      ),
      row('quorum', -2, docs(since, 'O(1)', 'Returns or sets the quorums of the connection.', '[w r | DEFAULT]'), quorum),
      forAdmins(
        row(
          'repair',
          -2,
          docs(since, 'O(N) where N is the number of records to read.', 'Compares and repairs replicas.', '[FULL | partition]'),
          repair,
        ),
      ),
      row('status', 2, docs(since, 'O(N) where N is the number of members.', 'Returns how the cluster looks from this node.'), status),
      forAdmins(row('drain', 2, docs(since, 'O(1)', 'Stops the node once it has handed over what it coordinates.'), drain)),
    ],
  ),
];
