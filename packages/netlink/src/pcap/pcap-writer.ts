import { createWriteStream, openSync } from "node:fs";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { MessagesReceived, MessagesSent } from "../diagnostics/diagnostics.js";
import { observeSockets } from "../diagnostics/observe-sockets.js";
import {
  COOKED_HEADER_LENGTH,
  encodeRecord,
  fileHeader,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OUTGOING,
  RECORD_HEADER_LENGTH,
} from "./pcap-format.js";

const DEFAULT_BUFFER_LIMIT = 16 << 20;

/** What a capture takes, and how much of it may wait to be written. */
export interface PcapOptions {
  /** The netlink protocols to capture, such as NETLINK_ROUTE; all of them where undefined. */
  readonly protocols?: readonly number[] | undefined;
  /** Bytes that may wait to be written; what comes beyond is dropped and counted. 16 MiB where undefined. */
  readonly bufferLimit?: number | undefined;
}

/**
 * Captures what all netlink sockets of this thread send and receive, from when it is made until it is closed, as a pcap file
 * (LINKTYPE_NETLINK, nanosecond timestamps) that Wireshark and tcpdump read. A record is what was sent or received in one piece; its
 * time is that of the sending or of the reading by this process.
 *
 * Messages are copied when they are seen. Where the file is written too slowly for them, they are dropped: sockets never wait for it.
 */
export class PcapWriter {
  readonly #stream: Writable;
  readonly #protocols: ReadonlySet<number> | undefined;
  readonly #bufferLimit: number;
  /** What the monotonic clock is behind the time since 1970: records stay in order when the system's clock is set. */
  readonly #origin: bigint = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
  readonly #stop: () => void;
  #captured = 0;
  #dropped = 0;
  #closing: Promise<void> | undefined;

  /**
   * Captures into a file, which is emptied at once, or made, readable by its owner alone: captures hold packets and keys. Throws the file system's
   * error where that fails.
   */
  static open(path: string | URL, options: PcapOptions = {}): PcapWriter {
    const descriptor = openSync(path, "w", 0o600);
    return new PcapWriter(createWriteStream("", { fd: descriptor }), options);
  }

  /** Captures into a stream, which `close` ends. */
  constructor(stream: Writable, options: PcapOptions = {}) {
    this.#stream = stream;
    this.#protocols = options.protocols === undefined ? undefined : new Set(options.protocols);
    this.#bufferLimit = options.bufferLimit ?? DEFAULT_BUFFER_LIMIT;
    // The stream keeps its error, which close() tells; without a listener it would end the process now.
    stream.on("error", () => {});
    stream.write(fileHeader());
    this.#stop = observeSockets({
      sent: (messages) => this.#capture(messages, PACKET_OUTGOING),
      received: (messages) => this.#capture(messages, messages.group === 0 ? PACKET_HOST : PACKET_MULTICAST),
    });
  }

  /** Records captured so far; they are in the file when `close` resolves. */
  get captured(): number {
    return this.#captured;
  }

  /** Records given up so far because too much waited to be written, or because writing had failed. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Ends the capture. Resolves when everything captured is written and the file is closed; rejects with the first error of a write, after
   * which everything was dropped. A second call gives the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    this.#stop();
    this.#stream.end();
    await finished(this.#stream, { readable: false });
  }

  #capture({ protocol, bytes }: MessagesSent | MessagesReceived, packetType: number): void {
    if (this.#protocols !== undefined && !this.#protocols.has(protocol)) return;
    const length = RECORD_HEADER_LENGTH + COOKED_HEADER_LENGTH + bytes.length;
    const stream = this.#stream;
    if (!stream.writable || stream.writableLength + length > this.#bufferLimit) {
      this.#dropped++;
      return;
    }
    this.#captured++;
    stream.write(
      encodeRecord({ packetType, protocol, timestamp: this.#origin + process.hrtime.bigint(), bytes }),
    );
  }
}
