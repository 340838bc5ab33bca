/** NLMSG_GOODSIZE with pages of 4 KiB: the least that a dump allocates for a chunk. */
const SMALLEST_CHUNK = 3776;

/** The chunks of a dump that a socket delivers, one after the other. */
export class KernelDump {
  /** Bytes that are allocated for each chunk. */
  readonly size: number;
  /** The chunk that is delivered next, and where those behind it come from. */
  #chunk: Uint8Array | undefined;
  #next: () => Uint8Array | undefined = () => undefined;

  constructor(size: number = SMALLEST_CHUNK) {
    this.size = size;
  }

  /** True while there is a chunk left. */
  get running(): boolean {
    return this.#chunk !== undefined;
  }

  start(next: () => Uint8Array | undefined): void {
    this.#next = next;
    this.#chunk = this.#fetch();
  }

  /** The chunk to deliver now. The next one is fetched at once: whoever is woken may look whether the dump goes on. */
  take(): Uint8Array {
    const chunk = this.#chunk ?? new Uint8Array();
    this.#chunk = this.#fetch();
    return chunk;
  }

  #fetch(): Uint8Array | undefined {
    const chunk = this.#next();
    if (chunk !== undefined && chunk.length > this.size) {
      throw new RangeError(
        `a chunk of ${chunk.length} bytes in a dump that allocates ${this.size}: set dumpSize to the largest`,
      );
    }
    return chunk;
  }
}
