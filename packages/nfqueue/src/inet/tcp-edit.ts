import type { DatagramView } from "./datagram-view.js";
import { checkRange, type EditMemory } from "./edit-memory.js";
import { setUint32, uint16 } from "./network-order.js";
import { replacePayload, splicePayload } from "./payload-edit.js";
import {
  TCP_ACK,
  TCP_AE,
  TCP_CWR,
  TCP_ECE,
  TCP_FIN,
  TCP_HEADER_LENGTH,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
  TCPOPT_MAXSEG,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from "./protocols.js";
import { TcpHeader } from "./tcp-header.js";
import type { TcpOption, TcpTimestamps } from "./tcp-option.js";
import { changeTcpOption, encodeTcpOptions } from "./tcp-option-bytes.js";

/** The TCP header of a packet that is rewritten; its data offset follows the options. Setters throw DatagramEditError, and checksums are made by `bytes()`. */
export class TcpEdit extends TcpHeader {
  readonly #datagram: DatagramView;
  readonly #memory: EditMemory;

  /** Made by the packet's rewrite. */
  constructor(datagram: DatagramView, memory: EditMemory) {
    super(datagram);
    this.#datagram = datagram;
    this.#memory = memory;
  }

  override get sourcePort(): number {
    return super.sourcePort;
  }

  override set sourcePort(value: number) {
    this.#memory.writeTransport("sourcePort", 0, 2, value);
  }

  override get destinationPort(): number {
    return super.destinationPort;
  }

  override set destinationPort(value: number) {
    this.#memory.writeTransport("destinationPort", 2, 2, value);
  }

  override get sequence(): number {
    return super.sequence;
  }

  override set sequence(value: number) {
    this.#memory.writeTransport("sequence", 4, 4, value);
  }

  override get acknowledgement(): number {
    return super.acknowledgement;
  }

  override set acknowledgement(value: number) {
    this.#memory.writeTransport("acknowledgement", 8, 4, value);
  }

  override get fin(): boolean {
    return super.fin;
  }

  override set fin(value: boolean) {
    this.#setFlag(TCP_FIN, value);
  }

  override get syn(): boolean {
    return super.syn;
  }

  override set syn(value: boolean) {
    this.#setFlag(TCP_SYN, value);
  }

  override get rst(): boolean {
    return super.rst;
  }

  override set rst(value: boolean) {
    this.#setFlag(TCP_RST, value);
  }

  override get psh(): boolean {
    return super.psh;
  }

  override set psh(value: boolean) {
    this.#setFlag(TCP_PSH, value);
  }

  override get ack(): boolean {
    return super.ack;
  }

  override set ack(value: boolean) {
    this.#setFlag(TCP_ACK, value);
  }

  override get urg(): boolean {
    return super.urg;
  }

  override set urg(value: boolean) {
    this.#setFlag(TCP_URG, value);
  }

  override get ece(): boolean {
    return super.ece;
  }

  override set ece(value: boolean) {
    this.#setFlag(TCP_ECE, value);
  }

  override get cwr(): boolean {
    return super.cwr;
  }

  override set cwr(value: boolean) {
    this.#setFlag(TCP_CWR, value);
  }

  override get ae(): boolean {
    return super.ae;
  }

  override set ae(value: boolean) {
    this.#setFlag(TCP_AE, value);
  }

  override get window(): number {
    return super.window;
  }

  override set window(value: number) {
    this.#memory.writeTransport("window", 14, 2, value);
  }

  override get urgentPointer(): number {
    return super.urgentPointer;
  }

  override set urgentPointer(value: number) {
    this.#memory.writeTransport("urgentPointer", 18, 2, value);
  }

  override get flags(): number {
    return super.flags;
  }

  override set flags(value: number) {
    checkRange("flags", value, 0x1ff);
    const reserved = uint16(this.#datagram.raw, this.#datagram.transportOffset + 12) & ~0x1ff;
    this.#memory.writeTransport("flags", 12, 2, reserved | value);
  }

  override get options(): Iterable<TcpOption> {
    return super.options;
  }

  override set options(value: Iterable<Pick<TcpOption, "kind" | "value">>) {
    this.#replaceOptions(encodeTcpOptions(value));
  }

  override get maximumSegmentSize(): number | undefined {
    return super.maximumSegmentSize;
  }

  override set maximumSegmentSize(value: number | undefined) {
    this.#setNumber("maximumSegmentSize", TCPOPT_MAXSEG, 2, value);
  }

  override get windowScale(): number | undefined {
    return super.windowScale;
  }

  override set windowScale(value: number | undefined) {
    this.#setNumber("windowScale", TCPOPT_WINDOW, 1, value);
  }

  override get selectiveAcknowledgementPermitted(): boolean {
    return super.selectiveAcknowledgementPermitted;
  }

  override set selectiveAcknowledgementPermitted(value: boolean) {
    this.setOption(TCPOPT_SACK_PERM, value ? new Uint8Array(0) : undefined);
  }

  override get timestamps(): TcpTimestamps | undefined {
    return super.timestamps;
  }

  override set timestamps(value: TcpTimestamps | undefined) {
    if (value === undefined) {
      this.removeOption(TCPOPT_TIMESTAMP);
      return;
    }
    checkRange("timestamps.value", value.value, 0xffff_ffff);
    checkRange("timestamps.echoReply", value.echoReply, 0xffff_ffff);
    const bytes = new Uint8Array(8);
    setUint32(bytes, 0, value.value);
    setUint32(bytes, 4, value.echoReply);
    this.setOption(TCPOPT_TIMESTAMP, bytes);
  }

  /** Sets the value of an option: in its place where there is one of this kind, else behind the others; undefined removes it. */
  setOption(kind: number, value: Uint8Array | undefined): void {
    this.#replaceOptions(changeTcpOption(super.optionBytes, kind, value));
  }

  /** Removes every option of a kind; the header gets shorter. */
  removeOption(kind: number): void {
    this.setOption(kind, undefined);
  }

  override get payload(): Uint8Array {
    return super.payload;
  }

  override set payload(value: Uint8Array) {
    replacePayload(this.#datagram, this.#memory, value);
  }

  /** Replaces `deleteCount` bytes of the payload from `start` on by others; none for removing alone. */
  splice(start: number, deleteCount: number, inserted?: Uint8Array): void {
    splicePayload(this.#datagram, this.#memory, start, deleteCount, inserted);
  }

  #setFlag(flag: number, on: boolean): void {
    this.flags = on ? super.flags | flag : super.flags & ~flag;
  }

  #setNumber(name: string, kind: number, size: 1 | 2, value: number | undefined): void {
    if (value === undefined) {
      this.removeOption(kind);
      return;
    }
    checkRange(name, value, 2 ** (8 * size) - 1);
    this.setOption(kind, size === 1 ? Uint8Array.of(value) : Uint8Array.of(value >> 8, value));
  }

  #replaceOptions(options: Uint8Array): void {
    this.#memory.requireChecksum("options");
    const { transportOffset, payloadOffset } = this.#datagram;
    const from = transportOffset + TCP_HEADER_LENGTH;
    this.#memory.splice(from, payloadOffset - from, options, TCP_HEADER_LENGTH + options.length);
  }
}
