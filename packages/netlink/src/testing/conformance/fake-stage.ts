import { NetlinkSocket } from "../../socket.js";
import type { FakeKernelOptions } from "../fake-kernel.js";
import { FakeRouteKernel } from "../fake-route-kernel.js";
import type { Stage } from "./case.js";

/** A stage over the fake rtnetlink of this package: its memory transport, or its stand-ins for kernels that map rings. */
export function fakeStage(options: FakeKernelOptions = {}): Stage {
  const kernel = new FakeRouteKernel(options);
  return {
    open: (protocol, socketOptions) => NetlinkSocket.open(protocol, { ...socketOptions, transport: kernel }),
    peer: (protocol) => kernel.peer(protocol),
    lacks: ["group-numbers"],
  };
}
