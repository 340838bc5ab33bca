import { DecodeError, EncodeError } from "../errors.js";

/** The place of a fault is not known where it was found: the attribute around it fills it in. */
const NO_OFFSET = -1;

/**
 * What is wrong, on its way out of nested types: each of them puts its name before the path, and the outermost makes an error of it.
 * It is no Error itself, because what a caller catches should have the caller's stack and one message.
 */
export class Fault {
  readonly reason: string;
  /** Absolute offset in the bytes that are decoded. */
  #offset: number;
  readonly #path: (string | number)[] = [];

  constructor(reason: string, offset: number = NO_OFFSET) {
    this.reason = reason;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Dotted names from the outermost inwards, or undefined where the fault lies in nothing that has a name. */
  get path(): string | undefined {
    return this.#path.length === 0 ? undefined : this.#path.toReversed().join(".");
  }

  /** The fault as seen from around the named attribute or field, which starts at `offset`. */
  within(name: string | number | undefined, offset: number = NO_OFFSET): this {
    if (name !== undefined) this.#path.push(name);
    if (this.#offset === NO_OFFSET) this.#offset = offset;
    return this;
  }
}

/** What to throw on from around the named part, for anything that was caught there. */
export function faultWithin(error: unknown, name: string | number | undefined, offset?: number): unknown {
  if (error instanceof Fault) return error.within(name, offset);
  // The writer's own complaints know of no names.
  if (error instanceof EncodeError) return new Fault(error.message).within(name);
  return error;
}

/** The error to throw for what was caught around everything that is decoded, with offsets from `origin`. */
export function decodeFailure(error: unknown, origin: number): unknown {
  if (!(error instanceof Fault)) return error;
  return new DecodeError(error.reason, Math.max(error.offset - origin, 0), error.path);
}

/** The error to throw for what was caught around everything that is encoded. */
export function encodeFailure(error: unknown): unknown {
  return error instanceof Fault ? new EncodeError(error.reason, error.path) : error;
}

/** A value as error messages show it: its kind, and itself where it is short. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value.length > 40 ? "a long text" : JSON.stringify(value);
  if (typeof value === "bigint") return value > 2n ** 128n ? "a large bigint" : `${value}n`;
  if (typeof value === "number" || typeof value === "boolean" || value == null) return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
