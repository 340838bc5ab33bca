import { describe, expect, test } from "vitest";
import {
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
} from "../src/abi.js";
import { DecodeError, KernelError } from "../src/errors.js";
import { conclude, errorNumber } from "../src/message/acknowledgement.js";
import { Message, OWN_MEMORY } from "../src/message/message.js";
import { MessageWriter } from "../src/message/message-writer.js";

const KEEPER = { holdFrame: () => {}, releaseFrame: () => {} };
const REQUEST_TYPE = 16;

function messageOf(type: number, flags: number, write: (writer: MessageWriter) => void): Message {
  const writer = MessageWriter.growing();
  write(writer.begin(type, flags, 42, 7));
  writer.end();
  // What lies around the message must not be read.
  const memory = new Uint8Array(writer.finished().length + 16).fill(0xff);
  memory.set(writer.finished(), 8);
  const view = new DataView(memory.buffer);
  return new Message(KEEPER, OWN_MEMORY, memory, view, 8, 8 + writer.finished().length, 0, 0);
}

/** The header of the refused request, as NLMSG_ERROR repeats it. */
function echoHeader(writer: MessageWriter, length: number): MessageWriter {
  return writer.uint32(length).uint16(REQUEST_TYPE).uint16(5).uint32(42).uint32(7);
}

function outcome(message: Message, type: number) {
  return conclude(message, { outgoing: { type }, bytes: undefined, offset: 0 }).error;
}

describe("the outcome of a request", () => {
  test("is success for error number 0", () => {
    const message = messageOf(NLMSG_ERROR, 0, (writer) => echoHeader(writer.uint32(0), 16));
    expect(outcome(message, REQUEST_TYPE)).toBeUndefined();
    expect(errorNumber(message)).toBe(0);
  });

  test("is the kernel's error with its name, number, request and sequence", () => {
    const message = messageOf(NLMSG_ERROR, 0, (writer) => echoHeader(writer.uint32(-2 >>> 0), 16));
    const error = outcome(message, REQUEST_TYPE);
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({
      code: "ENOENT",
      errno: -2,
      requestType: REQUEST_TYPE,
      sequence: 42,
      kernelText: undefined,
      offset: undefined,
    });
    expect(errorNumber(message)).toBe(-2);
  });

  test("finds the kernel's words and offset behind a capped request", () => {
    const message = messageOf(NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, (writer) => {
      // Capped: the header says 400 bytes and only it is repeated.
      echoHeader(writer.uint32(-22 >>> 0), 400)
        .attributeString(NLMSGERR_ATTR_MSG, "no such thing")
        .attributeUint32(NLMSGERR_ATTR_OFFS, 36);
    });
    const error = outcome(message, REQUEST_TYPE);
    expect(error).toMatchObject({ code: "EINVAL", kernelText: "no such thing", offset: 36 });
    expect(error?.message).toBe("the kernel answered EINVAL: no such thing (at byte 36 of the request)");
  });

  test("finds them behind the whole request where it is not capped, padding included", () => {
    const message = messageOf(NLMSG_ERROR, NLM_F_ACK_TLVS, (writer) => {
      echoHeader(writer.uint32(-22 >>> 0), 16 + 6)
        .uint32(0x01010101)
        .uint16(0x0101)
        .pad()
        .attributeString(NLMSGERR_ATTR_MSG, "words");
    });
    expect(outcome(message, REQUEST_TYPE)).toMatchObject({ kernelText: "words" });
  });

  test("looks for no words where the flag does not announce them", () => {
    const message = messageOf(NLMSG_ERROR, NLM_F_CAPPED, (writer) => {
      echoHeader(writer.uint32(-22 >>> 0), 16).attributeString(NLMSGERR_ATTR_MSG, "words");
    });
    expect(outcome(message, REQUEST_TYPE)).toMatchObject({ kernelText: undefined });
  });

  test.each([0, 1, 15, 17, 4000, 0x7fff_fffd, 0x8000_0000, 0xffff_fffc, 0xffff_ffff])(
    "reads nothing outside the message for a repeated length of %d",
    (length) => {
      const message = messageOf(NLMSG_ERROR, NLM_F_ACK_TLVS, (writer) => {
        echoHeader(writer.uint32(-1 >>> 0), length);
      });
      expect(outcome(message, REQUEST_TYPE)).toMatchObject({ code: "EPERM", kernelText: undefined });
    },
  );

  test("keeps the error where its words cannot be read", () => {
    const message = messageOf(NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, (writer) => {
      echoHeader(writer.uint32(-1 >>> 0), 16)
        .uint16(900)
        .uint16(NLMSGERR_ATTR_MSG);
    });
    expect(outcome(message, REQUEST_TYPE)).toMatchObject({ code: "EPERM", kernelText: undefined });
  });

  test("is DecodeError for an NLMSG_ERROR without the header it answers", () => {
    const message = messageOf(NLMSG_ERROR, 0, (writer) => writer.uint32(0));
    expect(outcome(message, REQUEST_TYPE)).toBeInstanceOf(DecodeError);
    expect(() => errorNumber(message)).toThrow(DecodeError);
  });

  test("is success for NLMSG_DONE with 0, or with nothing", () => {
    expect(
      outcome(
        messageOf(NLMSG_DONE, 2, (writer) => writer.uint32(0)),
        18,
      ),
    ).toBeUndefined();
    expect(
      outcome(
        messageOf(NLMSG_DONE, 2, () => {}),
        18,
      ),
    ).toBeUndefined();
  });

  test("is the error of a dump that failed on its way, in words where NLMSG_DONE has them", () => {
    const message = messageOf(NLMSG_DONE, 2 | NLM_F_ACK_TLVS, (writer) => {
      writer.uint32(-90 >>> 0).attributeString(NLMSGERR_ATTR_MSG, "too big");
    });
    const error = outcome(message, 18);
    expect(error).toMatchObject({ code: "EMSGSIZE", errno: -90, requestType: 18, kernelText: "too big" });
  });
});
