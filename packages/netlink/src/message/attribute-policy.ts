import type { AttributeReader } from "./attribute.js";
import type { MessageWriter } from "./message-writer.js";

/** enum netlink_attribute_type (include/uapi/linux/netlink.h), by number. */
const KINDS = [
  "invalid",
  "flag",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "int8",
  "int16",
  "int32",
  "int64",
  "binary",
  "string",
  "nulString",
  "nested",
  "nestedArray",
  "bitfield32",
  "int",
  "uint",
] as const;

/** The number of a kind. */
export function attributeKindNumber(kind: AttributeKind): number {
  return typeof kind === "number" ? kind : KINDS.indexOf(kind);
}

/** What the payload of an attribute is; a plain number for a kind that this package does not know. */
export type AttributeKind = (typeof KINDS)[number] | number;

/** What the kernel accepts as an attribute (enum netlink_policy_type_attr, include/uapi/linux/netlink.h). */
export interface AttributePolicy {
  readonly kind: AttributeKind;
  /** Smallest value of a number, in the kernel's own signedness. */
  readonly minimum?: bigint | undefined;
  readonly maximum?: bigint | undefined;
  /** Shortest payload in bytes. */
  readonly minimumLength?: number | undefined;
  readonly maximumLength?: number | undefined;
  /** Which policy the attributes in a nest follow, by its index in the policy dump. */
  readonly policyIndex?: number | undefined;
  /** The highest attribute number in a nest. */
  readonly maximumType?: number | undefined;
  /** The bits that a number may have. */
  readonly mask?: bigint | undefined;
}

const TYPE = 1;
const MIN_VALUE_SIGNED = 2;
const MAX_VALUE_SIGNED = 3;
const MIN_VALUE_UNSIGNED = 4;
const MAX_VALUE_UNSIGNED = 5;
const MIN_LENGTH = 6;
const MAX_LENGTH = 7;
const POLICY_INDEX = 8;
const POLICY_MAXTYPE = 9;
const BITFIELD32_MASK = 10;
const MASK = 12;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Reads the attributes of one policy. Throws DecodeError. */
export function readAttributePolicy(attributes: AttributeReader): AttributePolicy {
  const policy: Mutable<AttributePolicy> = { kind: 0 };
  while (attributes.next()) {
    switch (attributes.type) {
      case TYPE: {
        const kind = attributes.uint32();
        policy.kind = KINDS[kind] ?? kind;
        break;
      }
      case MIN_VALUE_SIGNED:
        policy.minimum = attributes.int64();
        break;
      case MAX_VALUE_SIGNED:
        policy.maximum = attributes.int64();
        break;
      case MIN_VALUE_UNSIGNED:
        policy.minimum = attributes.uint64();
        break;
      case MAX_VALUE_UNSIGNED:
        policy.maximum = attributes.uint64();
        break;
      case MIN_LENGTH:
        policy.minimumLength = attributes.uint32();
        break;
      case MAX_LENGTH:
        policy.maximumLength = attributes.uint32();
        break;
      case POLICY_INDEX:
        policy.policyIndex = attributes.uint32();
        break;
      case POLICY_MAXTYPE:
        policy.maximumType = attributes.uint32();
        break;
      case BITFIELD32_MASK:
        policy.mask = BigInt(attributes.uint32());
        break;
      case MASK:
        policy.mask = attributes.uint64();
        break;
    }
  }
  return policy;
}

/** Writes the attributes of one policy, as the kernel would. */
export function writeAttributePolicy(writer: MessageWriter, policy: AttributePolicy): void {
  const { kind, minimum, maximum, minimumLength, maximumLength, policyIndex, maximumType, mask } = policy;
  const signed = typeof kind === "string" && /^int/.test(kind);
  writer.attributeUint32(TYPE, typeof kind === "number" ? kind : KINDS.indexOf(kind));
  if (minimum !== undefined) {
    if (signed) writer.attributeInt64(MIN_VALUE_SIGNED, minimum);
    else writer.attributeUint64(MIN_VALUE_UNSIGNED, minimum);
  }
  if (maximum !== undefined) {
    if (signed) writer.attributeInt64(MAX_VALUE_SIGNED, maximum);
    else writer.attributeUint64(MAX_VALUE_UNSIGNED, maximum);
  }
  if (minimumLength !== undefined) writer.attributeUint32(MIN_LENGTH, minimumLength);
  if (maximumLength !== undefined) writer.attributeUint32(MAX_LENGTH, maximumLength);
  if (policyIndex !== undefined) writer.attributeUint32(POLICY_INDEX, policyIndex);
  if (maximumType !== undefined) writer.attributeUint32(POLICY_MAXTYPE, maximumType);
  if (mask !== undefined) {
    if (kind === "bitfield32") writer.attributeUint32(BITFIELD32_MASK, Number(mask));
    else writer.attributeUint64(MASK, mask);
  }
}
