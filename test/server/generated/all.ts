/** Every generated command by the name of its row, and what the generated ones have covered. */
import fc from '../../harness/properties.js';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import type { CommandRow } from '../../../server/command-table.js';
import { allRows } from '../../../server/commands/all.js';
import { bitmapFamily } from './bitmaps.js';
import { hashFamily, setFamily } from './collections.js';
import { geoFamily } from './geo.js';
import { hashExpiryFamily } from './hash-expiry.js';
import { hyperLogLogFamily } from './hyperloglogs.js';
import { keyFamily, keyspaceFamily } from './keys.js';
import { listFamily } from './lists.js';
import { sortedSetFamily } from './sorted-sets.js';
import { sortFamily } from './sort.js';
import { streamFamily } from './streams.js';
import { stringFamily } from './strings.js';
import { value, type Family, type Keys, type Words } from './words.js';

export function everyFamily(keys: Keys): Family {
  return {
    ...stringFamily(keys),
    ...bitmapFamily(keys),
    ...hyperLogLogFamily(keys),
    ...hashFamily(keys),
    ...setFamily(keys),
    ...sortedSetFamily(keys),
    ...listFamily(keys),
    ...streamFamily(keys),
    ...geoFamily(keys),
    ...hashExpiryFamily(),
    ...sortFamily(keys),
    ...keyFamily(keys),
    ...keyspaceFamily(),
  };
}

/** One family after the other, each as often. */
export function anyCommand(family: Family): fc.Arbitrary<Words> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.oneof(...Object.values(family)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom(
            'GET',
            'SET',
            'MGET',
            'MSET',
            'INCRBY',
            'DEL',
            'EXPIRE',
            'GETEX',
            'SETRANGE',
            'OBJECT',
            'RESTORE',
            'HSET',
            'HRANDFIELD',
            'SADD',
            'SPOP',
            'SINTERCARD',
            'HSCAN',
            'LPOP',
            'LPOS',
            'LINSERT',
            'LMPOP',
            'GEOADD',
            'XADD',
            'XRANGE',
            'XREAD',
            'GEODIST',
            'nonsense',
            'NON SENSE',
          ),
          fc.array(value, { maxLength: 3 }),
        )
        .map(([name, values]): Words => [name, ...values]),
    },
  );
}

/** `each` commands of each row, the same ones each time. */
export function samplesOfEach(family: Family, seed: number, each: number): readonly (readonly Words[])[] {
  return Object.values(family).map((commands, i) => fc.sample(commands, { seed: seed + i, numRuns: each }));
}

const lookup = new CommandLookup(allRows);
const subcommandsOf = (row: CommandRow): readonly CommandRow[] =>
  row.scope === 'local' && row.subcommands ? [...row.subcommands.values()] : [];
const rowsOnKeys = allRows.flatMap((row) => [row, ...subcommandsOf(row)]).filter(({ scope }) => scope === 'keys' || scope === 'keyspace');
const tokensOf = (row: CommandRow): readonly string[] => [...new Set(row.docs.syntax.match(/\b[A-Z]{2,}\b/g) ?? [])];

/** How often each row on keys was asked, and each of its options in a command that was not refused. */
export class Coverage {
  private readonly rows = new Map<string, { asked: number; refused: number; readonly options: Map<string, number> }>();

  note(command: Words, isError: boolean): void {
    const row = lookup.resolve(command.map((word) => Buffer.from(word)));
    if (row instanceof ErrorReply) return;
    let counts = this.rows.get(row.name);
    if (counts === undefined) this.rows.set(row.name, (counts = { asked: 0, refused: 0, options: new Map() }));
    counts.asked++;
    if (isError) {
      counts.refused++;
      return;
    }
    for (const token of tokensOf(row))
      if (command.slice(1).some((word) => String(word).toUpperCase() === token))
        counts.options.set(token, (counts.options.get(token) ?? 0) + 1);
  }

  /** A line a row: asked, refused, options. */
  get table(): string {
    return rowsOnKeys
      .map((row) => {
        const counts = this.rows.get(row.name);
        const options = tokensOf(row).map((token) => `${token} ${counts?.options.get(token) ?? 0}`);
        return `${row.name.padEnd(16)} ${String(counts?.asked ?? 0).padStart(6)} asked ${String(counts?.refused ?? 0).padStart(6)} refused  ${options.join(', ')}`;
      })
      .join('\n');
  }

  /** Rows that nothing asked or that always refused, and options that no accepted command had. */
  get missing(): readonly string[] {
    return rowsOnKeys.flatMap((row) => {
      const counts = this.rows.get(row.name);
      if (counts === undefined || counts.asked === counts.refused) return [row.name];
      return tokensOf(row)
        .filter((token) => !counts.options.has(token))
        .map((token) => `${row.name} ${token}`);
    });
  }
}
