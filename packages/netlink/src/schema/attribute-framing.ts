import { HOST_IS_LITTLE_ENDIAN, NLA_F_NESTED, NLA_HDRLEN, NLA_TYPE_MASK } from "../abi.js";
import type { MessageWriter } from "../message/message-writer.js";
import { Fault } from "./fault.js";
import type { Location, PayloadType } from "./payload-type.js";

/** The length of the attribute at `at`, header included, once it is known to lie before `end`. */
export function attributeLength(view: DataView, at: number, end: number): number {
  const length = view.getUint16(at, HOST_IS_LITTLE_ENDIAN);
  if (length < NLA_HDRLEN || at + length > end) {
    throw new Fault(`attribute length ${length} does not fit the ${end - at} bytes there are`, at);
  }
  return length;
}

export function attributeNumber(view: DataView, at: number): number {
  return view.getUint16(at + 2, HOST_IS_LITTLE_ENDIAN) & NLA_TYPE_MASK;
}

/** Writes one attribute around the value. */
export function writeAttribute(
  writer: MessageWriter,
  number: number,
  type: PayloadType,
  value: unknown,
): void {
  const token = writer.openAttribute(type.nested ? number | NLA_F_NESTED : number);
  type.write(writer, value);
  writer.closeAttribute(token);
}

/** Where `target` lies in the attribute at `at`: its header and padding stand for all of it. */
export function locateInAttribute(
  type: PayloadType,
  view: DataView,
  at: number,
  length: number,
  target: number,
): Location | undefined {
  if (target < at + NLA_HDRLEN || target >= at + length) return { path: [], type };
  return type.locate(view, at + NLA_HDRLEN, length - NLA_HDRLEN, target);
}
