#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "ring-memory.h"

namespace nlring {

// Most messages that one recvmmsg takes.
constexpr uint32_t kFillLimit = 64;

// Room for the ancillary data of one message: the multicast group (NETLINK_PKTINFO) and the network namespace
// (NETLINK_LISTEN_ALL_NSID).
constexpr size_t kControlLength = CMSG_SPACE(sizeof(nl_pktinfo)) + CMSG_SPACE(sizeof(int));

// Stands for an id that nobody told. The kernel ring has the sender's user and group there, where 0 would say
// root; as a namespace it is NETNSA_NSID_NOT_ASSIGNED (include/uapi/linux/net_namespace.h).
constexpr uint32_t kUnknownId = 0xffffffff;

// Where a received message comes from, beside its sender's port.
struct Origin {
  // Multicast group by number, 0 for none.
  uint32_t group;
  // Id of the network namespace, where the kernel told one.
  uint32_t namespace_id;
};
Origin OriginOf(msghdr* message, const sockaddr_nl& sender);

// The arrays of one recvmmsg and the memory for what does not fit a frame: one of them per environment, since
// a fill never outlives its call.
class FillScratch {
 public:
  FillScratch() = default;
  ~FillScratch();
  FillScratch(const FillScratch&) = delete;
  FillScratch& operator=(const FillScratch&) = delete;

 private:
  friend class Filler;
  bool MapSpill();

  mmsghdr messages_[kFillLimit];
  iovec vectors_[kFillLimit * 2];
  sockaddr_nl senders_[kFillLimit];
  alignas(cmsghdr) uint8_t control_[kFillLimit][kControlLength];
  uint32_t frames_[kFillLimit];
  uint8_t* spill_ = nullptr;
};

// A received message that did not fit its frame.
struct SpilledMessage {
  const uint8_t* head;
  size_t head_length;
  const uint8_t* rest;
  size_t rest_length;
};

// The producer's side of an RX ring that one recvmmsg fills: it does what the kernel does for a mapped
// socket.
class Filler {
 public:
  Filler(int descriptor, Ring* ring, FillScratch* scratch)
      : descriptor_(descriptor), ring_(ring), scratch_(scratch) {}

  // Receives up to `limit` messages straight into free frames. `on_spill` is called, in ring order, for each
  // that did not fit and became a COPY frame. Returns how many; 0 when none waits; -ENOSPC when the frame at
  // the head is not free; another negative error number where the socket has an error.
  template <typename OnSpill>
  int Fill(uint32_t limit, OnSpill on_spill) {
    const int count = Receive(limit);
    bool spilled = false;
    for (int i = 0; i < count; i++) {
      SpilledMessage message;
      const bool copied = Spilled(i, &message);
      if (copied) {
        on_spill(message);
        spilled = true;
      }
      Publish(i, copied);
    }
    if (spilled) ReleaseSpill();
    return count;
  }

 private:
  int Receive(uint32_t limit);
  int ReceiveOne();
  bool Spilled(int index, SpilledMessage* message) const;
  void Publish(int index, bool copied);
  void ReleaseSpill();

  int descriptor_;
  Ring* ring_;
  FillScratch* scratch_;
};

}  // namespace nlring
