import { type FrameKeeper, MessageStore } from "@nlring/netlink";
import { NF_ACCEPT, NF_DROP, NF_QUEUE, NF_REPEAT, NF_VERDICT_MASK } from "./abi.js";
import { QueueClosedError } from "./errors.js";
import { OutstandingPackets } from "./outstanding-packets.js";
import { Packet, type PacketQueue } from "./packet.js";
import { checkUint32, checkVerdictOptions, isPlain, type VerdictOptions } from "./verdict.js";
import { NO_MARK, type VerdictSender } from "./verdict-sender.js";

export interface VerdictsOptions {
  /** NF_ACCEPT or NF_DROP. */
  readonly defaultVerdict: number;
  /** Milliseconds. */
  readonly verdictTimeout: number | undefined;
  readonly conntrack: boolean;
  /** Of the socket that the packets come from. */
  readonly frames: FrameKeeper;
}

/** A run of a handler over several packets. */
interface HandlerTurn {
  /** The one that it has. */
  packet: Packet | undefined;
}

/** Sees to it that each packet of a queue gets exactly one verdict, and counts them. */
export class Verdicts implements PacketQueue {
  accepted = 0;
  dropped = 0;
  repeated = 0;
  requeued = 0;
  defaulted = 0;
  timedOut = 0;
  readonly outstanding: OutstandingPackets;
  /** What a handler has before it returned. */
  turn: HandlerTurn = { packet: undefined };
  readonly #sender: VerdictSender;
  readonly #default: number;
  readonly #conntrack: boolean;
  readonly #frames: FrameKeeper;
  readonly #store = new MessageStore();
  #ended: { readonly cause: unknown } | undefined;

  constructor(sender: VerdictSender, { defaultVerdict, verdictTimeout, conntrack, frames }: VerdictsOptions) {
    this.#sender = sender;
    this.#default = defaultVerdict;
    this.#conntrack = conntrack;
    this.#frames = frames;
    this.outstanding = new OutstandingPackets(verdictTimeout, (packet) => {
      this.timedOut++;
      this.decideByDefault(packet);
    });
  }

  /** Packets that have a verdict. */
  get decided(): number {
    return this.accepted + this.dropped + this.repeated + this.requeued;
  }

  /** Verdict messages sent. */
  get messages(): number {
    return this.#sender.messages;
  }

  /** The queue is closed, or lost (`cause`): nobody takes verdicts any more. */
  end(cause?: unknown): void {
    this.#ended ??= { cause };
    this.outstanding.stop();
  }

  /** What packets call. Throws before anything is sent; the packet is undecided then. */
  decide(packet: Packet, verdict: number, options: VerdictOptions | undefined): void {
    if (this.#ended !== undefined) throw new QueueClosedError(this.#ended.cause);
    if (options === undefined) {
      this.#sender.decide(packet.id, verdict, NO_MARK, this.#isJoinable(packet, verdict));
    } else if (isPlain(options)) {
      const { mark } = options;
      if (mark !== undefined) checkUint32("mark", mark);
      this.#sender.decide(packet.id, verdict, mark ?? NO_MARK, this.#isJoinable(packet, verdict));
    } else {
      checkVerdictOptions(options, packet, this.#conntrack);
      this.#sender.decideWith(packet.id, verdict, options);
    }
    this.#count(verdict);
    this.outstanding.delete(packet);
    Packet.settle(packet, this.#frames);
  }

  hold(packet: Packet): void {
    Packet.keep(packet, this.#frames, this.#store);
    this.outstanding.add(packet);
  }

  /** Gives the default verdict to a packet that nobody decided. */
  decideByDefault(packet: Packet): void {
    // Of a lost queue the kernel dropped what waited: a promise that settles now has nobody to tell.
    if (this.#ended !== undefined || packet.decided) return;
    this.defaulted++;
    this.decide(packet, this.#default, undefined);
  }

  /** Gives the default verdict to a packet that is neither decided nor held. */
  settle(packet: Packet): void {
    if (!packet.decided && !packet.held) this.decideByDefault(packet);
  }

  /** Gives the default verdict to everything that was handed out, in the order in which it came. */
  settleAll(): void {
    for (const packet of this.outstanding) this.decideByDefault(packet);
    const { packet } = this.turn;
    if (packet !== undefined) this.decideByDefault(packet);
  }

  /** Accepted and dropped packets are joined where none before them is undecided; whoever is called now came after all that wait. */
  #isJoinable(packet: Packet, verdict: number): boolean {
    if (verdict !== NF_ACCEPT && verdict !== NF_DROP) return false;
    const { oldest } = this.outstanding;
    return oldest === undefined || oldest === packet;
  }

  #count(verdict: number): void {
    switch (verdict & NF_VERDICT_MASK) {
      case NF_ACCEPT:
        this.accepted++;
        break;
      case NF_REPEAT:
        this.repeated++;
        break;
      case NF_QUEUE:
        this.requeued++;
        break;
      default:
        this.dropped++;
    }
  }
}
