/** The codes of this package's errors. */
export type RingErrorCode =
  | "ERR_FRAME_NOT_TAKEN"
  | "ERR_FRAME_RESERVED"
  | "ERR_FRAME_NOT_RESERVED"
  | "ERR_FRAME_LENGTH";

/** A ring was used against its contract, or holds a frame that breaks it. */
export class RingError extends Error {
  readonly code: RingErrorCode;
  /** The negative Linux error number that the kernel would give, where it would give one. */
  declare readonly errno?: number;

  constructor(message: string, code: RingErrorCode, errno?: number) {
    super(message);
    this.name = "RingError";
    this.code = code;
    if (errno !== undefined) this.errno = errno;
  }
}

/** A ring of this shape cannot be. `code` is ERR_GEOMETRY, `errno` what the kernel would answer. */
export class GeometryError extends Error {
  readonly code = "ERR_GEOMETRY";
  readonly errno: number;

  constructor(message: string, errno: number) {
    super(message);
    this.name = "GeometryError";
    this.errno = errno;
  }
}
