import { attributes, decode, uint16Network } from "@nlring/netlink";
import { NFQA_VLAN_PROTO, NFQA_VLAN_TCI } from "../abi.js";

/** The VLAN tag that a packet came with, which the kernel keeps beside its bytes. */
export interface Vlan {
  /** Ether type of the tag: 0x8100 (802.1Q) or 0x88a8 (802.1ad). */
  readonly protocol: number;
  /** Tag control information, all 16 bits. */
  readonly tci: number;
  /** VLAN id, 0 to 4095: the low 12 bits of the tci. */
  readonly id: number;
  /** Priority code point, 0 to 7: the high three bits of the tci. */
  readonly priority: number;
}

const schema = attributes({
  protocol: [NFQA_VLAN_PROTO, uint16Network],
  tci: [NFQA_VLAN_TCI, uint16Network],
});

/** What the nest NFQA_VLAN holds; undefined where half of it is missing. Throws DecodeError. */
export function decodeVlan(bytes: Uint8Array): Vlan | undefined {
  const { protocol, tci } = decode(schema, bytes);
  if (protocol === undefined || tci === undefined) return undefined;
  return { protocol, tci, id: tci & 0xfff, priority: tci >> 13 };
}
