/** What passes has the fields named, in their order; what does not is named by its path. */
import test from 'ava';
import { demand, exactly, fields, integer, kinds, list, optional, type Shape, ShapeError, text } from '../../cluster/checked-json.js';

const shape = fields({
  name: text(1, 4),
  at: demand(integer(-1, 9), (at) => at !== 5, 'is five'),
  tags: list(text(), 0, 2),
  note: optional(text()),
});

const whole = { name: 'a', at: 9, tags: ['x', ''] };

test('fields come out in the order of the shape, absent ones stay absent, and nothing is shared with the input', (t) => {
  const given = { tags: ['x', ''], note: 'n', at: -1, name: 'abcd' };
  const checked = shape(given, []);
  t.is(JSON.stringify(checked), '{"name":"abcd","at":-1,"tags":["x",""],"note":"n"}');
  t.false(checked.tags === given.tags);
  t.deepEqual(shape(whole, []), { ...whole });
  t.deepEqual(Object.keys(shape(whole, [])), ['name', 'at', 'tags']);
});

test('what is wrong is named by where it stands', (t) => {
  const refused = (checked: Shape<unknown>, value: unknown): string =>
    t.throws(() => checked(value, ['it']), { instanceOf: ShapeError })?.message ?? '';
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, 'it: must be an object'],
    [null, 'it: must be an object'],
    [[], 'it: must be an object'],
    ['text', 'it: must be an object'],
    [{ ...whole, colour: 'blue' }, 'it: has an unknown field "colour"'],
    [JSON.parse('{"__proto__": {"name": "a"}, "at": 1, "tags": []}'), 'it: has an unknown field "__proto__"'],
    [{ ...whole, toString: 1 }, 'it: has an unknown field "toString"'],
    [{ at: 1, tags: [] }, 'it.name: must be a string'],
    [{ ...whole, name: '' }, 'it.name: must have 1 to 4 characters'],
    [{ ...whole, name: 'abcde' }, 'it.name: must have 1 to 4 characters'],
    [{ ...whole, at: 10 }, 'it.at: must be an integer from -1 to 9'],
    [{ ...whole, at: -2 }, 'it.at: must be an integer from -1 to 9'],
    [{ ...whole, at: 1.5 }, 'it.at: must be an integer from -1 to 9'],
    [{ ...whole, at: '1' }, 'it.at: must be an integer from -1 to 9'],
    [{ ...whole, at: 5 }, 'it.at: is five'],
    [{ ...whole, tags: { 0: 'x' } }, 'it.tags: must be a list'],
    [{ ...whole, tags: ['a', 'b', 'c'] }, 'it.tags: must have 0 to 2 items'],
    [{ ...whole, tags: ['a', 1] }, 'it.tags.1: must be a string'],
    [{ ...whole, note: null }, 'it.note: must be a string'],
  ];
  for (const [value, message] of cases) t.is(refused(shape, value), message);
  t.is(refused(integer(0), 2 ** 53), `it: must be an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
  t.is(refused(exactly(1), 2), 'it: must be 1');
  t.is(
    refused(
      demand(shape, () => false, 'is not wanted', 'tags'),
      whole,
    ),
    'it.tags: is not wanted',
  );
});

test('one of several kinds is told by its field', (t) => {
  const either = kinds({ a: fields({ kind: exactly('a'), n: integer(0) }), b: fields({ kind: exactly('b') }) });
  t.deepEqual(either({ n: 1, kind: 'a' }, []), { kind: 'a', n: 1 });
  t.deepEqual(either({ kind: 'b' }, []), { kind: 'b' });
  t.throws(() => either({ kind: 'b', n: 1 }, ['it']), { message: 'it: has an unknown field "n"' });
  for (const kind of ['c', 'toString', 1, undefined]) t.throws(() => either({ kind }, ['it']), { message: 'it.kind: must be one of a, b' });
  t.throws(() => either(3, ['it']), { message: 'it: must be an object' });
});
