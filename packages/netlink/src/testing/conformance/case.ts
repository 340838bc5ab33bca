import type { NetlinkSocket } from "../../socket.js";
import type { SocketOptions } from "../../socket-options.js";
import { Scene } from "./scene.js";

/**
 * What a kernel or a transport may lack, so that a case cannot be played there:
 *
 * - `strict`: dumps can be checked strictly (NETLINK_GET_STRICT_CHK, Linux 4.20; listing by table 5.0)
 * - `group-numbers`: groups that the protocol has not are refused
 * - `senders`: a peer may send to sockets of NETLINK_ROUTE (CAP_NET_ADMIN)
 * - `error-text`: errors come with words and offsets (NETLINK_EXT_ACK, Linux 4.12)
 * - `error-policy`: and with what would be accepted (Linux 5.10)
 * - `drop-counter`: the socket counts what it lost (SO_MEMINFO, Linux 4.12)
 */
export type Requirement =
  | "strict"
  | "group-numbers"
  | "senders"
  | "error-text"
  | "error-policy"
  | "drop-counter";

/** Another process's socket, as far as the one under test can tell. */
export interface StagePeer {
  /** Its port, as `message.senderPort` tells it. */
  readonly portId: number;
  /** Sends bytes as they are, without waiting, to the socket with this port. What finds no room is lost. */
  send(bytes: Uint8Array, portId: number): unknown;
  /** Sends bytes as they are to the members of a group from 1 to 32. */
  multicast(bytes: Uint8Array, group: number): unknown;
  close(): void;
}

/**
 * Where cases are played: a transport, and a kernel below it in which the caller may change links, addresses and routes. The loopback
 * device is there, and nothing else uses the network namespace.
 */
export interface Stage {
  /** Opens a socket over the transport that is held to the cases. */
  open(protocol: number, options: StageSocketOptions): Promise<NetlinkSocket>;
  /** Opens another process's socket of this protocol, below the same kernel. */
  peer(protocol: number): StagePeer;
  /** What is missing here. */
  readonly lacks?: readonly Requirement[] | undefined;
}

/** How a case opens a socket: everything but what the stage decides. */
export type StageSocketOptions = Omit<SocketOptions, "transport" | "namespace">;

/** One named behaviour. */
export interface ConformanceCase {
  /** Unique among the cases; begins with what it is about. */
  readonly name: string;
  readonly needs: readonly Requirement[];
  /** Resolves where the behaviour is there; rejects with AssertionError where it is another. Leaves the stage as it was. */
  run(stage: Stage): Promise<void>;
}

/** What of a case's needs the stage lacks: where there is any, the case is to be skipped, and named. */
export function missingRequirements({ needs }: ConformanceCase, { lacks = [] }: Stage): Requirement[] {
  return needs.filter((need) => lacks.includes(need));
}

/** Defines a case whose sockets and peers are closed behind it. */
export function conformanceCase(
  name: string,
  play: (scene: Scene) => Promise<void>,
  needs: readonly Requirement[] = [],
): ConformanceCase {
  return {
    name,
    needs,
    async run(stage) {
      const scene = new Scene(stage);
      try {
        await play(scene);
      } finally {
        await scene.end();
      }
    },
  };
}
