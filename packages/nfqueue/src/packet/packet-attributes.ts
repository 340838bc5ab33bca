import type { Conntrack } from "./conntrack.js";
import type { ConntrackInfo } from "./conntrack-names.js";
import type { Vlan } from "./vlan.js";

/** Family of the rule that queued a packet (NFPROTO_*, include/uapi/linux/netfilter.h). */
export type Family = "ip" | "ip6" | "bridge" | "arp" | "netdev" | "unknown";

/** The netfilter hook that a packet waits in (NF_INET_*, include/uapi/linux/netfilter.h), also of the families whose own names differ. */
export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting" | "unknown";

/**
 * What the kernel says of a packet beside its bytes: the attributes of a message NFQNL_MSG_PACKET
 * (include/uapi/linux/netfilter/nfnetlink_queue.h), each read when it is asked for. Values are the reader's to keep.
 *
 * Reading one throws PacketDecidedError once the packet has its verdict, and DecodeError where the attribute breaks its format.
 */
export interface PacketAttributes {
  /** Family of the rule that queued it. */
  readonly family: Family;

  /** The netfilter hook that it waits in. */
  readonly hook: Hook;

  /** Ether type of the packet, such as 0x0800 for IPv4. */
  readonly etherType: number;

  /** The packet's mark (skb->mark), 0 where it has none. */
  readonly mark: number;

  /** The packet's priority (skb->priority): what SO_PRIORITY or a rule set it to, or a traffic control class; 0 where it has none (Linux 5.18). */
  readonly priority: number;

  /** Index of the interface it came in by; 0 for none. `InterfaceNames` has the names. */
  readonly inputInterface: number;

  /** Index of the interface it leaves by; 0 for none. */
  readonly outputInterface: number;

  /** Index of the bridge's port that it came in by, where `inputInterface` is a bridge; 0 for none. */
  readonly physicalInputInterface: number;

  /** Index of the bridge's port that it leaves by; 0 for none. */
  readonly physicalOutputInterface: number;

  /**
   * Link-layer address of the neighbour that sent it, as text such as "02:00:00:00:00:01"; all zeros on the loopback interface. Undefined
   * for a packet that came in by no interface, or by one without such addresses.
   */
  readonly hardwareAddress: string | undefined;

  /**
   * When it was received: nanoseconds since 1970, whole microseconds of them. Undefined for a packet that was sent here, and while nothing on
   * the machine asks for time stamps: the kernel stamps packets only as long as some socket has SO_TIMESTAMP or the like.
   */
  readonly timestamp: bigint | undefined;

  /** Bytes of the packet that are here, its network header first. */
  readonly length: number;

  /**
   * Bytes of the whole packet: more than `length` where the copy range or the attribute's limit of 65,531 cut it. With a copy range of 0
   * the kernel does not tell, and this is 0.
   */
  readonly originalLength: number;

  /** True where `originalLength` is more than `length`; false with a copy range of 0, since the kernel does not tell then. */
  readonly truncated: boolean;

  /** True for a packet that segmentation offload keeps in one piece; it may be larger than the MTU. */
  readonly gso: boolean;

  /** False where the transport checksum is not filled in yet, which is normal for local traffic and no fault. */
  readonly checksumReady: boolean;

  /**
   * False for an incoming packet whose transport checksum nobody has looked at so far: neither the device nor connection tracking. It
   * may be wrong then; the receiver will check it.
   */
  readonly checksumVerified: boolean;

  /**
   * User id of the socket that it belongs to, as the initial user namespace counts (a process in another one sees its own differently).
   * Undefined unless the queue asks for it (NFQA_CFG_F_UID_GID), and for packets without a local socket.
   */
  readonly uid: number | undefined;

  /** Group id of the socket that it belongs to, as `uid`. */
  readonly gid: number | undefined;

  /** Class id of the net_cls control group (version 1) that its local socket is in; 0 for none (Linux 6.4). */
  readonly cgroupClassId: number;

  /** The VLAN tag that it came with, in queues of bridge rules; undefined without one (Linux 4.7). */
  readonly vlan: Vlan | undefined;

  /** A copy of its link-layer header, in queues of bridge rules; undefined elsewhere (Linux 4.7). */
  readonly layer2Header: Uint8Array | undefined;

  /** How it stands to its connection: cheaper than `conntrack`, and there with it. */
  readonly conntrackInfo: ConntrackInfo | undefined;

  /**
   * The connection that it belongs to, as tracked. A copy, which stays valid. Each access makes another: keep it where it is read
   * repeatedly. Undefined unless the queue asks for it (NFQA_CFG_F_CONNTRACK), and for untracked packets.
   */
  readonly conntrack: Conntrack | undefined;

  /** A copy of the attributes of an expected connection (CTA_EXPECT_*), which kernels take with verdicts and have not sent so far. */
  readonly expectation: Uint8Array | undefined;

  /**
   * A copy of the security module's label of the packet (text; some kernels end it with a NUL). Undefined unless the queue asks for it
   * (NFQA_CFG_F_SECCTX), for packets without a local socket, and for those that no rule labelled (SECMARK, with a module such as SELinux).
   */
  readonly securityContext: Uint8Array | undefined;
}
