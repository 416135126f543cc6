import test from 'ava';
import { splitInlineArguments } from '../../../protocol/resp/inline-arguments.js';

const split = (line: string): string[] | null =>
  splitInlineArguments(Buffer.from(line, 'latin1'))?.map((word) => word.toString('latin1')) ?? null;

for (const [line, words] of [
  ['SET k v\r\n', ['SET', 'k', 'v']],
  ['  SET \t k  v  \n', ['SET', 'k', 'v']],
  ['', []],
  [' \t\v\f\r\n', []],
  ['"a b" \'c d\'', ['a b', 'c d']],
  ['"" \'\'', ['', '']],
  ['a"b c"', ['ab c']],
  ['"\\x41\\xfF\\n\\r\\t\\b\\a\\q\\"\\\\"', ['A\xff\n\r\t\b\x07q"\\']],
  ['"\\xzz" "\\x4"', ['xzz', 'x4']],
  ["'a\\'b' 'c\\n'", ["a'b", 'c\\n']],
  ['a\vb', ['a\vb']],
  ['"a"\vb', ['a', 'b']],
  ['a\\n', ['a\\n']],
  ['one\0two', ['one']],
  ['"a', null],
  ["'a", null],
  ['"a"b', null],
  ["'a'b", null],
  ['"a\\"', null],
  ['"a\\', null],
  ['"', null],
] as const) {
  test(`${JSON.stringify(line)} splits as Redis splits it`, (t) => t.deepEqual(split(line), words as string[] | null));
}
