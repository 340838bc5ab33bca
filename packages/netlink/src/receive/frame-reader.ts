import { align, HOST_IS_LITTLE_ENDIAN, NLMSG_ERROR, NLMSG_HDRLEN } from "../abi.js";
import type { Diagnostics } from "../diagnostics/diagnostics.js";
import { EAGAIN, EMSGSIZE, ENOBUFS, ENOMEM, ENOSPC } from "../errno.js";
import { type FrameKeeper, Message, OWN_MEMORY } from "../message/message.js";
import type { MessageCursor } from "../message/message-cursor.js";
import { type MessageMemory, MessageStore, memoryOf } from "../message/message-memory.js";
import type { RequestTable } from "../request/request-table.js";
import type { Transport } from "../transport/transport.js";

/** Frames filled by one call to the transport: what one recvmmsg takes. */
const FILL_LIMIT = 64;
/** For a reader that has just found the socket empty: a lone message pays for the preparation of no more. */
const FIRST_FILL = 4;
/** Frames filled ahead: enough of a dump that waking the other thread is a small part of it. */
const AHEAD_LIMIT = 32;
/** What a fill for answers takes beyond one for each, where replies are expected before the ACKs. */
const FILL_SPARE = 3;
/** Answers handled by one call before the other work of the event loop gets its turn: a dump can be endless. */
const ANSWERS_PER_CALL = 256;
/** A socket that has nothing but losses to report, this often in a row, is taken for lost. */
const LOSSES_IN_A_ROW = 64;

/** Counts of what a socket received and lost since it was opened. */
export interface ReceiveStatistics {
  /** Messages handed to the reader; answers to requests are not among them. */
  readonly received: number;
  /**
   * How often the kernel said that messages were lost: the receive buffer was full (ENOBUFS), or it had no room to build a
   * multicast message (ENOMEM, EMSGSIZE). Each time one or more were.
   */
  readonly overruns: number;
  /** Messages lost because nobody read them while requests were answered, and as much as the receive buffer holds waited already. */
  readonly discarded: number;
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
  /** True when the last fill found no free frame: nothing can be read before a frame is released or held. */
  starved = false;
  /** True when the last `next` stopped to let others run: more may wait in the frames, of which the descriptor says nothing. */
  interrupted = false;
  /** The error number that ended the socket, or 0. */
  lost = 0;
  /** How many times messages were lost and the socket was then read empty. */
  losses = 0;
  readonly #transport: Transport;
  readonly #requests: RequestTable;
  readonly #diagnostics: Diagnostics;
  readonly #onRelieved: () => void;
  /** How many frames may be out of the ring's circulation before messages are moved to memory of their own. */
  readonly #framesOutLimit: number;
  /** Messages not yet released of each frame; the cursor counts as one. */
  readonly #references: Uint32Array;
  readonly #held: Uint8Array;
  readonly #ring: MessageMemory;
  readonly #store = new MessageStore();
  #stopped = false;
  /** A fill ahead may be under way: its frames were chosen already. */
  #fillsAhead = false;
  /** An overrun was told, and the socket was not read empty since. */
  #losing = false;
  /** It was read empty: the loss ends behind the frames that are full. */
  #lossOver = false;
  /** What the next fill for a reader asks for. */
  #readerLimit = FIRST_FILL;
  /** The last fill found fewer messages than it had room for, and nobody was told. */
  #emptied = false;
  #received = 0;
  #overruns = 0;
  #discarded = 0;
  #truncated = 0;
  #malformed = 0;
  // The frame that is being cut into messages.
  #memory: MessageMemory;
  #offset = 0;
  #end = 0;
  #frame = OWN_MEMORY;
  #senderPort = 0;
  #group = 0;
  #namespaceId: number | undefined;
  // The message that was cut last.
  #start = 0;
  #stop = 0;

  constructor(
    transport: Transport,
    requests: RequestTable,
    diagnostics: Diagnostics,
    onRelieved: () => void,
  ) {
    this.#transport = transport;
    this.#requests = requests;
    this.#diagnostics = diagnostics;
    this.#onRelieved = onRelieved;
    const { rx } = transport;
    this.#ring = { bytes: rx.bytes, view: rx.view };
    this.#memory = this.#ring;
    this.#framesOutLimit = transport.holdsFrames === false ? 0 : rx.geometry.frameCount >> 1;
    this.#references = new Uint32Array(rx.geometry.frameCount);
    this.#held = new Uint8Array(rx.geometry.frameCount);
  }

  get statistics(): ReceiveStatistics {
    return {
      received: this.#received,
      overruns: this.#overruns,
      discarded: this.#discarded,
      truncated: this.#truncated,
      malformed: this.#malformed + this.#transport.rx.malformedCount,
    };
  }

  /** Messages that arrived and that no reader will see. */
  get unseen(): number {
    return this.#discarded + this.#truncated + this.#malformed + this.#transport.rx.malformedCount;
  }

  /**
   * The next message that answers no request, or undefined: when none waits, no frame is free, or others shall run.
   *
   * @param forReader false where only answers are looked for: it then stops when nobody waits for one
   */
  next(forReader: boolean): Message | undefined {
    return this.#advance(forReader, false) ? this.#message() : undefined;
  }

  /**
   * The same for a reader that makes its own objects: false where there is none.
   *
   * @param trusting ends where the last fill has emptied the socket, once, without asking it again
   */
  place(cursor: MessageCursor, trusting: boolean): boolean {
    if (!this.#advance(true, trusting)) return false;
    cursor.view = this.#memory.view;
    cursor.offset = this.#start;
    cursor.end = this.#stop;
    cursor.frame = this.#frame;
    cursor.senderPort = this.#senderPort;
    cursor.group = this.#group;
    return true;
  }

  /** Goes to the next message that answers no request, if there is one. */
  #advance(forReader: boolean, trusting: boolean): boolean {
    this.interrupted = false;
    const requests = this.#requests;
    for (let answers = 0; !this.#stopped; ) {
      if (!forReader && requests.wanted === 0) {
        this.interrupted = true;
        return false;
      }
      if (this.#offset >= this.#end) {
        const frame = this.#transport.rx.next();
        if (frame !== -1) {
          this.#open(frame);
          this.#diagnostics.received(
            this.#memory.bytes,
            this.#offset,
            this.#end,
            this.#senderPort,
            this.#group,
          );
        } else if (this.#lossOver) {
          // Told before anything newer is read.
          this.#endLoss();
          this.interrupted = true;
          return false;
        } else if (this.#emptied && trusting) {
          this.#emptied = false;
          return false;
        } else if (!this.#refill(forReader)) return false;
        continue;
      }
      // An answer's visitor may read on, or close the socket: nothing of the cursor is kept across it.
      if (requests.size === 0 || !this.#takeAcknowledgement()) {
        if (!this.#cut()) continue;
        if (requests.size === 0 || !this.#takeAnswer()) {
          this.#received++;
          return true;
        }
      }
      answers++;
      if (answers === ANSWERS_PER_CALL) {
        this.interrupted = true;
        return false;
      }
    }
    return false;
  }

  /** Gives a message back that came out of `next` and that nobody will see. */
  discard(message: Message): void {
    this.#received--;
    this.#discarded++;
    this.#diagnostics.lost("discarded");
    message.release();
  }

  holdFrame(frame: number): void {
    // Several messages may lie in one frame, and each may be held.
    if (this.#stopped || this.#held[frame] === 1) return;
    this.#held[frame] = 1;
    this.#transport.rx.hold(frame);
    this.#relieve();
  }

  releaseFrame(frame: number): void {
    // A closed transport has taken its memory back.
    if (this.#stopped) return;
    const references = (this.#references[frame] ?? 1) - 1;
    this.#references[frame] = references;
    if (references > 0) return;
    this.#held[frame] = 0;
    this.#transport.rx.release(frame);
    this.#relieve();
  }

  /** The transport is closed: its memory is not touched again, whoever still releases messages. */
  stop(): void {
    this.#stopped = true;
  }

  #relieve(): void {
    if (!this.starved) return;
    this.starved = false;
    this.#onRelieved();
  }

  /**
   * Passes the message to the request that it answers. False where it answers none: an answer is the kernel's own unicast to this port, and a
   * multicast message may carry the port and sequence number of what caused it.
   */
  #takeAnswer(): boolean {
    if (this.#senderPort !== 0 || this.#group !== 0) return false;
    const portId = this.#memory.view.getUint32(this.#start + 12, HOST_IS_LITTLE_ENDIAN);
    if (portId !== this.#transport.portId) return false;
    const message = this.#message();
    if (!this.#requests.dispatch(message)) return false;
    if (!message.held) message.release();
    return true;
  }

  /** Passes a plain ACK at the cursor to its request. False where there is something else. */
  #takeAcknowledgement(): boolean {
    if (this.#senderPort !== 0 || this.#group !== 0) return false;
    const { view } = this.#memory;
    const offset = this.#offset;
    const left = this.#end - offset;
    if (left < NLMSG_HDRLEN || view.getUint16(offset + 4, HOST_IS_LITTLE_ENDIAN) !== NLMSG_ERROR)
      return false;
    if (view.getUint32(offset + 12, HOST_IS_LITTLE_ENDIAN) !== this.#transport.portId) return false;
    const length = view.getUint32(offset, HOST_IS_LITTLE_ENDIAN);
    if (length > left || !this.#requests.acknowledge(view, offset, length)) return false;
    this.#offset = offset + align(length);
    if (this.#offset >= this.#end) {
      this.#offset = this.#end;
      if (this.#frame !== OWN_MEMORY) this.releaseFrame(this.#frame);
    }
    return true;
  }

  #refill(forReader: boolean): boolean {
    this.starved = false;
    this.#emptied = false;
    const limit = forReader ? this.#readerLimit : this.#answerLimit();
    this.#diagnostics.malformedFrames(this.#transport.rx.malformedCount);
    for (let losses = 0; ; ) {
      const filled = this.#fill(limit);
      if (filled > 0) {
        // An overrun socket queues nothing until it was read empty. Where that is now, newer messages may be there by the next fill.
        this.#lossOver = this.#losing && !this.#transport.waits();
        if (forReader) this.#noteFilled(filled, limit);
        // A dump that goes on: the kernel builds its next messages while these are handled.
        if (filled >= limit && !forReader && this.#requests.expectsReplies && !this.#losing) {
          this.#fillAhead();
        }
        return true;
      }
      if (filled === ENOBUFS || filled === ENOMEM || filled === EMSGSIZE) {
        // The error is read and gone; what had arrived before it still waits.
        this.#overruns++;
        this.#losing = true;
        this.#diagnostics.lost("overrun");
        losses++;
        if (losses < LOSSES_IN_A_ROW) continue;
        this.lost = filled;
      } else if (filled === ENOSPC) {
        // Whoever has the frames, or what lies in the backlog, may well wait for an answer that only comes when reading goes on.
        if (this.#requests.wanted > 0 && this.#holdTaken()) continue;
        this.starved = true;
      } else if (filled === 0) {
        if (this.#losing) this.#endLoss();
        this.#requests.readEmpty();
      } else if (filled !== EAGAIN) {
        this.lost = filled;
      }
      return false;
    }
  }

  #fill(limit: number): number {
    const transport = this.#transport;
    const rewound = transport.rewinds === true && !this.#fillsAhead && transport.rx.rewind();
    this.#fillsAhead = false;
    return transport.fill(limit, rewound);
  }

  /** A socket that gives all that was asked for has more: the next fill takes four times as much. */
  #noteFilled(filled: number, limit: number): void {
    const { geometry, heldCount, takenCount } = this.#transport.rx;
    if (filled >= limit) {
      this.#readerLimit = Math.min(4 * limit, FILL_LIMIT);
    } else {
      this.#readerLimit = FIRST_FILL;
      this.#emptied =
        this.#transport.fillsAll === true &&
        !this.#losing &&
        limit + takenCount + heldCount <= geometry.frameCount;
    }
  }

  #fillAhead(): void {
    const transport = this.#transport;
    if (transport.fillAhead === undefined) return;
    this.#fillsAhead = true;
    transport.fillAhead(AHEAD_LIMIT);
  }

  /** From here on the kernel queues again: everything that was lost was lost before. */
  #endLoss(): void {
    this.#losing = false;
    this.#lossOver = false;
    this.losses++;
  }

  /** Every message that may come costs its preparation, and where it does not come, a look: a lone ACK would pay for 64. */
  #answerLimit(): number {
    const { wanted, expectsReplies } = this.#requests;
    return Math.min(FILL_LIMIT, expectsReplies ? wanted + FILL_SPARE : wanted);
  }

  /** Has the producer pass over every frame that is out; false where it does already. */
  #holdTaken(): boolean {
    let any = false;
    for (let frame = 0; frame < this.#references.length; frame++) {
      if (this.#references[frame] === 0 || this.#held[frame] === 1) continue;
      this.holdFrame(frame);
      any = true;
    }
    return any;
  }

  #open(frame: number): void {
    const { rx } = this.#transport;
    const length = rx.length(frame);
    this.#senderPort = rx.senderPort(frame);
    this.#group = rx.group(frame);
    if (this.#transport.tellsNamespaces === true) {
      const namespaceId = rx.namespaceId(frame);
      this.#namespaceId = namespaceId === -1 ? undefined : namespaceId;
    }
    if (rx.isCopy(frame)) {
      const copied = this.#transport.takeCopied(length);
      rx.release(frame);
      if (copied === undefined || copied.length < length) {
        this.#truncated++;
        this.#diagnostics.lost("truncated");
        return;
      }
      this.#useOwnMemory(memoryOf(copied), 0, copied.length);
      return;
    }
    const offset = rx.payloadOffset(frame);
    if (rx.takenCount + rx.heldCount > this.#framesOutLimit) {
      // Copied before anybody sees it, never later: a view that was handed out must not change what it shows.
      const place = this.#store.keep(this.#ring.view, offset, offset + length);
      this.#useOwnMemory(this.#store.memory, place, place + length);
      rx.release(frame);
      return;
    }
    this.#frame = frame;
    this.#memory = this.#ring;
    this.#offset = offset;
    this.#end = offset + length;
    this.#references[frame] = 1;
  }

  #useOwnMemory(memory: MessageMemory, offset: number, end: number): void {
    this.#frame = OWN_MEMORY;
    this.#memory = memory;
    this.#offset = offset;
    this.#end = end;
  }

  /** Notes where the message at the cursor lies, and moves behind it. False where the bytes are none: the rest of the frame is passed over. */
  #cut(): boolean {
    const offset = this.#offset;
    const left = this.#end - offset;
    const length = left < NLMSG_HDRLEN ? 0 : this.#memory.view.getUint32(offset, HOST_IS_LITTLE_ENDIAN);
    if (length < NLMSG_HDRLEN || length > left) {
      this.#malformed++;
      this.#offset = this.#end;
      if (this.#frame !== OWN_MEMORY) this.releaseFrame(this.#frame);
      this.#diagnostics.lost("malformed");
      return false;
    }
    // The cursor's own reference passes to the last message; the last one may lack its padding.
    const next = offset + align(length);
    const last = next >= this.#end;
    this.#offset = last ? this.#end : next;
    if (!last && this.#frame !== OWN_MEMORY)
      this.#references[this.#frame] = (this.#references[this.#frame] ?? 0) + 1;
    this.#start = offset;
    this.#stop = offset + length;
    return true;
  }

  /** The message that was cut last. */
  #message(): Message {
    const { bytes, view } = this.#memory;
    return new Message(
      this,
      this.#frame,
      bytes,
      view,
      this.#start,
      this.#stop,
      this.#senderPort,
      this.#group,
      this.#namespaceId,
    );
  }
}
