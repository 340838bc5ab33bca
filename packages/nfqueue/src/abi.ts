/**
 * Constants of NFQUEUE, spelled as the kernel spells them.
 * Sources: include/uapi/linux/netfilter.h, netfilter/nfnetlink.h, netfilter/nfnetlink_queue.h.
 */

export const NFNL_SUBSYS_QUEUE = 3;
export const NFNETLINK_V0 = 0;
/** struct nfgenmsg: address family, version, resource id (network byte order). */
export const NFGENMSG_LENGTH = 4;

export const AF_UNSPEC = 0;

const NFQNL_MSG_PACKET = 0;
const NFQNL_MSG_VERDICT = 1;
const NFQNL_MSG_CONFIG = 2;
const NFQNL_MSG_VERDICT_BATCH = 3;

/** nlmsg_type of the messages: subsystem in the high byte. */
export const MESSAGE_PACKET: number = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET;
export const MESSAGE_VERDICT: number = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT;
export const MESSAGE_CONFIG: number = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_CONFIG;
export const MESSAGE_VERDICT_BATCH: number = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT_BATCH;

export const NFQA_PACKET_HDR = 1;
export const NFQA_VERDICT_HDR = 2;
export const NFQA_MARK = 3;
export const NFQA_TIMESTAMP = 4;
export const NFQA_IFINDEX_INDEV = 5;
export const NFQA_IFINDEX_OUTDEV = 6;
export const NFQA_IFINDEX_PHYSINDEV = 7;
export const NFQA_IFINDEX_PHYSOUTDEV = 8;
export const NFQA_HWADDR = 9;
export const NFQA_PAYLOAD = 10;
/** Nested: attributes of ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h). */
export const NFQA_CT = 11;
export const NFQA_CT_INFO = 12;
export const NFQA_CAP_LEN = 13;
export const NFQA_SKB_INFO = 14;
export const NFQA_EXP = 15;
export const NFQA_UID = 16;
export const NFQA_GID = 17;
export const NFQA_SECCTX = 18;
/** Nested: a VLAN tag; packets of bridges alone. */
export const NFQA_VLAN = 19;
export const NFQA_L2HDR = 20;
export const NFQA_PRIORITY = 21;
export const NFQA_CGROUP_CLASSID = 22;

export const NFQA_VLAN_PROTO = 1;
export const NFQA_VLAN_TCI = 2;

export const CTA_MARK = 8;
export const CTA_LABELS = 22;
export const CTA_LABELS_MASK = 23;

export const NFQA_SKB_CSUMNOTREADY = 1;
export const NFQA_SKB_GSO = 2;
export const NFQA_SKB_CSUM_NOTVERIFIED = 4;

export const NFQA_CFG_CMD = 1;
export const NFQA_CFG_PARAMS = 2;
export const NFQA_CFG_QUEUE_MAXLEN = 3;
export const NFQA_CFG_MASK = 4;
export const NFQA_CFG_FLAGS = 5;

export const NFQNL_CFG_CMD_BIND = 1;
export const NFQNL_CFG_CMD_UNBIND = 2;
export const NFQNL_CFG_CMD_PF_BIND = 3;

export const NFQNL_COPY_META = 1;
export const NFQNL_COPY_PACKET = 2;

export const NFQA_CFG_F_FAIL_OPEN = 1;
export const NFQA_CFG_F_CONNTRACK = 2;
export const NFQA_CFG_F_GSO = 4;
export const NFQA_CFG_F_UID_GID = 8;
export const NFQA_CFG_F_SECCTX = 16;

export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NF_QUEUE = 3;
export const NF_REPEAT = 4;
/** What an NF_QUEUE verdict's number is shifted by, into the upper 16 bits. */
export const NF_VERDICT_QBITS = 16;
export const NF_VERDICT_MASK = 0xff;
/** Flag of an NF_QUEUE verdict: accept where nobody listens on that queue. */
export const NF_VERDICT_FLAG_QUEUE_BYPASS = 0x8000;
