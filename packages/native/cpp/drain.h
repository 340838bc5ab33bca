#pragma once

#include <sys/uio.h>

#include <cstdint>

#include "ring-memory.h"

namespace nlring {

// IOV_MAX of Linux (include/uapi/linux/uio.h, UIO_MAXIOV).
constexpr uint32_t kDrainLimit = 1024;

// The consumer's side of a TX ring: sends all consecutive VALID frames from its head to the kernel, gathered
// in as few calls as the send buffer (SO_SNDBUF, bytes) allows, and gives them back. Returns bytes sent, or a
// negative error number; frames that were not sent stay VALID. As in the kernel, a frame with an impossible
// length stops the ring with -EINVAL and stays as it is, and an empty one is given back unsent.
int64_t DrainFrames(int descriptor, Ring* ring, uint32_t send_buffer, iovec* vectors);

// Lets the kernel send the VALID frames of its own ring: a send with one NULL iovec.
int64_t DrainKernelRing(int descriptor);

// An ordinary send to a port and multicast groups (0 is the kernel). Bytes, or a negative error number.
int64_t SendMessage(int descriptor, const uint8_t* bytes, size_t length, uint32_t port_id, uint32_t groups);

}  // namespace nlring
