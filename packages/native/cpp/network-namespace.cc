#include "network-namespace.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace nlring {

namespace {

struct OpenRequest {
  int protocol;
  const NetworkNamespace* where;
  int result;
  const char* syscall;
};

int OpenHere(int protocol, const char** syscall) {
  *syscall = "socket";
  const int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  return descriptor < 0 ? -errno : descriptor;
}

int EnterAndOpen(const OpenRequest& request, const char** syscall) {
  int descriptor = request.where->descriptor;
  if (!request.where->path.empty()) {
    *syscall = "open";
    // Non-blocking: a path that is a pipe by mistake must not hold the JavaScript thread, which waits for
    // this one.
    descriptor = open(request.where->path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) return -errno;
  }
  *syscall = "setns";
  int result = setns(descriptor, CLONE_NEWNET) == 0 ? 0 : -errno;
  if (!request.where->path.empty()) close(descriptor);
  return result < 0 ? result : OpenHere(request.protocol, syscall);
}

void* RunOpen(void* argument) {
  auto* request = static_cast<OpenRequest*>(argument);
  request->result = EnterAndOpen(*request, &request->syscall);
  return nullptr;
}

}  // namespace

int OpenSocket(int protocol, const NetworkNamespace& where, const char** syscall) {
  if (where.IsOwn()) return OpenHere(protocol, syscall);
  OpenRequest request = {protocol, &where, 0, "setns"};
  pthread_t thread;
  const int failed = pthread_create(&thread, nullptr, RunOpen, &request);
  if (failed != 0) {
    *syscall = "pthread_create";
    return -failed;
  }
  pthread_join(thread, nullptr);
  *syscall = request.syscall;
  return request.result;
}

}  // namespace nlring
