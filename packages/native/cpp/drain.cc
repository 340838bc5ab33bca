#include "drain.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace nlring {

namespace {

// What netlink_sendmsg keeps of the send buffer for itself.
constexpr uint32_t kSendOverhead = 32;

sockaddr_nl Address(uint32_t port_id, uint32_t groups) {
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_pid = port_id;
  address.nl_groups = groups;
  return address;
}

// To the kernel.
int64_t SendVectors(int descriptor, iovec* vectors, size_t count) {
  sockaddr_nl address = Address(0, 0);
  msghdr header = {};
  header.msg_name = &address;
  header.msg_namelen = sizeof(address);
  header.msg_iov = vectors;
  header.msg_iovlen = count;
  ssize_t sent;
  do {
    sent = sendmsg(descriptor, &header, MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

}  // namespace

int64_t DrainFrames(int descriptor, Ring* ring, uint32_t send_buffer, iovec* vectors) {
  const uint64_t most = send_buffer > kSendOverhead ? send_buffer - kSendOverhead : 0;
  int64_t total = 0;
  for (;;) {
    uint32_t count = 0;
    uint64_t bytes = 0;
    int refused = 0;
    uint32_t frame = ring->head();
    while (count < kDrainLimit && count < ring->frame_count() && ring->Status(frame) == kValid) {
      const uint32_t length = ring->Header(frame)->length;
      // Messages lie one behind the other in the send, each at a multiple of 4.
      if (length > ring->capacity() || length % 4 != 0) {
        refused = -EINVAL;
        break;
      }
      if (bytes + length > most) {
        refused = -EMSGSIZE;
        break;
      }
      vectors[count++] = {ring->Payload(frame), length};
      bytes += length;
      frame = ring->Next(frame);
    }
    if (count == 0) return refused < 0 ? refused : total;
    // Empty frames only: recent kernels refuse an empty send (ENODATA), and the ring would stop for good.
    const int64_t sent = bytes == 0 ? 0 : SendVectors(descriptor, vectors, count);
    if (sent < 0) return sent;
    total += sent;
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t done = ring->head();
      ring->set_head(ring->Next(done));
      ring->SetStatus(done, kUnused);
    }
  }
}

int64_t DrainKernelRing(int descriptor) {
  iovec nothing = {nullptr, 0};
  return SendVectors(descriptor, &nothing, 1);
}

int64_t SendMessage(int descriptor, const uint8_t* bytes, size_t length, uint32_t port_id, uint32_t groups) {
  const sockaddr_nl address = Address(port_id, groups);
  ssize_t sent;
  do {
    // Not sendmsg: the kernel has a message header and a vector less to copy and check.
    sent = sendto(descriptor, bytes, length, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&address),
                  sizeof(address));
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

}  // namespace nlring
