import {
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR_COOKIE,
  NLMSGERR_ATTR_MISS_NEST,
  NLMSGERR_ATTR_MISS_TYPE,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
  NLMSGERR_ATTR_POLICY,
} from "../abi.js";
import { type AttributePolicy, writeAttributePolicy } from "../message/attribute-policy.js";
import type { Message } from "../message/message.js";
import { MessageWriter } from "../message/message-writer.js";
import type { Outgoing } from "../message/outgoing.js";

/** What an ACK says beside that the request succeeded (extended ACK). */
export interface AcknowledgementDetails {
  /** A warning in words. */
  readonly text?: string | undefined;
  readonly cookie?: Uint8Array | undefined;
}

/** What an error says beside its number (extended ACK). Offsets are bytes from the start of the request, its header included. */
export interface FailureDetails extends AcknowledgementDetails {
  /** Where the attribute starts that is refused. */
  readonly offset?: number | undefined;
  /** nla_type of an attribute that is missing, and where the nest starts that lacks it. */
  readonly missingType?: number | undefined;
  readonly missingNest?: number | undefined;
  /** What would be accepted. */
  readonly policy?: AttributePolicy | undefined;
}

/** The socket options that shape an error's message. */
export interface AcknowledgementOptions {
  /** NETLINK_EXT_ACK: without it, an error is its number alone. */
  readonly extended: boolean;
  /** NETLINK_CAP_ACK: the request is repeated by its header alone. */
  readonly capped: boolean;
}

/** The bytes of a message whose flags are taken as they are. */
export function buildMessage({ type, flags = 0, write }: Outgoing, sequence = 0, portId = 0): Uint8Array {
  const writer = MessageWriter.growing();
  writer.begin(type, flags, sequence, portId);
  write?.(writer);
  writer.end();
  return writer.finished();
}

/** The NLMSG_ERROR that answers a request, as netlink_ack makes it; an error number of 0 is an ACK. */
export function buildAcknowledgement(
  request: Message,
  portId: number,
  errno: number,
  details: FailureDetails,
  { extended, capped }: AcknowledgementOptions,
): Uint8Array {
  const says = extended && saysMore(details);
  const whole = errno !== 0 && !capped;
  const flags = (whole ? 0 : NLM_F_CAPPED) | (says ? NLM_F_ACK_TLVS : 0);
  const end = whole ? request.end : request.offset + NLMSG_HDRLEN;
  const write = (writer: MessageWriter): void => {
    writer.uint32(errno >>> 0).bytes(request.bytes.slice(request.offset, end));
    writer.pad();
    if (says) writeDetails(writer, details);
  };
  return buildMessage({ type: NLMSG_ERROR, flags, write }, request.sequence, portId);
}

export function saysMore(details: FailureDetails): boolean {
  return Object.values(details).some((detail) => detail !== undefined);
}

/** The attributes of the extended ACK (enum nlmsgerr_attrs, include/uapi/linux/netlink.h). */
export function writeDetails(writer: MessageWriter, details: FailureDetails): void {
  const { text, offset, cookie, policy, missingType, missingNest } = details;
  if (text !== undefined) writer.attributeString(NLMSGERR_ATTR_MSG, text);
  if (offset !== undefined) writer.attributeUint32(NLMSGERR_ATTR_OFFS, offset);
  if (cookie !== undefined) writer.attributeBytes(NLMSGERR_ATTR_COOKIE, cookie);
  if (policy !== undefined) {
    const nest = writer.openNested(NLMSGERR_ATTR_POLICY);
    writeAttributePolicy(writer, policy);
    writer.closeNested(nest);
  }
  if (missingType !== undefined) writer.attributeUint32(NLMSGERR_ATTR_MISS_TYPE, missingType);
  if (missingNest !== undefined) writer.attributeUint32(NLMSGERR_ATTR_MISS_NEST, missingNest);
}
