// What a dump of the IPv4 routes costs when it is only received: 32 KiB at a time, the most that the kernel hands out, and no attribute
// looked at. Prints the number of routes and the median of the nanoseconds that a dump took.
//
// usage: route-dump DUMPS
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { RECEIVE_LENGTH = 32768 };

static void fail(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void ask(int descriptor) {
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
  } request = {
      .header = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = RTM_GETROUTE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                 .nlmsg_seq = 1},
      .route = {.rtm_family = AF_INET},
  };
  if (send(descriptor, &request, sizeof(request), 0) < 0) fail("send");
}

static long dump(int descriptor) {
  static _Alignas(struct nlmsghdr) char received[RECEIVE_LENGTH];
  long routes = 0;
  ask(descriptor);
  for (;;) {
    const ssize_t length = recv(descriptor, received, sizeof(received), 0);
    if (length < 0) fail("recv");
    unsigned int left = (unsigned int)length;
    for (struct nlmsghdr *header = (struct nlmsghdr *)received; NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == RTM_NEWROUTE) routes++;
      if (header->nlmsg_type == NLMSG_DONE) return routes;
      if (header->nlmsg_type == NLMSG_ERROR) {
        fputs("the kernel refused the dump\n", stderr);
        exit(EXIT_FAILURE);
      }
    }
  }
}

static int compare(const void *left, const void *right) {
  const long long a = *(const long long *)left;
  const long long b = *(const long long *)right;
  return (a > b) - (a < b);
}

int main(int count, char **arguments) {
  const int dumps = count > 1 ? atoi(arguments[1]) : 0;
  if (dumps < 1) {
    fputs("usage: route-dump DUMPS\n", stderr);
    return EXIT_FAILURE;
  }
  const int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (descriptor < 0) fail("socket");
  long long *taken = calloc((size_t)dumps, sizeof(*taken));
  if (taken == NULL) fail("calloc");
  // The first one is not counted.
  long routes = dump(descriptor);
  for (int i = 0; i < dumps; i++) {
    const long long started = nanoseconds();
    routes = dump(descriptor);
    taken[i] = nanoseconds() - started;
  }
  qsort(taken, (size_t)dumps, sizeof(*taken), compare);
  printf("{\"routes\":%ld,\"nanoseconds\":%lld}\n", routes, taken[dumps / 2]);
  free(taken);
  return EXIT_SUCCESS;
}
