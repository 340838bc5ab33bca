import type { MatchFamily, MatchHook } from "./match.js";

export type IpFamily = "ip" | "ip6";

/** Addresses from `from` to `to`, both included, in network order. `prefix` is set where they are a network. */
export interface AddressRange {
  readonly family: IpFamily;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly prefix: number | undefined;
}

/** One part of a match, checked. `negated` where it comes from `not`. */
export type Condition = { readonly negated: boolean } & (
  | { readonly part: "protocol"; readonly protocol: number }
  | { readonly part: "source" | "destination"; readonly addresses: AddressRange }
  | { readonly part: "sourcePort" | "destinationPort"; readonly from: number; readonly to: number }
  | { readonly part: "inputInterface" | "outputInterface"; readonly device: string | number }
  | { readonly part: "mark" | "conntrackMark"; readonly value: number; readonly mask: number }
  /** Bits of NF_CT_STATE_*. */
  | { readonly part: "conntrackState"; readonly states: number }
);

/** A match whose every part was checked. */
export interface CheckedMatch {
  readonly hook: MatchHook;
  /** "ip" or "ip6" where addresses say so. */
  readonly family: MatchFamily;
  /** What frames of a bridge carry, where addresses say so. */
  readonly bridged: IpFamily | undefined;
  readonly priority: number;
  readonly conditions: readonly Condition[];
  readonly bypass: boolean;
  readonly queues: readonly [first: number, last: number];
  readonly fanout: boolean;
}

/** True where the match makes the kernel track connections. */
export function usesConntrack(match: CheckedMatch): boolean {
  return match.conditions.some(({ part }) => part === "conntrackMark" || part === "conntrackState");
}
