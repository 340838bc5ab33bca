import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** A receiver on a port of the loopback interface and a sender to it: the traffic that a queue under test decides, and what it left of it. */
export class LoopbackDatagrams implements AsyncDisposable {
  /** The datagrams that arrived, in order. */
  readonly arrived: Buffer[] = [];
  readonly #receiver: Socket;
  readonly #sender: Socket;

  private constructor(receiver: Socket, sender: Socket) {
    this.#receiver = receiver;
    this.#sender = sender;
    receiver.on("message", (datagram) => this.arrived.push(datagram));
  }

  static async open(port: number): Promise<LoopbackDatagrams> {
    const receiver = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
    const sender = createSocket("udp4");
    receiver.bind(port, "127.0.0.1");
    await once(receiver, "listening");
    sender.connect(port, "127.0.0.1");
    await once(sender, "connect");
    return new LoopbackDatagrams(receiver, sender);
  }

  /** Resolves when the datagram is in the kernel: in its queue, or past it. */
  send(datagram: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sender.send(datagram, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Resolves when so many have arrived. */
  async until(count: number): Promise<void> {
    while (this.arrived.length < count) await once(this.#receiver, "message");
  }

  get texts(): string[] {
    return this.arrived.map(String);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sender.close();
    this.#receiver.close();
  }
}
