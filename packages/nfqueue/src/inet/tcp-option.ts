import { uint8 } from "./network-order.js";
import {
  TCPOPT_EOL,
  TCPOPT_MAXSEG,
  TCPOPT_NOP,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from "./protocols.js";

/** The options that have a name here: those of RFC 9293 (3.2), RFC 7323 and RFC 2018. */
export type TcpOptionName =
  | "maximum-segment-size"
  | "window-scale"
  | "selective-acknowledgement-permitted"
  | "selective-acknowledgement"
  | "timestamps";

/** An option of a TCP header, in its place in the packet: `value` is as borrowed as the packet. */
export interface TcpOption {
  readonly kind: number;
  /** Its name where it is one of these five. */
  readonly name: TcpOptionName | undefined;
  /** What follows kind and length, network byte order. */
  readonly value: Uint8Array;
}

/** The timestamps option (RFC 7323, 3). */
export interface TcpTimestamps {
  /** TSval: the sender's clock. */
  readonly value: number;
  /** TSecr: the peer's clock as last seen. */
  readonly echoReply: number;
}

const NAMES: ReadonlyMap<number, TcpOptionName> = new Map<number, TcpOptionName>([
  [TCPOPT_MAXSEG, "maximum-segment-size"],
  [TCPOPT_WINDOW, "window-scale"],
  [TCPOPT_SACK_PERM, "selective-acknowledgement-permitted"],
  [5, "selective-acknowledgement"],
  [TCPOPT_TIMESTAMP, "timestamps"],
]);

/** Bytes of the option at an offset: 1 for no-operation, 0 where options end or the next one is broken. */
export function tcpOptionLength(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const kind = uint8(bytes, at);
  if (kind === TCPOPT_EOL) return 0;
  if (kind === TCPOPT_NOP) return 1;
  if (at + 2 > end) return 0;
  const length = uint8(bytes, at + 1);
  return length >= 2 && at + length <= end ? length : 0;
}

/** Where the first option of a kind begins, or -1. */
export function findTcpOption(bytes: Uint8Array, from: number, end: number, kind: number): number {
  let at = from;
  for (;;) {
    const length = tcpOptionLength(bytes, at, end);
    if (length === 0) return -1;
    if (uint8(bytes, at) === kind) return at;
    at += length;
  }
}

/** The options but no-operation and end-of-list, up to the first broken one. */
export function* tcpOptions(bytes: Uint8Array, from: number, end: number): Generator<TcpOption, void> {
  let at = from;
  for (;;) {
    const length = tcpOptionLength(bytes, at, end);
    if (length === 0) return;
    const kind = uint8(bytes, at);
    if (kind !== TCPOPT_NOP) {
      yield { kind, name: NAMES.get(kind), value: bytes.subarray(at + 2, at + length) };
    }
    at += length;
  }
}
