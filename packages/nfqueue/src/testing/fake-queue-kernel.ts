import {
  type Message,
  type MessageWriter,
  NLM_F_DUMP,
  NLM_F_MULTI,
  NLMSG_DONE,
  type Transport,
  type TransportProvider,
  type TransportRequest,
} from "@nlring/netlink";
import {
  FakeKernel,
  type FakeKernelOptions,
  type FakeSocket,
  type KernelRequest,
} from "@nlring/netlink/testing";
import {
  MESSAGE_CONFIG,
  MESSAGE_PACKET,
  MESSAGE_VERDICT,
  MESSAGE_VERDICT_BATCH,
  NF_ACCEPT,
  NFGENMSG_LENGTH,
  NFNETLINK_V0,
  NFNL_SUBSYS_QUEUE,
  NFQA_CAP_LEN,
  NFQA_CFG_CMD,
  NFQA_CFG_PARAMS,
  NFQA_CFG_QUEUE_MAXLEN,
  NFQA_MARK,
  NFQA_PACKET_HDR,
  NFQA_PAYLOAD,
  NFQA_VERDICT_HDR,
  NFQNL_CFG_CMD_BIND,
  NFQNL_CFG_CMD_PF_BIND,
  NFQNL_CFG_CMD_UNBIND,
  NFQNL_COPY_META,
} from "../abi.js";
import type { Verdict } from "../packet.js";

const EPERM = -1;
const ENOENT = -2;
const EBUSY = -16;
const ENODEV = -19;
const EINVAL = -22;

/** What is known of a packet that is put into a fake queue. */
export interface FakePacket {
  /** Network header first. */
  readonly payload: Uint8Array;
  readonly family?: "ip" | "ip6" | undefined;
  readonly mark?: number | undefined;
}

/** What became of a packet. */
export interface FakeVerdict {
  readonly verdict: Verdict;
  /** The mark that the verdict set; undefined where it set none. */
  readonly mark: number | undefined;
}

const LOST: FakeVerdict = { verdict: "drop", mark: undefined };

interface BoundQueue {
  readonly transport: FakeSocket;
  readonly waiting: Map<number, (verdict: FakeVerdict) => void>;
  maxLength: number;
  copyRange: number;
  lastId: number;
}

/**
 * The kernel's end of NFQUEUE, in memory: tests of packet handlers need neither privilege nor Linux.
 *
 * ```js
 * const kernel = new FakeQueueKernel();
 * const queue = await NfQueue.open(0, { transport: kernel });
 * queue.run((packet) => packet.accept({ mark: 7 }));
 * const { verdict, mark } = await kernel.enqueue(0, { payload: packetBytes });
 * ```
 *
 * `queue.intercept` succeeds and does nothing here, and no rule is counted or listed: `enqueue` is what a rule does.
 */
export class FakeQueueKernel implements TransportProvider {
  readonly #kernel: FakeKernel;
  readonly #queues = new Map<number, BoundQueue>();

  constructor(options: FakeKernelOptions = {}) {
    this.#kernel = new FakeKernel((request) => this.#handle(request), options);
  }

  open(request: TransportRequest): Transport {
    return this.#kernel.open(request);
  }

  /** Packets of a queue that wait for their verdict. */
  waiting(queue: number): number {
    return this.#queues.get(queue)?.waiting.size ?? 0;
  }

  /** True where a queue is bound. */
  listening(queue: number): boolean {
    return this.#queues.has(queue);
  }

  /** Drops what waits in a queue, unseen by whoever decides it: the kernel does that when any base chain of the namespace goes. */
  forget(queue: number): void {
    const bound = this.#queues.get(queue);
    for (const resolve of bound?.waiting.values() ?? []) resolve(LOST);
    bound?.waiting.clear();
  }

  /**
   * Queues a packet and resolves with its verdict. Where nobody listens, or the queue or its receive buffer is full, the verdict is
   * "drop", as the kernel's.
   */
  enqueue(queue: number, packet: FakePacket): Promise<FakeVerdict> {
    const bound = this.#queues.get(queue);
    if (bound === undefined || bound.waiting.size >= bound.maxLength) return Promise.resolve(LOST);
    bound.lastId = (bound.lastId + 1) >>> 0;
    const id = bound.lastId;
    const delivered = this.#kernel.notify(bound.transport, MESSAGE_PACKET, (writer: MessageWriter) => {
      const isIp6 = packet.family === "ip6";
      writer
        .uint8(isIp6 ? 10 : 2)
        .uint8(NFNETLINK_V0)
        .uint16Network(queue);
      writer
        .attribute(NFQA_PACKET_HDR, 7)
        .uint32Network(id)
        .uint16Network(isIp6 ? 0x86dd : 0x0800)
        .uint8(1)
        .pad();
      if (packet.mark !== undefined) writer.attributeUint32Network(NFQA_MARK, packet.mark);
      const { copyRange } = bound;
      if (copyRange < packet.payload.length && copyRange > 0) {
        writer.attributeUint32Network(NFQA_CAP_LEN, packet.payload.length);
      }
      if (copyRange > 0) writer.attributeBytes(NFQA_PAYLOAD, packet.payload.subarray(0, copyRange));
    });
    if (!delivered) return Promise.resolve(LOST);
    return new Promise((resolve) => {
      bound.waiting.set(id, resolve);
    });
  }

  #handle(request: KernelRequest): void {
    const { message } = request;
    if (message.type >> 8 !== NFNL_SUBSYS_QUEUE) {
      // nftables: it takes every rule, and has none to tell of.
      if ((message.flags & NLM_F_DUMP) === NLM_F_DUMP) {
        request.reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0));
      }
      return;
    }
    const queue = message.view.getUint16(message.payloadOffset + 2);
    // Asks about privilege alone, whoever holds the queue.
    if (message.type === MESSAGE_CONFIG && commandOf(message) === NFQNL_CFG_CMD_PF_BIND) return;
    const bound = this.#queues.get(queue);
    const owned = bound === undefined || bound.transport === request.transport;
    const errno = owned ? this.#act(request, queue, bound) : EPERM;
    if (errno !== 0) request.fail(errno);
  }

  #act(request: KernelRequest, queue: number, bound: BoundQueue | undefined): number {
    const { type } = request.message;
    if (type === MESSAGE_CONFIG) return this.#configure(request, queue);
    if (type !== MESSAGE_VERDICT && type !== MESSAGE_VERDICT_BATCH) return EINVAL;
    return bound === undefined ? ENODEV : decide(request, bound, type === MESSAGE_VERDICT_BATCH);
  }

  #configure(request: KernelRequest, queue: number): number {
    const attributes = request.message.attributes(NFGENMSG_LENGTH);
    while (attributes.next()) {
      const bound = this.#queues.get(queue);
      if (attributes.type === NFQA_CFG_QUEUE_MAXLEN && bound !== undefined) {
        bound.maxLength = attributes.uint32Network();
      }
      if (attributes.type === NFQA_CFG_PARAMS && attributes.length >= 5 && bound !== undefined) {
        const mode = attributes.view.getUint8(attributes.offset + 4);
        bound.copyRange = mode === NFQNL_COPY_META ? 0 : attributes.uint32Network();
      }
      if (attributes.type !== NFQA_CFG_CMD) continue;
      const command = attributes.uint8();
      if (command === NFQNL_CFG_CMD_BIND) {
        if (bound !== undefined) return EBUSY;
        const { transport } = request;
        this.#queues.set(queue, {
          transport,
          waiting: new Map(),
          maxLength: 1024,
          copyRange: 0xffff,
          lastId: 0,
        });
      } else if (command === NFQNL_CFG_CMD_UNBIND && bound !== undefined) {
        this.#queues.delete(queue);
        for (const resolve of bound.waiting.values()) resolve(LOST);
      }
    }
    return 0;
  }
}

/** The command of a configuration message, 0 where it has none. */
function commandOf(message: Message): number {
  const attributes = message.attributes(NFGENMSG_LENGTH);
  while (attributes.next()) {
    if (attributes.type === NFQA_CFG_CMD) return attributes.uint8();
  }
  return 0;
}

/** Carries a verdict, or a batch of them, out; the error number that the kernel would answer. */
function decide(request: KernelRequest, bound: BoundQueue, batch: boolean): number {
  const { view } = request.message;
  let decision = 0;
  let id = 0;
  let mark: number | undefined;
  const attributes = request.message.attributes(NFGENMSG_LENGTH);
  while (attributes.next()) {
    if (attributes.type === NFQA_VERDICT_HDR && attributes.length >= 8) {
      decision = view.getUint32(attributes.offset);
      id = view.getUint32(attributes.offset + 4);
    } else if (attributes.type === NFQA_MARK) {
      mark = attributes.uint32Network();
    }
  }
  const verdict: FakeVerdict = { verdict: decision === NF_ACCEPT ? "accept" : "drop", mark };
  // Ids wrap, so they are compared as a signed difference.
  const ids = batch ? [...bound.waiting.keys()].filter((waiting) => ((waiting - id) | 0) <= 0) : [id];
  let found = false;
  for (const one of ids) {
    const resolve = bound.waiting.get(one);
    if (resolve === undefined) continue;
    found = true;
    bound.waiting.delete(one);
    resolve(verdict);
  }
  return found ? 0 : ENOENT;
}
