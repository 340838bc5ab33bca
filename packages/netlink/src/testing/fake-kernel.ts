import { type KernelDialect, planRing } from "@nlring/ring-core";
import {
  align,
  HOST_IS_LITTLE_ENDIAN,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR_MSG,
} from "../abi.js";
import { KernelRing } from "../kernel-ring.js";
import { Message, OWN_MEMORY } from "../message.js";
import { MessageWriter } from "../message-writer.js";
import type { Transport, TransportProvider, TransportRequest } from "../transport.js";
import { MappedMemorySocket } from "./mapped-memory-socket.js";
import type { FakeSocket } from "./memory-socket.js";
import { MemoryTransport } from "./memory-transport.js";

/** One message that a socket sent to the fake kernel. */
export interface KernelRequest {
  readonly protocol: number;
  /** The message, read as any other. */
  readonly message: Message;
  /** The socket that sent it. */
  readonly transport: FakeSocket;
  /** Answers with a message of the request's sequence number. */
  reply(type: number, flags: number, write?: (writer: MessageWriter) => void): void;
  /** Answers with an error: a negative Linux error number, and words as from the extended ACK. */
  fail(errno: number, text?: string): void;
}

/** What kind of kernel the fake plays. */
export interface FakeKernelOptions {
  /**
   * Has the sockets' rings mapped by a stand-in for the kernels of 3.10 to 4.5, before or from 4.3, instead of filled from a receive
   * buffer: what such a kernel does with frames, overruns and dumps is what tests then meet.
   */
  readonly mapped?: KernelDialect | undefined;
}

const FIRST_PORT = 4_000_000_000;

/**
 * The kernel's end of memory transports, for tests without privilege and on any system: `NetlinkSocket.open(protocol, { transport: kernel })`.
 *
 * The handler sees every message that is sent, and answers before it returns, as the kernel does: a request whose answer is not there by
 * then counts as lost. A request that asks for an ACK gets one when the handler returns, unless it called `fail`. A dump is ended by
 * `reply(NLMSG_DONE, NLM_F_MULTI, (writer) => writer.uint32(0))`.
 */
export class FakeKernel implements TransportProvider {
  readonly #handler: (request: KernelRequest) => void;
  readonly #mapped: KernelDialect | undefined;
  readonly #transports = new Set<FakeSocket>();
  #nextPort = FIRST_PORT;

  constructor(handler: (request: KernelRequest) => void = () => {}, options: FakeKernelOptions = {}) {
    this.#handler = handler;
    this.#mapped = options.mapped;
  }

  open(request: TransportRequest): Transport {
    const portId = this.#nextPort++;
    const { allNamespaces, filter, mappedRx, ordered, protocol, tx } = request;
    // Neither is called before the socket is there.
    const onSend = (messages: Uint8Array): void => this.#receive(protocol, socket, messages);
    const onClose = (): void => {
      this.#transports.delete(socket);
    };
    const dialect = ordered || allNamespaces ? undefined : this.#mapped;
    const rx = dialect === undefined ? request.rx : planRing(mappedRx);
    const socket =
      dialect === undefined
        ? new MemoryTransport(portId, rx, tx, onSend, onClose)
        : new MappedMemorySocket(portId, rx, tx, dialect, onSend, onClose);
    if (filter !== undefined) socket.setFilter(filter);
    this.#transports.add(socket);
    if (socket instanceof MemoryTransport) return socket;
    return new KernelRing(socket, rx, tx, {
      kind: "memory",
      reason: "given by the caller; a stand-in for a kernel that maps rings",
      skipsHeldFrames: dialect === "from-4.3",
    });
  }

  /**
   * Sends a message to every socket in the group; returns how many got it. With `namespaceId` it comes from the network namespace that the
   * sockets' own knows by that id, and goes to those that listen to all.
   */
  multicast(
    group: number,
    type: number,
    write?: ((writer: MessageWriter) => void) | undefined,
    { namespaceId }: { readonly namespaceId?: number | undefined } = {},
  ): number {
    const bytes = build(type, 0, 0, 0, write);
    let delivered = 0;
    for (const transport of this.#transports) {
      if (!transport.isMember(group) || (namespaceId !== undefined && !transport.options.allNamespaces))
        continue;
      if (transport.deliver(bytes, { group, namespaceId })) delivered++;
    }
    return delivered;
  }

  /** Sends a message that answers nothing to one socket; false when its receive buffer is full and the message is lost. */
  notify(transport: FakeSocket, type: number, write?: (writer: MessageWriter) => void): boolean {
    return transport.deliver(build(type, 0, 0, 0, write));
  }

  #receive(protocol: number, transport: FakeSocket, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let offset = 0; offset + NLMSG_HDRLEN <= bytes.length; ) {
      const length = view.getUint32(offset, HOST_IS_LITTLE_ENDIAN);
      if (length < NLMSG_HDRLEN || offset + length > bytes.length) return;
      this.#handle(
        protocol,
        transport,
        new Message(NO_KEEPER, OWN_MEMORY, bytes, view, offset, offset + length, transport.portId, 0),
      );
      offset += align(length);
    }
  }

  #handle(protocol: number, transport: FakeSocket, message: Message): void {
    let failed = false;
    const answerError = (errno: number, text: string | undefined): void => {
      const { extendedAck, shortErrors } = transport.options;
      const words = extendedAck ? text : undefined;
      const isCapped = errno === 0 || shortErrors;
      const flags = (isCapped ? NLM_F_CAPPED : 0) | (words === undefined ? 0 : NLM_F_ACK_TLVS);
      const bytes = build(NLMSG_ERROR, flags, message.sequence, transport.portId, (writer) => {
        writer.uint32(errno >>> 0);
        // The request's header, or all of it, as it came.
        const end = isCapped ? message.payloadOffset : message.end;
        for (let at = message.offset; at < end; at++) writer.uint8(message.bytes[at] ?? 0);
        for (let at = end - message.offset; at < align(end - message.offset); at++) writer.uint8(0);
        if (words !== undefined) writer.attributeString(NLMSGERR_ATTR_MSG, words);
      });
      transport.deliver(bytes);
    };
    this.#handler({
      protocol,
      message,
      transport,
      reply: (type, flags, write) => {
        transport.deliver(build(type, flags, message.sequence, transport.portId, write));
      },
      fail: (errno, text) => {
        failed = true;
        answerError(errno, text);
      },
    });
    if (!failed && (message.flags & NLM_F_ACK) !== 0) answerError(0, undefined);
  }
}

const NO_KEEPER = { holdFrame: () => {}, releaseFrame: () => {} };

function build(
  type: number,
  flags: number,
  sequence: number,
  portId: number,
  write: ((writer: MessageWriter) => void) | undefined,
): Uint8Array {
  const writer = MessageWriter.growing();
  writer.begin(type, flags, sequence, portId);
  write?.(writer);
  writer.end();
  return writer.finished();
}
