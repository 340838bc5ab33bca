import { KernelError } from "../errors.js";
import type { Message } from "../message/message.js";
import type { Decoder } from "../message/outgoing.js";
import { indexed } from "../schema/array.js";
import {
  type AttributeType,
  attributes,
  type DecodedAttributes,
  type EncodableAttributes,
} from "../schema/attribute-set.js";
import { bytes } from "../schema/bytes.js";
import { type IntegerType, uint16, uint32 } from "../schema/integer.js";
import type { Decoded, PayloadType } from "../schema/payload-type.js";
import { string } from "../schema/text.js";
import type { NetlinkSocket } from "../socket.js";
import {
  CTRL_ATTR_FAMILY_ID,
  CTRL_ATTR_FAMILY_NAME,
  CTRL_ATTR_HDRSIZE,
  CTRL_ATTR_MAXATTR,
  CTRL_ATTR_MCAST_GROUPS,
  CTRL_ATTR_MCAST_GRP_ID,
  CTRL_ATTR_MCAST_GRP_NAME,
  CTRL_ATTR_OP_FLAGS,
  CTRL_ATTR_OP_ID,
  CTRL_ATTR_OP_POLICY,
  CTRL_ATTR_OPS,
  CTRL_ATTR_POLICY,
  CTRL_ATTR_VERSION,
  CTRL_CMD_DELFAMILY,
  CTRL_CMD_DELMCAST_GRP,
  CTRL_CMD_GETFAMILY,
  CTRL_CMD_GETPOLICY,
  CTRL_CMD_NEWFAMILY,
  CTRL_CMD_NEWMCAST_GRP,
  GENL_ADMIN_PERM,
  GENL_CMD_CAP_DO,
  GENL_CMD_CAP_DUMP,
  GENL_CMD_CAP_HASPOL,
  GENL_ID_CTRL,
  GENL_UNS_ADMIN_PERM,
} from "./abi.js";
import { FamilyNotFoundError, GroupNotFoundError } from "./errors.js";
import type { NoAttributes } from "./family-definition.js";
import { defineFamily, type FamilySchema } from "./family-schema.js";

/** A command that a family takes. */
export interface GenericOperation {
  /** Its number. */
  readonly command: number;
  /** The kernel's flags as they are (GENL_ADMIN_PERM and others, include/uapi/linux/genetlink.h). */
  readonly flags: number;
  /** Takes requests that are no dumps. */
  readonly do: boolean;
  /** Takes dumps. */
  readonly dump: boolean;
  /** The kernel checks its attributes against a policy, which `policy()` tells. */
  readonly hasPolicy: boolean;
  /** Where CAP_NET_ADMIN is needed: nowhere, in the initial user namespace, or in that of the network namespace. */
  readonly admin: "none" | "initial" | "namespace";
}

/** A family of generic netlink as the kernel has it. */
export interface GenericFamily {
  /** nlmsg_type of its messages, until it is unloaded. */
  readonly id: number;
  readonly name: string;
  readonly version: number;
  /** Bytes of its own header between that of generic netlink and the attributes. */
  readonly headerLength: number;
  /** The highest attribute number; 0 where that differs between its operations. */
  readonly maximumAttribute: number;
  readonly operations: readonly GenericOperation[];
  /** Multicast groups: their numbers by name. */
  readonly groups: ReadonlyMap<string, number>;
}

// Types spelled out: declarations are emitted file by file, without inference from calls.
type Attribute<Type extends AttributeType> = readonly [number: number, type: Type];
type Elements<Definitions extends Record<string, Attribute<AttributeType>>> = PayloadType<
  DecodedAttributes<Definitions>[],
  readonly EncodableAttributes<Definitions>[]
>;

type OperationAttributes = {
  readonly id: Attribute<IntegerType>;
  readonly flags: Attribute<IntegerType>;
};

type GroupAttributes = {
  readonly name: Attribute<PayloadType<string>>;
  readonly id: Attribute<IntegerType>;
};

export type FamilyAttributes = {
  readonly id: Attribute<IntegerType>;
  readonly name: Attribute<PayloadType<string>>;
  readonly version: Attribute<IntegerType>;
  readonly headerLength: Attribute<IntegerType>;
  readonly maximumAttribute: Attribute<IntegerType>;
  readonly operations: Attribute<Elements<OperationAttributes>>;
  readonly groups: Attribute<Elements<GroupAttributes>>;
};

export type PolicyAttributes = {
  readonly id: Attribute<IntegerType>;
  readonly policy: Attribute<PayloadType<Uint8Array>>;
  readonly operationPolicy: Attribute<PayloadType<Uint8Array>>;
};

type NameAttributes = Pick<FamilyAttributes, "id" | "name">;

export type ControllerCommands = {
  readonly getFamily: {
    readonly command: number;
    readonly request: NameAttributes;
    readonly reply: FamilyAttributes;
    readonly replyCommand: number;
  };
  readonly getPolicy: {
    readonly command: number;
    readonly request: NameAttributes;
    readonly reply: PolicyAttributes;
  };
};

type ControllerEvent = { readonly command: number; readonly attributes: FamilyAttributes };

export type ControllerEvents = {
  readonly newFamily: ControllerEvent;
  readonly deletedFamily: ControllerEvent;
  readonly newGroup: ControllerEvent;
  readonly deletedGroup: ControllerEvent;
};

const NAME: NameAttributes = {
  id: [CTRL_ATTR_FAMILY_ID, uint16],
  name: [CTRL_ATTR_FAMILY_NAME, string],
};

const FAMILY: FamilyAttributes = {
  ...NAME,
  version: [CTRL_ATTR_VERSION, uint32],
  headerLength: [CTRL_ATTR_HDRSIZE, uint32],
  maximumAttribute: [CTRL_ATTR_MAXATTR, uint32],
  operations: [
    CTRL_ATTR_OPS,
    indexed(attributes({ id: [CTRL_ATTR_OP_ID, uint32], flags: [CTRL_ATTR_OP_FLAGS, uint32] })),
  ],
  groups: [
    CTRL_ATTR_MCAST_GROUPS,
    indexed(attributes({ name: [CTRL_ATTR_MCAST_GRP_NAME, string], id: [CTRL_ATTR_MCAST_GRP_ID, uint32] })),
  ],
};

/** The family that tells of families. */
export const nlctrl: FamilySchema<NoAttributes, ControllerCommands, ControllerEvents, "notify"> =
  defineFamily("nlctrl", {
    version: 2,
    commands: {
      getFamily: {
        command: CTRL_CMD_GETFAMILY,
        request: NAME,
        reply: FAMILY,
        replyCommand: CTRL_CMD_NEWFAMILY,
      },
      getPolicy: {
        command: CTRL_CMD_GETPOLICY,
        request: NAME,
        reply: {
          id: NAME.id,
          // Nests whose attribute numbers are numbers of policies and operations, so that no schema has names for them.
          policy: [CTRL_ATTR_POLICY, bytes],
          operationPolicy: [CTRL_ATTR_OP_POLICY, bytes],
        },
      },
    },
    events: {
      newFamily: { command: CTRL_CMD_NEWFAMILY, attributes: FAMILY },
      deletedFamily: { command: CTRL_CMD_DELFAMILY, attributes: FAMILY },
      newGroup: { command: CTRL_CMD_NEWMCAST_GRP, attributes: FAMILY },
      deletedGroup: { command: CTRL_CMD_DELMCAST_GRP, attributes: FAMILY },
    },
    groups: ["notify"],
  });

type DecodedFamily = DecodedAttributes<FamilyAttributes>;

/** What whoever plays the controller says of a family. */
export type EncodableFamily = EncodableAttributes<FamilyAttributes>;

function operation({ id = 0, flags = 0 }: Decoded<Elements<OperationAttributes>>[number]): GenericOperation {
  const inNamespace = (flags & GENL_UNS_ADMIN_PERM) !== 0 ? "namespace" : "none";
  return {
    command: id,
    flags,
    do: (flags & GENL_CMD_CAP_DO) !== 0,
    dump: (flags & GENL_CMD_CAP_DUMP) !== 0,
    hasPolicy: (flags & GENL_CMD_CAP_HASPOL) !== 0,
    admin: (flags & GENL_ADMIN_PERM) !== 0 ? "initial" : inNamespace,
  };
}

function genericFamily(decoded: DecodedFamily): GenericFamily {
  const { id = 0, name = "", version = 0, headerLength = 0, maximumAttribute = 0 } = decoded;
  return {
    id,
    name,
    version,
    headerLength,
    maximumAttribute,
    operations: (decoded.operations ?? []).map(operation),
    groups: new Map((decoded.groups ?? []).map((group) => [group.name ?? "", group.id ?? 0])),
  };
}

const FAMILY_SCHEMA = nlctrl.event("newFamily").body;

/** Reads what the controller says of a family, in a reply, a dump or an event. */
export const familyDecoder: Decoder<GenericFamily> = {
  // The schema is the one whose attributes DecodedFamily is made from.
  decode: (message: Message) => genericFamily(FAMILY_SCHEMA.decode(message) as DecodedFamily),
};

/** Asks the controller for a family. Rejects with FamilyNotFoundError where there is none of the name. */
export async function requestFamily(socket: NetlinkSocket, name: string): Promise<GenericFamily> {
  const { request } = nlctrl.command("getFamily");
  try {
    return await socket.request(request.message(GENL_ID_CTRL, { name }), familyDecoder);
  } catch (error) {
    if (error instanceof KernelError && error.code === "ENOENT") throw new FamilyNotFoundError(name, error);
    throw error;
  }
}

/** The number of a family's multicast group. Throws GroupNotFoundError. */
export function groupNumber({ name, groups }: GenericFamily, group: string): number {
  const number = groups.get(group);
  if (number === undefined) throw new GroupNotFoundError(name, group, [...groups.keys()]);
  return number;
}
