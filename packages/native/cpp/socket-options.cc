// Binding, membership and options of a socket.
#include <linux/filter.h>
#include <linux/sock_diag.h>

#include <cerrno>
#include <climits>

#include "socket.h"
#include "system-error.h"

namespace nlring {

namespace {

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

}  // namespace

Napi::Value Socket::Connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!CheckOpen(env)) return env.Undefined();
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  if (connect(descriptor_, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel)) != 0) {
    ThrowSystemError(env, "connect", errno);
    return env.Undefined();
  }
  // What others sent before is not the kernel's, which has said nothing to a socket that asked for nothing.
  uint8_t nothing;
  while (recv(descriptor_, &nothing, sizeof(nothing), MSG_DONTWAIT) >= 0) continue;
  connected_ = true;
  return env.Undefined();
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
  uint32_t bound = 0;
  if (!ReadPort(env, &bound)) return env.Undefined();
  return Napi::Number::New(env, bound);
}

bool Socket::ReadPort(Napi::Env env, uint32_t* port_id) {
  sockaddr_nl address = {};
  socklen_t length = sizeof(address);
  if (getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    ThrowSystemError(env, "getsockname", errno);
    return false;
  }
  *port_id = address.nl_pid;
  return true;
}

Napi::Value Socket::PortId(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  uint32_t port_id = 0;
  if (!CheckOpen(env) || !ReadPort(env, &port_id)) return env.Undefined();
  return Napi::Number::New(env, port_id);
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

Napi::Value Socket::AttachFilter(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!CheckOpen(env)) return env.Undefined();
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!ReadBytes(env, info[0], "the program", &bytes, &length)) return env.Undefined();
  if (length % sizeof(sock_filter) != 0 || length / sizeof(sock_filter) > USHRT_MAX) {
    ThrowRangeError(env, "the program must be whole instructions of 8 bytes, at most 65,535 of them");
    return env.Undefined();
  }
  // The kernel copies it, from whatever alignment.
  sock_fprog program = {};
  program.len = static_cast<uint16_t>(length / sizeof(sock_filter));
  program.filter = reinterpret_cast<sock_filter*>(bytes);
  if (setsockopt(descriptor_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
    ThrowSystemError(env, "setsockopt", errno, "SO_ATTACH_FILTER");
  }
  return env.Undefined();
}

Napi::Value Socket::DetachFilter(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!CheckOpen(env)) return env.Undefined();
  const int unused = 0;
  // ENOENT says that there was none.
  if (setsockopt(descriptor_, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) != 0 &&
      errno != ENOENT) {
    ThrowSystemError(env, "setsockopt", errno, "SO_DETACH_FILTER");
  }
  return env.Undefined();
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

}  // namespace nlring
