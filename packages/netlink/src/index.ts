export {
  HOST_IS_LITTLE_ENDIAN,
  NETLINK_GENERIC,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_ECHO,
  NLM_F_EXCL,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "./abi.js";
export { errorNumber } from "./acknowledgement.js";
export { AttributeReader } from "./attribute.js";
export { errnoName } from "./errno.js";
export {
  BusyError,
  DecodeError,
  DumpInterruptedError,
  EncodeError,
  KernelError,
  type KernelErrorDetails,
  NetlinkError,
  type NetlinkErrorDetails,
  ReplyLostError,
  SocketClosedError,
  SystemError,
  type SystemErrorOptions,
  TransportError,
} from "./errors.js";
export type { FilterInstruction } from "./filter.js";
export type { ReceiveStatistics } from "./frame-reader.js";
export { Message } from "./message.js";
export { MessageWriter } from "./message-writer.js";
export type { TransportChoice } from "./open-transport.js";
export { NetlinkSocket } from "./socket.js";
export type { Outgoing, RequestOptions, SocketOptions, SocketStatistics } from "./socket-options.js";
export type {
  RingOptions,
  RingShape,
  Transport,
  TransportKind,
  TransportProvider,
  TransportRequest,
} from "./transport.js";
