import { NetlinkError } from "@nlring/netlink";

/** Why a packet cannot be rewritten; DatagramEditError says what each means. */
export type DatagramEditCode =
  | "ERR_PACKET_MALFORMED"
  | "ERR_PACKET_TRUNCATED"
  | "ERR_PACKET_TOO_LONG"
  | "ERR_FRAGMENT"
  | "ERR_CHECKSUM_UNKNOWN"
  | "ERR_FIELD_ABSENT"
  | "ERR_OUT_OF_RANGE";

/**
 * A packet cannot be rewritten as asked; it is as it was. `code` is ERR_PACKET_MALFORMED, ERR_PACKET_TRUNCATED or ERR_PACKET_TOO_LONG
 * for what packet it is or would be; ERR_FRAGMENT and ERR_CHECKSUM_UNKNOWN where its checksum could not be made right;
 * ERR_FIELD_ABSENT for a field that it does not have; ERR_OUT_OF_RANGE for a value that does not fit.
 */
export class DatagramEditError extends NetlinkError {
  declare readonly code: DatagramEditCode;

  constructor(code: DatagramEditCode, message: string, cause?: unknown) {
    super(message, { code, cause });
  }
}
