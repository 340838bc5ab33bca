import { errorNumber, MessageCursor, type NetlinkSocket, NLMSG_ERROR, OWN_MEMORY } from "@nlring/netlink";
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
  readonly #cursor = new MessageCursor();
  readonly #layout = new PacketLayout();

  constructor(socket: NetlinkSocket, queue: number, verdicts: Verdicts, sender: VerdictSender) {
    this.#socket = socket;
    this.#queue = queue;
    this.#verdicts = verdicts;
    this.#sender = sender;
  }

  /**
   * The next packet, after everything else that the socket had to say; undefined where none waits.
   *
   * @param trusting as of `NetlinkSocket.next`: for who sends what was decided, and comes back
   */
  take(trusting: boolean): Packet | undefined {
    const socket = this.#socket;
    const cursor = this.#cursor;
    while (socket.next(cursor, trusting)) {
      if (cursor.senderPort === 0 && cursor.type === MESSAGE_PACKET && this.#isOurs()) {
        const packet = new Packet(this.#verdicts, cursor, this.#layout);
        if (this.received > 0 && ((packet.id - this.lastId) | 0) <= 0) this.#sender.stopJoining();
        this.received++;
        this.lastId = packet.id;
        return packet;
      }
      this.#note();
      if (cursor.frame !== OWN_MEMORY) socket.frames.releaseFrame(cursor.frame);
    }
    return undefined;
  }

  /** True for a packet of this queue: a socket that came from a descriptor may have others bound. */
  #isOurs(): boolean {
    const cursor = this.#cursor;
    return this.#layout.read(cursor) && cursor.view.getUint16(cursor.payloadOffset + 2) === this.#queue;
  }

  /** Counts a message that is no packet: the kernel's complaint about a verdict, or something foreign. */
  #note(): void {
    const cursor = this.#cursor;
    if (cursor.senderPort !== 0 || cursor.type !== NLMSG_ERROR) {
      this.foreign++;
      return;
    }
    let errno: number;
    try {
      errno = errorNumber(cursor);
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
