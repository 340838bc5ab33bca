import type { FakeSocket } from "./memory-socket.js";

/** A socket of another process, as far as sockets in memory can tell: it sends any bytes under its own port. */
export class FakePeer {
  readonly portId: number;
  readonly #sockets: () => readonly FakeSocket[];

  constructor(portId: number, sockets: () => readonly FakeSocket[]) {
    this.portId = portId;
    this.#sockets = sockets;
  }

  /** Sends to the socket with this port; false where there is none, or its receive buffer is full. */
  send(bytes: Uint8Array, portId: number): boolean {
    const socket = this.#sockets().find((one) => one.portId === portId);
    return socket?.deliver(bytes, { senderPort: this.portId }) ?? false;
  }

  /** Sends to the sockets in a group; returns how many had room for it. */
  multicast(bytes: Uint8Array, group: number): number {
    return this.#sockets().filter(
      (one) => one.isMember(group) && one.deliver(bytes, { group, senderPort: this.portId }),
    ).length;
  }

  /** There is nothing to close; other peers have something. */
  close(): void {}
}
