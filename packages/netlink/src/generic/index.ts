export { type GenericFamily, type GenericOperation, nlctrl } from "./controller.js";
export { FamilyHeaderError, FamilyNotFoundError, GroupNotFoundError } from "./errors.js";
export { FamilyClient, type FamilyDumpOptions, type FamilyRequestOptions } from "./family-client.js";
export type {
  CommandDefinition,
  CommandDefinitions,
  EventDefinition,
  EventDefinitions,
  FamilyDefinition,
  FamilyEvent,
  ReplyBody,
  RequestBody,
  RequestResult,
} from "./family-definition.js";
export { FamilyDump } from "./family-dump.js";
export { type CommandSchema, defineFamily, type EventSchema, FamilySchema } from "./family-schema.js";
export { GenericNetlink } from "./generic-netlink.js";
export type { AttributePolicies, AttributePolicyTree, FamilyPolicy, OperationPolicy } from "./policy.js";
