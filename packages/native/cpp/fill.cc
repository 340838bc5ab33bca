#include "fill.h"

#include <strings.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nlring {

namespace {

// More than the default limit of a send (212,992): what user space may send to a socket fits. The kernel's
// own messages are smaller.
constexpr size_t kSpillLength = 256 * 1024;

// MSG_TRUNC: the length that is reported is the message's own, so that a cut message is known.
constexpr int kFlags = MSG_DONTWAIT | MSG_TRUNC;

constexpr int kListenAllNamespaces = 8;  // NETLINK_LISTEN_ALL_NSID, which headers before Linux 4.2 lack

}  // namespace

Origin OriginOf(msghdr* message, const sockaddr_nl& sender) {
  // The mask knows the first 32 groups only.
  Origin origin = {static_cast<uint32_t>(ffs(static_cast<int>(sender.nl_groups))), kUnknownId};
  for (cmsghdr* control = CMSG_FIRSTHDR(message); control != nullptr;
       control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_NETLINK) continue;
    if (control->cmsg_type == NETLINK_PKTINFO) {
      nl_pktinfo information;
      memcpy(&information, CMSG_DATA(control), sizeof(information));
      origin.group = information.group;
    } else if (control->cmsg_type == kListenAllNamespaces) {
      memcpy(&origin.namespace_id, CMSG_DATA(control), sizeof(origin.namespace_id));
    }
  }
  return origin;
}

FillScratch::~FillScratch() {
  if (spill_ != nullptr) munmap(spill_, SpillLength());
}

size_t FillScratch::SpillLength() const { return kSpillLength * limit_; }

bool FillScratch::MapSpill() {
  if (spill_ != nullptr) return true;
  void* spill = mmap(nullptr, SpillLength(), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (spill == MAP_FAILED) return false;
  madvise(spill, SpillLength(), MADV_NOHUGEPAGE);
  madvise(spill, SpillLength(), MADV_DONTFORK);
  spill_ = static_cast<uint8_t*>(spill);
  return true;
}

int Filler::Choose(uint32_t limit) {
  FillScratch& scratch = *scratch_;
  if (!scratch.MapSpill()) return -errno;
  limit = std::min(limit, scratch.limit_);
  uint32_t count = 0;
  uint32_t frame = ring_->head();
  for (uint32_t seen = 0; seen < ring_->frame_count() && count < limit; seen++, frame = ring_->Next(frame)) {
    const uint32_t status = ring_->Status(frame);
    if (status == kSkip) continue;
    if (status != kUnused) break;
    scratch.frames_[count] = frame;
    iovec* vectors = &scratch.vectors_[count * 2];
    vectors[0] = {ring_->Payload(frame), ring_->capacity()};
    vectors[1] = {scratch.spill_ + count * kSpillLength, kSpillLength};
    msghdr& header = scratch.messages_[count].msg_hdr;
    header = {};
    header.msg_iov = vectors;
    header.msg_iovlen = 2;
    // The kernel copies each of them by itself: a fortieth of what an NFQUEUE packet costs.
    if (!from_kernel_) {
      header.msg_name = &scratch.senders_[count];
      header.msg_namelen = sizeof(sockaddr_nl);
      header.msg_control = scratch.control_[count];
      header.msg_controllen = kControlLength;
    }
    count++;
  }
  return count == 0 ? -ENOSPC : static_cast<int>(count);
}

int Filler::Receive(uint32_t count) {
  FillScratch& scratch = *scratch_;
  int received;
  do {
    received = count == 1 ? ReceiveOne() : recvmmsg(descriptor_, scratch.messages_, count, kFlags, nullptr);
  } while (received < 0 && errno == EINTR);
  if (received >= 0) return received;
  return errno == EAGAIN ? 0 : -errno;
}

// What recvmmsg does for one, for less.
int Filler::ReceiveOne() {
  mmsghdr& message = scratch_->messages_[0];
  const ssize_t length = recvmsg(descriptor_, &message.msg_hdr, kFlags);
  if (length < 0) return -1;
  message.msg_len = static_cast<unsigned int>(length);
  return 1;
}

bool Filler::Spilled(int index, SpilledMessage* message) const {
  const size_t length = scratch_->messages_[index].msg_len;
  const size_t capacity = ring_->capacity();
  if (length <= capacity) return false;
  *message = {ring_->Payload(scratch_->frames_[index]), capacity, scratch_->spill_ + index * kSpillLength,
              std::min(length - capacity, kSpillLength)};
  return true;
}

void Filler::PublishFrame(int index, bool copied) {
  mmsghdr& message = scratch_->messages_[index];
  const uint32_t frame = scratch_->frames_[index];
  FrameHeader* header = ring_->Header(frame);
  header->length = message.msg_len;
  const bool told = !from_kernel_;
  const Origin origin = told ? OriginOf(&message.msg_hdr, scratch_->senders_[index]) : Origin{0, kUnknownId};
  header->group = origin.group;
  header->pid = told ? scratch_->senders_[index].nl_pid : 0;
  header->uid = kUnknownId;
  // A mapped kernel has the sender's group id here, which a plain socket does not know.
  header->gid = origin.namespace_id;
  // Only behind a frame that was filled: held frames are passed over when a message is, never before.
  ring_->set_head(ring_->Next(frame));
  ring_->SetStatus(frame, copied ? kCopy : kValid);
}

void Filler::ReleaseSpill() { madvise(scratch_->spill_, scratch_->SpillLength(), MADV_DONTNEED); }

}  // namespace nlring
