import type { RxRing, TxRing } from "@nlring/ring-core";
import type { FilterInstruction } from "./filter.js";
import type { Transport, TransportKind } from "./transport.js";

/** What every transport over a socket takes from it unchanged. */
export type SocketControls = Pick<
  Transport,
  | "receiveBuffer"
  | "setReceiveBuffer"
  | "send"
  | "drops"
  | "setOption"
  | "setFilter"
  | "clearFilter"
  | "addMembership"
  | "dropMembership"
  | "gracePeriod"
  | "onReadable"
  | "resume"
  | "pause"
  | "ref"
  | "unref"
  | "close"
>;

/** A transport whose rings are filled and sent in its own way over a socket that does the rest. */
export abstract class SocketTransport<Socket extends SocketControls> implements Transport {
  abstract readonly kind: TransportKind;
  abstract readonly reason: string;
  abstract readonly portId: number;
  abstract readonly rx: RxRing;
  abstract readonly tx: TxRing;
  protected readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  abstract fill(limit: number, rewound: boolean): number;
  abstract waits(): boolean;
  abstract takeCopied(length: number): Uint8Array | undefined;
  abstract drain(): number;

  get receiveBuffer(): number {
    return this.socket.receiveBuffer;
  }

  setReceiveBuffer(bytes: number): number {
    return this.socket.setReceiveBuffer(bytes);
  }

  send(messages: Uint8Array): number {
    return this.socket.send(messages);
  }

  drops(): number | undefined {
    return this.socket.drops();
  }

  setOption(level: number, option: number, value: number): void {
    this.socket.setOption(level, option, value);
  }

  setFilter(program: readonly FilterInstruction[]): void {
    this.socket.setFilter(program);
  }

  clearFilter(): void {
    this.socket.clearFilter();
  }

  addMembership(group: number): void {
    this.socket.addMembership(group);
  }

  dropMembership(group: number): void {
    this.socket.dropMembership(group);
  }

  gracePeriod(): Promise<void> {
    return this.socket.gracePeriod();
  }

  onReadable(callback: () => void): void {
    this.socket.onReadable(callback);
  }

  resume(): void {
    this.socket.resume();
  }

  pause(): void {
    this.socket.pause();
  }

  ref(): void {
    this.socket.ref();
  }

  unref(): void {
    this.socket.unref();
  }

  close(): void {
    this.socket.close();
  }
}
