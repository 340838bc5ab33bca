import type { Message } from "@nlring/netlink";
import {
  CTA_LABELS,
  CTA_LABELS_MASK,
  CTA_MARK,
  NFGENMSG_LENGTH,
  NFQA_CT,
  NFQA_MARK,
  NFQA_PAYLOAD,
  NFQA_PRIORITY,
  NFQA_VERDICT_HDR,
  NFQA_VLAN,
  NFQA_VLAN_PROTO,
  NFQA_VLAN_TCI,
} from "../abi.js";
import type { Verdict } from "../packet.js";

/** What verdicts changed of a packet. A property is there where one did. */
export interface FakeChanges {
  readonly payload?: Uint8Array;
  readonly priority?: number;
  readonly conntrackMark?: number;
  readonly conntrackLabels?: Uint8Array;
  readonly conntrackLabelsMask?: Uint8Array;
  readonly vlan?: { readonly protocol: number; readonly tci: number };
}

/** What became of a packet. */
export interface FakeVerdict extends FakeChanges {
  readonly verdict: Verdict;
  /** The mark that the last verdict to set one set; undefined where none did. */
  readonly mark: number | undefined;
  /** The queues that it went to after the first, by `requeue` or `repeat`, in order; not there where it went to none. */
  readonly path?: readonly number[];
}

/** The content of a verdict message, as far as it is there. */
export interface VerdictMessage extends FakeChanges {
  /** The verdict with its flags and queue number; undefined where the message has no header. */
  readonly verdict: number | undefined;
  readonly id: number;
  readonly mark: number | undefined;
}

/** Reads a verdict message of a queue's owner. */
export function readVerdict(message: Message): VerdictMessage {
  let verdict: number | undefined;
  let id = 0;
  let mark: number | undefined;
  let changes: FakeChanges = {};
  const attributes = message.attributes(NFGENMSG_LENGTH);
  while (attributes.next()) {
    switch (attributes.type) {
      case NFQA_VERDICT_HDR:
        verdict = attributes.view.getUint32(attributes.offset);
        id = attributes.view.getUint32(attributes.offset + 4);
        break;
      case NFQA_MARK:
        mark = attributes.uint32Network();
        break;
      case NFQA_PRIORITY:
        changes = { ...changes, priority: attributes.uint32Network() };
        break;
      case NFQA_PAYLOAD:
        changes = { ...changes, payload: attributes.bytes().slice() };
        break;
      case NFQA_VLAN:
        changes = { ...changes, vlan: readTag(attributes.nested()) };
        break;
      case NFQA_CT:
        changes = { ...changes, ...readConnection(attributes.nested()) };
        break;
    }
  }
  return { verdict, id, mark, ...changes };
}

type Attributes = ReturnType<Message["attributes"]>;

function readTag(attributes: Attributes): { protocol: number; tci: number } {
  const tag = { protocol: 0, tci: 0 };
  while (attributes.next()) {
    if (attributes.type === NFQA_VLAN_PROTO) tag.protocol = attributes.uint16Network();
    if (attributes.type === NFQA_VLAN_TCI) tag.tci = attributes.uint16Network();
  }
  return tag;
}

function readConnection(attributes: Attributes): FakeChanges {
  let changes: FakeChanges = {};
  while (attributes.next()) {
    if (attributes.type === CTA_MARK) changes = { ...changes, conntrackMark: attributes.uint32Network() };
    if (attributes.type === CTA_LABELS) changes = { ...changes, conntrackLabels: attributes.bytes().slice() };
    if (attributes.type === CTA_LABELS_MASK)
      changes = { ...changes, conntrackLabelsMask: attributes.bytes().slice() };
  }
  return changes;
}
