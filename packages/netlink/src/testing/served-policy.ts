import { CTRL_ATTR_POLICY_DO, CTRL_ATTR_POLICY_DUMP } from "../generic/abi.js";
import type { AttributePolicies, FamilyPolicy } from "../generic/policy.js";
import { type AttributePolicy, attributeKindNumber } from "../message/attribute-policy.js";
import { attributes } from "../schema/attribute-set.js";
import { encode } from "../schema/codec.js";
import { int64, uint32, uint64 } from "../schema/integer.js";
import type { Encodable } from "../schema/payload-type.js";

/** enum netlink_policy_type_attr (include/uapi/linux/netlink.h) */
const POLICY_DEFINITIONS = {
  type: [1, uint32],
  minimumSigned: [2, int64],
  maximumSigned: [3, int64],
  minimumUnsigned: [4, uint64],
  maximumUnsigned: [5, uint64],
  minimumLength: [6, uint32],
  maximumLength: [7, uint32],
  policyIndex: [8, uint32],
  maximumType: [9, uint32],
  bitfieldMask: [10, uint32],
  mask: [12, uint64],
} as const;
const POLICY = attributes(POLICY_DEFINITIONS);
const OPERATION = attributes({ do: [CTRL_ATTR_POLICY_DO, uint32], dump: [CTRL_ATTR_POLICY_DUMP, uint32] });

/** The attributes of one message of a policy dump. */
export interface PolicyMessage {
  readonly policy?: Uint8Array;
  readonly operationPolicy?: Uint8Array;
}

/** The messages in which the kernel hands out a family's policy: first which operation has which, then one for each attribute of each. */
export function policyMessages(family: FamilyPolicy): PolicyMessage[] {
  const indices = new Map<AttributePolicies, number>();
  const indexOf = (policy: AttributePolicies): number => {
    const known = indices.get(policy);
    if (known !== undefined) return known;
    const index = indices.size;
    indices.set(policy, index);
    for (const { nested } of policy.values()) if (nested !== undefined) indexOf(nested);
    return index;
  };
  const messages: PolicyMessage[] = [];
  for (const [command, operation] of family) {
    const parts = {
      do: operation.do && indexOf(operation.do),
      dump: operation.dump && indexOf(operation.dump),
    };
    const schema = attributes({ operation: [command, OPERATION] });
    messages.push({ operationPolicy: encode(schema, { operation: parts }) });
  }
  for (const [policies, index] of indices) {
    for (const [number, attribute] of policies) {
      const schema = attributes({ policy: [index, attributes({ attribute: [number, POLICY] })] });
      const nestedIndex = attribute.nested && indices.get(attribute.nested);
      const parts = encodable(attribute, nestedIndex);
      messages.push({ policy: encode(schema, { policy: { attribute: parts } }) });
    }
  }
  return messages;
}

function encodable(attribute: AttributePolicy, nestedIndex: number | undefined): Encodable<typeof POLICY> {
  const { kind, minimum, maximum, minimumLength, maximumLength, maximumType, mask } = attribute;
  const isSigned = typeof kind === "string" && /^int\d*$/.test(kind);
  const range = isSigned
    ? { minimumSigned: minimum, maximumSigned: maximum }
    : { minimumUnsigned: minimum, maximumUnsigned: maximum };
  const bits = kind === "bitfield32" && mask !== undefined ? { bitfieldMask: Number(mask) } : { mask };
  return {
    ...range,
    ...bits,
    minimumLength,
    maximumLength,
    policyIndex: nestedIndex,
    maximumType,
    type: attributeKindNumber(kind),
  };
}
