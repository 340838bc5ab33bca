import {
  align,
  HOST_IS_LITTLE_ENDIAN,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
} from "./abi.js";
import { AttributeReader } from "./attribute.js";
import { DecodeError, KernelError } from "./errors.js";
import type { Message } from "./message.js";

/**
 * Reads NLMSG_ERROR (struct nlmsgerr, include/uapi/linux/netlink.h): a negative error number, 0 for success, then the
 * header of the request, then, where the extended ACK is on, attributes that say more. Throws DecodeError where the message
 * is too short for them.
 */
export function errorNumber(message: Message): number {
  if (message.end - message.payloadOffset < 4 + NLMSG_HDRLEN) {
    throw new DecodeError("NLMSG_ERROR without the header it answers", NLMSG_HDRLEN);
  }
  return message.view.getInt32(message.payloadOffset, HOST_IS_LITTLE_ENDIAN);
}

/**
 * How a request ended, by the NLMSG_ERROR or NLMSG_DONE that answers it: undefined for success, else its error.
 *
 * NLMSG_DONE carries an error number too, 0 or that of a dump which failed on its way.
 */
export function outcome(message: Message, requestType: number): KernelError | DecodeError | undefined {
  const { view, payloadOffset } = message;
  if (message.type === NLMSG_DONE) {
    if (message.end - payloadOffset < 4) return undefined;
    const errno = view.getInt32(payloadOffset, HOST_IS_LITTLE_ENDIAN);
    return errno < 0 ? kernelError(message, errno, requestType, payloadOffset + 4) : undefined;
  }
  try {
    const errno = errorNumber(message);
    if (errno === 0) return undefined;
    return kernelError(message, errno, requestType, payloadOffset + 4 + echoedLength(message));
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

/** Bytes of the request that an NLMSG_ERROR repeats: its header, and all of it unless the kernel capped it. */
function echoedLength(message: Message): number {
  if ((message.flags & NLM_F_CAPPED) !== 0) return NLMSG_HDRLEN;
  const room = message.end - message.payloadOffset - 4;
  const length = message.view.getUint32(message.payloadOffset + 4, HOST_IS_LITTLE_ENDIAN);
  // Compared before it is rounded, which is done in 32 bits.
  return length < NLMSG_HDRLEN || length > room ? room : align(length);
}

function kernelError(
  message: Message,
  errno: number,
  requestType: number,
  attributesOffset: number,
): KernelError {
  let kernelText: string | undefined;
  let offset: number | undefined;
  if ((message.flags & NLM_F_ACK_TLVS) !== 0) {
    try {
      const attributes = new AttributeReader(message.view, attributesOffset, message.end, message.offset);
      while (attributes.next()) {
        if (attributes.type === NLMSGERR_ATTR_MSG) kernelText = attributes.string();
        else if (attributes.type === NLMSGERR_ATTR_OFFS) offset = attributes.uint32();
      }
    } catch (error) {
      // The error number is what counts; words that cannot be read must not hide it.
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return new KernelError({ errno, sequence: message.sequence, requestType, kernelText, offset });
}
