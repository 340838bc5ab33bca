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
export {
  type DiagnosticsSource,
  LOSS_CHANNEL,
  type LossKind,
  type MessagesLost,
  type MessagesReceived,
  type MessagesSent,
  RECEIVE_CHANNEL,
  SEND_CHANNEL,
} from "./diagnostics/diagnostics.js";
export { type FormatOptions, formatMessage } from "./diagnostics/format-message.js";
export { observeSockets, type SocketObserver } from "./diagnostics/observe-sockets.js";
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
export type { EventBody, EventDecoder } from "./events/event-decoder.js";
export {
  type EventMessage,
  type Resync,
  type SubscribeOptions,
  Subscription,
  type SubscriptionEvent,
} from "./events/subscription.js";
export {
  type Change,
  type Synced,
  Watch,
  type WatchEvent,
  type WatchItem,
  type WatchRequest,
} from "./events/watch.js";
export { type Acknowledgement, errorNumber } from "./message/acknowledgement.js";
export { AttributeReader } from "./message/attribute.js";
export type { AttributeKind, AttributePolicy } from "./message/attribute-policy.js";
export { type FrameKeeper, Message, OWN_MEMORY } from "./message/message.js";
export { MessageCursor } from "./message/message-cursor.js";
export { type MessageMemory, type MessagePlace, MessageStore } from "./message/message-memory.js";
export { MessageWriter } from "./message/message-writer.js";
export type { Decoder, Outgoing } from "./message/outgoing.js";
export type { ReceiveStatistics } from "./receive/frame-reader.js";
export type { ReadWaiter } from "./receive/receiver.js";
export { Dump, type DumpOptions } from "./request/dump.js";
export { ipAddress, macAddress } from "./schema/address.js";
export { type IndexedOptions, indexed, list } from "./schema/array.js";
export type { AttributeNames } from "./schema/attribute-names.js";
export {
  type AttributeDefinitions,
  type AttributesType,
  type AttributeType,
  attributes,
  type DecodedAttributes,
  type EncodableAttributes,
} from "./schema/attribute-set.js";
export { type Cases, type DependentType, type RepeatedType, repeated } from "./schema/attribute-type.js";
export { bytes, fixedBytes, flag, type PaddingType, padding } from "./schema/bytes.js";
export { decode, encode } from "./schema/codec.js";
export { dependingOn } from "./schema/depending-on.js";
export { enumeration } from "./schema/enumeration.js";
export {
  type BigIntegerType,
  type IntegerType,
  int8,
  int16,
  int16Network,
  int32,
  int32Network,
  int64,
  int64Network,
  uint8,
  uint16,
  uint16Network,
  uint32,
  uint32Network,
  uint64,
  uint64Network,
} from "./schema/integer.js";
export { type MessageSchema, message } from "./schema/message-schema.js";
export type { Decoded, Encodable, Flattened, PayloadType, Typed } from "./schema/payload-type.js";
export { trailingBytes, type UnknownAttribute, unknownAttributes } from "./schema/remainder.js";
export {
  type DecodedFields,
  type DecodedStruct,
  type EncodableFields,
  type EncodableStruct,
  type StructFields,
  type StructType,
  struct,
} from "./schema/struct.js";
export { type StructWithAttributesType, structWithAttributes } from "./schema/struct-with-attributes.js";
export { fixedString, string, stringWithoutNul } from "./schema/text.js";
export { NetlinkSocket } from "./socket.js";
export type { RequestOptions, SocketOptions, SocketStatistics } from "./socket-options.js";
export type { FilterInstruction } from "./transport/filter.js";
export type { TransportChoice } from "./transport/open-transport.js";
export type {
  RingOptions,
  RingShape,
  Transport,
  TransportKind,
  TransportProvider,
  TransportRequest,
} from "./transport/transport.js";
