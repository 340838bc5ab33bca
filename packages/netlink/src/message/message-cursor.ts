import { HOST_IS_LITTLE_ENDIAN, NLMSG_HDRLEN } from "../abi.js";
import { type Message, OWN_MEMORY } from "./message.js";
import type { MessagePlace } from "./message-memory.js";

const NOTHING = new DataView(new ArrayBuffer(NLMSG_HDRLEN));

/**
 * Where the message lies that `NetlinkSocket.next` found: one object for all messages, for readers that make objects of their own of them.
 * Offsets are absolute in the view, which spans more than the message. What it says is valid until the next call of `next`; the message's
 * bytes are until its frame is released.
 */
export class MessageCursor implements MessagePlace {
  view: DataView = NOTHING;
  /** Where the message starts, its header included. */
  offset = 0;
  /** The first byte behind the message. */
  end: number = NLMSG_HDRLEN;
  /** For `NetlinkSocket.frames`: each message has to be released by it, once. */
  frame: number = OWN_MEMORY;
  /** Netlink port of the sender as the kernel reported it; 0 is the kernel itself. (In a kernel ring: its process id.) */
  senderPort = 0;
  /** Multicast group it was sent to, by number; 0 for none. */
  group = 0;

  /** nlmsg_type. */
  get type(): number {
    return this.view.getUint16(this.offset + 4, HOST_IS_LITTLE_ENDIAN);
  }

  /** Where the payload behind the 16-byte header starts. */
  get payloadOffset(): number {
    return this.offset + NLMSG_HDRLEN;
  }

  /** Points at a message that was made already, which is not released any more. */
  pointAt(message: Message, frame: number): void {
    this.view = message.view;
    this.offset = message.offset;
    this.end = message.end;
    this.frame = frame;
    this.senderPort = message.senderPort;
    this.group = message.group;
  }
}
