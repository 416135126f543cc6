/**
 * What a JSON value must look like, field by field: what passes has exactly the fields named, in their order, so equal values have equal bytes.
 *
 * Written here since it is little: a library of schemas costs every start of a node more than the rest of cluster/ does.
 */

/** Where a value stands in the whole: names of fields and indexes of lists. */
type Path = readonly (string | number)[];

/** The value, checked. Throws ShapeError. */
export type Shape<T> = (value: unknown, path: Path) => T;

/** Which value is wrong, and why. Its message is 'field.0.inner: why'. */
export class ShapeError extends Error {
  constructor(path: Path, reason: string) {
    super(`${path.join('.')}: ${reason}`);
  }
}

type Shaped<S> = S extends Shape<infer T> ? T : never;

/** A whole number from `min` to `max`, both included. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, path) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
      throw new ShapeError(path, `must be an integer from ${min} to ${max}`);
    return value;
  };
}

/** `min` and `max` in UTF-16 code units. */
export function text(min = 0, max = Infinity): Shape<string> {
  return (value, path) => {
    if (typeof value !== 'string') throw new ShapeError(path, 'must be a string');
    if (value.length < min || value.length > max) throw new ShapeError(path, `must have ${min} to ${max} characters`);
    return value;
  };
}

/** This value and no other. */
export function exactly<const T extends string | number>(wanted: T): Shape<T> {
  return (value, path) => {
    if (value !== wanted) throw new ShapeError(path, `must be ${JSON.stringify(wanted)}`);
    return wanted;
  };
}

/** `min` and `max`: how many items. */
export function list<T>(item: Shape<T>, min = 0, max = Infinity): Shape<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(path, 'must be a list');
    if (value.length < min || value.length > max) throw new ShapeError(path, `must have ${min} to ${max} items`);
    return value.map((one: unknown, index) => item(one, [...path, index]));
  };
}

/** A field that may be absent; it is then absent from the result. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path) => (value === undefined ? undefined : shape(value, path));
}

/** An object of these fields and no others. */
export function fields<S extends Readonly<Record<string, Shape<unknown>>>>(shapes: S): Shape<{ [K in keyof S]: Shaped<S[K]> }> {
  const named = Object.entries(shapes);
  return (value, path) => {
    const given = objectAt(value, path);
    for (const name of Object.keys(given))
      if (!Object.hasOwn(shapes, name)) throw new ShapeError(path, `has an unknown field ${JSON.stringify(name)}`);
    const checked: Record<string, unknown> = {};
    for (const [name, shape] of named) {
      const field = shape(given[name], [...path, name]);
      if (field !== undefined) checked[name] = field;
    }
    return checked as { [K in keyof S]: Shaped<S[K]> };
  };
}

/** One of these objects, told apart by its field `kind`. */
export function kinds<S extends Readonly<Record<string, Shape<unknown>>>>(shapes: S): Shape<Shaped<S[keyof S]>> {
  return (value, path) => {
    const { kind } = objectAt(value, path);
    const shape = typeof kind === 'string' && Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
    if (shape === undefined) throw new ShapeError([...path, 'kind'], `must be one of ${Object.keys(shapes).join(', ')}`);
    return shape(value, path) as Shaped<S[keyof S]>;
  };
}

/** The shape, and a demand on the value that has it. `field`: which of its fields is to blame. */
export function demand<T>(shape: Shape<T>, holds: (value: T) => boolean, reason: string, ...field: string[]): Shape<T> {
  return (value, path) => {
    const checked = shape(value, path);
    if (!holds(checked)) throw new ShapeError([...path, ...field], reason);
    return checked;
  };
}

/** An object's own fields, whatever they are. */
export function objectAt(value: unknown, path: Path): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(path, 'must be an object');
  return value as Record<string, unknown>;
}
