import type { AttributeReader } from "@nlring/netlink";
import {
  NFT_CMP_NEQ,
  NFT_QUEUE_FLAG_BYPASS,
  NFT_QUEUE_FLAG_CPU_FANOUT,
  NFTA_BITWISE_MASK,
  NFTA_CMP_DATA,
  NFTA_CMP_OP,
  NFTA_COUNTER_BYTES,
  NFTA_COUNTER_PACKETS,
  NFTA_CT_KEY,
  NFTA_DATA_VALUE,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_META_KEY,
  NFTA_PAYLOAD_BASE,
  NFTA_PAYLOAD_LEN,
  NFTA_PAYLOAD_OFFSET,
  NFTA_QUEUE_FLAGS,
  NFTA_QUEUE_NUM,
  NFTA_QUEUE_TOTAL,
  NFTA_RANGE_FROM_DATA,
  NFTA_RANGE_OP,
  NFTA_RANGE_TO_DATA,
  NFTA_TARGET_INFO,
} from "./abi.js";
import type { Expression, QueueStatement } from "./expressions.js";

const NOTHING = new Uint8Array(0);

/** The expressions of a rule, from its NFTA_RULE_EXPRESSIONS. Those that no rule of ours has are left out. */
export function readExpressions(list: AttributeReader): Expression[] {
  const expressions: Expression[] = [];
  while (list.next()) {
    const element = list.nested();
    let name = "";
    let expression: Expression | undefined;
    while (element.next()) {
      if (element.type === NFTA_EXPR_NAME) name = element.string();
      else if (element.type === NFTA_EXPR_DATA) expression = readData(name, element.nested());
    }
    if (expression !== undefined) expressions.push(expression);
  }
  return expressions;
}

function readData(name: string, data: AttributeReader): Expression | undefined {
  switch (name) {
    case "meta":
      return { name, key: readNumbers(data).get(NFTA_META_KEY) ?? -1 };
    case "ct":
      return { name, key: readNumbers(data).get(NFTA_CT_KEY) ?? -1 };
    case "payload": {
      const numbers = readNumbers(data);
      return {
        name,
        base: numbers.get(NFTA_PAYLOAD_BASE) ?? -1,
        offset: numbers.get(NFTA_PAYLOAD_OFFSET) ?? -1,
        length: numbers.get(NFTA_PAYLOAD_LEN) ?? 0,
      };
    }
    case "bitwise":
      return { name, mask: readValues(data, NFTA_BITWISE_MASK).values.get(NFTA_BITWISE_MASK) ?? NOTHING };
    case "cmp": {
      const { operator, values } = readValues(data, NFTA_CMP_DATA);
      return { name, negated: operator === NFT_CMP_NEQ, value: values.get(NFTA_CMP_DATA) ?? NOTHING };
    }
    case "range": {
      const { operator, values } = readValues(data, NFTA_RANGE_FROM_DATA, NFTA_RANGE_TO_DATA);
      return {
        name,
        negated: operator === NFT_CMP_NEQ,
        from: values.get(NFTA_RANGE_FROM_DATA) ?? NOTHING,
        to: values.get(NFTA_RANGE_TO_DATA) ?? NOTHING,
      };
    }
    case "counter":
      return readCounter(data);
    case "queue":
      return readQueueExpression(data);
    case "target":
      return readTarget(data);
    default:
      return undefined;
  }
}

/** All attributes of 4 bytes, as numbers in network order. */
function readNumbers(data: AttributeReader): Map<number, number> {
  const numbers = new Map<number, number>();
  while (data.next()) if (data.length === 4) numbers.set(data.type, data.uint32Network());
  return numbers;
}

/** The operator of a comparison, and copies of the values in the attributes named. */
function readValues(
  data: AttributeReader,
  ...types: readonly number[]
): { readonly operator: number; readonly values: Map<number, Uint8Array> } {
  const values = new Map<number, Uint8Array>();
  let operator = 0;
  while (data.next()) {
    // cmp and range have their operator in the same place.
    if ((data.type === NFTA_CMP_OP || data.type === NFTA_RANGE_OP) && data.length === 4) {
      operator = data.uint32Network();
    }
    if (!types.includes(data.type)) continue;
    const value = data.nested();
    while (value.next()) if (value.type === NFTA_DATA_VALUE) values.set(data.type, value.bytes().slice());
  }
  return { operator, values };
}

function readCounter(data: AttributeReader): Expression {
  let packets = 0;
  let bytes = 0;
  while (data.next()) {
    if (data.type === NFTA_COUNTER_PACKETS) packets = Number(data.uint64Network());
    else if (data.type === NFTA_COUNTER_BYTES) bytes = Number(data.uint64Network());
  }
  return { name: "counter", packets, bytes };
}

function readQueueExpression(data: AttributeReader): Expression | undefined {
  let first: number | undefined;
  let total = 1;
  let flags = 0;
  while (data.next()) {
    if (data.type === NFTA_QUEUE_NUM) first = data.uint16Network();
    else if (data.type === NFTA_QUEUE_TOTAL) total = data.uint16Network();
    else if (data.type === NFTA_QUEUE_FLAGS) flags = data.uint16Network();
  }
  return first === undefined ? undefined : queue("queue expression", first, total, flags);
}

/** struct xt_NFQ_info_v3. Only the NFQUEUE target is in a table of ours. */
function readTarget(data: AttributeReader): Expression | undefined {
  while (data.next()) {
    if (data.type !== NFTA_TARGET_INFO || data.length < 6) continue;
    const info = new Uint16Array(data.bytes().slice(0, 6).buffer);
    const [first = 0, total = 1, flags = 0] = info;
    return queue("NFQUEUE target", first, total, flags);
  }
  return undefined;
}

function queue(statement: QueueStatement, first: number, total: number, flags: number): Expression {
  return {
    name: "queue",
    statement,
    target: {
      first,
      total,
      bypass: (flags & NFT_QUEUE_FLAG_BYPASS) !== 0,
      fanout: (flags & NFT_QUEUE_FLAG_CPU_FANOUT) !== 0,
    },
  };
}
