import type { KernelSocket } from "./kernel-socket.js";

/**
 * Sends a message to the members of a multicast group, as the kernel does: never built in ring frames, so every mapped socket gets a COPY
 * frame. Each is on its own: one that is congested, or has no room in its receive buffer or its ring, loses the message and is told
 * -ENOBUFS; the others get it.
 *
 * @param members the sockets in the group; the sender is none of them
 * @param group by number, at least 1
 * @param senderPort 0 for the kernel
 * @returns how many sockets got it
 */
export function broadcast(
  members: Iterable<KernelSocket>,
  message: Uint8Array,
  group: number,
  senderPort = 0,
): number {
  if (!Number.isInteger(group) || group < 1 || group > 0xffff_ffff)
    throw new RangeError(`group ${group}: groups are numbered from 1; deliver() sends to one socket alone`);
  let count = 0;
  for (const member of members) if (member.deliver(message, { group, senderPort })) count++;
  return count;
}
