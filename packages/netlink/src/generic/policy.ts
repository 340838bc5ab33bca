import { KernelError } from "../errors.js";
import type { AttributeReader } from "../message/attribute.js";
import { type AttributePolicy, readAttributePolicy } from "../message/attribute-policy.js";
import type { Message } from "../message/message.js";
import type { NetlinkSocket } from "../socket.js";
import {
  CTRL_ATTR_OP_POLICY,
  CTRL_ATTR_POLICY,
  CTRL_ATTR_POLICY_DO,
  CTRL_ATTR_POLICY_DUMP,
  GENL_HDRLEN,
  GENL_ID_CTRL,
} from "./abi.js";
import { type GenericFamily, nlctrl } from "./controller.js";

/** What the kernel accepts as an attribute, and as the attributes in it. */
export interface AttributePolicyTree extends AttributePolicy {
  /**
   * The policies of the attributes in a nest, or in each element of a nested array; undefined for what holds none. Nests that may hold
   * themselves refer to themselves here.
   */
  readonly nested?: AttributePolicies | undefined;
}

/** Policies by attribute number. */
export type AttributePolicies = ReadonlyMap<number, AttributePolicyTree>;

/** What an operation accepts; a part is undefined where the operation takes no such requests, or checks nothing. */
export interface OperationPolicy {
  /** For requests that are no dumps. */
  readonly do?: AttributePolicies | undefined;
  readonly dump?: AttributePolicies | undefined;
}

/** What a family accepts, by the number of the command. */
export type FamilyPolicy = ReadonlyMap<number, OperationPolicy>;

interface OperationIndices {
  readonly do: number | undefined;
  readonly dump: number | undefined;
}

/** Policies refer to each other by index, forwards too: they are put together when all have come. */
class PolicyCollector {
  readonly #policies = new Map<number, Map<number, AttributePolicyTree>>();
  readonly #operations = new Map<number, OperationIndices>();
  /** The commands that are dumped and nothing else, whose policies are still to come. */
  readonly #dumpOnly: number[];

  constructor({ operations }: GenericFamily) {
    const dumpOnly = operations.filter((operation) => !operation.do && operation.hasPolicy);
    this.#dumpOnly = dumpOnly.map(({ command }) => command);
  }

  visit(message: Message): void {
    const attributes = message.attributes(GENL_HDRLEN);
    while (attributes.next()) {
      if (attributes.type === CTRL_ATTR_POLICY) this.#readPolicies(attributes.nested());
      else if (attributes.type === CTRL_ATTR_OP_POLICY) this.#readOperations(attributes.nested());
    }
  }

  finished(): FamilyPolicy {
    const family = new Map<number, OperationPolicy>();
    for (const [command, indices] of this.#operations) {
      family.set(command, { do: this.#at(indices.do), dump: this.#at(indices.dump) });
    }
    return family;
  }

  #at(index: number | undefined): AttributePolicies | undefined {
    return index === undefined ? undefined : this.#policy(index);
  }

  #policy(index: number): Map<number, AttributePolicyTree> {
    const known = this.#policies.get(index);
    if (known !== undefined) return known;
    const policy = new Map<number, AttributePolicyTree>();
    this.#policies.set(index, policy);
    return policy;
  }

  /** By policy index, by attribute number: one attribute of one policy to a message. */
  #readPolicies(indices: AttributeReader): void {
    while (indices.next()) {
      const policy = this.#policy(indices.type);
      const numbers = indices.nested();
      while (numbers.next()) {
        const attribute = readAttributePolicy(numbers.nested());
        const { policyIndex } = attribute;
        policy.set(
          numbers.type,
          policyIndex === undefined ? attribute : { ...attribute, nested: this.#policy(policyIndex) },
        );
      }
    }
  }

  /** By command. */
  #readOperations(commands: AttributeReader): void {
    while (commands.next()) {
      const indices: { do: number | undefined; dump: number | undefined } = {
        do: undefined,
        dump: undefined,
      };
      const parts = commands.nested();
      while (parts.next()) {
        if (parts.type === CTRL_ATTR_POLICY_DO) indices.do = parts.uint32();
        else if (parts.type === CTRL_ATTR_POLICY_DUMP) indices.dump = parts.uint32();
      }
      this.#operations.set(this.#commandOf(commands.type, indices), indices);
    }
  }

  /**
   * Some kernels (6.18 is one) take the command from the half that is no dump, and so say 0 for every command that has none. They come in
   * the order in which the family lists its operations, which tells whose they are.
   */
  #commandOf(command: number, indices: OperationIndices): number {
    if (command !== 0 || indices.do !== undefined || indices.dump === undefined) return command;
    return this.#dumpOnly.shift() ?? command;
  }
}

/** Asks the controller what a family accepts. */
export async function requestPolicy(socket: NetlinkSocket, family: GenericFamily): Promise<FamilyPolicy> {
  const { request } = nlctrl.command("getPolicy");
  const collector = new PolicyCollector(family);
  const item = { decode: (message: Message) => collector.visit(message) };
  try {
    await socket.dump(request.message(GENL_ID_CTRL, { name: family.name }), item, { retries: 0 }).all();
  } catch (error) {
    // The answer where no operation has a policy.
    if (!(error instanceof KernelError && error.code === "ENODATA")) throw error;
  }
  return collector.finished();
}
