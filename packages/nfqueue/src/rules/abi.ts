/**
 * Constants of nftables, spelled as the kernel spells them.
 * Sources: include/uapi/linux/netfilter/nfnetlink.h, nf_tables.h, nf_tables_compat.h, include/uapi/linux/netfilter/xt_NFQUEUE.h.
 */

export const NFNL_SUBSYS_NFTABLES = 10;

/** A batch is one transaction: all of it, or nothing. */
export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;

export const NFT_MSG_NEWTABLE: number = (NFNL_SUBSYS_NFTABLES << 8) | 0;
export const NFT_MSG_GETTABLE: number = (NFNL_SUBSYS_NFTABLES << 8) | 1;
export const NFT_MSG_DELTABLE: number = (NFNL_SUBSYS_NFTABLES << 8) | 2;
export const NFT_MSG_NEWCHAIN: number = (NFNL_SUBSYS_NFTABLES << 8) | 3;
export const NFT_MSG_NEWRULE: number = (NFNL_SUBSYS_NFTABLES << 8) | 6;
export const NFT_MSG_DELRULE: number = (NFNL_SUBSYS_NFTABLES << 8) | 8;

export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;

export const NF_INET_LOCAL_IN = 1;

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
export const NFT_META_L4PROTO = 16;

export const NFTA_CMP_SREG = 1;
export const NFTA_CMP_OP = 2;
export const NFTA_CMP_DATA = 3;
export const NFT_CMP_EQ = 0;

export const NFTA_PAYLOAD_DREG = 1;
export const NFTA_PAYLOAD_BASE = 2;
export const NFTA_PAYLOAD_OFFSET = 3;
export const NFTA_PAYLOAD_LEN = 4;
export const NFT_PAYLOAD_TRANSPORT_HEADER = 2;

export const NFTA_QUEUE_NUM = 1;
export const NFTA_QUEUE_TOTAL = 2;

export const NFTA_TARGET_NAME = 1;
export const NFTA_TARGET_REV = 2;
export const NFTA_TARGET_INFO = 3;
/** Revision of the NFQUEUE target whose data is struct xt_NFQ_info_v3: queue, queues, flags; host order u16 each, padded to 8. */
export const NFQUEUE_REVISION = 3;
