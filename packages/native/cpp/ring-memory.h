#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace nlring {

// struct nl_mmap_hdr of include/uapi/linux/netlink.h (Linux 3.10 to 4.5), defined here because later headers
// keep it for user space only by grace.
struct FrameHeader {
  uint32_t status;
  uint32_t length;
  uint32_t group;
  uint32_t pid;
  uint32_t uid;
  uint32_t gid;
};
static_assert(sizeof(FrameHeader) == 24, "NL_MMAP_HDRLEN");

enum FrameStatus : uint32_t { kUnused = 0, kReserved = 1, kValid = 2, kCopy = 3, kSkip = 4 };

// struct nl_mmap_req.
struct RingGeometry {
  uint32_t block_size;
  uint32_t block_count;
  uint32_t frame_size;
  uint32_t frame_count;

  // Cannot wrap: two factors of 32 bits.
  uint64_t Length() const { return static_cast<uint64_t>(block_size) * block_count; }
};

// Reads the two ring geometries of a call and checks that every frame lies inside its ring, and both rings
// inside one ArrayBuffer. On wrong numbers throws and returns false. Runs the caller's getters, which may do
// anything: check the state of the socket afterwards.
bool ReadGeometries(const Napi::CallbackInfo& info, RingGeometry* rx, RingGeometry* tx);

// One side of one ring inside a mapping, and the frame where that side goes on.
class Ring {
 public:
  Ring() = default;
  Ring(uint8_t* base, const RingGeometry& geometry)
      : base_(base), geometry_(geometry), frames_per_block_(geometry.block_size / geometry.frame_size) {}

  uint32_t frame_count() const { return geometry_.frame_count; }
  uint32_t capacity() const { return geometry_.frame_size - sizeof(FrameHeader); }
  uint32_t head() const { return head_; }
  void set_head(uint32_t head) { head_ = head; }
  uint32_t Next(uint32_t frame) const { return frame + 1 == geometry_.frame_count ? 0 : frame + 1; }

  FrameHeader* Header(uint32_t frame) const {
    return reinterpret_cast<FrameHeader*>(
        base_ + static_cast<size_t>(frame / frames_per_block_) * geometry_.block_size +
        static_cast<size_t>(frame % frames_per_block_) * geometry_.frame_size);
  }
  uint8_t* Payload(uint32_t frame) const {
    return reinterpret_cast<uint8_t*>(Header(frame)) + sizeof(FrameHeader);
  }

  // Acquire: what the other side wrote into the frame before it stored the status is seen after this load.
  uint32_t Status(uint32_t frame) const { return __atomic_load_n(&Header(frame)->status, __ATOMIC_ACQUIRE); }
  // Release: whoever loads this status sees everything written into the frame before it. Stored any earlier,
  // a reader on another thread could take a frame that is half filled.
  void SetStatus(uint32_t frame, FrameStatus status) const {
    __atomic_store_n(&Header(frame)->status, static_cast<uint32_t>(status), __ATOMIC_RELEASE);
  }

 private:
  uint8_t* base_ = nullptr;
  RingGeometry geometry_{};
  uint32_t frames_per_block_ = 1;
  uint32_t head_ = 0;
};

// The memory of both rings. Shared by the socket and by the finalizer of the ArrayBuffer that shows it, so
// that it stays mapped for as long as either could touch it.
class RingMemory {
 public:
  // Maps anonymous memory; null and errno where the system refuses.
  static std::shared_ptr<RingMemory> MapAnonymous(size_t length);
  // Maps the rings of a netlink socket; null and errno where the kernel refuses.
  static std::shared_ptr<RingMemory> MapSocket(int descriptor, size_t length);
  ~RingMemory();
  RingMemory(const RingMemory&) = delete;
  RingMemory& operator=(const RingMemory&) = delete;

  uint8_t* base() const { return base_; }

  // Puts empty pages in the place of what is mapped: a kernel ring is released, and views that are left read
  // zeros.
  void Release();

  // Leaves the memory mapped for good: who moved its ArrayBuffer may use it in another thread for longer than
  // this one's environment, whose end is the last that Node tells of it.
  void Abandon() { abandoned_ = true; }

  // An ArrayBuffer over the memory. Empty with an exception pending where the runtime refuses external
  // memory.
  static Napi::Value ToArrayBuffer(Napi::Env env, const std::shared_ptr<RingMemory>& memory);

 private:
  enum class Kind { kAnonymous, kSocket };
  RingMemory(uint8_t* base, size_t length, Kind kind) : base_(base), length_(length), kind_(kind) {}
  uint8_t* base_;
  size_t length_;
  Kind kind_;
  bool abandoned_ = false;
};

}  // namespace nlring
