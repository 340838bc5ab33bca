import { type KernelDialect, planRing } from "@nlring/ring-core";
import { align, HOST_IS_LITTLE_ENDIAN, NLMSG_HDRLEN } from "../abi.js";
import { Message, OWN_MEMORY } from "../message/message.js";
import type { MessageWriter } from "../message/message-writer.js";
import type { Outgoing } from "../message/outgoing.js";
import { KernelRing } from "../transport/kernel-ring.js";
import type { Transport, TransportProvider, TransportRequest } from "../transport/transport.js";
import { buildMessage } from "./fake-answer.js";
import { FakePeer } from "./fake-peer.js";
import { FakeRequest, type KernelRequest } from "./fake-request.js";
import { MappedMemorySocket } from "./mapped-memory-socket.js";
import type { FakeSocket } from "./memory-socket.js";
import { MemoryTransport } from "./memory-transport.js";

/** What kind of kernel the fake plays. */
export interface FakeKernelOptions {
  /**
   * Has the sockets' rings mapped by a stand-in for the kernels of 3.10 to 4.5, before or from 4.3, instead of filled from a receive
   * buffer: what such a kernel does with frames, overruns and dumps is what tests then meet.
   */
  readonly mapped?: KernelDialect | undefined;
}

/** Where a multicast message comes from. */
export interface MulticastSource {
  /** The request that it tells the effect of: it carries that one's numbers, and goes to sockets of its protocol alone. */
  readonly cause?: KernelRequest | undefined;
  /** The network namespace that the sockets' own knows by this id: it goes to those that listen to all. */
  readonly namespaceId?: number | undefined;
}

const FIRST_PORT = 4_000_000_000;

/**
 * The kernel's end of memory transports, for tests without privilege and on any system: `NetlinkSocket.open(protocol, { transport: kernel })`.
 *
 * The handler sees every message that is sent, and answers before it returns, as the kernel does: a request whose answer is not there by
 * then counts as lost. A request that asks for an ACK gets one when the handler returns, unless it called `fail`, `acknowledge` or `dump`.
 */
export class FakeKernel implements TransportProvider {
  readonly #handler: (request: KernelRequest) => void;
  readonly #mapped: KernelDialect | undefined;
  /** The sockets that are open, and their protocols. */
  readonly #sockets = new Map<FakeSocket, number>();
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
      this.#sockets.delete(socket);
    };
    const dialect = ordered || allNamespaces ? undefined : this.#mapped;
    const rx = dialect === undefined ? request.rx : planRing(mappedRx);
    const socket =
      dialect === undefined
        ? new MemoryTransport(portId, rx, tx, onSend, onClose)
        : new MappedMemorySocket(portId, rx, tx, dialect, onSend, onClose);
    if (filter !== undefined) socket.setFilter(filter);
    this.#sockets.set(socket, protocol);
    if (socket instanceof MemoryTransport) return socket;
    return new KernelRing(socket, rx, tx, {
      kind: "memory",
      reason: "given by the caller; a stand-in for a kernel that maps rings",
      skipsHeldFrames: dialect === "from-4.3",
    });
  }

  /**
   * Sends a message to the sockets in a group; returns how many got it. Where `source` says nothing, it carries no sequence number and no port,
   * and sockets of any protocol get it.
   */
  multicast(group: number, message: Outgoing, source?: MulticastSource): number;
  multicast(
    group: number,
    type: number,
    write?: ((writer: MessageWriter) => void) | undefined,
    source?: MulticastSource,
  ): number;
  multicast(
    group: number,
    message: Outgoing | number,
    second?: MulticastSource | ((writer: MessageWriter) => void),
    third: MulticastSource = {},
  ): number {
    const [write, source] = typeof second === "function" ? [second, third] : [undefined, second ?? third];
    const { cause, namespaceId } = source;
    const outgoing = typeof message === "number" ? { type: message, write } : message;
    const bytes = buildMessage(outgoing, cause?.message.sequence, cause?.transport.portId);
    let delivered = 0;
    for (const [socket, protocol] of this.#sockets) {
      if (cause !== undefined && protocol !== cause.protocol) continue;
      if (!socket.isMember(group) || (namespaceId !== undefined && !socket.options.allNamespaces)) continue;
      if (socket.deliver(bytes, { group, namespaceId })) delivered++;
    }
    return delivered;
  }

  /** Sends a message that answers nothing to one socket; false when its receive buffer is full and the message is lost. */
  notify(transport: FakeSocket, type: number, write?: (writer: MessageWriter) => void): boolean {
    return transport.deliver(buildMessage({ type, write }));
  }

  /**
   * Loses the next messages to the socket with this port, answers and events alike, as if its receive buffer were full. Throws RangeError
   * where no socket has the port.
   */
  lose(portId: number, count: number): void {
    this.#find(portId).lose(count);
  }

  /** Another process, whose messages sockets of this protocol get. */
  peer(protocol: number): FakePeer {
    return new FakePeer(this.#nextPort++, () =>
      [...this.#sockets].filter(([, other]) => other === protocol).map(([socket]) => socket),
    );
  }

  #find(portId: number): FakeSocket {
    for (const socket of this.#sockets.keys()) if (socket.portId === portId) return socket;
    throw new RangeError(`no open socket has the port ${portId}: socket.portId tells it`);
  }

  #receive(protocol: number, socket: FakeSocket, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let offset = 0; offset + NLMSG_HDRLEN <= bytes.length; ) {
      const length = view.getUint32(offset, HOST_IS_LITTLE_ENDIAN);
      if (length < NLMSG_HDRLEN || offset + length > bytes.length) return;
      const end = offset + length;
      const message = new Message(NO_KEEPER, OWN_MEMORY, bytes, view, offset, end, socket.portId, 0);
      const request = new FakeRequest(protocol, message, socket);
      this.#handler(request);
      request.finish();
      offset += align(length);
    }
  }
}

const NO_KEEPER = { holdFrame: () => {}, releaseFrame: () => {} };
