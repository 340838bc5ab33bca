import { loadNative, type NativeSocket } from "@nlring/native";

const SOL_NETLINK = 270;

/** Another process's socket, as far as the one under test can tell. */
export class PeerSocket {
  readonly portId: number;
  readonly #socket: NativeSocket;

  constructor(protocol: number) {
    this.#socket = new (loadNative().Socket)(protocol);
    this.portId = this.#socket.bind(0, 0);
  }

  /** Sends to a port; throws where the kernel refuses. Returns the bytes that a filter of the receiver has left, or all of them where it left none. */
  send(bytes: Uint8Array, portId: number): number {
    const sent = this.#socket.send(bytes, portId, 0);
    if (sent < 0) throw new Error(`sendmsg to port ${portId}: ${sent}`);
    return sent;
  }

  /** Sends to a multicast group (1 to 32). What is returned for the port 0 beside it, where nobody may be, is of no interest. */
  multicast(bytes: Uint8Array, group: number): void {
    this.#socket.send(bytes, 0, 2 ** (group - 1));
  }

  /** True where the kernel knows the socket option. */
  knowsOption(option: number): boolean {
    try {
      this.#socket.setOption(SOL_NETLINK, option, 1);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#socket.close();
  }
}
