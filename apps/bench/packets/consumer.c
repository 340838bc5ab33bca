// Decides the packets of NFQUEUE queues in the ways that programs in C have, and prints what that took.
//
// usage: consumer WAY WORK QUEUE QUEUES GSO PAYLOAD
//   WAY      classic: one recv and one send for each packet; gathered: one recvmmsg and one send for up to 64; batch: the same, with
//            neighbours of one verdict in one NFQNL_MSG_VERDICT_BATCH
//   WORK     accept, inspect, drop-half or rewrite, as work.mjs describes them
//   QUEUE    number of the first queue, of QUEUES
//   GSO      1 takes packets of segmentation offload in one piece
//   PAYLOAD  where the payload begins in a packet, in bytes
//
// Prints one JSON value when it listens, and one when the second mark came.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, FRAME = 70016, MOST_QUEUES = 8, MARK_LENGTH = 29, INSPECTED = 64, RECEIVE_BUFFER = 4 << 20 };
enum way { CLASSIC, GATHERED, JOINED };
enum work { ACCEPT, INSPECT, DROP_HALF, REWRITE };

struct verdict {
  struct nlmsghdr header;
  struct nfgenmsg family;
  struct nlattr attribute;
  struct nfqnl_msg_verdict_hdr verdict;
  struct nlattr payload;
};
enum { PLAIN_LENGTH = sizeof(struct verdict) - sizeof(struct nlattr) };

struct packet {
  uint32_t id;
  uint8_t *bytes;
  size_t length;
};

static _Alignas(64) uint8_t frames[BATCH][FRAME];
static struct mmsghdr received[BATCH];
static struct iovec into[BATCH];
static struct verdict verdicts[BATCH];
static struct iovec gathered[2 * BATCH];

static enum way way;
static enum work work;
static size_t payload_offset;
static int marks;
static uint32_t digest;
static uint64_t packets, bytes, dropped, syscalls, messages;
static struct rusage usage;
static struct timespec started;

static void fail(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static uint32_t word(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof(value));
  return ntohl(value);
}

static double seconds(struct timeval from, struct timeval to) {
  return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) / 1e6;
}

static void mark(void) {
  if (marks++ == 0) {
    packets = bytes = dropped = syscalls = messages = 0;
    digest = 0;
    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_MONOTONIC, &started);
    return;
  }
  struct rusage now;
  struct timespec ended;
  clock_gettime(CLOCK_MONOTONIC, &ended);
  getrusage(RUSAGE_SELF, &now);
  printf("{\"packets\":%llu,\"bytes\":%llu,\"dropped\":%llu,\"digest\":%u,\"seconds\":%.9f,\"user\":%.6f,\"system\":%.6f,"
         "\"syscalls\":%llu,\"verdictMessages\":%llu}\n",
         (unsigned long long)packets, (unsigned long long)bytes, (unsigned long long)dropped, digest,
         (double)(ended.tv_sec - started.tv_sec) + (double)(ended.tv_nsec - started.tv_nsec) / 1e9,
         seconds(usage.ru_utime, now.ru_utime), seconds(usage.ru_stime, now.ru_stime), (unsigned long long)syscalls,
         (unsigned long long)messages);
  fflush(stdout);
}

/** Writes 8 bytes into the datagram and its whole checksum, which the kernel takes as it is. */
static void rewrite(uint8_t *packet, size_t length) {
  memset(packet + payload_offset + 8, 0xa5, 8);
  uint8_t *datagram = packet + 20;
  const size_t datagram_length = length - 20;
  datagram[6] = datagram[7] = 0;
  uint32_t sum = IPPROTO_UDP + (uint32_t)datagram_length;
  for (size_t at = 12; at < 20; at += 2) sum += (uint32_t)(packet[at] << 8 | packet[at + 1]);
  for (size_t at = 0; at + 1 < datagram_length; at += 2) sum += (uint32_t)(datagram[at] << 8 | datagram[at + 1]);
  if (datagram_length % 2 != 0) sum += (uint32_t)(datagram[datagram_length - 1] << 8);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  const uint16_t checksum = (uint16_t)~sum;
  datagram[6] = (uint8_t)((checksum == 0 ? 0xffff : checksum) >> 8);
  datagram[7] = (uint8_t)(checksum == 0 ? 0xff : checksum);
}

/** Returns the verdict. */
static uint32_t decide(const struct packet *packet) {
  if (packet->length == MARK_LENGTH) {
    mark();
    return NF_ACCEPT;
  }
  packets++;
  bytes += packet->length;
  if (work == ACCEPT) return NF_ACCEPT;
  if (work == DROP_HALF) {
    if ((word(packet->bytes + payload_offset) & 1) == 0) return NF_ACCEPT;
    dropped++;
    return NF_DROP;
  }
  if (work == REWRITE) {
    rewrite(packet->bytes, packet->length);
    return NF_ACCEPT;
  }
  size_t end = payload_offset + INSPECTED;
  if (end > packet->length) end = packet->length;
  uint32_t sum = 0;
  for (size_t at = payload_offset; at + 4 <= end; at += 4) sum += word(packet->bytes + at);
  digest += sum;
  return NF_ACCEPT;
}

static struct packet parse(uint8_t *message, size_t length) {
  const struct nlmsghdr *header = (const struct nlmsghdr *)message;
  if (!NLMSG_OK(header, length) || header->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) {
    fputs("a message that is no packet: a verdict was refused\n", stderr);
    exit(EXIT_FAILURE);
  }
  struct packet packet = {0};
  for (size_t at = NLMSG_HDRLEN + sizeof(struct nfgenmsg); at + NLA_HDRLEN <= header->nlmsg_len;) {
    const struct nlattr *attribute = (const struct nlattr *)(message + at);
    if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > header->nlmsg_len) break;
    uint8_t *value = message + at + NLA_HDRLEN;
    if ((attribute->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) packet.id = word(value);
    if ((attribute->nla_type & NLA_TYPE_MASK) == NFQA_PAYLOAD) {
      packet.bytes = value;
      packet.length = attribute->nla_len - NLA_HDRLEN;
    }
    at += NLA_ALIGN(attribute->nla_len);
  }
  return packet;
}

/** Writes the verdict of one packet into its places; returns how many places of `to` it takes. */
static size_t write_verdict(struct verdict *into_verdict, struct iovec *to, int type, uint32_t value, const struct packet *packet,
                            uint16_t queue) {
  const bool changes = work == REWRITE && packet->length != MARK_LENGTH;
  const size_t own = changes ? sizeof(struct verdict) : (size_t)PLAIN_LENGTH;
  *into_verdict = (struct verdict){
      .header = {.nlmsg_len = (uint32_t)(own + (changes ? packet->length : 0)),
                 .nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type),
                 .nlmsg_flags = NLM_F_REQUEST},
      .family = {.version = NFNETLINK_V0, .res_id = htons(queue)},
      .attribute = {.nla_len = NLA_HDRLEN + sizeof(struct nfqnl_msg_verdict_hdr), .nla_type = NFQA_VERDICT_HDR},
      .verdict = {.verdict = htonl(value), .id = htonl(packet->id)},
      .payload = {.nla_len = (uint16_t)(NLA_HDRLEN + packet->length), .nla_type = NFQA_PAYLOAD}};
  messages++;
  to[0] = (struct iovec){.iov_base = into_verdict, .iov_len = own};
  if (!changes) return 1;
  // Messages behind each other begin at multiples of 4; the frame goes on behind the packet.
  to[1] = (struct iovec){.iov_base = packet->bytes, .iov_len = NLMSG_ALIGN(packet->length)};
  return 2;
}

static void send_verdicts(int descriptor, size_t places) {
  const struct msghdr message = {.msg_iov = gathered, .msg_iovlen = places};
  syscalls++;
  if (sendmsg(descriptor, &message, 0) < 0) fail("sendmsg");
}

static void consume_one(int descriptor, uint16_t queue) {
  syscalls++;
  const ssize_t length = recv(descriptor, frames[0], FRAME, 0);
  if (length < 0) fail("recv");
  const struct packet packet = parse(frames[0], (size_t)length);
  const uint32_t verdict = decide(&packet);
  send_verdicts(descriptor, write_verdict(&verdicts[0], gathered, NFQNL_MSG_VERDICT, verdict, &packet, queue));
}

static void consume_many(int descriptor, uint16_t queue) {
  syscalls++;
  const int count = recvmmsg(descriptor, received, BATCH, MSG_WAITFORONE, NULL);
  if (count < 0) fail("recvmmsg");
  size_t places = 0;
  struct packet kept = {0};
  uint32_t kept_verdict = 0;
  int kept_count = 0;
  for (int i = 0; i < count; i++) {
    const struct packet packet = parse(frames[i], received[i].msg_len);
    const uint32_t verdict = decide(&packet);
    if (way == GATHERED || work == REWRITE) {
      places += write_verdict(&verdicts[i], gathered + places, NFQNL_MSG_VERDICT, verdict, &packet, queue);
      continue;
    }
    if (kept_count > 0 && kept_verdict != verdict) {
      const int type = kept_count > 1 ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT;
      places += write_verdict(&verdicts[i - 1], gathered + places, type, kept_verdict, &kept, queue);
      kept_count = 0;
    }
    kept = packet;
    kept_verdict = verdict;
    kept_count++;
  }
  if (kept_count > 0) {
    const int type = kept_count > 1 ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT;
    places += write_verdict(&verdicts[count - 1], gathered + places, type, kept_verdict, &kept, queue);
  }
  send_verdicts(descriptor, places);
}

static void attribute(uint8_t *message, uint16_t type, const void *value, uint16_t length) {
  struct nlmsghdr *header = (struct nlmsghdr *)message;
  struct nlattr *at = (struct nlattr *)(message + header->nlmsg_len);
  *at = (struct nlattr){.nla_len = (uint16_t)(NLA_HDRLEN + length), .nla_type = type};
  memcpy(at + 1, value, length);
  header->nlmsg_len += NLA_ALIGN(at->nla_len);
}

/** Opens a socket that listens on a queue, and tells how large its receive buffer is. */
static int listen_on(uint16_t queue, bool gso, int *buffer) {
  const int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (descriptor < 0) fail("socket");
  const int wanted = RECEIVE_BUFFER, on = 1;
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
  socklen_t size = sizeof(*buffer);
  getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, buffer, &size);
  setsockopt(descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
  static _Alignas(8) uint8_t message[256];
  *(struct nlmsghdr *)message = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
                                                  .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG,
                                                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
  *(struct nfgenmsg *)NLMSG_DATA(message) = (struct nfgenmsg){.version = NFNETLINK_V0, .res_id = htons(queue)};
  const struct nfqnl_msg_config_cmd bind_command = {.command = NFQNL_CFG_CMD_BIND};
  const struct nfqnl_msg_config_params whole = {.copy_range = htonl(0xffff), .copy_mode = NFQNL_COPY_PACKET};
  const uint32_t length = htonl(4096), mask = htonl(NFQA_CFG_F_GSO), flags = htonl(gso ? NFQA_CFG_F_GSO : 0);
  attribute(message, NFQA_CFG_CMD, &bind_command, sizeof(bind_command));
  attribute(message, NFQA_CFG_PARAMS, &whole, sizeof(whole));
  attribute(message, NFQA_CFG_QUEUE_MAXLEN, &length, sizeof(length));
  attribute(message, NFQA_CFG_MASK, &mask, sizeof(mask));
  attribute(message, NFQA_CFG_FLAGS, &flags, sizeof(flags));
  if (send(descriptor, message, ((struct nlmsghdr *)message)->nlmsg_len, 0) < 0) fail("send");
  if (recv(descriptor, frames[0], FRAME, 0) < 0) fail("recv");
  const struct nlmsghdr *answer = (const struct nlmsghdr *)frames[0];
  if (answer->nlmsg_type != NLMSG_ERROR || ((const struct nlmsgerr *)NLMSG_DATA(answer))->error != 0) {
    fputs("the kernel refused the queue\n", stderr);
    exit(EXIT_FAILURE);
  }
  return descriptor;
}

int main(int count, char **arguments) {
  if (count != 7) {
    fputs("usage: consumer WAY WORK QUEUE QUEUES GSO PAYLOAD\n", stderr);
    return EXIT_FAILURE;
  }
  way = strcmp(arguments[1], "classic") == 0 ? CLASSIC : strcmp(arguments[1], "gathered") == 0 ? GATHERED : JOINED;
  work = strcmp(arguments[2], "inspect") == 0     ? INSPECT
         : strcmp(arguments[2], "drop-half") == 0 ? DROP_HALF
         : strcmp(arguments[2], "rewrite") == 0   ? REWRITE
                                                  : ACCEPT;
  const int first = atoi(arguments[3]), queues = atoi(arguments[4]);
  const bool gso = atoi(arguments[5]) != 0;
  payload_offset = (size_t)atoi(arguments[6]);
  for (int i = 0; i < BATCH; i++) {
    into[i] = (struct iovec){.iov_base = frames[i], .iov_len = FRAME};
    received[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
  }
  struct pollfd descriptors[MOST_QUEUES];
  int buffer = 0;
  if (queues < 1 || queues > MOST_QUEUES) return EXIT_FAILURE;
  for (int i = 0; i < queues; i++)
    descriptors[i] = (struct pollfd){.fd = listen_on((uint16_t)(first + i), gso, &buffer), .events = POLLIN};
  printf("{\"receiveBuffer\":%d}\n", buffer);
  fflush(stdout);
  while (marks < 2) {
    if (queues > 1) {
      syscalls++;
      // Being stopped and continued ends a poll.
      if (poll(descriptors, (nfds_t)queues, -1) < 0 && errno != EINTR) fail("poll");
    }
    for (int i = 0; i < queues && marks < 2; i++) {
      if (queues > 1 && (descriptors[i].revents & POLLIN) == 0) continue;
      if (way == CLASSIC)
        consume_one(descriptors[i].fd, (uint16_t)(first + i));
      else
        consume_many(descriptors[i].fd, (uint16_t)(first + i));
    }
  }
  return EXIT_SUCCESS;
}
