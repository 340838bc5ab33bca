#include "socket.h"

#include <linux/sock_diag.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "drain.h"
#include "network-namespace.h"
#include "system-error.h"

namespace nlring {

namespace {

constexpr int kRxRing = 6;  // NETLINK_RX_RING
constexpr int kTxRing = 7;  // NETLINK_TX_RING
constexpr int64_t kLargestUint32 = 0xffffffff;

// Names the option in an error where it has a name that users look for.
const char* OptionName(int level, int option) {
  if (level != SOL_NETLINK) return nullptr;
  switch (option) {
    case NETLINK_ADD_MEMBERSHIP:
      return "NETLINK_ADD_MEMBERSHIP";
    case NETLINK_DROP_MEMBERSHIP:
      return "NETLINK_DROP_MEMBERSHIP";
    case NETLINK_PKTINFO:
      return "NETLINK_PKTINFO";
    case 4:
      return "NETLINK_BROADCAST_ERROR";
    case NETLINK_NO_ENOBUFS:
      return "NETLINK_NO_ENOBUFS";
    case kRxRing:
      return "NETLINK_RX_RING";
    case kTxRing:
      return "NETLINK_TX_RING";
    case 8:
      return "NETLINK_LISTEN_ALL_NSID";
    case 10:
      return "NETLINK_CAP_ACK";
    case 11:
      return "NETLINK_EXT_ACK";
    case 12:
      return "NETLINK_GET_STRICT_CHK";
    default:
      return nullptr;
  }
}

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

bool ReadBytes(Napi::Env env, Napi::Value value, uint8_t** bytes, size_t* length) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    // The engine's own call, since the memory may be a SharedArrayBuffer's.
    void* data = nullptr;
    if (napi_get_typedarray_info(env, value, nullptr, length, &data, nullptr, nullptr) == napi_ok) {
      // One NULL vector would have a kernel ring sent instead of an empty message.
      static uint8_t empty;
      *bytes = data == nullptr ? &empty : static_cast<uint8_t*>(data);
      return true;
    }
  }
  ThrowTypeError(env, "the message must be a Uint8Array");
  return false;
}

}  // namespace

Napi::Function Socket::Define(Napi::Env env) {
  return DefineClass(env, "Socket",
                     {
                         InstanceMethod<&Socket::Bind>("bind"),
                         InstanceMethod<&Socket::AddMembership>("addMembership"),
                         InstanceMethod<&Socket::DropMembership>("dropMembership"),
                         InstanceMethod<&Socket::SetOption>("setOption"),
                         InstanceMethod<&Socket::GetOption>("getOption"),
                         InstanceMethod<&Socket::SetReceiveBuffer>("setReceiveBuffer"),
                         InstanceAccessor<&Socket::ReceiveBuffer>("receiveBuffer"),
                         InstanceMethod<&Socket::Drops>("drops"),
                         InstanceMethod<&Socket::MapUserRing>("mapUserRing"),
                         InstanceMethod<&Socket::MapKernelRing>("mapKernelRing"),
                         InstanceMethod<&Socket::Fill>("fill"),
                         InstanceMethod<&Socket::TakeCopied>("takeCopied"),
                         InstanceMethod<&Socket::Drain>("drain"),
                         InstanceMethod<&Socket::Send>("send"),
                         InstanceMethod<&Socket::Receive>("receive"),
                         InstanceAccessor<&Socket::SenderPort>("senderPort"),
                         InstanceAccessor<&Socket::Group>("group"),
                         InstanceMethod<&Socket::OnReadable>("onReadable"),
                         InstanceMethod<&Socket::Resume>("resume"),
                         InstanceMethod<&Socket::Pause>("pause"),
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
  if (!ReadInteger(env, info[0], "protocol", 0, 255, &protocol) || !ReadNamespace(env, info[1], &where))
    return;
  const char* syscall = "";
  const int result = OpenSocket(static_cast<int>(protocol), where, &syscall);
  if (result < 0) {
    ThrowSystemError(env, syscall, -result);
    return;
  }
  descriptor_ = result;
}

Socket::~Socket() { ReleaseAll(); }

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

Napi::Value Socket::Bind(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int64_t port_id = 0;
  int64_t groups = 0;
  if (!CheckOpen(env) || !ReadInteger(env, info[0], "portId", 0, kLargestUint32, &port_id) ||
      !ReadInteger(env, info[1], "groups", 0, kLargestUint32, &groups)) {
    return env.Undefined();
  }
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_pid = static_cast<uint32_t>(port_id);
  address.nl_groups = static_cast<uint32_t>(groups);
  if (bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ThrowSystemError(env, "bind", errno);
    return env.Undefined();
  }
  socklen_t length = sizeof(address);
  if (getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    ThrowSystemError(env, "getsockname", errno);
    return env.Undefined();
  }
  return Napi::Number::New(env, address.nl_pid);
}

Napi::Value Socket::ChangeMembership(const Napi::CallbackInfo& info, int option, const char* name) {
  const Napi::Env env = info.Env();
  int64_t group = 0;
  if (!CheckOpen(env) || !ReadInteger(env, info[0], "group", 1, INT_MAX, &group)) return env.Undefined();
  const int number = static_cast<int>(group);
  const int on = 1;
  // The group of each message by number: the sender's mask knows the first 32 only.
  if (option == NETLINK_ADD_MEMBERSHIP &&
      setsockopt(descriptor_, SOL_NETLINK, NETLINK_PKTINFO, &on, sizeof(on)) != 0) {
    ThrowSystemError(env, "setsockopt", errno, "NETLINK_PKTINFO");
  } else if (setsockopt(descriptor_, SOL_NETLINK, option, &number, sizeof(number)) != 0) {
    ThrowSystemError(env, "setsockopt", errno, name);
  }
  return env.Undefined();
}

Napi::Value Socket::AddMembership(const Napi::CallbackInfo& info) {
  return ChangeMembership(info, NETLINK_ADD_MEMBERSHIP, "NETLINK_ADD_MEMBERSHIP");
}

Napi::Value Socket::DropMembership(const Napi::CallbackInfo& info) {
  return ChangeMembership(info, NETLINK_DROP_MEMBERSHIP, "NETLINK_DROP_MEMBERSHIP");
}

Napi::Value Socket::SetOption(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int64_t level = 0;
  int64_t option = 0;
  int64_t value = 0;
  if (!CheckOpen(env) || !ReadInteger(env, info[0], "level", 0, INT_MAX, &level) ||
      !ReadInteger(env, info[1], "option", 0, INT_MAX, &option) ||
      !ReadInteger(env, info[2], "value", INT_MIN, INT_MAX, &value)) {
    return env.Undefined();
  }
  const int number = static_cast<int>(value);
  if (setsockopt(descriptor_, static_cast<int>(level), static_cast<int>(option), &number, sizeof(number)) !=
      0) {
    ThrowSystemError(env, "setsockopt", errno, OptionName(static_cast<int>(level), static_cast<int>(option)));
    return env.Undefined();
  }
  // It may have been the send buffer, which bounds what a drain gathers.
  if (level == SOL_SOCKET && kind_ == RingKind::kUser) ReadSendBuffer(env);
  return env.Undefined();
}

Napi::Value Socket::GetOption(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int64_t level = 0;
  int64_t option = 0;
  if (!CheckOpen(env) || !ReadInteger(env, info[0], "level", 0, INT_MAX, &level) ||
      !ReadInteger(env, info[1], "option", 0, INT_MAX, &option)) {
    return env.Undefined();
  }
  int number = 0;
  socklen_t length = sizeof(number);
  if (getsockopt(descriptor_, static_cast<int>(level), static_cast<int>(option), &number, &length) != 0) {
    ThrowSystemError(env, "getsockopt", errno, OptionName(static_cast<int>(level), static_cast<int>(option)));
    return env.Undefined();
  }
  return Napi::Number::New(env, number);
}

Napi::Value Socket::ReceiveBuffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!CheckOpen(env)) return env.Undefined();
  int size = 0;
  socklen_t length = sizeof(size);
  if (getsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &size, &length) != 0) {
    ThrowSystemError(env, "getsockopt", errno, "SO_RCVBUF");
    return env.Undefined();
  }
  return Napi::Number::New(env, size);
}

Napi::Value Socket::SetReceiveBuffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int64_t bytes = 0;
  if (!CheckOpen(env) || !ReadInteger(env, info[0], "bytes", 0, INT_MAX, &bytes)) return env.Undefined();
  // The kernel doubles what it is given (socket(7)), and accounts in the doubled size.
  const int half = static_cast<int>(bytes / 2);
  // FORCE passes net.core.rmem_max over; it wants CAP_NET_ADMIN in the initial user namespace.
  if (setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) != 0 &&
      setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half)) != 0) {
    ThrowSystemError(env, "setsockopt", errno, "SO_RCVBUF");
    return env.Undefined();
  }
  return ReceiveBuffer(info);
}

Napi::Value Socket::Drops(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!CheckOpen(env)) return env.Undefined();
  uint32_t values[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof(values);
  if (getsockopt(descriptor_, SOL_SOCKET, SO_MEMINFO, values, &length) != 0) {
    ThrowSystemError(env, "getsockopt", errno, "SO_MEMINFO");
    return env.Undefined();
  }
  return Napi::Number::New(env, values[SK_MEMINFO_DROPS]);
}

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
  const Napi::Value buffer = RingMemory::ToArrayBuffer(env, memory);
  if (buffer.IsEmpty()) return env.Undefined();
  rx_ = Ring(memory->base(), rx);
  tx_ = Ring(memory->base() + rx.Length(), tx);
  memory_ = std::move(memory);
  buffer_ = Napi::Persistent(buffer.As<Napi::ArrayBuffer>());
  kind_ = RingKind::kUser;
  return buffer;
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
  const Napi::Value buffer = RingMemory::ToArrayBuffer(env, memory);
  if (buffer.IsEmpty()) {
    // The kernel keeps a ring for as long as it is mapped.
    memory.reset();
    RemoveRings();
    return env.Undefined();
  }
  memory_ = std::move(memory);
  buffer_ = Napi::Persistent(buffer.As<Napi::ArrayBuffer>());
  kind_ = RingKind::kKernel;
  return buffer;
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
  const Napi::HandleScope scope(env);
  Filler filler(descriptor_, &rx_, &env.GetInstanceData<AddonData>()->scratch);
  const int filled = filler.Fill(static_cast<uint32_t>(limit),
                                 [&](const SpilledMessage& message) { KeepSpilled(env, message); });
  return Napi::Number::New(env, filled);
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
  } else if (kind_ == RingKind::kUser) {
    result = DrainFrames(descriptor_, &tx_, static_cast<uint32_t>(send_buffer_),
                         env.GetInstanceData<AddonData>()->drain_vectors);
  } else if (kind_ == RingKind::kKernel) {
    result = DrainKernelRing(descriptor_);
  }
  return Napi::Number::New(env, static_cast<double>(result));
}

Napi::Value Socket::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (descriptor_ < 0) return Napi::Number::New(env, -EBADF);
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!ReadBytes(env, info[0], &bytes, &length)) return env.Undefined();
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
  if (!ReadBytes(env, info[0], &bytes, &length)) return env.Undefined();
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
  group_ = GroupOf(&header, sender);
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
  if (!buffer_.IsEmpty()) {
    const Napi::ArrayBuffer buffer = buffer_.Value();
    memory_->Release();
    // Views that are left then have length 0. Some engines refuse to detach a marked buffer: zero pages
    // remain.
    if (!buffer.IsEmpty()) napi_detach_arraybuffer(env, buffer);
  }
  ReleaseAll();
  return env.Undefined();
}

void Socket::ReleaseAll() {
  if (readiness_ != nullptr) readiness_->Close();
  readiness_.reset();
  buffer_.Reset();
  if (memory_ != nullptr) {
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
