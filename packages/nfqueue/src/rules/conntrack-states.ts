import {
  NF_CT_STATE_ESTABLISHED_BIT,
  NF_CT_STATE_INVALID_BIT,
  NF_CT_STATE_NEW_BIT,
  NF_CT_STATE_RELATED_BIT,
  NF_CT_STATE_UNTRACKED_BIT,
} from "./abi.js";
import type { ConntrackState } from "./match.js";

/** The bit of each state in what nftables' ct expression gives. */
export const CONNTRACK_STATES: ReadonlyMap<ConntrackState, number> = new Map<ConntrackState, number>([
  ["invalid", NF_CT_STATE_INVALID_BIT],
  ["established", NF_CT_STATE_ESTABLISHED_BIT],
  ["related", NF_CT_STATE_RELATED_BIT],
  ["new", NF_CT_STATE_NEW_BIT],
  ["untracked", NF_CT_STATE_UNTRACKED_BIT],
]);
