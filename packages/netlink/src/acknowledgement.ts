import {
  align,
  HOST_IS_LITTLE_ENDIAN,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
} from "./abi.js";
import { AttributeReader } from "./attribute.js";
import { DecodeError, KernelError } from "./errors.js";
import type { Message } from "./message.js";

/**
 * Reads NLMSG_ERROR (struct nlmsgerr, include/uapi/linux/netlink.h): a negative error number, 0 for success, then the
 * header of the request, then, where the extended ACK is on, attributes that say more.
 */
export function errorNumber(message: Message): number {
  if (message.end - message.payloadOffset < 4 + NLMSG_HDRLEN) {
    throw new DecodeError("NLMSG_ERROR without the header it answers", NLMSG_HDRLEN);
  }
  return message.view.getInt32(message.payloadOffset, HOST_IS_LITTLE_ENDIAN);
}

/** The typed error of an NLMSG_ERROR message whose error number is not 0. */
export function kernelError(message: Message, errno: number): KernelError {
  const { view } = message;
  const request = message.payloadOffset + 4;
  const requestLength = view.getUint32(request, HOST_IS_LITTLE_ENDIAN);
  let kernelText: string | undefined;
  let offset: number | undefined;
  if ((message.flags & NLM_F_ACK_TLVS) !== 0) {
    const echoed = (message.flags & NLM_F_CAPPED) !== 0 ? NLMSG_HDRLEN : align(requestLength);
    if (request + echoed <= message.end) {
      const attributes = new AttributeReader(view, request + echoed, message.end);
      while (attributes.next()) {
        if (attributes.type === NLMSGERR_ATTR_MSG) kernelText = attributes.string();
        else if (attributes.type === NLMSGERR_ATTR_OFFS) offset = attributes.uint32();
      }
    }
  }
  return new KernelError({
    errno,
    sequence: message.sequence,
    requestType: view.getUint16(request + 4, HOST_IS_LITTLE_ENDIAN),
    kernelText,
    offset,
  });
}
