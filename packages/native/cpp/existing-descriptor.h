#pragma once

namespace nlring {

// Makes a descriptor that was opened elsewhere ready for a Socket: close-on-exec, non-blocking, and with the
// group of each message told. Returns 0, or a negative error number with `syscall` naming the call that
// failed and `option` the socket option that it read, if any: -EAFNOSUPPORT where it is no netlink socket,
// -EPROTOTYPE where it is one of another protocol. Neither of these has changed it.
int PrepareDescriptor(int descriptor, int protocol, const char** syscall, const char** option);

}  // namespace nlring
