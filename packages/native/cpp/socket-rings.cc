// The rings of a socket: mapping, filling and draining them.
#include <poll.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "drain.h"
#include "socket.h"
#include "system-error.h"

namespace nlring {

namespace {

// Converting the value would call into JavaScript, which ends the process where the thread is being ended.
bool IsTrue(const Napi::Value& value) {
  bool is_true = false;
  return napi_get_value_bool(value.Env(), value, &is_true) == napi_ok && is_true;
}

}  // namespace

bool Socket::ReadSendBuffer(Napi::Env env) {
  socklen_t length = sizeof(send_buffer_);
  if (getsockopt(descriptor_, SOL_SOCKET, SO_SNDBUF, &send_buffer_, &length) == 0) return true;
  ThrowSystemError(env, "getsockopt", errno, "SO_SNDBUF");
  return false;
}

Napi::Value Socket::MapUserRing(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  RingGeometry rx;
  RingGeometry tx;
  if (!ReadGeometries(info, &rx, &tx) || !CheckOpen(env) || !CheckUnmapped(env) || !ReadSendBuffer(env)) {
    return env.Undefined();
  }
  std::shared_ptr<RingMemory> memory = RingMemory::MapAnonymous(rx.Length() + tx.Length());
  if (memory == nullptr) {
    ThrowSystemError(env, "mmap", errno);
    return env.Undefined();
  }
  if (!HoldRing(env, memory)) return env.Undefined();
  rx_ = Ring(memory->base(), rx);
  tx_ = Ring(memory->base() + rx.Length(), tx);
  kind_ = RingKind::kUser;
  return buffer_.Value();
}

bool Socket::SetRing(Napi::Env env, int option, const char* name, const RingGeometry& geometry) {
  // The fields lie as struct nl_mmap_req has them.
  if (setsockopt(descriptor_, SOL_NETLINK, option, &geometry, sizeof(geometry)) == 0) return true;
  ThrowSystemError(env, "setsockopt", errno, name);
  return false;
}

void Socket::RemoveRings() {
  const RingGeometry none = {};
  setsockopt(descriptor_, SOL_NETLINK, kRxRing, &none, sizeof(none));
  setsockopt(descriptor_, SOL_NETLINK, kTxRing, &none, sizeof(none));
}

Napi::Value Socket::MapKernelRing(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  RingGeometry rx;
  RingGeometry tx;
  if (!ReadGeometries(info, &rx, &tx) || !CheckOpen(env) || !CheckUnmapped(env)) return env.Undefined();
  if (!SetRing(env, kRxRing, "NETLINK_RX_RING", rx)) return env.Undefined();
  if (!SetRing(env, kTxRing, "NETLINK_TX_RING", tx)) {
    RemoveRings();
    return env.Undefined();
  }
  std::shared_ptr<RingMemory> memory = RingMemory::MapSocket(descriptor_, rx.Length() + tx.Length());
  if (memory == nullptr) {
    const int failed = errno;
    RemoveRings();
    ThrowSystemError(env, "mmap", failed);
    return env.Undefined();
  }
  if (!HoldRing(env, memory)) {
    // The kernel keeps a ring for as long as it is mapped.
    memory.reset();
    RemoveRings();
    return env.Undefined();
  }
  kind_ = RingKind::kKernel;
  return buffer_.Value();
}

bool Socket::RingMoved(Napi::Env env) {
  bool moved = false;
  if (napi_is_detached_arraybuffer(env, buffer_.Value(), &moved) != napi_ok || !moved) return false;
  memory_->Abandon();
  return true;
}

bool Socket::HoldRing(Napi::Env env, const std::shared_ptr<RingMemory>& memory) {
  const Napi::Value buffer = RingMemory::ToArrayBuffer(env, memory);
  if (buffer.IsEmpty()) return false;
  memory_ = memory;
  buffer_ = Napi::Persistent(buffer.As<Napi::ArrayBuffer>());
  // Added later than Node's own hook for the buffer, so run before it detaches what nobody moved.
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, this);
  return true;
}

void Socket::OnEnvironmentEnd(void* self) {
  auto* socket = static_cast<Socket*>(self);
  const Napi::HandleScope scope(socket->Env());
  socket->RingMoved(socket->Env());
}

void Socket::KeepSpilled(Napi::Env env, const SpilledMessage& message) {
  void* memory = nullptr;
  napi_value joined = nullptr;
  // Fails only where the environment ends, and nobody will ask for the message. Where there is no memory for
  // it (some 300 KB at the most) the engine gives up the process.
  if (napi_create_arraybuffer(env, message.head_length + message.rest_length, &memory, &joined) != napi_ok) {
    return;
  }
  auto* bytes = static_cast<uint8_t*>(memory);
  memcpy(bytes, message.head, message.head_length);
  memcpy(bytes + message.head_length, message.rest, message.rest_length);
  copied_.push_back(Napi::Persistent(Napi::ArrayBuffer(env, joined)));
}

Napi::Value Socket::Fill(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (descriptor_ < 0) return Napi::Number::New(env, -EBADF);
  if (kind_ != RingKind::kUser) return Napi::Number::New(env, -EOPNOTSUPP);
  int64_t limit = 0;
  if (!ReadInteger(env, info[0], "limit", 1, INT_MAX, &limit)) return env.Undefined();
  if (RingMoved(env)) return Napi::Number::New(env, -EFAULT);
  const auto keep = [&](const SpilledMessage& message) { KeepSpilled(env, message); };
  if (ahead_ != nullptr && ahead_->pending()) {
    const int filled = ahead_->Finish(keep);
    // That none waited a while ago says nothing about now.
    if (filled != 0) return Napi::Number::New(env, filled);
  } else if (IsTrue(info[1])) {
    rx_.set_head(0);
  }
  Filler filler(descriptor_, &rx_, &env.GetInstanceData<AddonData>()->scratch, connected_);
  return Napi::Number::New(env, filler.Fill(static_cast<uint32_t>(limit), keep));
}

Napi::Value Socket::FillAhead(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int64_t limit = 0;
  if (descriptor_ < 0 || kind_ != RingKind::kUser || RingMoved(env)) return env.Undefined();
  if (!ReadInteger(env, info[0], "limit", 1, INT_MAX, &limit)) return env.Undefined();
  if (ahead_ == nullptr) ahead_ = std::make_unique<nlring::FillAhead>(descriptor_, &rx_);
  if (!ahead_->pending()) ahead_->Start(env, static_cast<uint32_t>(limit));
  return env.Undefined();
}

Napi::Value Socket::TakeCopied(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (copied_.empty()) return env.Undefined();
  Napi::ArrayBuffer buffer = copied_.front().Value();
  copied_.pop_front();
  return Napi::Uint8Array::New(env, buffer.ByteLength(), buffer, 0);
}

Napi::Value Socket::Drain(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int64_t result = -EOPNOTSUPP;
  if (descriptor_ < 0) {
    result = -EBADF;
  } else if (kind_ != RingKind::kNone && RingMoved(env)) {
    result = -EFAULT;
  } else if (kind_ == RingKind::kUser) {
    result = DrainFrames(descriptor_, &tx_, static_cast<uint32_t>(send_buffer_),
                         env.GetInstanceData<AddonData>()->drain_vectors);
  } else if (kind_ == RingKind::kKernel) {
    result = DrainKernelRing(descriptor_);
  }
  return Napi::Number::New(env, static_cast<double>(result));
}

Napi::Value Socket::Poll(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (descriptor_ < 0) return Napi::Boolean::New(env, false);
  if (ahead_ != nullptr && ahead_->pending()) return Napi::Boolean::New(env, true);
  pollfd watched = {descriptor_, POLLIN, 0};
  const int ready = poll(&watched, 1, 0);
  return Napi::Boolean::New(env, ready > 0 && (watched.revents & POLLIN) != 0);
}

}  // namespace nlring
