import type { MessageWriter } from "../message/message-writer.js";
import { Fault, shown } from "./fault.js";
import { type IntegerType, uint32 } from "./integer.js";
import { PayloadType } from "./payload-type.js";

class EnumerationType<Name extends string> extends PayloadType<Name | number> {
  readonly #type: IntegerType;
  readonly #numbers: ReadonlyMap<unknown, number>;
  readonly #names: ReadonlyMap<number, Name>;
  /** The names of the low numbers by index, where nearly all are: no hashing in headers, which have several. */
  readonly #lowNames: readonly (Name | undefined)[];

  constructor(type: IntegerType, numbers: ReadonlyMap<Name, number>) {
    super(type.size);
    this.#type = type;
    this.#numbers = numbers;
    const names = new Map([...numbers].map(([name, number]) => [number, name]));
    this.#names = names;
    this.#lowNames = Array.from({ length: 256 }, (_, number) => names.get(number));
  }

  read(view: DataView, offset: number, length: number): Name | number {
    const number = this.#type.read(view, offset, length);
    const name = number >= 0 && number < 256 ? this.#lowNames[number] : this.#names.get(number);
    return name ?? number;
  }

  write(writer: MessageWriter, value: unknown): void {
    if (typeof value !== "string") {
      this.#type.write(writer, value);
      return;
    }
    const number = this.#numbers.get(value);
    if (number === undefined) {
      throw new Fault(`unknown name ${shown(value)}: it is one of ${[...this.#numbers.keys()].join(", ")}`);
    }
    this.#type.write(writer, number);
  }
}

/**
 * A number that has names: decoded to its name, and to the plain number where that has none, as newer kernels have more of them.
 * Either is encoded.
 *
 * @param numbers the numbers by name
 * @param type the integer that it is; uint32 where left out
 */
export function enumeration<const Numbers extends Readonly<Record<string, number>>>(
  numbers: Numbers,
  type: IntegerType = uint32,
): PayloadType<(keyof Numbers & string) | number> {
  return new EnumerationType(type, new Map<keyof Numbers & string, number>(Object.entries(numbers)));
}
