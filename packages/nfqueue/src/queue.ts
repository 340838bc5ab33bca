import { EventEmitter } from "node:events";
import {
  BusyError,
  NETLINK_NETFILTER,
  NetlinkSocket,
  SocketClosedError,
  SystemError,
  type TransportKind,
} from "@nlring/netlink";
import { NF_ACCEPT, NF_DROP } from "./abi.js";
import {
  bindQueue,
  changeCopyRange,
  changeMaxLength,
  type QueueConfiguration,
  unbindRequests,
} from "./configuration.js";
import { QueueClosedError, QueueLostError } from "./errors.js";
import { type KernelStatistics, readKernelStatistics } from "./kernel-statistics.js";
import { type LossReport, LossWatch } from "./loss-report.js";
import type { Packet } from "./packet.js";
import { PacketIterator } from "./packet-iterator.js";
import { PacketReader } from "./packet-reader.js";
import { type EndingQueue, unwatchProcessEnd, watchProcessEnd } from "./process-end.js";
import {
  checkCopyRange,
  checkMaxLength,
  configurationOf,
  type PacketHandler,
  type QueueEvents,
  type QueueOptions,
  type QueueStatistics,
  socketOptionsOf,
} from "./queue-options.js";
import { warnOfHandlerError, warnOfLoss, warnOfReceiveBuffer } from "./queue-warnings.js";
import { QueueRules, type Rule } from "./rule.js";
import type { Match } from "./rules/match.js";
import { LooksBeforeSleep, TurnBudget, type TurnEnd, takeTurns } from "./turn.js";
import { VerdictSender } from "./verdict-sender.js";
import { Verdicts } from "./verdicts.js";

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
  readonly #sender: VerdictSender;
  readonly #verdicts: Verdicts;
  readonly #reader: PacketReader;
  readonly #losses: LossWatch;
  readonly #default: number;
  readonly #failOpen: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #unlisten: () => void;
  readonly #budget = new TurnBudget(() => this.#endTurn());
  readonly #looks = new LooksBeforeSleep();
  #closing: Promise<void> | undefined;
  #reading = false;
  #handlerErrors = 0;
  #toldLoss = false;

  private constructor(
    number: number,
    socket: NetlinkSocket,
    options: QueueOptions,
    { conntrack, failOpen }: QueueConfiguration,
  ) {
    super();
    const { coalesce = true, closeOnSignals = false, namespace, signal, transport, verdictTimeout } = options;
    this.number = number;
    this.#socket = socket;
    this.#failOpen = failOpen;
    this.#default = options.defaultVerdict === "accept" ? NF_ACCEPT : NF_DROP;
    const sender = new VerdictSender(socket, number, coalesce);
    this.#sender = sender;
    this.#verdicts = new Verdicts(sender, {
      defaultVerdict: this.#default,
      verdictTimeout,
      conntrack,
      frames: socket.frames,
    });
    this.#reader = new PacketReader(socket, number, this.#verdicts, sender);
    this.#losses = new LossWatch(
      () => this.#lost(),
      (loss) => this.#reportLoss(loss),
    );
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
    const ending: EndingQueue = {
      decideAtExit: () => {
        this.#rules.stopNow();
        this.#decideWaiting();
      },
      close: () => this.close(),
    };
    watchProcessEnd(ending, closeOnSignals);
    this.#unlisten = () => {
      signal?.removeEventListener("abort", abort);
      unwatchProcessEnd(ending);
    };
  }

  /**
   * Opens a queue and starts to listen on it. Packets come once a rule leads there: `intercept` makes one.
   *
   * Rejects with PermissionError without CAP_NET_ADMIN, QueueInUseError where another socket listens, QueueUnsupportedError where the kernel
   * has no NFQUEUE, QueueOptionError where it cannot do what an option asks for, TransportError where the transport cannot be had. Warns
   * (NLRING_RECEIVE_BUFFER) where the receive buffer that came holds fewer packets than the queue.
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
    // A mapped ring is no receive buffer, and one in memory is as large as was asked for.
    if (socket.transport.kind === "user-ring") warnOfReceiveBuffer(socket.receiveBuffer, configuration);
    return new NfQueue(number, socket, options, configuration);
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
    const verdicts = this.#verdicts;
    const reader = this.#reader;
    const socket = this.#socket.statistics;
    return {
      received: reader.received,
      accepted: verdicts.accepted,
      dropped: verdicts.dropped,
      repeated: verdicts.repeated,
      requeued: verdicts.requeued,
      defaulted: verdicts.defaulted,
      timedOut: verdicts.timedOut,
      undecided: reader.received - verdicts.decided,
      verdictMessages: verdicts.messages,
      handlerErrors: this.#handlerErrors,
      unknownVerdicts: reader.unknownVerdicts,
      refusedVerdicts: reader.refusedVerdicts,
      receiveDrops: socket.drops,
      passedUnseen: this.#failOpen ? socket.drops : 0,
      sendRetries: socket.sendRetries,
      malformed: reader.foreign + socket.malformed + socket.truncated,
    };
  }

  /**
   * What the kernel counts of the queue; undefined where that may not be read, as by an ordinary user in a user namespace, and for a queue in
   * another network namespace than the process's.
   */
  kernelStatistics(): KernelStatistics | undefined {
    return readKernelStatistics(this.number, this.#socket.portId);
  }

  /**
   * Has the kernel copy so many bytes of each packet that it queues from now on; 0 is metadata alone. Resolves when it does; rejects with
   * RangeError, or KernelError.
   */
  async setCopyRange(bytes: number): Promise<void> {
    this.#assertOpen();
    await changeCopyRange(this.#socket, this.number, checkCopyRange(bytes));
  }

  /** Has the kernel keep so many packets waiting at the most; those that wait already stay. Resolves and rejects as `setCopyRange`. */
  async setMaxLength(packets: number): Promise<void> {
    this.#assertOpen();
    await changeMaxLength(this.#socket, this.number, checkMaxLength(packets));
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
   * Resolves when the queue is closed; rejects with QueueLostError when it is lost, after its rules were removed, or with the reason of its
   * signal.
   */
  async run(handler: PacketHandler): Promise<void> {
    this.#claim();
    try {
      await takeTurns(
        () => this.#takeTurn(handler),
        (waiter) => this.#socket.whenReadable(waiter),
      );
    } catch (error) {
      await this.#endReading(error);
    } finally {
      this.#reading = false;
    }
    await this.#closing;
    this.#signal?.throwIfAborted();
  }

  /**
   * Packets one at a time: pulling the next one gives the last one the default verdict, unless it was decided or held. Leaving the loop
   * closes the queue. It ends and rejects as `run` does.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Packet> {
    this.#claim();
    return new PacketIterator({
      take: () => this.#reader.take(true),
      isClosing: () => this.#closing !== undefined,
      keep: (packet) => this.#verdicts.outstanding.add(packet),
      settle: (packet) => this.#verdicts.settle(packet),
      endTurn: () => this.#endTurn(),
      readable: () => this.#socket.readable(),
      end: (error) => this.#endReading(error),
      closed: async () => {
        await this.#closing;
        this.#signal?.throwIfAborted();
      },
      leave: async () => {
        await this.close();
        this.#reading = false;
      },
    });
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

  /** Sends what was decided. Throws QueueLostError where the kernel takes no verdicts any more. */
  #endTurn(): void {
    this.#socket.flush();
    this.#losses.touch();
    if (this.#reader.lost !== undefined) throw this.#reader.lost;
  }

  /** Returns where the queue was closed; else throws why the reading ended, after the rules of a lost queue were removed. */
  async #endReading(error: unknown): Promise<void> {
    if (this.#closing !== undefined && this.#reader.lost === undefined && error instanceof SocketClosedError)
      return;
    if (error instanceof SystemError || error instanceof SocketClosedError) {
      const cause = error instanceof SocketClosedError ? error.cause : error;
      this.#reader.lost ??= new QueueLostError(this.number, "its socket failed", cause);
    }
    const { lost } = this.#reader;
    if (lost === undefined) throw error;
    this.#verdicts.end(lost);
    // Its failures reach whoever calls close().
    await this.close().catch(() => {});
    throw lost;
  }

  #takeTurn(handler: PacketHandler): TurnEnd {
    if (this.#closing !== undefined) return "over";
    const sender = this.#sender;
    const reader = this.#reader;
    // Fresh each turn: a new packet stored in an old object costs a note for the collector.
    this.#verdicts.turn = { packet: undefined };
    this.#budget.renew();
    sender.beginTurn();
    try {
      for (;;) {
        const { received } = reader;
        const drained = this.#handlePackets(handler);
        this.#endTurn();
        if (!drained) return "spent";
        if (!this.#looks.lookAgain(reader.received > received) || this.#closing !== undefined)
          return "drained";
      }
    } finally {
      sender.endTurn();
    }
  }

  /** Handles packets for a bounded time; true when no more wait. */
  #handlePackets(handler: PacketHandler): boolean {
    const verdicts = this.#verdicts;
    const { turn } = verdicts;
    try {
      for (;;) {
        const packet = this.#reader.take(true);
        if (packet === undefined) return true;
        turn.packet = packet;
        let awaited = false;
        try {
          const decision = handler(packet);
          if (decision !== undefined && typeof decision.then === "function") {
            this.#await(packet, decision);
            awaited = true;
          }
        } catch (error) {
          this.#reportHandlerError(error);
        }
        if (!awaited) verdicts.settle(packet);
        if (this.#closing !== undefined) return true;
        if (!this.#budget.spend()) return false;
      }
    } finally {
      turn.packet = undefined;
    }
  }

  #await(packet: Packet, decision: Promise<unknown>): void {
    if (!packet.decided) this.#verdicts.hold(packet);
    const settle = (): void => this.#verdicts.settle(packet);
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
      warnOfHandlerError(error);
    }
  }

  #lost(): LossReport {
    const { drops = 0 } = this.#socket.statistics;
    const { unknownVerdicts, refusedVerdicts } = this.#reader;
    return { receiveDrops: drops, unknownVerdicts, refusedVerdicts, unread: this.#socket.unseen };
  }

  #reportLoss(loss: LossReport): void {
    if (this.listenerCount("loss") > 0) {
      this.emit("loss", loss);
    } else if (!this.#toldLoss) {
      this.#toldLoss = true;
      warnOfLoss(this.number, loss);
    }
  }

  /** Gives the default verdict to everything that waits, here and in the socket, in the order in which it came. */
  #decideWaiting(): void {
    if (this.#socket.closed || this.#reader.lost !== undefined) return;
    this.#verdicts.settleAll();
    for (let packet = this.#reader.take(false); packet !== undefined; packet = this.#reader.take(false))
      this.#verdicts.decideByDefault(packet);
    this.#socket.flush();
  }

  async #close(): Promise<void> {
    try {
      await this.#rules.stop();
      if (this.#socket.closed || this.#reader.lost !== undefined) return;
      this.#decideWaiting();
      try {
        await this.#socket.request(unbindRequests(this.number, this.#default, this.#reader.lastId));
      } catch (error) {
        // ENOENT is the proof that nothing waited any more.
        if (!isMissing(error)) throw error;
      }
    } finally {
      this.#unlisten();
      this.#verdicts.end(this.#reader.lost);
      this.#losses.stop();
      await this.#rules.close();
      await this.#socket.close();
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
