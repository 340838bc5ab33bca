#include "socket.h"

#include <unistd.h>

#include <cerrno>
#include <climits>

#include "drain.h"
#include "existing-descriptor.h"
#include "network-namespace.h"
#include "system-error.h"

namespace nlring {

namespace {

constexpr int64_t kLargestUint32 = 0xffffffff;

bool ReadNamespace(Napi::Env env, Napi::Value value, NetworkNamespace* where) {
  if (value.IsUndefined() || value.IsNull()) return true;
  if (value.IsString()) {
    where->path = value.As<Napi::String>().Utf8Value();
    if (!where->path.empty() && where->path.find('\0') == std::string::npos) return true;
    ThrowSystemError(env, "open", ENOENT);
    return false;
  }
  if (!value.IsNumber()) {
    ThrowTypeError(env, "namespace must be a path or a descriptor");
    return false;
  }
  int64_t descriptor = 0;
  if (!ReadInteger(env, value, "namespace", 0, INT_MAX, &descriptor)) return false;
  where->descriptor = static_cast<int>(descriptor);
  return true;
}

// The descriptor to take over, or -1 where none is given.
bool ReadDescriptor(Napi::Env env, Napi::Value value, const NetworkNamespace& where, int* descriptor) {
  if (value.IsUndefined()) return true;
  if (!where.IsOwn()) {
    ThrowTypeError(env, "a descriptor is in a network namespace already: give one or the other");
    return false;
  }
  int64_t number = 0;
  if (!ReadInteger(env, value, "descriptor", 0, INT_MAX, &number)) return false;
  *descriptor = static_cast<int>(number);
  return true;
}

}  // namespace

Napi::Function Socket::Define(Napi::Env env) {
  return DefineClass(env, "Socket",
                     {
                         InstanceMethod<&Socket::Bind>("bind"),
                         InstanceMethod<&Socket::Connect>("connect"),
                         InstanceAccessor<&Socket::PortId>("portId"),
                         InstanceMethod<&Socket::AddMembership>("addMembership"),
                         InstanceMethod<&Socket::DropMembership>("dropMembership"),
                         InstanceMethod<&Socket::SetOption>("setOption"),
                         InstanceMethod<&Socket::GetOption>("getOption"),
                         InstanceMethod<&Socket::AttachFilter>("attachFilter"),
                         InstanceMethod<&Socket::DetachFilter>("detachFilter"),
                         InstanceMethod<&Socket::SetReceiveBuffer>("setReceiveBuffer"),
                         InstanceAccessor<&Socket::ReceiveBuffer>("receiveBuffer"),
                         InstanceMethod<&Socket::Drops>("drops"),
                         InstanceMethod<&Socket::MapUserRing>("mapUserRing"),
                         InstanceMethod<&Socket::MapKernelRing>("mapKernelRing"),
                         InstanceMethod<&Socket::Fill>("fill"),
                         InstanceMethod<&Socket::FillAhead>("fillAhead"),
                         InstanceMethod<&Socket::TakeCopied>("takeCopied"),
                         InstanceMethod<&Socket::Drain>("drain"),
                         InstanceMethod<&Socket::Send>("send"),
                         InstanceMethod<&Socket::Receive>("receive"),
                         InstanceAccessor<&Socket::SenderPort>("senderPort"),
                         InstanceAccessor<&Socket::Group>("group"),
                         InstanceMethod<&Socket::OnReadable>("onReadable"),
                         InstanceMethod<&Socket::Resume>("resume"),
                         InstanceMethod<&Socket::Pause>("pause"),
                         InstanceMethod<&Socket::Poll>("poll"),
                         InstanceMethod<&Socket::Reference>("ref"),
                         InstanceMethod<&Socket::Unreference>("unref"),
                         InstanceMethod<&Socket::Close>("close"),
                     });
}

Socket::Socket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Socket>(info) {
  const Napi::Env env = info.Env();
  // Not wrapped: the environment ends, and nothing would close the descriptor.
  if (IsEmpty()) return;
  int64_t protocol = 0;
  NetworkNamespace where;
  int existing = -1;
  if (!ReadInteger(env, info[0], "protocol", 0, 255, &protocol) || !ReadNamespace(env, info[1], &where) ||
      !ReadDescriptor(env, info[2], where, &existing)) {
    return;
  }
  const char* syscall = "";
  if (existing >= 0) {
    const char* option = nullptr;
    const int failed = PrepareDescriptor(existing, static_cast<int>(protocol), &syscall, &option);
    if (failed != 0) {
      ThrowSystemError(env, syscall, -failed, option);
      return;
    }
    descriptor_ = existing;
    return;
  }
  const int result = OpenSocket(static_cast<int>(protocol), where, &syscall);
  if (result < 0) {
    ThrowSystemError(env, syscall, -result);
    return;
  }
  descriptor_ = result;
}

Socket::~Socket() {
  // At the end of the environment Node has detached the buffer, and given up its share, before.
  if (memory_.use_count() > 1) {
    const Napi::HandleScope scope(Env());
    RingMoved(Env());
  }
  ReleaseAll();
}

bool Socket::CheckOpen(Napi::Env env) {
  if (descriptor_ >= 0) return true;
  ThrowError(env, "ERR_SOCKET_CLOSED", "the socket is closed");
  return false;
}

bool Socket::CheckUnmapped(Napi::Env env) {
  if (kind_ == RingKind::kNone) return true;
  ThrowSystemError(env, "mmap", EBUSY);
  return false;
}

Napi::Value Socket::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (descriptor_ < 0) return Napi::Number::New(env, -EBADF);
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!ReadBytes(env, info[0], "the message", &bytes, &length)) return env.Undefined();
  int64_t port_id = 0;
  int64_t groups = 0;
  if ((!info[1].IsUndefined() && !ReadInteger(env, info[1], "portId", 0, kLargestUint32, &port_id)) ||
      (!info[2].IsUndefined() && !ReadInteger(env, info[2], "groups", 0, kLargestUint32, &groups))) {
    return env.Undefined();
  }
  const int64_t sent =
      SendMessage(descriptor_, bytes, length, static_cast<uint32_t>(port_id), static_cast<uint32_t>(groups));
  return Napi::Number::New(env, static_cast<double>(sent));
}

Napi::Value Socket::Receive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (descriptor_ < 0) return Napi::Number::New(env, -EBADF);
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!ReadBytes(env, info[0], "the message", &bytes, &length)) return env.Undefined();
  sockaddr_nl sender = {};
  iovec vector = {bytes, length};
  alignas(cmsghdr) uint8_t control[kControlLength];
  msghdr header = {};
  header.msg_name = &sender;
  header.msg_namelen = sizeof(sender);
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t received;
  do {
    received = recvmsg(descriptor_, &header, MSG_DONTWAIT | MSG_TRUNC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return Napi::Number::New(env, -errno);
  sender_port_ = sender.nl_pid;
  group_ = OriginOf(&header, sender).group;
  return Napi::Number::New(env, static_cast<double>(received));
}

Napi::Value Socket::SenderPort(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), sender_port_);
}

Napi::Value Socket::Group(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), group_); }

Napi::Value Socket::OnReadable(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!CheckOpen(env)) return env.Undefined();
  if (!info[0].IsFunction()) {
    ThrowTypeError(env, "the callback must be a function");
    return env.Undefined();
  }
  if (readiness_ != nullptr) {
    ThrowSystemError(env, "uv_poll_init", EEXIST);
    return env.Undefined();
  }
  readiness_ = Readiness::Watch(env, descriptor_, Value(), info[0].As<Napi::Function>());
  if (readiness_ != nullptr && !referenced_) readiness_->Unreference();
  return env.Undefined();
}

Napi::Value Socket::Resume(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!CheckOpen(env) || readiness_ == nullptr || resumed_) return env.Undefined();
  const int failed = readiness_->Start();
  if (failed != 0) {
    ThrowSystemError(env, "uv_poll_start", -failed);
    return env.Undefined();
  }
  resumed_ = true;
  // While it is watched the socket must not be collected.
  Ref();
  return env.Undefined();
}

Napi::Value Socket::Pause(const Napi::CallbackInfo& info) {
  if (resumed_) {
    readiness_->Stop();
    resumed_ = false;
    Unref();
  }
  return info.Env().Undefined();
}

Napi::Value Socket::Reference(const Napi::CallbackInfo& info) {
  referenced_ = true;
  if (readiness_ != nullptr) readiness_->Reference();
  return info.Env().Undefined();
}

Napi::Value Socket::Unreference(const Napi::CallbackInfo& info) {
  referenced_ = false;
  if (readiness_ != nullptr) readiness_->Unreference();
  return info.Env().Undefined();
}

Napi::Value Socket::Close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (descriptor_ < 0) return env.Undefined();
  Pause(info);
  // Views that are left then have length 0.
  if (memory_ != nullptr && !RingMoved(env)) napi_detach_arraybuffer(env, buffer_.Value());
  ReleaseAll();
  return env.Undefined();
}

void Socket::ReleaseAll() {
  ahead_.reset();
  if (readiness_ != nullptr) readiness_->Close();
  readiness_.reset();
  buffer_.Reset();
  if (memory_ != nullptr) {
    napi_remove_env_cleanup_hook(Env(), OnEnvironmentEnd, this);
    // A mapping of the socket would keep it open, and its queue bound, until the buffer is collected.
    memory_->Release();
    memory_.reset();
  }
  copied_.clear();
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
  kind_ = RingKind::kNone;
}

}  // namespace nlring
