/**
 * The ABI of memory-mapped netlink, spelled beside each name as the kernel spelled it.
 * Source: include/uapi/linux/netlink.h, Linux 3.10 to 4.5. All fields are 32 bits in host byte order.
 */

/** NL_MMAP_HDRLEN: bytes of struct nl_mmap_hdr in front of every frame's payload. */
export const FRAME_HEADER_LENGTH = 24;

/** NL_MMAP_MSG_ALIGNMENT: frame sizes are multiples of it. */
export const FRAME_ALIGNMENT = 4;

/** Offsets of the header's fields from the start of the frame. */
export const FrameHeader = {
  /** nm_status: the word that says who owns the frame. */
  status: 0,
  /** nm_len: bytes of payload. */
  length: 4,
  /** nm_group: multicast group the message was sent to, by number. */
  group: 8,
  /** nm_pid: the sender; 0 is the kernel. */
  sender: 12,
  /** nm_uid. */
  uid: 16,
  /** nm_gid; in a user ring the id of the network namespace, or 0xffffffff. */
  gid: 20,
} as const;

/** States of a frame. */
export const FrameStatus = {
  /** NL_MMAP_STATUS_UNUSED: the producer's, free. */
  unused: 0,
  /** NL_MMAP_STATUS_RESERVED: the producer's, being filled. */
  reserved: 1,
  /** NL_MMAP_STATUS_VALID: the consumer's, holds a message. */
  valid: 2,
  /** NL_MMAP_STATUS_COPY: the consumer's, stands for a message that is fetched from the socket. */
  copy: 3,
  /** NL_MMAP_STATUS_SKIP: the consumer's, kept for later; the producer passes it over. */
  skip: 4,
} as const;

/** struct nl_mmap_req: the four numbers that shape one ring. */
export interface RingGeometry {
  /** nm_block_size: bytes per block, a multiple of the page size. */
  readonly blockSize: number;
  /** nm_block_nr: number of blocks. */
  readonly blockCount: number;
  /** nm_frame_size: bytes per frame, header included; a multiple of 4. */
  readonly frameSize: number;
  /** nm_frame_nr: number of frames in all blocks together. */
  readonly frameCount: number;
}
