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
// a fill never outlives its call, and one for each socket that fills ahead.
class FillScratch {
 public:
  // `limit` is the number of messages that a fill takes at the most, up to kFillLimit.
  explicit FillScratch(uint32_t limit) : limit_(limit) {}
  ~FillScratch();
  FillScratch(const FillScratch&) = delete;
  FillScratch& operator=(const FillScratch&) = delete;

 private:
  friend class Filler;
  bool MapSpill();
  size_t SpillLength() const;

  const uint32_t limit_;
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
  // `from_kernel`: every message is the kernel's own, to this port alone. Who sent it is not asked for.
  Filler(int descriptor, Ring* ring, FillScratch* scratch, bool from_kernel)
      : descriptor_(descriptor), ring_(ring), scratch_(scratch), from_kernel_(from_kernel) {}

  // Receives up to `limit` messages straight into free frames. `on_spill` is called, in ring order, for each
  // that did not fit and became a COPY frame. Returns how many; 0 when none waits; -ENOSPC when the frame at
  // the head is not free; another negative error number where the socket has an error.
  template <typename OnSpill>
  int Fill(uint32_t limit, OnSpill on_spill) {
    const int free = Choose(limit);
    return free < 0 ? free : Publish(Receive(static_cast<uint32_t>(free)), on_spill);
  }

  // The parts of a fill. Between the first and the last no other may begin; the second may run in another
  // thread, since it touches nothing but the socket, the scratch and the payload of free frames.

  // Chooses up to `limit` free frames. Returns how many, or as Fill where there are none.
  int Choose(uint32_t limit);
  // Receives into as many frames, as chosen. Returns as Fill.
  int Receive(uint32_t count);
  // Hands `count` frames, as received, to the reader; an error number is returned as it is.
  template <typename OnSpill>
  int Publish(int count, OnSpill on_spill) {
    bool spilled = false;
    for (int i = 0; i < count; i++) {
      SpilledMessage message;
      const bool copied = Spilled(i, &message);
      if (copied) {
        on_spill(message);
        spilled = true;
      }
      PublishFrame(i, copied);
    }
    if (spilled) ReleaseSpill();
    return count;
  }

 private:
  int ReceiveOne();
  bool Spilled(int index, SpilledMessage* message) const;
  void PublishFrame(int index, bool copied);
  void ReleaseSpill();

  int descriptor_;
  Ring* ring_;
  FillScratch* scratch_;
  const bool from_kernel_;
};

}  // namespace nlring
