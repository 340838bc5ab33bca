// What a request costs that the kernel does nothing for but acknowledge (NLMSG_NOOP with NLM_F_ACK). Prints nanoseconds per request.
//
// usage: acknowledge REQUESTS BATCH WAY
//   BATCH  requests that leave in one send: 1 to 1024
//   WAY    recv: one recv for each ACK, as programs do; recvmmsg: one call for all ACKs of a batch
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST_IN_A_BATCH = 1024, ANSWER_LENGTH = 128 };

static _Alignas(struct nlmsghdr) char answers[MOST_IN_A_BATCH][ANSWER_LENGTH];
static struct nlmsghdr requests[MOST_IN_A_BATCH];
static struct mmsghdr messages[MOST_IN_A_BATCH];
static struct iovec vectors[MOST_IN_A_BATCH];

static void fail(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void check(const char *answer, ssize_t length, unsigned int sequence) {
  const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
  if (!NLMSG_OK(header, (size_t)length) || header->nlmsg_type != NLMSG_ERROR ||
      header->nlmsg_seq != sequence || ((const struct nlmsgerr *)NLMSG_DATA(header))->error != 0) {
    fputs("the answer is not the ACK\n", stderr);
    exit(EXIT_FAILURE);
  }
}

static void receive_each(int descriptor, int batch) {
  for (int i = 0; i < batch; i++) {
    const ssize_t length = recv(descriptor, answers[0], ANSWER_LENGTH, 0);
    if (length < 0) fail("recv");
    check(answers[0], length, requests[i].nlmsg_seq);
  }
}

static void receive_together(int descriptor, int batch) {
  for (int done = 0; done < batch;) {
    const int received = recvmmsg(descriptor, messages, (unsigned int)(batch - done), 0, NULL);
    if (received < 0) fail("recvmmsg");
    for (int i = 0; i < received; i++)
      check(answers[i], messages[i].msg_len, requests[done + i].nlmsg_seq);
    done += received;
  }
}

int main(int count, char **arguments) {
  const int total = count > 1 ? atoi(arguments[1]) : 0;
  const int batch = count > 2 ? atoi(arguments[2]) : 0;
  const bool together = count > 3 && strcmp(arguments[3], "recvmmsg") == 0;
  if (total < 1 || batch < 1 || batch > MOST_IN_A_BATCH) {
    fputs("usage: acknowledge REQUESTS BATCH recv|recvmmsg\n", stderr);
    return EXIT_FAILURE;
  }
  const int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (descriptor < 0) fail("socket");
  for (int i = 0; i < batch; i++) {
    requests[i] = (struct nlmsghdr){.nlmsg_len = sizeof(requests[i]),
                                    .nlmsg_type = NLMSG_NOOP,
                                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
    vectors[i] = (struct iovec){.iov_base = answers[i], .iov_len = ANSWER_LENGTH};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  unsigned int sequence = 0;
  long long started = 0;
  const int rounds = (total + batch - 1) / batch;
  // The first tenth is not counted.
  for (int round = -(rounds / 10); round < rounds; round++) {
    if (round == 0) started = nanoseconds();
    for (int i = 0; i < batch; i++) requests[i].nlmsg_seq = ++sequence;
    if (send(descriptor, requests, (size_t)batch * sizeof(requests[0]), 0) < 0) fail("send");
    if (together) receive_together(descriptor, batch);
    else receive_each(descriptor, batch);
  }
  printf("{\"nanoseconds\":%.1f}\n", (double)(nanoseconds() - started) / ((double)rounds * batch));
  return EXIT_SUCCESS;
}
