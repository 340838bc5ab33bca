import {
  align,
  HOST_IS_LITTLE_ENDIAN,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR_MSG,
} from "../abi.js";
import { errnoName } from "../errno.js";
import { formatAttributes, formatBytes, printable } from "./format-attributes.js";
import { flagNames } from "./message-flags.js";
import { messageKind } from "./message-names.js";

/** What has to be known of messages to say them in words. */
export interface FormatOptions {
  /** The netlink protocol, such as NETLINK_ROUTE, which decides what types and headers mean. */
  readonly protocol: number;
}

const INDENT = "  ";

/** Names of the attributes of the extended ACK (include/uapi/linux/netlink.h). */
const ACKNOWLEDGEMENT_ATTRIBUTES: readonly string[] = [
  "",
  "text",
  "offset",
  "cookie",
  "policy",
  "missing type",
  "missing in",
];

/**
 * Messages in words: a line for each with its type and flags by name, and below it its attributes as an indented tree, every payload in
 * hexadecimal and as text, cut short after some bytes. Attributes are nested where NLA_F_NESTED says so, and nowhere else.
 *
 * It takes any bytes at all and never throws; what is no message or attribute is shown as bytes. The text is printable ASCII, with no newline
 * at its end, and is for people: its form may change with any version.
 *
 * @param bytes one message, or several behind each other, each padded to 4 bytes
 */
export function formatMessage(bytes: Uint8Array, { protocol }: FormatOptions): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lines: string[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const left = bytes.length - offset;
    const length = left < NLMSG_HDRLEN ? 0 : view.getUint32(offset, HOST_IS_LITTLE_ENDIAN);
    if (length < NLMSG_HDRLEN || length > left) {
      lines.push(`no message: ${formatBytes(bytes.subarray(offset))}`);
      break;
    }
    formatOne(lines, new DataView(view.buffer, view.byteOffset + offset, length), protocol);
    offset += align(length);
  }
  return lines.join("\n");
}

/** Appends the lines of the message that `view` spans. */
function formatOne(lines: string[], view: DataView, protocol: number): void {
  const type = view.getUint16(4, HOST_IS_LITTLE_ENDIAN);
  const flags = view.getUint16(6, HOST_IS_LITTLE_ENDIAN);
  lines.push(`${headline(view, 0, protocol)}, ${view.byteLength} bytes`);
  if (type === NLMSG_ERROR) formatError(lines, view, flags, protocol);
  else if (type === NLMSG_DONE) formatDone(lines, view, flags);
  else formatPayload(lines, view, protocol, type);
}

/** Type, flags, sequence and port of the header at `offset`. */
function headline(view: DataView, offset: number, protocol: number): string {
  const type = view.getUint16(offset + 4, HOST_IS_LITTLE_ENDIAN);
  const flags = view.getUint16(offset + 6, HOST_IS_LITTLE_ENDIAN);
  const commandOffset = offset + NLMSG_HDRLEN;
  const command = commandOffset < view.byteLength ? view.getUint8(commandOffset) : undefined;
  const { name } = messageKind(protocol, type, command);
  const sequence = view.getUint32(offset + 8, HOST_IS_LITTLE_ENDIAN);
  const portId = view.getUint32(offset + 12, HOST_IS_LITTLE_ENDIAN);
  return `${name} (${type}) flags ${flagNames(flags, protocol, type, name)} sequence ${sequence} port ${portId}`;
}

function formatPayload(lines: string[], view: DataView, protocol: number, type: number): void {
  const end = view.byteLength;
  if (end === NLMSG_HDRLEN) return;
  const { familyHeader } = messageKind(protocol, type, view.getUint8(NLMSG_HDRLEN));
  const start = familyHeader === undefined ? end : Math.min(NLMSG_HDRLEN + familyHeader, end);
  const label = familyHeader === undefined ? "payload" : "header";
  lines.push(`${INDENT}${label}: ${formatBytes(bytesOf(view, NLMSG_HDRLEN, start))}`);
  formatAttributes(lines, view, start, end, INDENT);
}

/** NLMSG_ERROR (struct nlmsgerr): the error number, then the request's header, then its payload unless it is capped, then attributes. */
function formatError(lines: string[], view: DataView, flags: number, protocol: number): void {
  const requestOffset = NLMSG_HDRLEN + 4;
  const payloadOffset = requestOffset + NLMSG_HDRLEN;
  if (view.byteLength < payloadOffset) {
    lines.push(`${INDENT}no error: ${formatBytes(bytesOf(view, NLMSG_HDRLEN, view.byteLength))}`);
    return;
  }
  lines.push(`${INDENT}error: ${errorText(view)}`);
  lines.push(`${INDENT}request: ${requestHeadline(view, requestOffset, flags, protocol)}`);
  const requestLength = view.getUint32(requestOffset, HOST_IS_LITTLE_ENDIAN);
  const room = view.byteLength - requestOffset;
  let end = payloadOffset;
  if ((flags & NLM_F_CAPPED) === 0) {
    // Compared before it is rounded, which is done in 32 bits.
    const echoed = requestLength > room ? room : align(requestLength);
    end = Math.min(Math.max(requestOffset + echoed, payloadOffset), view.byteLength);
    if (end > payloadOffset)
      lines.push(`${INDENT}repeated: ${formatBytes(bytesOf(view, payloadOffset, end))}`);
  }
  formatAcknowledgement(lines, view, end, flags);
}

/** The header that an error repeats; the byte behind it is the request's own only where the error is not capped. */
function requestHeadline(view: DataView, offset: number, flags: number, protocol: number): string {
  const end = (flags & NLM_F_CAPPED) === 0 ? view.byteLength : offset + NLMSG_HDRLEN;
  return headline(new DataView(view.buffer, view.byteOffset, end), offset, protocol);
}

function formatDone(lines: string[], view: DataView, flags: number): void {
  const end = view.byteLength;
  if (end < NLMSG_HDRLEN + 4) {
    if (end > NLMSG_HDRLEN) lines.push(`${INDENT}payload: ${formatBytes(bytesOf(view, NLMSG_HDRLEN, end))}`);
    return;
  }
  lines.push(`${INDENT}error: ${errorText(view)}`);
  formatAcknowledgement(lines, view, NLMSG_HDRLEN + 4, flags);
}

function errorText(view: DataView): string {
  const errno = view.getInt32(NLMSG_HDRLEN, HOST_IS_LITTLE_ENDIAN);
  if (errno === 0) return "0 (acknowledged)";
  // Some dumps end with a number of their own, which is no error.
  return errno > 0 ? String(errno) : `${errnoName(errno)} (${errno})`;
}

function formatAcknowledgement(lines: string[], view: DataView, offset: number, flags: number): void {
  if (offset >= view.byteLength) return;
  if ((flags & NLM_F_ACK_TLVS) === 0) {
    lines.push(`${INDENT}payload: ${formatBytes(bytesOf(view, offset, view.byteLength))}`);
    return;
  }
  formatAttributes(lines, view, offset, view.byteLength, INDENT, (type, payload) => {
    const name = ACKNOWLEDGEMENT_ATTRIBUTES[type];
    if (name === undefined || name === "") return undefined;
    if (type === NLMSGERR_ATTR_MSG) return `${name}: "${printable(payload)}"`;
    if (payload.length !== 4) return `${name}: ${formatBytes(payload)}`;
    const number = new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, HOST_IS_LITTLE_ENDIAN);
    return `${name}: ${number}`;
  });
}

function bytesOf(view: DataView, offset: number, end: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, end - offset);
}
