import type { KernelSocket, MessageBuild } from "../src/index.js";

const NLMSG_ERROR = 2;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const RTM_GETLINK = 18;
const VERDICT = 0x301;
const VERDICT_BATCH = 0x303;
const NFQA_VERDICT_HDR = 2;
const HEADER_LENGTH = 16;
const EOPNOTSUPP = -95;
const ENOENT = -2;
const NOTHING = 0;

/** Bytes of a queued packet's message beside the datagram: headers and attributes, seen in every recording. */
const PACKET_OVERHEAD = 72;
/** What the kernel allocates beyond that for attributes that a packet may have: 3,000 bytes still fitted 4,072, 5,000 did not. */
const PACKET_SPARE = 100;

/**
 * What stands behind the recorded sockets: enough of nfnetlink_queue and of rtnetlink to answer as they did in the recordings.
 */
export class Subsystem {
  /** Packets that wait for a verdict, by id. */
  readonly waiting = new Set<number>();
  lastId = 0;
  /** Lengths of the messages that went into the ring, in order. */
  readonly delivered: number[] = [];
  readonly #socket: KernelSocket;
  readonly #dumpChunks: readonly Uint8Array[];

  constructor(socket: KernelSocket, dumpChunks: readonly Uint8Array[]) {
    this.#socket = socket;
    this.#dumpChunks = dumpChunks;
  }

  /** A datagram that a rule queues. Its id is given only once there is room: a lost packet uses none up. */
  queuePacket(datagram: number): void {
    const length = datagram + PACKET_OVERHEAD;
    const build = this.#socket.allocate(length + PACKET_SPARE);
    if (build === undefined) return;
    this.lastId++;
    writeHeader(build, length, 0x300, 0, 0);
    if (!build.deliver(length)) return;
    this.waiting.add(this.lastId);
    this.delivered.push(length);
  }

  /** Handles one frame of messages, as the kernel does inside the send. */
  handle(messages: Uint8Array): number {
    const view = new DataView(messages.buffer, messages.byteOffset, messages.byteLength);
    for (let at = 0; at + HEADER_LENGTH <= messages.length; ) {
      const length = view.getUint32(at, true);
      if (length < HEADER_LENGTH || at + length > messages.length) break;
      this.#handleOne(messages.subarray(at, at + length), view, at);
      at += (length + 3) & ~3;
    }
    return 0;
  }

  #handleOne(message: Uint8Array, view: DataView, at: number): void {
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    if (type === RTM_GETLINK && (flags & NLM_F_DUMP) === NLM_F_DUMP) {
      const chunks = [...this.#dumpChunks];
      this.#socket.startDump(() => {
        const chunk = chunks.shift();
        if (chunk !== undefined) this.delivered.push(chunk.length);
        return chunk;
      });
      return;
    }
    if (type === VERDICT || type === VERDICT_BATCH) {
      const id = verdictId(message);
      const decided = [...this.waiting].filter((one) => one === id || (type === VERDICT_BATCH && one < id));
      for (const one of decided) this.waiting.delete(one);
      if (decided.length === 0) this.#answer(message, ENOENT);
      return;
    }
    // rtnetlink refuses message types that it does not know, and nfnetlink takes the configuration.
    const errno = type >> 8 === 3 || type < HEADER_LENGTH ? NOTHING : EOPNOTSUPP;
    if (errno !== NOTHING || (flags & NLM_F_ACK) !== 0) this.#answer(message, errno);
  }

  /** An NLMSG_ERROR: the error number and the request, of which an acknowledgement echoes the header alone. */
  #answer(request: Uint8Array, errno: number): void {
    const echoed = errno === NOTHING ? HEADER_LENGTH : request.length;
    const length = HEADER_LENGTH + 4 + echoed;
    const build = this.#socket.allocate(length, "acknowledgement");
    if (build === undefined) return;
    writeHeader(
      build,
      length,
      NLMSG_ERROR,
      0,
      new DataView(request.buffer, request.byteOffset).getUint32(8, true),
    );
    new DataView(build.bytes.buffer, build.bytes.byteOffset).setInt32(HEADER_LENGTH, errno, true);
    build.bytes.set(request.subarray(0, echoed), HEADER_LENGTH + 4);
    if (build.deliver(length)) this.delivered.push(length);
  }
}

function writeHeader(
  build: MessageBuild,
  length: number,
  type: number,
  flags: number,
  sequence: number,
): void {
  const view = new DataView(build.bytes.buffer, build.bytes.byteOffset, build.bytes.byteLength);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, 0, true);
}

function verdictId(message: Uint8Array): number {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  for (let at = HEADER_LENGTH + 4; at + 4 <= message.length; ) {
    const length = view.getUint16(at, true);
    if (view.getUint16(at + 2, true) === NFQA_VERDICT_HDR) return view.getUint32(at + 8);
    at += (Math.max(length, 4) + 3) & ~3;
  }
  return -1;
}
