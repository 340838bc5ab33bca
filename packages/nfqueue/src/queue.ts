import { EventEmitter } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  BusyError,
  errorNumber,
  type Message,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLMSG_ERROR,
  SocketClosedError,
  type TransportKind,
} from "@nlring/netlink";
import { MESSAGE_PACKET, MESSAGE_VERDICT, NF_ACCEPT, NF_DROP, NFQA_MARK, NFQA_VERDICT_HDR } from "./abi.js";
import { bindQueue, unbindRequests, writeQueueHeader } from "./configuration.js";
import { QueueClosedError } from "./errors.js";
import { PacketLayout } from "./packet/layout.js";
import { Packet } from "./packet.js";
import {
  configurationOf,
  type PacketHandler,
  type QueueEvents,
  type QueueOptions,
  type QueueStatistics,
  socketOptionsOf,
} from "./queue-options.js";
import { QueueRules, type Rule } from "./rule.js";
import type { Match } from "./rules/match.js";

/** Packets handled before other work of the event loop gets its turn. */
const PACKETS_PER_TURN = 512;
/** nfgenmsg, the verdict and a mark. */
const VERDICT_LENGTH = 4 + 12 + 8;
const ENOENT = -2;

/**
 * One NFQUEUE queue: the kernel hands it packets, and each gets exactly one verdict.
 *
 * Packets are read by one reader, `run` or `for await`. Verdicts are gathered and leave before the event-loop turn in which they were
 * given ends.
 */
export class NfQueue extends EventEmitter<QueueEvents> {
  /** The queue's number. */
  readonly number: number;
  readonly #socket: NetlinkSocket;
  readonly #rules: QueueRules;
  readonly #default: number;
  readonly #layout = new PacketLayout();
  readonly #signal: AbortSignal | undefined;
  readonly #unlisten: () => void;
  /** Packets that outlived the call that delivered them. */
  readonly #outstanding = new Set<Packet>();
  #closing: Promise<void> | undefined;
  #reading = false;
  #lastId = 0;
  #received = 0;
  #accepted = 0;
  #dropped = 0;
  #defaulted = 0;
  #handlerErrors = 0;
  #unknownVerdicts = 0;
  #refusedVerdicts = 0;
  #foreign = 0;

  private constructor(number: number, socket: NetlinkSocket, options: QueueOptions) {
    super();
    this.number = number;
    this.#socket = socket;
    this.#default = options.defaultVerdict === "accept" ? NF_ACCEPT : NF_DROP;
    const { namespace, signal, transport } = options;
    this.#rules = new QueueRules(number, {
      namespace,
      transport: typeof transport === "object" ? transport : undefined,
    });
    this.#signal = signal;
    const abort = (): void => {
      // Failures of closing reach whoever calls close(); the signal's own caller has no ear for them.
      this.close().catch(() => {});
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#unlisten = () => signal?.removeEventListener("abort", abort);
  }

  /**
   * Opens a queue and starts to listen on it. Packets come once a rule leads there: `intercept` makes one.
   *
   * Rejects with PermissionError without CAP_NET_ADMIN, QueueInUseError where another socket listens, QueueUnsupportedError where the kernel
   * has no NFQUEUE, TransportError where the transport cannot be had.
   */
  static async open(number: number, options: QueueOptions = {}): Promise<NfQueue> {
    const configuration = configurationOf(number, options);
    options.signal?.throwIfAborted();
    const socket = await NetlinkSocket.open(NETLINK_NETFILTER, socketOptionsOf(options));
    try {
      await bindQueue(socket, number, configuration);
      options.signal?.throwIfAborted();
    } catch (error) {
      await socket.close();
      throw error;
    }
    return new NfQueue(number, socket, options);
  }

  /** The transport in use, and why it is this one. */
  get transport(): { readonly kind: TransportKind; readonly reason: string } {
    return this.#socket.transport;
  }

  /** Size of the receive buffer in bytes, as the kernel accounts them: each waiting packet is charged its size and some 800 bytes. */
  get receiveBuffer(): number {
    return this.#socket.receiveBuffer;
  }

  get statistics(): QueueStatistics {
    const socket = this.#socket.statistics;
    return {
      received: this.#received,
      accepted: this.#accepted,
      dropped: this.#dropped,
      defaulted: this.#defaulted,
      undecided: this.#received - this.#accepted - this.#dropped,
      handlerErrors: this.#handlerErrors,
      unknownVerdicts: this.#unknownVerdicts,
      refusedVerdicts: this.#refusedVerdicts,
      receiveDrops: socket.drops,
      malformed: this.#foreign + socket.malformed + socket.truncated,
    };
  }

  /**
   * Makes rules that lead packets of IPv4 and IPv6 that fit one of the matches into this queue, all or none. They stand until the `Rule` is
   * disposed or the queue closed; where the kernel has owner tables (Linux 5.12) also no longer than the process, however that ends.
   *
   * Rejects with PermissionError without CAP_NET_ADMIN, and with RuleError where a match or the kernel does not allow it.
   */
  async intercept(...matches: readonly Match[]): Promise<Rule> {
    this.#assertOpen();
    return this.#rules.intercept(...matches);
  }

  /**
   * Hands every packet to `handler`. A packet that it leaves undecided gets the default verdict when it returns, or when the promise that it
   * returned settles.
   *
   * Resolves when the queue is closed; rejects when it is lost, or with the reason of its signal.
   */
  async run(handler: PacketHandler): Promise<void> {
    this.#claim();
    try {
      while (this.#closing === undefined) {
        const drained = this.#handleTurn(handler);
        this.#socket.flush();
        await (drained ? this.#socket.readable() : nextTurn());
      }
    } catch (error) {
      this.#rethrowUnlessClosed(error);
    } finally {
      this.#reading = false;
    }
    await this.#closing;
    this.#signal?.throwIfAborted();
  }

  /**
   * Packets one at a time: pulling the next one gives the last one the default verdict, unless it was decided or held. Leaving the loop
   * closes the queue.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Packet> {
    this.#claim();
    let current: Packet | undefined;
    let inTurn = 0;
    let pulling = false;
    const settleCurrent = (): void => {
      const packet = current;
      current = undefined;
      if (packet === undefined || packet.decided || packet.held) return;
      this.#decideByDefault(packet);
    };
    const next = async (): Promise<IteratorResult<Packet, undefined>> => {
      try {
        while (this.#closing === undefined) {
          if (inTurn >= PACKETS_PER_TURN) {
            inTurn = 0;
            await nextTurn();
            continue;
          }
          const packet = this.#take();
          if (packet !== undefined) {
            inTurn++;
            current = packet;
            this.#outstanding.add(packet);
            return { value: packet, done: false };
          }
          inTurn = 0;
          this.#socket.flush();
          await this.#socket.readable();
        }
      } catch (error) {
        this.#rethrowUnlessClosed(error);
      }
      await this.#closing;
      this.#signal?.throwIfAborted();
      return { value: undefined, done: true };
    };
    return {
      next: async () => {
        if (pulling) throw new BusyError("the iterator waits for a packet already: pull one at a time");
        pulling = true;
        try {
          settleCurrent();
          return await next();
        } finally {
          pulling = false;
        }
      },
      return: async () => {
        settleCurrent();
        await this.close();
        this.#reading = false;
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Keeps the process alive while packets are waited for (the default). */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** Lets the process end while packets are waited for. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /**
   * Closes the queue so that no packet is lost to it: first its rules go, then everything that still waits gets the default verdict, then
   * the queue is given up.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined || this.#socket.closed) throw new QueueClosedError();
  }

  #claim(): void {
    this.#assertOpen();
    if (this.#reading) throw new BusyError("the queue has a reader: its packets go to one run() or one loop");
    this.#reading = true;
  }

  #rethrowUnlessClosed(error: unknown): void {
    if (this.#closing === undefined || !(error instanceof SocketClosedError)) throw error;
  }

  /** The next packet, after everything else that the socket had to say. */
  #take(): Packet | undefined {
    for (;;) {
      const message = this.#socket.take();
      if (message === undefined) return undefined;
      if (message.senderPort === 0 && message.type === MESSAGE_PACKET && this.#layout.read(message)) {
        const packet = new Packet(this.#packets, message, this.#layout);
        this.#received++;
        this.#lastId = packet.id;
        return packet;
      }
      this.#note(message);
      message.release();
    }
  }

  /** Counts a message that is no packet: the kernel's complaint about a verdict, or something foreign. */
  #note(message: Message): void {
    if (message.senderPort !== 0 || message.type !== NLMSG_ERROR) {
      this.#foreign++;
      return;
    }
    try {
      const errno = errorNumber(message);
      if (errno === ENOENT) this.#unknownVerdicts++;
      else if (errno !== 0) this.#refusedVerdicts++;
    } catch {
      this.#foreign++;
    }
  }

  /** Handles a bounded number of packets; true when no more wait. */
  #handleTurn(handler: PacketHandler): boolean {
    for (let handled = 0; handled < PACKETS_PER_TURN; handled++) {
      const packet = this.#take();
      if (packet === undefined) return true;
      try {
        const decision = handler(packet);
        if (decision !== undefined && typeof decision.then === "function") {
          this.#await(packet, decision);
          continue;
        }
      } catch (error) {
        this.#reportHandlerError(error);
      }
      if (!packet.decided && !packet.held) this.#decideByDefault(packet);
      if (this.#closing !== undefined) return true;
    }
    return false;
  }

  #await(packet: Packet, decision: Promise<unknown>): void {
    if (!packet.decided) {
      Packet.keepFrame(packet);
      this.#outstanding.add(packet);
    }
    const settle = (): void => {
      if (!packet.decided && !packet.held) this.#decideByDefault(packet);
    };
    decision.then(settle, (error: unknown) => {
      settle();
      this.#reportHandlerError(error);
    });
  }

  #reportHandlerError(error: unknown): void {
    this.#handlerErrors++;
    if (this.listenerCount("handlerError") > 0) {
      this.emit("handlerError", error);
    } else if (this.#handlerErrors === 1) {
      process.emitWarning(
        `a packet handler failed; its packet got the default verdict, and further failures are counted in statistics.handlerErrors. ` +
          `Listen to "handlerError" to see each. The failure: ${error instanceof Error ? error.stack : String(error)}`,
        { code: "NLRING_HANDLER_ERROR" },
      );
    }
  }

  /** What packets call; private members of the queue stay its own. */
  readonly #packets = {
    decide: (packet: Packet, verdict: number, mark: number | undefined): void => {
      if (this.#socket.closed) throw new QueueClosedError();
      const writer = writeQueueHeader(this.#socket.compose(MESSAGE_VERDICT, 0, VERDICT_LENGTH), this.number);
      writer.attribute(NFQA_VERDICT_HDR, 8).uint32Network(verdict).uint32Network(packet.id);
      if (mark !== undefined) writer.attributeUint32Network(NFQA_MARK, mark);
      this.#socket.commit();
      if (verdict === NF_ACCEPT) this.#accepted++;
      else this.#dropped++;
      if (this.#outstanding.size > 0) this.#outstanding.delete(packet);
      Packet.settle(packet);
    },
    hold: (packet: Packet): void => {
      Packet.keepFrame(packet);
      this.#outstanding.add(packet);
    },
  };

  #decideByDefault(packet: Packet): void {
    // The socket was lost, and the kernel dropped what waited: a promise that settles now has nobody to tell.
    if (this.#socket.closed) return;
    this.#defaulted++;
    this.#packets.decide(packet, this.#default, undefined);
  }

  /** Gives the default verdict to everything that waits, here and in the socket. */
  #decideWaiting(): void {
    if (this.#socket.closed) return;
    for (let packet = this.#take(); packet !== undefined; packet = this.#take())
      this.#decideByDefault(packet);
    for (const packet of this.#outstanding) this.#decideByDefault(packet);
    this.#socket.flush();
  }

  async #close(): Promise<void> {
    this.#unlisten();
    try {
      await this.#rules.stop();
      if (this.#socket.closed) return;
      this.#decideWaiting();
      try {
        await this.#socket.request(unbindRequests(this.number, this.#default, this.#lastId));
      } catch (error) {
        // ENOENT is the proof that nothing waited any more.
        if (!isMissing(error)) throw error;
      }
    } finally {
      await this.#rules.close();
      await this.#socket.close();
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
