import { DecodeError } from "@nlring/netlink";

const GETTERS = new Map<unknown, readonly string[]>();

/** Every getter of an object, those it inherits too. */
export function gettersOf(object: object): readonly string[] {
  const prototype: unknown = Object.getPrototypeOf(object);
  let names = GETTERS.get(prototype);
  if (names === undefined) {
    names = [...inheritedGetters(prototype)];
    GETTERS.set(prototype, names);
  }
  return names;
}

function* inheritedGetters(from: unknown): Generator<string> {
  let prototype = from;
  while (typeof prototype === "object" && prototype !== null && prototype !== Object.prototype) {
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (get !== undefined) yield name;
    }
    prototype = Object.getPrototypeOf(prototype);
  }
}

/**
 * All that can be read of an object, and of what it is made of, as plain values to compare; bytes are text. What throws DecodeError is its
 * message; another error is a fault, and thrown.
 */
export function readAll(value: unknown, depth = 0): unknown {
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString("hex");
  if (typeof value !== "object" || value === null || depth > 6) return value;
  if (Symbol.iterator in value) {
    const items: unknown[] = [];
    for (const item of value as Iterable<unknown>) items.push(readAll(item, depth + 1));
    return items;
  }
  const read: Record<string, unknown> = {};
  for (const name of Object.keys(value)) read[name] = readAll(Reflect.get(value, name), depth + 1);
  for (const name of gettersOf(value)) {
    try {
      read[name] = readAll(Reflect.get(value, name), depth + 1);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      read[name] = error.message;
    }
  }
  return read;
}
