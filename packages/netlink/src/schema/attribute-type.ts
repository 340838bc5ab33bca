import { Fault, shown } from "./fault.js";
import type { Decoded, Encodable, Fields, PayloadType, Typed } from "./payload-type.js";

/** An attribute that may come several times, once for each element. */
export class RepeatedType<Element extends PayloadType>
  implements Typed<Decoded<Element>[], readonly Encodable<Element>[]>
{
  declare readonly "~types"?: readonly [Decoded<Element>[], readonly Encodable<Element>[]] | undefined;
  readonly element: Element;

  constructor(element: Element) {
    this.element = element;
  }
}

/** The same attribute several times: an array of what each of them holds. */
export function repeated<Element extends PayloadType>(element: Element): RepeatedType<Element> {
  return new RepeatedType(element);
}

/** Payload types by the value of the sibling that they depend on. */
export type Cases = Readonly<Record<string | number, PayloadType>>;

/** An attribute whose payload means what another field says. */
export class DependentType<DecodedValue = unknown, EncodableValue = unknown>
  implements Typed<DecodedValue, EncodableValue>
{
  declare readonly "~types"?: readonly [DecodedValue, EncodableValue] | undefined;
  /** The name of the field that it depends on. */
  readonly sibling: string;
  readonly #cases: ReadonlyMap<string, PayloadType>;
  readonly #raw: PayloadType;

  constructor(sibling: string, cases: Cases, raw: PayloadType) {
    this.sibling = sibling;
    this.#cases = new Map(Object.entries(cases));
    this.#raw = raw;
  }

  /** The payload's type in an object that has the sibling already; bytes where no case is known. */
  chosen(fields: Fields): PayloadType {
    return this.#cases.get(String(fields[this.sibling])) ?? this.#raw;
  }

  /** The payload's type for what is encoded: bytes are written as they are. */
  chosenFor(fields: Fields, value: unknown): PayloadType {
    if (value instanceof Uint8Array) return this.#raw;
    const type = this.#cases.get(String(fields[this.sibling]));
    if (type === undefined) {
      throw new Fault(
        `no layout is known for ${this.sibling} ${shown(fields[this.sibling])}: give the bytes as a Uint8Array`,
      );
    }
    return type;
  }
}
