import { type KernelError, NetlinkError } from "../errors.js";

/** No family of generic netlink has the name. `code` is ENOENT, and `cause` the kernel's answer. */
export class FamilyNotFoundError extends NetlinkError {
  declare readonly errno: number;
  /** The name that was asked for. */
  readonly family: string;

  constructor(family: string, cause: KernelError) {
    super(
      `the kernel has no generic netlink family ${JSON.stringify(family)} in this network namespace: its module may not be loaded, or the ` +
        "kernel was built without it; families() lists those there are",
      { code: cause.code, errno: cause.errno, cause },
    );
    this.family = family;
  }
}

/** The family has no multicast group of the name. `code` is ERR_UNKNOWN_GROUP. */
export class GroupNotFoundError extends NetlinkError {
  readonly family: string;
  readonly group: string;
  /** The names of the groups that there are. */
  readonly groups: readonly string[];

  constructor(family: string, group: string, groups: readonly string[]) {
    const known = groups.length === 0 ? "it has none" : `there are ${groups.join(", ")}`;
    super(`the family ${family} has no multicast group ${JSON.stringify(group)}: ${known}`, {
      code: "ERR_UNKNOWN_GROUP",
    });
    this.family = family;
    this.group = group;
    this.groups = groups;
  }
}

/** The kernel's family has a header of another length than its definition. `code` is ERR_FAMILY_HEADER. */
export class FamilyHeaderError extends NetlinkError {
  readonly family: string;

  constructor(family: string, expected: number, found: number) {
    super(
      `messages of the family ${family} have a header of ${found} bytes, and its definition one of ${expected}: give defineFamily the ` +
        "struct that this kernel has",
      { code: "ERR_FAMILY_HEADER" },
    );
    this.family = family;
  }
}
