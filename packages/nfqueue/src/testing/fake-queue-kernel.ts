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
  NF_DROP,
  NF_QUEUE,
  NF_REPEAT,
  NF_VERDICT_FLAG_QUEUE_BYPASS,
  NF_VERDICT_MASK,
  NF_VERDICT_QBITS,
  NFGENMSG_LENGTH,
  NFNETLINK_V0,
  NFNL_SUBSYS_QUEUE,
  NFQA_CAP_LEN,
  NFQA_CFG_CMD,
  NFQA_CFG_F_CONNTRACK,
  NFQA_CFG_F_FAIL_OPEN,
  NFQA_CFG_FLAGS,
  NFQA_CFG_MASK,
  NFQA_CFG_PARAMS,
  NFQA_CFG_QUEUE_MAXLEN,
  NFQA_MARK,
  NFQA_PACKET_HDR,
  NFQA_PAYLOAD,
  NFQA_PRIORITY,
  NFQNL_CFG_CMD_BIND,
  NFQNL_CFG_CMD_PF_BIND,
  NFQNL_CFG_CMD_UNBIND,
  NFQNL_COPY_META,
} from "../abi.js";
import { type FakeVerdict, readVerdict, type VerdictMessage } from "./fake-verdict.js";

const EPERM = -1;
const ENOENT = -2;
const EBUSY = -16;
const ENODEV = -19;
const EINVAL = -22;
const EOPNOTSUPP = -95;

const NF_MAX_VERDICT = 5;
const NF_STOLEN = 2;
const FAMILIES: Readonly<Record<string, number>> = { ip: 2, bridge: 7, ip6: 10 };

/** What is known of a packet that is put into a fake queue. */
export interface FakePacket {
  /** Network header first. */
  readonly payload: Uint8Array;
  readonly family?: "ip" | "ip6" | "bridge" | undefined;
  readonly mark?: number | undefined;
  readonly priority?: number | undefined;
}

/** What the fake kernel can do. */
export interface FakeQueueKernelOptions extends FakeKernelOptions {
  /** False for a kernel that refuses the queue's option `conntrack`; true where undefined. */
  readonly conntrack?: boolean | undefined;
}

const LOST: FakeVerdict = { verdict: "drop", mark: undefined };

/** A packet on its way through queues. */
interface Travelling {
  readonly packet: FakePacket;
  /** What verdicts have made of it so far. */
  readonly changed: Omit<FakeVerdict, "verdict">;
  readonly resolve: (verdict: FakeVerdict) => void;
}

interface BoundQueue {
  readonly transport: FakeSocket;
  readonly waiting: Map<number, Travelling>;
  maxLength: number;
  copyRange: number;
  flags: number;
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
 * `queue.intercept` succeeds and does nothing here, and no rule is counted or listed: `enqueue` is what a rule does. `repeat` meets that rule again, unless the verdict changed the
 * mark: the rule is taken for one that looks at it, and the packet is accepted then. `requeue` leads to the queue of that number, where one is open.
 */
export class FakeQueueKernel implements TransportProvider {
  readonly #kernel: FakeKernel;
  readonly #conntrack: boolean;
  readonly #queues = new Map<number, BoundQueue>();

  constructor(options: FakeQueueKernelOptions = {}) {
    this.#conntrack = options.conntrack ?? true;
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
    for (const { resolve } of bound?.waiting.values() ?? []) resolve(LOST);
    bound?.waiting.clear();
  }

  /** Unbinds a queue under whoever listens on it, as the end of its network namespace does: what waits is dropped. */
  unbind(queue: number): void {
    this.forget(queue);
    this.#queues.delete(queue);
  }

  /** Has the next packet of a queue get this id, as after so many packets. */
  setNextId(queue: number, id: number): void {
    const bound = this.#queues.get(queue);
    if (bound !== undefined) bound.lastId = (id - 1) >>> 0;
  }

  /**
   * Queues a packet and resolves with its verdict. Where nobody listens, or the queue or its receive buffer is full, the verdict is
   * "drop", as the kernel's; or "accept" where the queue is full and fails open.
   */
  enqueue(queue: number, packet: FakePacket): Promise<FakeVerdict> {
    return new Promise((resolve) => {
      this.#enqueue(queue, { packet, changed: { mark: undefined }, resolve }, LOST);
    });
  }

  /** @param otherwise the verdict where nobody listens */
  #enqueue(queue: number, travelling: Travelling, otherwise: FakeVerdict): void {
    const { packet, resolve } = travelling;
    const bound = this.#queues.get(queue);
    if (bound === undefined) {
      resolve(otherwise);
      return;
    }
    const full: FakeVerdict =
      (bound.flags & NFQA_CFG_F_FAIL_OPEN) === 0 ? LOST : { ...travelling.changed, verdict: "accept" };
    if (bound.waiting.size >= bound.maxLength) {
      resolve(full);
      return;
    }
    bound.lastId = (bound.lastId + 1) >>> 0;
    const id = bound.lastId;
    const delivered = this.#kernel.notify(bound.transport, MESSAGE_PACKET, (writer: MessageWriter) => {
      writePacket(writer, queue, id, packet, bound.copyRange);
    });
    if (delivered) bound.waiting.set(id, travelling);
    else resolve(full);
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
    const { message } = request;
    if (message.type === MESSAGE_CONFIG) return this.#configure(request, queue);
    if (message.type !== MESSAGE_VERDICT && message.type !== MESSAGE_VERDICT_BATCH) return EINVAL;
    if (bound === undefined) return ENODEV;
    return this.#decide(readVerdict(message), queue, bound, message.type === MESSAGE_VERDICT_BATCH);
  }

  /** Carries a verdict, or a batch of them, out; the error number that the kernel would answer. */
  #decide(message: VerdictMessage, queue: number, bound: BoundQueue, batch: boolean): number {
    const verdict = (message.verdict ?? NF_STOLEN) & NF_VERDICT_MASK;
    if (verdict > NF_MAX_VERDICT || verdict === NF_STOLEN) return EINVAL;
    const decided: Travelling[] = [];
    for (const id of batch ? [...bound.waiting.keys()] : [message.id]) {
      // Ids wrap, so they are compared as a signed difference; the kernel stops at the first that is behind the given one.
      if (((id - message.id) | 0) > 0) break;
      const travelling = bound.waiting.get(id);
      if (travelling === undefined) continue;
      bound.waiting.delete(id);
      decided.push(travelling);
    }
    for (const travelling of decided) this.#reinject(travelling, message, queue);
    return decided.length > 0 ? 0 : ENOENT;
  }

  #reinject({ packet, changed, resolve }: Travelling, message: VerdictMessage, queue: number): void {
    const { id: _id, verdict: decision = NF_DROP, mark, ...changes } = message;
    const next = { ...changed, ...changes, mark: mark ?? changed.mark };
    const accepted: FakeVerdict = { ...next, verdict: "accept" };
    const verdict = decision & NF_VERDICT_MASK;
    if (verdict === NF_DROP) {
      resolve({ ...next, verdict: "drop" });
      return;
    }
    const isSameRule = mark === undefined || mark === (packet.mark ?? 0);
    if (verdict !== NF_QUEUE && !(verdict === NF_REPEAT && isSameRule)) {
      resolve(accepted);
      return;
    }
    const target = verdict === NF_REPEAT ? queue : decision >>> NF_VERDICT_QBITS;
    const bypasses = verdict === NF_QUEUE && (decision & NF_VERDICT_FLAG_QUEUE_BYPASS) !== 0;
    this.#enqueue(
      target,
      {
        packet: {
          ...packet,
          payload: next.payload ?? packet.payload,
          mark: mark ?? packet.mark,
          priority: next.priority ?? packet.priority,
        },
        changed: { ...next, path: [...(changed.path ?? []), target] },
        resolve,
      },
      bypasses ? accepted : { ...next, verdict: "drop" },
    );
  }

  #configure(request: KernelRequest, queue: number): number {
    const attributes = request.message.attributes(NFGENMSG_LENGTH);
    const flags = flagsOf(request.message);
    // Before anything else, as the kernel does.
    if (!this.#conntrack && (flags.flags & flags.mask & NFQA_CFG_F_CONNTRACK) !== 0) return EOPNOTSUPP;
    while (attributes.next()) {
      if (attributes.type === NFQA_CFG_CMD) {
        const errno = this.#command(request, queue, attributes.uint8());
        if (errno !== 0) return errno;
        continue;
      }
      const bound = this.#queues.get(queue);
      if (bound === undefined) return ENODEV;
      if (attributes.type === NFQA_CFG_QUEUE_MAXLEN) bound.maxLength = attributes.uint32Network();
      if (attributes.type === NFQA_CFG_PARAMS && attributes.length >= 5) {
        const mode = attributes.view.getUint8(attributes.offset + 4);
        bound.copyRange = mode === NFQNL_COPY_META ? 0 : attributes.uint32Network();
      }
    }
    const bound = this.#queues.get(queue);
    if (bound !== undefined) bound.flags = (bound.flags & ~flags.mask) | (flags.flags & flags.mask);
    return 0;
  }

  #command({ transport }: KernelRequest, queue: number, command: number): number {
    const bound = this.#queues.get(queue);
    if (command === NFQNL_CFG_CMD_BIND) {
      if (bound !== undefined) return EBUSY;
      this.#queues.set(queue, {
        transport,
        waiting: new Map(),
        maxLength: 1024,
        copyRange: 0xffff,
        flags: 0,
        lastId: 0,
      });
    } else if (command === NFQNL_CFG_CMD_UNBIND) {
      if (bound === undefined) return ENODEV;
      this.unbind(queue);
    }
    return 0;
  }
}

function writePacket(
  writer: MessageWriter,
  queue: number,
  id: number,
  { family = "ip", mark, payload, priority }: FakePacket,
  copyRange: number,
): void {
  writer
    .uint8(FAMILIES[family] ?? 0)
    .uint8(NFNETLINK_V0)
    .uint16Network(queue);
  writer
    .attribute(NFQA_PACKET_HDR, 7)
    .uint32Network(id)
    .uint16Network(family === "ip6" ? 0x86dd : 0x0800)
    .uint8(1)
    .pad();
  if (mark !== undefined) writer.attributeUint32Network(NFQA_MARK, mark);
  if (priority !== undefined) writer.attributeUint32Network(NFQA_PRIORITY, priority);
  if (copyRange === 0) return;
  if (copyRange < payload.length) writer.attributeUint32Network(NFQA_CAP_LEN, payload.length);
  writer.attributeBytes(NFQA_PAYLOAD, payload.subarray(0, copyRange));
}

/** The command of a configuration message, 0 where it has none. */
function commandOf(message: Message): number {
  const attributes = message.attributes(NFGENMSG_LENGTH);
  while (attributes.next()) {
    if (attributes.type === NFQA_CFG_CMD) return attributes.uint8();
  }
  return 0;
}

function flagsOf(message: Message): { readonly mask: number; readonly flags: number } {
  let mask = 0;
  let flags = 0;
  const attributes = message.attributes(NFGENMSG_LENGTH);
  while (attributes.next()) {
    if (attributes.type === NFQA_CFG_MASK) mask = attributes.uint32Network();
    if (attributes.type === NFQA_CFG_FLAGS) flags = attributes.uint32Network();
  }
  return { mask, flags };
}
