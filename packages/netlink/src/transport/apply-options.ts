import {
  NETLINK_BROADCAST_ERROR,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_LISTEN_ALL_NSID,
  NETLINK_NO_ENOBUFS,
  SOL_NETLINK,
} from "../abi.js";
import { NetlinkError } from "../errors.js";
import type { SocketOptions } from "../socket-options.js";
import type { Transport } from "./transport.js";

/** Sets what a socket is opened with that its transport was not opened with. Throws SystemError. */
export function applyOptions(transport: Transport, options: SocketOptions): void {
  if (options.receiveBuffer !== undefined) transport.setReceiveBuffer(options.receiveBuffer);
  setSwitch(transport, NETLINK_NO_ENOBUFS, options.noEnobufs);
  setSwitch(transport, NETLINK_BROADCAST_ERROR, options.broadcastError);
  setSwitch(transport, NETLINK_GET_STRICT_CHK, options.strict);
  setSwitch(transport, NETLINK_LISTEN_ALL_NSID, options.allNamespaces);
  // Comforts, which are had where the kernel knows them.
  setSwitch(transport, NETLINK_EXT_ACK, options.extendedAck, true);
  setSwitch(transport, NETLINK_CAP_ACK, options.shortErrors, true);
}

/**
 * Sets an option to what was asked for, else to `otherwise`, else leaves it: a socket from a descriptor comes with options set. A kernel
 * that does not know the option is in the way of `true` alone.
 */
function setSwitch(
  transport: Transport,
  option: number,
  asked: boolean | undefined,
  otherwise?: boolean,
): void {
  const wanted = asked ?? otherwise;
  if (wanted === undefined) return;
  try {
    transport.setOption(SOL_NETLINK, option, wanted ? 1 : 0);
  } catch (error) {
    if (asked === true || !NetlinkError.isInstance(error) || error.code !== "ENOPROTOOPT") throw error;
  }
}
