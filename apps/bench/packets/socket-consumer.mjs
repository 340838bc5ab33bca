// Regular socket I/O: one recv and one send for every packet, through the same addon. It is what rings are compared with, and no
// transport of the library.
import { loadNative } from "@nlring/native";
import { HOST_IS_LITTLE_ENDIAN, MessageWriter, NETLINK_NETFILTER } from "@nlring/netlink";

const EAGAIN = -11;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;
const SOL_NETLINK = 270;
const NETLINK_NO_ENOBUFS = 5;

// include/uapi/linux/netfilter/nfnetlink_queue.h
const MESSAGE_PACKET = 0x300;
const MESSAGE_VERDICT = 0x301;
const MESSAGE_CONFIG = 0x302;
const NFQA_PACKET_HDR = 1;
const NFQA_VERDICT_HDR = 2;
const NFQA_PAYLOAD = 10;
const GSO = 4;
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
/** Lets a packet pass with the bytes that its decider left in the view. */
export const REPLACE = -1;

/**
 * Sees where a packet lies in the view; returns NF_DROP, NF_ACCEPT or REPLACE.
 *
 * @typedef {(view: DataView, offset: number, length: number) => number} Decide
 */

/** Bytes of a verdict message: header, nfgenmsg, and the verdict attribute. */
const VERDICT_LENGTH = 16 + 4 + 4 + 8;
/** Where the verdict and the packet id lie in it. */
const VERDICT_OFFSET = 24;
const ID_OFFSET = 28;

/** A queue that is read and decided by one system call each per packet. */
export class SocketConsumer {
  #socket;
  #queue;
  #gso;
  #received = new Uint8Array(70_016);
  #view = new DataView(this.#received.buffer);
  #verdict;
  #verdictView;
  /** The verdict with a packet's bytes behind it. */
  #replacement = new Uint8Array(70_016);

  /** System calls so far. */
  syscalls = 0;

  /**
   * @param {number} queue
   * @param {{ gso?: boolean }} [options]
   */
  constructor(queue, { gso = true } = {}) {
    this.#queue = queue;
    this.#gso = gso;
    this.#socket = new (loadNative().Socket)(NETLINK_NETFILTER);
    this.#socket.bind(0, 0);
    /** Bytes, as the kernel accounts them. */
    this.receiveBuffer = this.#socket.setReceiveBuffer(4 * 1024 * 1024);
    this.#socket.setOption(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1);
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
   * Decides packets as they come, until the socket is closed.
   *
   * @param {Decide} decide
   */
  run(decide) {
    this.#socket.onReadable(() => {
      this.consume(decide);
    });
    this.#socket.resume();
  }

  /**
   * Decides what waits. Returns how many were decided.
   *
   * @param {Decide} decide
   */
  consume(decide) {
    for (let decided = 0; ; decided++) {
      this.syscalls++;
      const length = this.#socket.receive(this.#received);
      if (length === EAGAIN) return decided;
      if (length < 0) throw new Error(`recvmsg failed with error ${length}`);
      if (this.#view.getUint16(4, HOST_IS_LITTLE_ENDIAN) !== MESSAGE_PACKET)
        throw new Error("a verdict was refused");
      this.#decide(length, decide);
    }
  }

  close() {
    this.#configure(2);
    this.#socket.close();
  }

  /**
   * @param {number} length
   * @param {Decide} decide
   */
  #decide(length, decide) {
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
    const verdict = decide(view, payload, payloadLength);
    this.#verdictView.setUint32(VERDICT_OFFSET, verdict === NF_DROP ? NF_DROP : NF_ACCEPT);
    this.#verdictView.setUint32(ID_OFFSET, id);
    this.syscalls++;
    const sent = this.#socket.send(
      verdict === REPLACE ? this.#withPayload(payload, payloadLength) : this.#verdict,
    );
    if (sent < 0) throw new Error(`sendmsg failed with error ${sent}`);
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  #withPayload(offset, length) {
    const bytes = this.#replacement;
    const view = new DataView(bytes.buffer);
    bytes.set(this.#verdict);
    view.setUint32(0, VERDICT_LENGTH + 4 + length, HOST_IS_LITTLE_ENDIAN);
    view.setUint16(VERDICT_LENGTH, 4 + length, HOST_IS_LITTLE_ENDIAN);
    view.setUint16(VERDICT_LENGTH + 2, NFQA_PAYLOAD, HOST_IS_LITTLE_ENDIAN);
    bytes.set(this.#received.subarray(offset, offset + length), VERDICT_LENGTH + 4);
    return bytes.subarray(0, VERDICT_LENGTH + 4 + length);
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
      writer.attributeUint32Network(4, GSO).attributeUint32Network(5, this.#gso ? GSO : 0);
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
