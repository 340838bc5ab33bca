// Regular socket I/O: one recv and one send for every packet, through the same addon. It is what rings are compared with, and no
// transport of the library.
import { loadNative } from "@nlring/native";
import { HOST_IS_LITTLE_ENDIAN, MessageWriter, NETLINK_NETFILTER } from "@nlring/netlink";

const EAGAIN = -11;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;

// include/uapi/linux/netfilter/nfnetlink_queue.h
const MESSAGE_PACKET = 0x300;
const MESSAGE_VERDICT = 0x301;
const MESSAGE_CONFIG = 0x302;
const NFQA_PACKET_HDR = 1;
const NFQA_VERDICT_HDR = 2;
const NFQA_PAYLOAD = 10;
const NF_DROP = 0;
const NF_ACCEPT = 1;

/** Bytes of a verdict message: header, nfgenmsg, and the verdict attribute. */
const VERDICT_LENGTH = 16 + 4 + 4 + 8;
/** Where the verdict and the packet id lie in it. */
const VERDICT_OFFSET = 24;
const ID_OFFSET = 28;

/** A queue that is read and decided by one system call each per packet. */
export class SocketConsumer {
  #socket;
  #queue;
  #received = new Uint8Array(70_016);
  #view = new DataView(this.#received.buffer);
  #verdict;
  #verdictView;

  /** @param {number} queue */
  constructor(queue) {
    this.#queue = queue;
    this.#socket = new (loadNative().Socket)(NETLINK_NETFILTER);
    this.#socket.bind(0, 0);
    this.#socket.setReceiveBuffer(4 * 1024 * 1024);
    this.#configure(1);
    const writer = MessageWriter.growing();
    writer.begin(MESSAGE_VERDICT, NLM_F_REQUEST, 0, 0).uint8(0).uint8(0).uint16Network(queue);
    writer.attribute(NFQA_VERDICT_HDR, 8).uint32Network(NF_ACCEPT).uint32Network(0);
    writer.end();
    this.#verdict = writer.finished().slice();
    if (this.#verdict.length !== VERDICT_LENGTH) throw new Error("the verdict message has another length");
    this.#verdictView = new DataView(this.#verdict.buffer);
  }

  /**
   * Decides what waits; `isDropped` sees the offset and length of each packet. Returns how many were decided.
   *
   * @param {(view: DataView, offset: number, length: number) => boolean} isDropped
   */
  consume(isDropped) {
    for (let decided = 0; ; decided++) {
      const length = this.#socket.receive(this.#received);
      if (length === EAGAIN) return decided;
      if (length < 0) throw new Error(`recvmsg failed with error ${length}`);
      if (this.#view.getUint16(4, HOST_IS_LITTLE_ENDIAN) !== MESSAGE_PACKET)
        throw new Error("a verdict was refused");
      this.#decide(length, isDropped);
    }
  }

  close() {
    this.#configure(2);
    this.#socket.close();
  }

  /**
   * @param {number} length
   * @param {(view: DataView, offset: number, length: number) => boolean} isDropped
   */
  #decide(length, isDropped) {
    const view = this.#view;
    let id = 0;
    let payload = 0;
    let payloadLength = 0;
    for (let at = 20; at + 4 <= length; ) {
      const size = view.getUint16(at, HOST_IS_LITTLE_ENDIAN);
      const type = view.getUint16(at + 2, HOST_IS_LITTLE_ENDIAN);
      if (size < 4) break;
      if (type === NFQA_PACKET_HDR) id = view.getUint32(at + 4);
      else if (type === NFQA_PAYLOAD) {
        payload = at + 4;
        payloadLength = size - 4;
      }
      at += (size + 3) & ~3;
    }
    this.#verdictView.setUint32(
      VERDICT_OFFSET,
      isDropped(view, payload, payloadLength) ? NF_DROP : NF_ACCEPT,
    );
    this.#verdictView.setUint32(ID_OFFSET, id);
    const sent = this.#socket.send(this.#verdict);
    if (sent < 0) throw new Error(`sendmsg failed with error ${sent}`);
  }

  /**
   * Binds (1) or unbinds (2) the queue and waits for the answer, which is there when the send returns.
   *
   * @param {number} command
   */
  #configure(command) {
    const writer = MessageWriter.growing();
    writer
      .begin(MESSAGE_CONFIG, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
      .uint8(0)
      .uint8(0)
      .uint16Network(this.#queue);
    writer.attribute(1, 4).uint8(command).uint8(0).uint16Network(0);
    if (command === 1) {
      writer.attribute(2, 5).uint32Network(0xffff).uint8(2).pad();
      writer.attributeUint32Network(3, QUEUE_LENGTH);
      // Segmentation offload, as the ring has it: equal work for both.
      writer.attributeUint32Network(4, 4).attributeUint32Network(5, 4);
    }
    writer.end();
    this.#socket.send(writer.finished());
    for (;;) {
      const length = this.#socket.receive(this.#received);
      if (length < 0) throw new Error(`no answer to the configuration: error ${length}`);
      if (this.#view.getUint16(4, HOST_IS_LITTLE_ENDIAN) !== NLMSG_ERROR) continue;
      const errno = this.#view.getInt32(16, HOST_IS_LITTLE_ENDIAN);
      if (errno !== 0) throw new Error(`the kernel refused the queue with error ${errno}`);
      return;
    }
  }
}

/** Packets that either consumer lets the kernel keep waiting. */
export const QUEUE_LENGTH = 4096;
