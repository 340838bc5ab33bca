#include "existing-descriptor.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace nlring {

int PrepareDescriptor(int descriptor, int protocol, const char** syscall, const char** option) {
  int value = 0;
  socklen_t length = sizeof(value);
  *syscall = "getsockopt";
  *option = "SO_DOMAIN";
  if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &value, &length) != 0) return -errno;
  if (value != AF_NETLINK) return -EAFNOSUPPORT;
  *option = "SO_PROTOCOL";
  length = sizeof(value);
  if (getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &value, &length) != 0) return -errno;
  if (value != protocol) return -EPROTOTYPE;
  *syscall = "fcntl";
  *option = nullptr;
  const int status = fcntl(descriptor, F_GETFL);
  if (status < 0 || fcntl(descriptor, F_SETFL, status | O_NONBLOCK) != 0) return -errno;
  if (fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) return -errno;
  // It may be a member of groups already, of which the sender's mask knows the first 32 only.
  const int on = 1;
  *syscall = "setsockopt";
  *option = "NETLINK_PKTINFO";
  return setsockopt(descriptor, SOL_NETLINK, NETLINK_PKTINFO, &on, sizeof(on)) == 0 ? 0 : -errno;
}

}  // namespace nlring
