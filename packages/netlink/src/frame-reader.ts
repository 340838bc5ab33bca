import { align, HOST_IS_LITTLE_ENDIAN, NLMSG_HDRLEN } from "./abi.js";
import { EAGAIN, ENOBUFS, ENOSPC } from "./errno.js";
import { type FrameKeeper, Message, OWN_MEMORY } from "./message.js";
import type { RequestTable } from "./request-table.js";
import type { Transport } from "./transport.js";

/** Frames filled by one call to the transport: what one recvmmsg takes. */
const FILL_LIMIT = 64;

export interface ReceiveStatistics {
  /** Messages handed to the reader; answers to requests are not among them. */
  readonly received: number;
  /** How often the kernel said that the receive buffer overran (ENOBUFS); each time one or more messages were lost. */
  readonly overruns: number;
  /** Messages larger than the transport could take, lost. */
  readonly truncated: number;
  /** Frames or messages that break the format, passed over. */
  readonly malformed: number;
}

/**
 * Walks the RX ring and cuts its frames into messages: answers go to the request table, the rest comes out of `next` in ring order.
 * A frame goes back to the producer when the last message in it was released.
 */
export class FrameReader implements FrameKeeper {
  /** True when the last fill found no free frame: nothing can be read before a frame is released. */
  starved = false;
  /** The error number that ended the socket, or 0. */
  lost = 0;
  readonly #transport: Transport;
  readonly #requests: RequestTable;
  readonly #onRelieved: () => void;
  /** How many frames may be out of the ring's circulation before messages are moved to memory of their own. */
  readonly #framesOutLimit: number;
  readonly #references: Uint32Array;
  readonly #ringView: DataView;
  readonly #ringBytes: Uint8Array;
  #received = 0;
  #overruns = 0;
  #truncated = 0;
  #malformed = 0;
  // The frame that is being cut into messages.
  #bytes: Uint8Array;
  #view: DataView;
  #offset = 0;
  #end = 0;
  #frame = OWN_MEMORY;
  #senderPort = 0;
  #group = 0;

  constructor(transport: Transport, requests: RequestTable, onRelieved: () => void) {
    this.#transport = transport;
    this.#requests = requests;
    this.#onRelieved = onRelieved;
    const { rx } = transport;
    this.#ringBytes = rx.bytes;
    this.#ringView = rx.view;
    this.#bytes = rx.bytes;
    this.#view = rx.view;
    this.#framesOutLimit = rx.geometry.frameCount >> 1;
    this.#references = new Uint32Array(rx.geometry.frameCount);
  }

  get statistics(): ReceiveStatistics {
    return {
      received: this.#received,
      overruns: this.#overruns,
      truncated: this.#truncated,
      malformed: this.#malformed + this.#transport.rx.malformedCount,
    };
  }

  /** The next message that answers no request, or undefined when none waits or no frame is free. */
  next(): Message | undefined {
    for (;;) {
      if (this.#offset < this.#end) {
        const message = this.#cut();
        if (message === undefined) continue;
        if (this.#isAnswer(message)) {
          message.release();
          continue;
        }
        this.#received++;
        return message;
      }
      const frame = this.#transport.rx.next();
      if (frame !== -1) this.#open(frame);
      else if (!this.#refill()) return undefined;
    }
  }

  holdFrame(frame: number): void {
    this.#transport.rx.hold(frame);
  }

  releaseFrame(frame: number): void {
    const references = (this.#references[frame] ?? 1) - 1;
    this.#references[frame] = references;
    if (references > 0) return;
    this.#transport.rx.release(frame);
    if (this.starved) {
      this.starved = false;
      this.#onRelieved();
    }
  }

  #isAnswer(message: Message): boolean {
    return (
      this.#requests.size > 0 &&
      message.senderPort === 0 &&
      message.portId === this.#transport.portId &&
      this.#requests.dispatch(message)
    );
  }

  #refill(): boolean {
    for (;;) {
      const filled = this.#transport.fill(FILL_LIMIT);
      if (filled > 0) return true;
      if (filled === ENOBUFS) {
        // The error is read and gone; what had arrived before it still waits.
        this.#overruns++;
        continue;
      }
      if (filled === ENOSPC) this.starved = true;
      else if (filled === 0 || filled === EAGAIN) this.#requests.loseAll();
      else this.lost = filled;
      return false;
    }
  }

  #open(frame: number): void {
    const { rx } = this.#transport;
    const length = rx.length(frame);
    this.#senderPort = rx.senderPort(frame);
    this.#group = rx.group(frame);
    if (rx.isCopy(frame)) {
      const copied = this.#transport.takeCopied(length);
      rx.release(frame);
      if (copied === undefined || copied.length < length) {
        this.#truncated++;
        return;
      }
      this.#useOwnMemory(copied);
      return;
    }
    const offset = rx.payloadOffset(frame);
    if (rx.takenCount + rx.heldCount > this.#framesOutLimit) {
      // Copied before anybody sees it, never later: a view that was handed out must not change what it shows.
      this.#useOwnMemory(this.#ringBytes.slice(offset, offset + length));
      rx.release(frame);
      return;
    }
    this.#frame = frame;
    this.#bytes = this.#ringBytes;
    this.#view = this.#ringView;
    this.#offset = offset;
    this.#end = offset + length;
    this.#references[frame] = 1;
  }

  #useOwnMemory(bytes: Uint8Array): void {
    this.#frame = OWN_MEMORY;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offset = 0;
    this.#end = bytes.length;
  }

  /** The message at the cursor, which moves behind it. Undefined where the bytes are none: the rest of the frame is passed over. */
  #cut(): Message | undefined {
    const offset = this.#offset;
    const left = this.#end - offset;
    const length = left < NLMSG_HDRLEN ? 0 : this.#view.getUint32(offset, HOST_IS_LITTLE_ENDIAN);
    if (length < NLMSG_HDRLEN || length > left) {
      this.#malformed++;
      this.#offset = this.#end;
      if (this.#frame !== OWN_MEMORY) this.releaseFrame(this.#frame);
      return undefined;
    }
    // The cursor's own reference passes to the last message; the last one may lack its padding.
    const next = offset + align(length);
    const last = next >= this.#end;
    this.#offset = last ? this.#end : next;
    if (!last && this.#frame !== OWN_MEMORY)
      this.#references[this.#frame] = (this.#references[this.#frame] ?? 0) + 1;
    return new Message(
      this,
      this.#frame,
      this.#bytes,
      this.#view,
      offset,
      offset + length,
      this.#senderPort,
      this.#group,
    );
  }
}
