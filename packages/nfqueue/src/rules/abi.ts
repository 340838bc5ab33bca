/**
 * Constants of nftables, spelled as the kernel spells them.
 * Sources: include/uapi/linux/netfilter.h, netfilter/nfnetlink.h, nf_tables.h, nf_tables_compat.h, nf_conntrack_common.h,
 * include/uapi/linux/netfilter/xt_NFQUEUE.h, include/uapi/linux/if_ether.h.
 */

export const NFNL_SUBSYS_NFTABLES = 10;

/** A batch is one transaction: all of it, or nothing. */
export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;

export const NFT_MSG_NEWTABLE: number = (NFNL_SUBSYS_NFTABLES << 8) | 0;
export const NFT_MSG_GETTABLE: number = (NFNL_SUBSYS_NFTABLES << 8) | 1;
export const NFT_MSG_DELTABLE: number = (NFNL_SUBSYS_NFTABLES << 8) | 2;
export const NFT_MSG_NEWCHAIN: number = (NFNL_SUBSYS_NFTABLES << 8) | 3;
export const NFT_MSG_GETCHAIN: number = (NFNL_SUBSYS_NFTABLES << 8) | 4;
export const NFT_MSG_NEWRULE: number = (NFNL_SUBSYS_NFTABLES << 8) | 6;
export const NFT_MSG_GETRULE: number = (NFNL_SUBSYS_NFTABLES << 8) | 7;
export const NFT_MSG_DELRULE: number = (NFNL_SUBSYS_NFTABLES << 8) | 8;

export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_BRIDGE = 7;
export const NFPROTO_IPV6 = 10;

export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;
/** Where conntrack looks packets up on prerouting and output; what comes before it has no connection yet. */
export const NF_IP_PRI_CONNTRACK: number = -200;

export const ETH_P_IP = 0x0800;
export const ETH_P_IPV6 = 0x86dd;

export const NFTA_TABLE_NAME = 1;
export const NFTA_TABLE_FLAGS = 2;
/** The table belongs to the socket that made it and goes with it (Linux 5.12). */
export const NFT_TABLE_F_OWNER = 2;

export const NFTA_CHAIN_TABLE = 1;
export const NFTA_CHAIN_NAME = 3;
export const NFTA_CHAIN_HOOK = 4;
export const NFTA_CHAIN_TYPE = 7;
export const NFTA_HOOK_HOOKNUM = 1;
export const NFTA_HOOK_PRIORITY = 2;

export const NFTA_RULE_TABLE = 1;
export const NFTA_RULE_CHAIN = 2;
export const NFTA_RULE_EXPRESSIONS = 4;
export const NFTA_LIST_ELEM = 1;
export const NFTA_EXPR_NAME = 1;
export const NFTA_EXPR_DATA = 2;

export const NFT_REG_1 = 1;
export const NFTA_DATA_VALUE = 1;

export const NFTA_META_DREG = 1;
export const NFTA_META_KEY = 2;
export const NFT_META_PROTOCOL = 1;
export const NFT_META_MARK = 3;
export const NFT_META_IIF = 4;
export const NFT_META_OIF = 5;
export const NFT_META_IIFNAME = 6;
export const NFT_META_OIFNAME = 7;
export const NFT_META_NFPROTO = 15;
export const NFT_META_L4PROTO = 16;
/** Bytes of an interface's name with the NUL behind it. */
export const IFNAMSIZ = 16;

export const NFTA_CT_DREG = 1;
export const NFTA_CT_KEY = 2;
export const NFT_CT_STATE = 0;
export const NFT_CT_MARK = 3;
export const NF_CT_STATE_INVALID_BIT = 1;
export const NF_CT_STATE_ESTABLISHED_BIT = 2;
export const NF_CT_STATE_RELATED_BIT = 4;
export const NF_CT_STATE_NEW_BIT = 8;
export const NF_CT_STATE_UNTRACKED_BIT = 64;

export const NFTA_BITWISE_SREG = 1;
export const NFTA_BITWISE_DREG = 2;
export const NFTA_BITWISE_LEN = 3;
export const NFTA_BITWISE_MASK = 4;
export const NFTA_BITWISE_XOR = 5;

export const NFTA_CMP_SREG = 1;
export const NFTA_CMP_OP = 2;
export const NFTA_CMP_DATA = 3;
/** Operators of cmp and range alike. */
export const NFT_CMP_EQ = 0;
export const NFT_CMP_NEQ = 1;

export const NFTA_RANGE_SREG = 1;
export const NFTA_RANGE_OP = 2;
export const NFTA_RANGE_FROM_DATA = 3;
export const NFTA_RANGE_TO_DATA = 4;

export const NFTA_PAYLOAD_DREG = 1;
export const NFTA_PAYLOAD_BASE = 2;
export const NFTA_PAYLOAD_OFFSET = 3;
export const NFTA_PAYLOAD_LEN = 4;
export const NFT_PAYLOAD_NETWORK_HEADER = 1;
export const NFT_PAYLOAD_TRANSPORT_HEADER = 2;

export const NFTA_COUNTER_BYTES = 1;
export const NFTA_COUNTER_PACKETS = 2;

export const NFTA_QUEUE_NUM = 1;
export const NFTA_QUEUE_TOTAL = 2;
export const NFTA_QUEUE_FLAGS = 3;
/** Flags of the queue expression, and of the NFQUEUE target under names of its own. */
export const NFT_QUEUE_FLAG_BYPASS = 1;
export const NFT_QUEUE_FLAG_CPU_FANOUT = 2;

export const NFTA_TARGET_NAME = 1;
export const NFTA_TARGET_REV = 2;
export const NFTA_TARGET_INFO = 3;
/** Revision of the NFQUEUE target whose data is struct xt_NFQ_info_v3: queue, queues, flags; host order u16 each, padded to 8. */
export const NFQUEUE_REVISION = 3;
