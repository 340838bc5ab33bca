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
export { type Acknowledgement, errorNumber } from "./acknowledgement.js";
export { AttributeReader } from "./attribute.js";
export type { AttributeKind, AttributePolicy } from "./attribute-policy.js";
export { Dump, type DumpOptions } from "./dump.js";
export { errnoName } from "./errno.js";
export {
  BusyError,
  DecodeError,
  DumpInterruptedError,
  EncodeError,
  KernelError,
  type KernelErrorDetails,
  type MissingAttribute,
  NetlinkError,
  type NetlinkErrorDetails,
  ReplyCountError,
  ReplyLostError,
  SocketClosedError,
  SystemError,
  type SystemErrorOptions,
  TimeoutError,
  TransportError,
} from "./errors.js";
export type { EventBody, EventDecoder } from "./event-decoder.js";
export type { ReceiveStatistics } from "./frame-reader.js";
export { Message } from "./message.js";
export { MessageWriter } from "./message-writer.js";
export type { TransportChoice } from "./open-transport.js";
export type { AttributeNames, Decoder, Outgoing } from "./outgoing.js";
export { NetlinkSocket } from "./socket.js";
export type { RequestOptions, SocketOptions, SocketStatistics } from "./socket-options.js";
export {
  type EventMessage,
  type Resync,
  type SubscribeOptions,
  Subscription,
  type SubscriptionEvent,
} from "./subscription.js";
export type {
  RingOptions,
  RingShape,
  Transport,
  TransportKind,
  TransportProvider,
  TransportRequest,
} from "./transport.js";
export {
  type Change,
  type Synced,
  Watch,
  type WatchEvent,
  type WatchItem,
  type WatchRequest,
} from "./watch.js";
