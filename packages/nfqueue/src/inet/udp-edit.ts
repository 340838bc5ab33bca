import type { DatagramView } from "./datagram-view.js";
import type { EditMemory } from "./edit-memory.js";
import { replacePayload, splicePayload } from "./payload-edit.js";
import { UdpHeader } from "./udp-header.js";

/** The UDP header of a packet that is rewritten; its length follows the payload. Setters throw DatagramEditError, and checksums are made by `bytes()`. */
export class UdpEdit extends UdpHeader {
  readonly #datagram: DatagramView;
  readonly #memory: EditMemory;

  /** Made by the packet's rewrite. */
  constructor(datagram: DatagramView, memory: EditMemory) {
    super(datagram);
    this.#datagram = datagram;
    this.#memory = memory;
  }

  override get sourcePort(): number {
    return super.sourcePort;
  }

  override set sourcePort(value: number) {
    this.#memory.writeTransport("sourcePort", 0, 2, value);
  }

  override get destinationPort(): number {
    return super.destinationPort;
  }

  override set destinationPort(value: number) {
    this.#memory.writeTransport("destinationPort", 2, 2, value);
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
