/**
 * Inline commands: a line of words instead of an array of bulks, for people at a telnet prompt and for load balancers' probes.
 *
 * The quoting rules are those of Redis' sdssplitargs (sds.c), its oddities included:
 *   - words are parted by space, tab, CR, LF or NUL; a vertical tab or form feed is skipped before a word, but belongs to it inside;
 *   - "..." knows \n \r \t \b \a, \xHH and \ before any other byte; '...' knows only \';
 *   - a quote may open inside a word, but a closing quote must be followed by white space or by the end of the line.
 */

const space = 0x20;
const quote = 0x22;
const apostrophe = 0x27;
const backslash = 0x5c;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * The words of `line`, which may end in LF or CR LF. Null when its quotes are unbalanced. The words are owned copies.
 * A NUL ends the line: Redis cannot see behind one either.
 */
export function splitInlineArguments(line: Buffer): Buffer[] | null {
  const nul = line.indexOf(0);
  const end = nul < 0 ? line.length : nul;
  // Unquoting never lengthens a word, so one allocation holds them all.
  const unquoted = Buffer.allocUnsafe(end);
  const words: Buffer[] = [];
  let used = 0;
  let at = 0;
  for (;;) {
    while (at < end && isSpace(line[at] as number)) at++;
    if (at >= end) return words;
    const start = used;
    let open = 0;
    for (; at < end; at++) {
      const byte = line[at] as number;
      if (open !== 0 && byte === open) {
        if (at + 1 < end && !isSpace(line[at + 1] as number)) return null;
        open = 0;
        at++;
        break;
      } else if (open === quote && byte === backslash && at + 1 < end) {
        const value = line[at + 1] === 0x78 && at + 3 < end ? hexByte(line[at + 2] as number, line[at + 3] as number) : -1;
        if (value >= 0) {
          unquoted[used++] = value;
          at += 3;
        } else {
          unquoted[used++] = escaped(line[at + 1] as number);
          at += 1;
        }
      } else if (open === apostrophe && byte === backslash && line[at + 1] === apostrophe && at + 1 < end) {
        unquoted[used++] = apostrophe;
        at += 1;
      } else if (open !== 0) {
        unquoted[used++] = byte;
      } else if (byte === quote || byte === apostrophe) {
        open = byte;
      } else if (byte === space || byte === lineFeed || byte === carriageReturn || byte === 0x09) {
        break;
      } else {
        unquoted[used++] = byte;
      }
    }
    if (open !== 0) return null;
    words.push(unquoted.subarray(start, used));
  }
}

/** C's isspace in the C locale: tab, LF, VT, FF, CR, space. */
function isSpace(byte: number): boolean {
  return byte === space || (byte >= 0x09 && byte <= 0x0d);
}

/** What a backslash before `byte` stands for between double quotes. */
function escaped(byte: number): number {
  switch (byte) {
    case 0x6e:
      return lineFeed;
    case 0x72:
      return carriageReturn;
    case 0x74:
      return 0x09;
    case 0x62:
      return 0x08;
    case 0x61:
      return 0x07;
    default:
      return byte;
  }
}

/** The byte written by two hexadecimal digits, or -1. */
function hexByte(high: number, low: number): number {
  const h = hexDigit(high);
  const l = hexDigit(low);
  return h < 0 || l < 0 ? -1 : h * 16 + l;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}
