import {
  align,
  HOST_IS_LITTLE_ENDIAN,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR_COOKIE,
  NLMSGERR_ATTR_MISS_NEST,
  NLMSGERR_ATTR_MISS_TYPE,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
  NLMSGERR_ATTR_POLICY,
} from "../abi.js";
import { DecodeError, KernelError, type MissingAttribute } from "../errors.js";
import { AttributeReader } from "./attribute.js";
import { type AttributePolicy, readAttributePolicy } from "./attribute-policy.js";
import type { Message } from "./message.js";
import type { MessagePlace } from "./message-memory.js";
import type { Outgoing } from "./outgoing.js";

/** What the kernel said of a request that succeeded, beside that it did (extended ACK). */
export interface Acknowledgement {
  /** A warning in words. */
  readonly kernelText?: string | undefined;
  /** Bytes that belong to the request, as its subsystem means them (NLMSGERR_ATTR_COOKIE). */
  readonly cookie?: Uint8Array | undefined;
}

export const PLAIN_ACKNOWLEDGEMENT: Acknowledgement = Object.freeze({});

/** A request as it was sent. */
export interface SentRequest {
  readonly outgoing: Outgoing;
  readonly bytes: Uint8Array | undefined;
  readonly offset: number;
}

export interface Conclusion {
  readonly error: KernelError | DecodeError | undefined;
  readonly acknowledgement: Acknowledgement;
}

/**
 * Reads NLMSG_ERROR (struct nlmsgerr, include/uapi/linux/netlink.h): a negative error number, 0 for success, then the
 * header of the request, then, where the extended ACK is on, attributes that say more. Throws DecodeError where the message
 * is too short for them.
 */
export function errorNumber(message: MessagePlace): number {
  if (message.end - message.payloadOffset < 4 + NLMSG_HDRLEN) {
    throw new DecodeError("NLMSG_ERROR without the header it answers", NLMSG_HDRLEN);
  }
  return message.view.getInt32(message.payloadOffset, HOST_IS_LITTLE_ENDIAN);
}

/**
 * How a request ended, by the NLMSG_ERROR or NLMSG_DONE that answers it. NLMSG_DONE carries an error number too, 0 or that of a dump which
 * failed on its way, and the extended ACK behind it.
 */
export function conclude(message: Message, request: SentRequest): Conclusion {
  const { payloadOffset } = message;
  let errno = 0;
  let attributesOffset = payloadOffset + 4;
  if (message.type !== NLMSG_DONE) {
    try {
      errno = errorNumber(message);
    } catch (error) {
      if (error instanceof DecodeError) return { error, acknowledgement: PLAIN_ACKNOWLEDGEMENT };
      throw error;
    }
    attributesOffset += echoedLength(message);
  } else if (message.end - payloadOffset >= 4) {
    errno = message.view.getInt32(payloadOffset, HOST_IS_LITTLE_ENDIAN);
  }
  const extended = readExtendedAcknowledgement(message, attributesOffset);
  if (errno < 0)
    return { error: kernelError(message, errno, request, extended), acknowledgement: PLAIN_ACKNOWLEDGEMENT };
  const { kernelText, cookie } = extended;
  const plain = kernelText === undefined && cookie === undefined;
  return { error: undefined, acknowledgement: plain ? PLAIN_ACKNOWLEDGEMENT : { kernelText, cookie } };
}

/** Bytes of the request that an NLMSG_ERROR repeats: its header, and all of it unless the kernel capped it. */
function echoedLength(message: Message): number {
  if ((message.flags & NLM_F_CAPPED) !== 0) return NLMSG_HDRLEN;
  const room = message.end - message.payloadOffset - 4;
  const length = message.view.getUint32(message.payloadOffset + 4, HOST_IS_LITTLE_ENDIAN);
  // Compared before it is rounded, which is done in 32 bits.
  return length < NLMSG_HDRLEN || length > room ? room : align(length);
}

/** The attributes of the extended ACK (enum nlmsgerr_attrs). */
interface ExtendedAcknowledgement {
  kernelText?: string;
  offset?: number;
  missingType?: number;
  missingNest?: number;
  policy?: AttributePolicy;
  cookie?: Uint8Array;
}

function readExtendedAcknowledgement(message: Message, offset: number): ExtendedAcknowledgement {
  const extended: ExtendedAcknowledgement = {};
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return extended;
  try {
    const attributes = new AttributeReader(message.view, offset, message.end, message.offset);
    while (attributes.next()) readAttribute(attributes, extended);
  } catch (error) {
    // The error number is what counts; words that cannot be read must not hide it.
    if (!(error instanceof DecodeError)) throw error;
  }
  return extended;
}

function readAttribute(attributes: AttributeReader, extended: ExtendedAcknowledgement): void {
  switch (attributes.type) {
    case NLMSGERR_ATTR_MSG:
      extended.kernelText = attributes.string();
      break;
    case NLMSGERR_ATTR_OFFS:
      extended.offset = attributes.uint32();
      break;
    case NLMSGERR_ATTR_COOKIE:
      extended.cookie = attributes.bytes().slice();
      break;
    case NLMSGERR_ATTR_POLICY:
      extended.policy = readAttributePolicy(attributes.nested());
      break;
    case NLMSGERR_ATTR_MISS_TYPE:
      extended.missingType = attributes.uint32();
      break;
    case NLMSGERR_ATTR_MISS_NEST:
      extended.missingNest = attributes.uint32();
      break;
  }
}

function kernelError(
  message: Message,
  errno: number,
  { outgoing, bytes, offset: messageOffset }: SentRequest,
  { kernelText, offset, missingType, missingNest, policy, cookie }: ExtendedAcknowledgement,
): KernelError {
  const names = bytes === undefined ? undefined : outgoing.schema;
  let path: string | undefined;
  let missing: MissingAttribute | undefined;
  if (names !== undefined && bytes !== undefined && offset !== undefined)
    path = names.pathOf(bytes, messageOffset, offset);
  if (missingType !== undefined) {
    const name =
      names === undefined || bytes === undefined
        ? undefined
        : names.nameOf(bytes, messageOffset, missingNest, missingType);
    missing = { type: missingType, nestOffset: missingNest, path: name };
  }
  return new KernelError({
    errno,
    sequence: message.sequence,
    requestType: outgoing.type,
    kernelText,
    offset,
    path,
    missing,
    policy,
    cookie,
  });
}
