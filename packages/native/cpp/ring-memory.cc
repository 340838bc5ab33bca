#include "ring-memory.h"

#include <sys/mman.h>

#include <new>

#include "system-error.h"

namespace nlring {

namespace {

constexpr int64_t kLargestUint32 = 0xffffffff;

// What every supported Node allows an ArrayBuffer. Beyond it Node runs the buffer's finalizer and reports
// failure.
constexpr uint64_t kLargestMapping = sizeof(size_t) > 4 ? uint64_t{1} << 32 : (uint64_t{1} << 30) - 1;

bool ReadField(Napi::Env env, Napi::Object object, const char* name, int64_t minimum, uint32_t* result) {
  const Napi::Value value = object.Get(name);
  if (env.IsExceptionPending()) return false;
  int64_t number = 0;
  if (!ReadInteger(env, value, name, minimum, kLargestUint32, &number)) return false;
  *result = static_cast<uint32_t>(number);
  return true;
}

// Reads { blockSize, blockCount, frameSize, frameCount } and checks that every frame lies inside the ring.
bool ReadGeometry(Napi::Env env, Napi::Value value, RingGeometry* geometry) {
  if (!value.IsObject()) {
    ThrowTypeError(env, "a ring geometry must be an object");
    return false;
  }
  const Napi::Object object = value.As<Napi::Object>();
  if (!ReadField(env, object, "blockSize", 1, &geometry->block_size) ||
      !ReadField(env, object, "blockCount", 1, &geometry->block_count) ||
      !ReadField(env, object, "frameSize", sizeof(FrameHeader), &geometry->frame_size) ||
      !ReadField(env, object, "frameCount", 1, &geometry->frame_count)) {
    return false;
  }
  // In 64 bits: the kernel's own check wraps at 32, and frames outside the mapping would follow.
  const uint64_t frames_per_block = geometry->block_size / geometry->frame_size;
  if (geometry->frame_size % 4 != 0 || geometry->block_size % 4 != 0 ||
      frames_per_block * geometry->block_count != geometry->frame_count) {
    ThrowRangeError(env,
                    "a ring geometry needs a blockSize and a frameSize that are multiples of 4, and a "
                    "frameCount of as many frames as its blocks hold");
    return false;
  }
  return true;
}

}  // namespace

bool ReadGeometries(const Napi::CallbackInfo& info, RingGeometry* rx, RingGeometry* tx) {
  const Napi::Env env = info.Env();
  if (!ReadGeometry(env, info[0], rx) || !ReadGeometry(env, info[1], tx)) return false;
  if (rx->Length() <= kLargestMapping && tx->Length() <= kLargestMapping - rx->Length()) return true;
  ThrowRangeError(env, "the rings must have at most " + std::to_string(kLargestMapping) + " bytes together");
  return false;
}

std::shared_ptr<RingMemory> RingMemory::MapAnonymous(size_t length) {
  void* base =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  // With huge pages a ring of large frames is resident as a whole (seen: 545 MB instead of 44).
  madvise(base, length, MADV_NOHUGEPAGE);
  madvise(base, length, MADV_DONTFORK);
  return std::shared_ptr<RingMemory>(new RingMemory(static_cast<uint8_t*>(base), length, Kind::kAnonymous));
}

std::shared_ptr<RingMemory> RingMemory::MapSocket(int descriptor, size_t length) {
  void* base = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED) return nullptr;
  madvise(base, length, MADV_DONTFORK);
  return std::shared_ptr<RingMemory>(new RingMemory(static_cast<uint8_t*>(base), length, Kind::kSocket));
}

RingMemory::~RingMemory() {
  if (!abandoned_) munmap(base_, length_);
}

void RingMemory::Release() {
  if (kind_ == Kind::kAnonymous) {
    madvise(base_, length_, MADV_DONTNEED);
    return;
  }
  mmap(base_, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
       0);
}

Napi::Value RingMemory::ToArrayBuffer(Napi::Env env, const std::shared_ptr<RingMemory>& memory) {
  auto* share = new std::shared_ptr<RingMemory>(memory);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, memory->base_, memory->length_,
      [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<RingMemory>*>(hint); }, share,
      &buffer);
  if (status == napi_ok) return Napi::Value(env, buffer);
  delete share;
  if (!env.IsExceptionPending()) {
    ThrowError(
        env, "ERR_EXTERNAL_MEMORY",
        "this runtime allows no memory of its addons in an ArrayBuffer (V8's sandbox, as in Electron): "
        "run plain Node.js");
  }
  return Napi::Value();
}

}  // namespace nlring
