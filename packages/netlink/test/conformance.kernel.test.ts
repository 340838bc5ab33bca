import { NETLINK_ROUTE, NetlinkSocket } from "@nlring/netlink";
import { conformanceCases, missingRequirements, type Requirement, type Stage } from "@nlring/netlink/testing";
import { describe, test } from "vitest";
import { requireKernel } from "../../../tools/kernel-requirement.js";
import { PeerSocket } from "./peer-socket.js";

const NETLINK_EXT_ACK = 11;

function kernelStage(transport: "user-ring" | "kernel-ring"): Stage {
  return {
    open: (protocol, options) => NetlinkSocket.open(protocol, { ...options, transport }),
    peer: (protocol) => new PeerSocket(protocol),
    lacks: lacking(),
  };
}

/** What kernels of before 4.12 lack. */
function lacking(): Requirement[] {
  const socket = new PeerSocket(NETLINK_ROUTE);
  try {
    return socket.knowsOption(NETLINK_EXT_ACK) ? [] : ["error-text", "error-policy", "drop-counter"];
  } finally {
    socket.close();
  }
}

async function hasKernelRing(): Promise<boolean> {
  try {
    await (await NetlinkSocket.open(NETLINK_ROUTE, { transport: "kernel-ring" })).close();
    return true;
  } catch {
    return false;
  }
}

describe("the user ring", () => {
  const stage = kernelStage("user-ring");
  test.for(conformanceCases)("$name", async (one, context) => {
    const missing = missingRequirements(one, stage);
    requireKernel(context, missing.length === 0, `this kernel lacks ${missing.join(", ")}`);
    await one.run(stage);
  });
});

const kernelRing = await hasKernelRing();

// No current kernel has it, whatever is required: the stand-ins of the unit tests replay recordings of those that had.
test.skipIf(kernelRing)("the kernel's ring takes all of these cases", (context) => {
  context.skip("rings mapped by the kernel: Linux 3.10 to 4.5, for root outside any user namespace");
});

describe.runIf(kernelRing)("the kernel's ring", () => {
  const stage = kernelStage("kernel-ring");
  test.for(kernelRing ? conformanceCases : [])("$name", async (one, context) => {
    const missing = missingRequirements(one, stage);
    requireKernel(context, missing.length === 0, `this kernel lacks ${missing.join(", ")}`);
    await one.run(stage);
  });
});
