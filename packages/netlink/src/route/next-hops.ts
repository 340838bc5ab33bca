import { align, HOST_IS_LITTLE_ENDIAN, NLMSG_HDRLEN } from "../abi.js";
import { MessageWriter } from "../message/message-writer.js";
import { Fault, faultWithin, shown } from "../schema/fault.js";
import { type Location, locatedWithin, PayloadType } from "../schema/payload-type.js";

/** rtnh_len, the first field of struct rtnexthop. */
const LENGTH_SIZE = 2;

/**
 * Elements behind each other that each begin with their own length in 16 bits, as struct rtnexthop with its attributes
 * (include/uapi/linux/rtnetlink.h). The element's type has that length as padding.
 */
export class NextHopsType<Hop, EncodableHop> extends PayloadType<Hop[], readonly EncodableHop[]> {
  readonly #hop: PayloadType<Hop, EncodableHop>;
  readonly #minimum: number;

  constructor(hop: PayloadType<Hop, EncodableHop>, minimum: number) {
    super(undefined);
    this.#hop = hop;
    this.#minimum = minimum;
  }

  read(view: DataView, offset: number, length: number): Hop[] {
    const end = offset + length;
    const hops: Hop[] = [];
    for (let at = offset; at < end; ) {
      const size = this.#length(view, at, end);
      try {
        hops.push(this.#hop.read(view, at, size));
      } catch (error) {
        throw faultWithin(error, hops.length, at);
      }
      at += align(size);
    }
    return hops;
  }

  write(writer: MessageWriter, value: unknown): void {
    if (!Array.isArray(value)) throw new Fault(`an array is needed, not ${shown(value)}`);
    for (const [index, hop] of value.entries()) {
      // On paper of its own: the length comes first and is known last.
      const scratch = MessageWriter.growing().begin(0, 0, 0, 0);
      try {
        this.#hop.write(scratch, hop);
      } catch (error) {
        throw faultWithin(error, index);
      }
      const length = scratch.written - NLMSG_HDRLEN;
      if (length > 0xffff) throw new Fault(`a next hop of ${length} bytes: 65,535 is the most`).within(index);
      scratch.end();
      writer.uint16(length).bytes(scratch.finished().subarray(NLMSG_HDRLEN + LENGTH_SIZE));
    }
  }

  override locate(view: DataView, offset: number, length: number, target: number): Location | undefined {
    const end = offset + length;
    let index = 0;
    for (let at = offset; at < end; index++) {
      const size = this.#length(view, at, end);
      if (target < at + align(size)) return locatedWithin(index, this.#hop.locate(view, at, size, target));
      at += align(size);
    }
    return { path: [], type: this };
  }

  #length(view: DataView, at: number, end: number): number {
    const length = at + LENGTH_SIZE > end ? 0 : view.getUint16(at, HOST_IS_LITTLE_ENDIAN);
    if (length < this.#minimum || at + length > end) {
      throw new Fault(`a next hop of ${length} bytes does not fit the ${end - at} bytes there are`, at);
    }
    return length;
  }
}
