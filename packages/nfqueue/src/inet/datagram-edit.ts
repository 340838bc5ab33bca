import { encode, ipAddress } from "@nlring/netlink";
import { DatagramView } from "./datagram-view.js";
import { checkBytes, checkRange, EditMemory } from "./edit-memory.js";
import { DatagramEditError } from "./errors.js";
import { IcmpEdit } from "./icmp-edit.js";
import { setUint16, uint8, uint16 } from "./network-order.js";
import { replacePayload, splicePayload } from "./payload-edit.js";
import { TcpEdit } from "./tcp-edit.js";
import { writeChecksums } from "./transport-checksum.js";
import { UdpEdit } from "./udp-edit.js";

/** Where a packet is rewritten. */
export interface EditOptions {
  /**
   * Writes into the packet's own bytes, which saves a copy; a rewrite that gets longer than the packet was goes on in memory of its own.
   * The view that the rewrite came from then reads a mixture. Default false: a copy, and the packet stays as it is.
   */
  readonly inPlace?: boolean | undefined;
}

/**
 * A packet that is rewritten. Lengths follow each change; checksums are made by `bytes()`. A setter that throws DatagramEditError has
 * changed nothing. What it reads out (`payload`, options, addresses) is valid until the next change of a length.
 */
export class DatagramEdit extends DatagramView {
  readonly #memory: EditMemory;
  #header: TcpEdit | UdpEdit | IcmpEdit | undefined = undefined;

  /** Begun by `datagram.edit()`. */
  constructor(source: DatagramView, options: EditOptions = {}) {
    super(source.raw);
    this.#memory = new EditMemory(this, source, options.inPlace === true, (raw) => this.reread(raw));
  }

  /**
   * The packet as it is now, with right lengths and checksums: full ones for TCP, UDP, ICMP and ICMPv6, whether they were ready before or
   * not. In fragments and other protocols, whose edits cannot touch it, the transport's part stays as it was. Valid until the next edit.
   */
  bytes(): Uint8Array {
    writeChecksums(this);
    return this.raw;
  }

  override get source(): string | undefined {
    return super.source;
  }

  /** Takes text, or 4 or 16 bytes, of the packet's own IP version. */
  override set source(value: string | Uint8Array) {
    this.#setAddress("source", value, super.sourceBytes);
  }

  override get destination(): string | undefined {
    return super.destination;
  }

  /** Takes text, or 4 or 16 bytes, of the packet's own IP version. Where a routing header leads on, this is its next stop. */
  override set destination(value: string | Uint8Array) {
    this.#setAddress("destination", value, super.destinationBytes);
  }

  override get hopLimit(): number | undefined {
    return super.hopLimit;
  }

  override set hopLimit(value: number) {
    this.#memory.write("hopLimit", this.version === 4 ? 8 : 7, 1, value);
  }

  override get dscp(): number | undefined {
    return super.dscp;
  }

  override set dscp(value: number) {
    checkRange("dscp", value, 63);
    this.#setTrafficClass((value << 2) | (super.ecn ?? 0));
  }

  override get ecn(): number | undefined {
    return super.ecn;
  }

  override set ecn(value: number) {
    checkRange("ecn", value, 3);
    this.#setTrafficClass(((super.dscp ?? 0) << 2) | value);
  }

  override get identification(): number | undefined {
    return super.identification;
  }

  /** IPv4, and IPv6 with a fragment header. */
  override set identification(value: number) {
    const at = this.fragmentHeaderOffset;
    if (this.version !== 4 && at === 0)
      throw absent("identification", "an IPv6 packet without a fragment header");
    if (this.version === 4) this.#memory.write("identification", 4, 2, value);
    else this.#memory.write("identification", at + 4, 4, value);
  }

  override get dontFragment(): boolean | undefined {
    return super.dontFragment;
  }

  /** IPv4 alone. */
  override set dontFragment(value: boolean) {
    if (this.version !== 4) throw absent("dontFragment", "an IPv6 packet");
    const others = uint16(this.raw, 6) & ~0x4000;
    setUint16(this.raw, 6, value ? others | 0x4000 : others);
  }

  override get flowLabel(): number | undefined {
    return super.flowLabel;
  }

  /** IPv6 alone. */
  override set flowLabel(value: number) {
    if (this.version !== 6) throw absent("flowLabel", "an IPv4 packet");
    checkRange("flowLabel", value, 0xf_ffff);
    this.raw[1] = (uint8(this.raw, 1) & 0xf0) | (value >> 16);
    setUint16(this.raw, 2, value);
  }

  override get sourcePort(): number | undefined {
    return super.sourcePort;
  }

  override set sourcePort(value: number) {
    this.#setPort("sourcePort", 0, value);
  }

  override get destinationPort(): number | undefined {
    return super.destinationPort;
  }

  override set destinationPort(value: number) {
    this.#setPort("destinationPort", 2, value);
  }

  override get tcp(): TcpEdit | undefined {
    if (super.tcp === undefined) return undefined;
    if (!(this.#header instanceof TcpEdit)) this.#header = new TcpEdit(this, this.#memory);
    return this.#header;
  }

  override get udp(): UdpEdit | undefined {
    if (super.udp === undefined) return undefined;
    if (!(this.#header instanceof UdpEdit)) this.#header = new UdpEdit(this, this.#memory);
    return this.#header;
  }

  override get icmp(): IcmpEdit | undefined {
    return super.icmp && this.#icmpEdit();
  }

  override get icmpv6(): IcmpEdit | undefined {
    return super.icmpv6 && this.#icmpEdit();
  }

  override get payload(): Uint8Array | undefined {
    return super.payload;
  }

  /** Replaces what the packet carries. A checksum that another protocol keeps over it stays as it is. */
  override set payload(value: Uint8Array) {
    replacePayload(this, this.#memory, value);
  }

  /** Replaces `deleteCount` bytes of the payload from `start` on by others; none for removing alone. */
  splice(start: number, deleteCount: number, inserted?: Uint8Array): void {
    splicePayload(this, this.#memory, start, deleteCount, inserted);
  }

  #icmpEdit(): IcmpEdit {
    if (!(this.#header instanceof IcmpEdit)) this.#header = new IcmpEdit(this, this.#memory);
    return this.#header;
  }

  #setPort(name: string, offset: number, value: number): void {
    if (super.sourcePort === undefined)
      throw absent(name, "a packet that shows neither a TCP nor a UDP header");
    this.#memory.writeTransport(name, offset, 2, value);
  }

  #setTrafficClass(value: number): void {
    const { raw } = this;
    if (this.version === 4) raw[1] = value;
    else setUint16(raw, 0, (uint16(raw, 0) & 0xf00f) | (value << 4));
  }

  #setAddress(name: string, value: string | Uint8Array, place: Uint8Array | undefined): void {
    const address = typeof value === "string" ? addressBytes(name, value) : value;
    checkBytes(name, address);
    if (address.length !== place?.length) {
      throw new DatagramEditError(
        "ERR_OUT_OF_RANGE",
        `${name}: ${address.length} bytes are no address of an IPv${this.version} packet, which has ${place?.length}`,
      );
    }
    this.#memory.requireAddressChange(name);
    place.set(address);
  }
}

function addressBytes(name: string, text: string): Uint8Array {
  try {
    return encode(ipAddress, text);
  } catch (cause) {
    throw new DatagramEditError(
      "ERR_OUT_OF_RANGE",
      `${name} ${JSON.stringify(text)} is no IP address`,
      cause,
    );
  }
}

function absent(name: string, what: string): DatagramEditError {
  return new DatagramEditError("ERR_FIELD_ABSENT", `${what} has no ${name}`);
}
