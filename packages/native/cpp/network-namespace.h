#pragma once

#include <string>

namespace nlring {

// Where a socket is to be opened: the caller's own network namespace, a path, or a descriptor.
struct NetworkNamespace {
  std::string path;
  int descriptor = -1;
  bool IsOwn() const { return path.empty() && descriptor < 0; }
};

// Opens a netlink socket in a namespace. Returns its descriptor, or a negative error number with `syscall`
// naming the call that failed.
//
// A thread belongs to a namespace, and neither the JavaScript thread nor libuv's may leave theirs. So a
// thread that lives for this one call enters the namespace and opens the socket, which stays where it was
// opened.
int OpenSocket(int protocol, const NetworkNamespace& where, const char** syscall);

}  // namespace nlring
