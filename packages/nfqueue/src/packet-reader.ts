import { errorNumber, type Message, type NetlinkSocket, NLMSG_ERROR } from "@nlring/netlink";
import { MESSAGE_PACKET } from "./abi.js";
import { QueueLostError } from "./errors.js";
import { PacketLayout } from "./packet/layout.js";
import { Packet } from "./packet.js";
import type { VerdictSender } from "./verdict-sender.js";
import type { Verdicts } from "./verdicts.js";

const EPERM = -1;
const ENOENT = -2;
const ENODEV = -19;

/** Cuts packets out of what a queue's socket receives, and counts what else there is: the kernel's complaints about verdicts. */
export class PacketReader {
  received = 0;
  unknownVerdicts = 0;
  refusedVerdicts = 0;
  foreign = 0;
  /** Id of the last packet. */
  lastId = 0;
  /** Set once the kernel takes no verdicts for the queue from this socket any more. */
  lost: QueueLostError | undefined;
  readonly #socket: NetlinkSocket;
  readonly #queue: number;
  readonly #verdicts: Verdicts;
  readonly #sender: VerdictSender;
  readonly #layout = new PacketLayout();

  constructor(socket: NetlinkSocket, queue: number, verdicts: Verdicts, sender: VerdictSender) {
    this.#socket = socket;
    this.#queue = queue;
    this.#verdicts = verdicts;
    this.#sender = sender;
  }

  /** The next packet, after everything else that the socket had to say; undefined where none waits. */
  take(): Packet | undefined {
    for (;;) {
      const message = this.#socket.take();
      if (message === undefined) return undefined;
      if (message.senderPort === 0 && message.type === MESSAGE_PACKET && this.#isOurs(message)) {
        const packet = new Packet(this.#verdicts, message, this.#layout);
        if (this.received > 0 && ((packet.id - this.lastId) | 0) <= 0) this.#sender.stopJoining();
        this.received++;
        this.lastId = packet.id;
        return packet;
      }
      this.#note(message);
      message.release();
    }
  }

  /** True for a packet of this queue: a socket that came from a descriptor may have others bound. */
  #isOurs(message: Message): boolean {
    return this.#layout.read(message) && message.view.getUint16(message.payloadOffset + 2) === this.#queue;
  }

  /** Counts a message that is no packet: the kernel's complaint about a verdict, or something foreign. */
  #note(message: Message): void {
    if (message.senderPort !== 0 || message.type !== NLMSG_ERROR) {
      this.foreign++;
      return;
    }
    let errno: number;
    try {
      errno = errorNumber(message);
    } catch {
      this.foreign++;
      return;
    }
    if (errno === 0) return;
    if (errno === ENOENT) {
      this.unknownVerdicts++;
      return;
    }
    this.refusedVerdicts++;
    if (errno === ENODEV) this.lost ??= new QueueLostError(this.#queue, "it was unbound");
    else if (errno === EPERM) {
      this.lost ??= new QueueLostError(
        this.#queue,
        "another socket has it, or the process lost CAP_NET_ADMIN in its network namespace",
      );
    }
  }
}
