export type TestFamily = "ip" | "ip6";

export interface SendResult {
  readonly sent: number;
  readonly toDrop: number;
  readonly echoed: number;
  readonly doubled: number;
}

export interface FloodResult {
  readonly sent: number;
  readonly echoed: number;
}

/** Where the datagram of the echo fixture starts in a queued packet: behind the IP and UDP headers. */
export function datagramOffset(family: string): number {
  return (family === "ip6" ? 40 : 20) + 8;
}
