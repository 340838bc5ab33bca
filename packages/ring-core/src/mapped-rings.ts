import type { RingGeometry } from "./abi.js";
import { GeometryError } from "./errors.js";
import { checkGeometry, ringLength } from "./geometry.js";
import { type KernelDialect, KernelRxRing } from "./kernel-rx-ring.js";
import { TxDrainer } from "./kernel-side.js";

const ENOMEM = -12;
const EBUSY = -16;
const EINVAL = -22;

/** The two rings of a socket: their set-up, where they lie in the one mapping, and how often they are mapped. */
export class MappedRings {
  readonly #dialect: KernelDialect;
  readonly #pageSize: number;
  readonly #createMemory: (length: number) => ArrayBufferLike;
  #rxGeometry: RingGeometry | undefined;
  #txGeometry: RingGeometry | undefined;
  #memory: ArrayBufferLike | undefined;
  #mappings = 0;
  /** The rings' kernel sides, where there are such rings. The RX ring's stays the same object when the TX ring comes or goes: messages are being built in it. */
  rx: KernelRxRing | undefined;
  tx: TxDrainer | undefined;

  constructor(dialect: KernelDialect, pageSize: number, createMemory: (length: number) => ArrayBufferLike) {
    this.#dialect = dialect;
    this.#pageSize = pageSize;
    this.#createMemory = createMemory;
  }

  get #rxLength(): number {
    return this.#rxGeometry === undefined ? 0 : ringLength(this.#rxGeometry);
  }

  get #txLength(): number {
    return this.#txGeometry === undefined ? 0 : ringLength(this.#txGeometry);
  }

  /** Makes a ring or takes it away; 0 or the kernel's error. The order of the checks is the kernel's (netlink_set_ring). */
  set(ring: "rx" | "tx", geometry: RingGeometry): number {
    if (this.#mappings > 0) return EBUSY;
    if (ring === "rx" && (this.rx?.pending ?? 0) > 0) return EBUSY;
    if (geometry.blockCount === 0) {
      if (geometry.frameCount !== 0) return EINVAL;
      return this.#install(ring, undefined);
    }
    if ((ring === "rx" ? this.#rxGeometry : this.#txGeometry) !== undefined) return EBUSY;
    const violation = checkGeometry(geometry, this.#pageSize);
    return violation === undefined ? this.#install(ring, geometry) : violation.errno;
  }

  /** The memory of both rings, RX first; -EINVAL for an offset, another length, or no ring. */
  map(length: number, offset: number): ArrayBufferLike | number {
    const pages = Math.ceil(length / this.#pageSize) * this.#pageSize;
    if (offset !== 0 || this.#memory === undefined || pages !== this.#rxLength + this.#txLength)
      return EINVAL;
    this.#mappings++;
    return this.#memory;
  }

  unmap(): void {
    if (this.#mappings > 0) this.#mappings--;
  }

  /**
   * The kernel gives each ring pages of its own and joins them in the mapping. One ArrayBuffer cannot be joined from two, so the other ring
   * moves to new memory, with all its frames and its head: nothing is mapped now, and nobody can tell.
   */
  #install(ring: "rx" | "tx", geometry: RingGeometry | undefined): number {
    const rxGeometry = ring === "rx" ? geometry : this.#rxGeometry;
    const txGeometry = ring === "tx" ? geometry : this.#txGeometry;
    const rxLength = rxGeometry === undefined ? 0 : ringLength(rxGeometry);
    const txLength = txGeometry === undefined ? 0 : ringLength(txGeometry);
    let memory: ArrayBufferLike | undefined;
    let rx: KernelRxRing | undefined;
    let tx: TxDrainer | undefined;
    try {
      if (rxLength + txLength > 0) memory = this.#createMemory(rxLength + txLength);
      if (memory !== undefined && geometry !== undefined) {
        if (ring === "rx") rx = new KernelRxRing(memory, 0, geometry, this.#dialect);
        else tx = new TxDrainer(memory, rxLength, geometry);
      }
    } catch (error) {
      // A RangeError is what JavaScript has for memory that cannot be had.
      if (error instanceof RangeError || error instanceof GeometryError) return ENOMEM;
      throw error;
    }
    if (memory !== undefined) this.#move(ring, memory, rxLength);
    this.#memory = memory;
    this.#rxGeometry = rxGeometry;
    this.#txGeometry = txGeometry;
    if (ring === "rx") this.rx = rx;
    else this.tx = tx;
    return 0;
  }

  /** Takes the other ring's bytes and head along. */
  #move(changed: "rx" | "tx", memory: ArrayBufferLike, rxLength: number): void {
    const old = this.#memory;
    if (changed === "tx") {
      if (old === undefined || old === memory || this.rx === undefined) return;
      new Uint8Array(memory).set(new Uint8Array(old, 0, rxLength));
      this.rx.move(memory);
      return;
    }
    const from = this.#rxLength;
    if (old === undefined || (old === memory && from === rxLength)) return;
    if (this.tx === undefined || this.#txGeometry === undefined) return;
    const moving = new Uint8Array(old, from, this.#txLength);
    const frames = moving.slice();
    moving.fill(0);
    new Uint8Array(memory).set(frames, rxLength);
    this.tx = new TxDrainer(memory, rxLength, this.#txGeometry, this.tx.head);
  }
}
