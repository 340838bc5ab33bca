import type { DatagramView } from "./datagram-view.js";
import type { EditMemory } from "./edit-memory.js";
import { IcmpHeader } from "./icmp-header.js";
import { replacePayload, splicePayload } from "./payload-edit.js";

/** The ICMP or ICMPv6 header of a packet that is rewritten. Setters throw DatagramEditError, and checksums are made by `bytes()`. */
export class IcmpEdit extends IcmpHeader {
  readonly #datagram: DatagramView;
  readonly #memory: EditMemory;

  /** Made by the packet's rewrite. */
  constructor(datagram: DatagramView, memory: EditMemory) {
    super(datagram);
    this.#datagram = datagram;
    this.#memory = memory;
  }

  override get type(): number {
    return super.type;
  }

  override set type(value: number) {
    this.#memory.writeTransport("type", 0, 1, value);
  }

  override get code(): number {
    return super.code;
  }

  override set code(value: number) {
    this.#memory.writeTransport("code", 1, 1, value);
  }

  override get rest(): number {
    return super.rest;
  }

  override set rest(value: number) {
    this.#memory.writeTransport("rest", 4, 4, value);
  }

  override get identifier(): number {
    return super.identifier;
  }

  override set identifier(value: number) {
    this.#memory.writeTransport("identifier", 4, 2, value);
  }

  override get sequence(): number {
    return super.sequence;
  }

  override set sequence(value: number) {
    this.#memory.writeTransport("sequence", 6, 2, value);
  }

  override get payload(): Uint8Array {
    return super.payload;
  }

  override set payload(value: Uint8Array) {
    replacePayload(this.#datagram, this.#memory, value);
  }

  /** Replaces `deleteCount` bytes of the payload from `start` on by others; none for removing alone. */
  splice(start: number, deleteCount: number, inserted?: Uint8Array): void {
    splicePayload(this.#datagram, this.#memory, start, deleteCount, inserted);
  }
}
