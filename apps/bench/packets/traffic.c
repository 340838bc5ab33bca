// Sends what a consumer of NFQUEUE decides, receives what it lets through, and counts both. Sender and receiver are one thread, so that no
// consumer pays for waking a receiver up.
//
// usage: traffic KIND PORT NAME=NUMBER...
//   KIND     udp: datagrams, a window at a time; tcp: one connection's bytes; latency: datagrams at a pace, timed
//   size     bytes of payload of a datagram
//   segments datagrams of one send (UDP_SEGMENT), 1 for none
//   window   datagrams that may be under way, or bytes of TCP's receive buffer
//   consumer process that is stopped while the window is filled, so that no sender's speed is in the figures
//   prelude  single datagrams before everything else, an even number: what compiles while it runs sees so many packets before it is measured
//   warm, measure   milliseconds of traffic before and behind the first mark
//   half     1 where every second datagram is dropped
//   grouped  1 where the segments of a send are one packet to the consumer
//   held     datagrams before everything else that come back behind the second mark
//   flows    destination addresses (127.0.0.1 and on), used in turn
//   rate     latency: datagrams per second; 0 is the next one a millisecond behind the last one's arrival
//
// A mark is a datagram of 1 byte, and one of the held datagrams has 2. Marks are sent when nothing else is under way, so a consumer's counts
// between them are those that this program prints.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, HEAD = 16, INSPECTED = 64, BUFFER = 4 << 20, MOST_FLOWS = 8, MOST_LATENCIES = 1 << 20 };
/** Seconds after which what did not come back is lost. */
enum { PATIENCE = 10 };

static long size = 64, segments = 1, window = 1024, warm = 200, measure = 500, half, grouped, held, flows = 1, rate, prelude, consumer;
static struct sockaddr_in to[MOST_FLOWS];
static int sender, receiver;
static uint64_t sent, back, rewritten, marks_back, held_back;
static uint32_t sequence, digest, pattern_sum;
static uint8_t outgoing[1 << 16];
/** Seconds in which the consumer had packets and was not stopped. */
static double drained;
static double *latencies;
static size_t latency_count;

static void fail(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/** Looks away for a little: a receiver that asked without a pause would fight with the consumer for the socket's lock. */
static void pause_briefly(void) {
  const double until = now() + 10e-6;
  while (now() < until) continue;
}

static int socket_with(int type, int option_buffer) {
  const int descriptor = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("socket");
  if (option_buffer > 0 &&
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &option_buffer, sizeof(option_buffer)) != 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &option_buffer, sizeof(option_buffer));
  return descriptor;
}

static void note(const uint8_t *head, size_t length) {
  if (length == 1) {
    marks_back++;
    return;
  }
  if (length == 2) {
    held_back++;
    return;
  }
  back++;
  if (head[8] == 0xa5 && head[15] == 0xa5) rewritten++;
  if (latencies == NULL || latency_count == MOST_LATENCIES) return;
  double stamp;
  memcpy(&stamp, head + 4, sizeof(stamp));
  latencies[latency_count++] = now() - stamp;
}

/** Receives what is there; true where something was. */
static bool drain(void) {
  static uint8_t heads[BATCH][HEAD];
  static struct iovec into[BATCH];
  static struct mmsghdr messages[BATCH];
  for (int i = 0; i < BATCH; i++) {
    into[i] = (struct iovec){.iov_base = heads[i], .iov_len = HEAD};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
  }
  const int count = recvmmsg(receiver, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
  if (count < 0 && errno != EAGAIN) fail("recvmmsg");
  for (int i = 0; i < count; i++) note(heads[i], messages[i].msg_len);
  return count > 0;
}

static void await(const volatile uint64_t *count, uint64_t wanted, const char *what) {
  double deadline = now() + PATIENCE;
  for (uint64_t last = *count; *count < wanted;) {
    if (!drain()) pause_briefly();
    if (*count != last) deadline = now() + PATIENCE;
    last = *count;
    if (now() < deadline) continue;
    fprintf(stderr, "%s: %llu of %llu came back, and no more for %d seconds\n", what, (unsigned long long)*count,
            (unsigned long long)wanted, PATIENCE);
    exit(EXIT_FAILURE);
  }
}

static void send_short(size_t length) {
  static const uint8_t zeros[2];
  if (sendto(sender, zeros, length, 0, (struct sockaddr *)&to[0], sizeof(to[0])) < 0) fail("sendto");
}

static void mark(void) {
  const uint64_t wanted = marks_back + 1;
  send_short(1);
  await(&marks_back, wanted, "marks");
}

/** How many of the first datagrams come back. */
static uint64_t expected(void) { return half ? (sent + 1) / 2 : sent; }

static void send_burst(long segments) {
  for (long i = 0; i < segments; i++) {
    const uint32_t word = htonl(sequence);
    memcpy(outgoing + i * size, &word, sizeof(word));
    if (!grouped || i == 0) digest += sequence + pattern_sum;
    sequence++;
  }
  const struct sockaddr_in *address = &to[(sequence / (uint32_t)segments) % (uint32_t)flows];
  if (sendto(sender, outgoing, (size_t)(segments * size), 0, (const struct sockaddr *)address, sizeof(*address)) < 0)
    fail("sendto");
  sent += (uint64_t)segments;
}

/** Sends where there is room for it, else receives. */
static void send_or_drain(long datagrams) {
  if (sent + (uint64_t)datagrams - (half ? 2 * back : back) <= (uint64_t)window)
    send_burst(datagrams);
  else if (!drain())
    pause_briefly();
}

static void play_prelude(void) {
  while (sent < (uint64_t)prelude) send_or_drain(1);
  await(&back, expected(), "datagrams");
}

static void tell_consumer(int number) {
  if (consumer > 0 && kill((pid_t)consumer, number) != 0) fail("kill");
}

static void flood(long milliseconds) {
  const double until = now() + (double)milliseconds / 1e3;
  while (now() < until) {
    tell_consumer(SIGSTOP);
    for (long waiting = 0; waiting + segments <= window; waiting += segments) send_burst(segments);
    const double started = now();
    tell_consumer(SIGCONT);
    await(&back, expected(), "datagrams");
    drained += now() - started;
  }
}

static void pace(long milliseconds) {
  const double until = now() + (double)milliseconds / 1e3;
  for (double next = now(); next < until;) {
    while (now() < next) drain();
    const double stamp = rate == 0 ? now() : next;
    memcpy(outgoing + 4, &stamp, sizeof(stamp));
    send_burst(1);
    if (rate == 0) {
      await(&back, sent, "datagrams");
      next = now() + 1e-3;
    } else {
      next += 1.0 / (double)rate;
      while (sent - back >= (uint64_t)window) drain();
    }
  }
  await(&back, sent, "datagrams");
}

static int compare(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double quantile(double part) {
  return latency_count == 0 ? 0 : latencies[(size_t)((double)(latency_count - 1) * part)] * 1e6;
}

static void run_datagrams(bool latency) {
  memset(outgoing, 0x11, sizeof(outgoing));
  const long inspected = (size < INSPECTED ? size : INSPECTED) / 4;
  pattern_sum = (uint32_t)(inspected - 1) * 0x11111111u;
  play_prelude();
  const int segment = (int)size;
  if (segments > 1 && setsockopt(sender, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0) fail("UDP_SEGMENT");
  if (latency) latencies = calloc(MOST_LATENCIES, sizeof(double));
  void (*const go)(long) = latency ? pace : flood;
  for (long i = 0; i < held; i++) {
    send_short(2);
    // They are read as they come, so they do not wait in the consumer's receive buffer.
    if (i % 64 == 63) pause_briefly();
  }
  go(warm);
  mark();
  const uint64_t before = sent, back_before = back, rewritten_before = rewritten;
  digest = 0;
  latency_count = 0;
  drained = 0;
  const double started = now();
  go(measure);
  const double ended = now();
  mark();
  await(&held_back, (uint64_t)held, "held datagrams");
  if (latency) qsort(latencies, latency_count, sizeof(double), compare);
  printf("{\"sent\":%llu,\"back\":%llu,\"bytes\":%llu,\"rewritten\":%llu,\"digest\":%u,\"held\":%llu,\"seconds\":%.6f,"
         "\"p50\":%.2f,\"p99\":%.2f,\"timed\":%zu}\n",
         (unsigned long long)(sent - before), (unsigned long long)(back - back_before),
         (unsigned long long)(sent - before) * (unsigned long long)size, (unsigned long long)(rewritten - rewritten_before),
         digest, (unsigned long long)held_back, latency ? ended - started : drained, quantile(0.5), quantile(0.99), latency_count);
}

static uint64_t stream_sent, stream_back;

/** Sends and takes bytes of the connection for so long, then takes the rest. */
static void stream(int from, int at, long milliseconds) {
  const double until = now() + (double)milliseconds / 1e3;
  double deadline = until + PATIENCE;
  for (;;) {
    const bool sending = now() < until;
    if (!sending && stream_back == stream_sent) return;
    const ssize_t written = sending ? send(from, outgoing, sizeof(outgoing), MSG_DONTWAIT | MSG_NOSIGNAL) : -1;
    if (written > 0) stream_sent += (uint64_t)written;
    // MSG_TRUNC: TCP throws the bytes away without copying them.
    const ssize_t taken = recv(at, NULL, BUFFER, MSG_DONTWAIT | MSG_TRUNC);
    if (taken > 0) {
      stream_back += (uint64_t)taken;
      deadline = (sending ? until : now()) + PATIENCE;
    } else if (written <= 0)
      pause_briefly();
    if (now() < deadline) continue;
    fputs("the connection stands still\n", stderr);
    exit(EXIT_FAILURE);
  }
}

static uint64_t retransmitted(int descriptor) {
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) fail("TCP_INFO");
  return info.tcpi_total_retrans;
}

enum { PRELUDE_WINDOW = 64 };

static void run_stream(void) {
  const int listener = socket_with(SOCK_STREAM, (int)window);
  const int from = socket_with(SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(listener, (struct sockaddr *)&to[0], sizeof(to[0])) != 0 || listen(listener, 1) != 0) fail("listen");
  if (connect(from, (struct sockaddr *)&to[0], sizeof(to[0])) != 0) fail("connect");
  const int at = accept(listener, NULL, NULL);
  if (at < 0) fail("accept");
  window = PRELUDE_WINDOW;
  play_prelude();
  stream(from, at, warm);
  mark();
  const uint64_t before = stream_sent, retransmitted_before = retransmitted(from);
  const double started = now();
  stream(from, at, measure);
  const double ended = now();
  mark();
  printf("{\"bytes\":%llu,\"retransmitted\":%llu,\"seconds\":%.6f}\n", (unsigned long long)(stream_sent - before),
         (unsigned long long)(retransmitted(from) - retransmitted_before), ended - started);
}

static void option(const char *text) {
  const struct {
    const char *name;
    long *value;
  } options[] = {{"size=", &size}, {"segments=", &segments}, {"window=", &window}, {"warm=", &warm},
                 {"measure=", &measure}, {"half=", &half}, {"grouped=", &grouped}, {"held=", &held},
                 {"flows=", &flows}, {"rate=", &rate}, {"prelude=", &prelude}, {"consumer=", &consumer}};
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    const size_t length = strlen(options[i].name);
    if (strncmp(text, options[i].name, length) != 0) continue;
    *options[i].value = atol(text + length);
    return;
  }
  fprintf(stderr, "unknown option %s\n", text);
  exit(EXIT_FAILURE);
}

int main(int count, char **arguments) {
  if (count < 3) {
    fputs("usage: traffic udp|tcp|latency PORT NAME=NUMBER...\n", stderr);
    return EXIT_FAILURE;
  }
  for (int i = 3; i < count; i++) option(arguments[i]);
  if (size < 16 || segments < 1 || size * segments > 65507 || flows < 1 || flows > MOST_FLOWS) {
    fputs("no such traffic\n", stderr);
    return EXIT_FAILURE;
  }
  const uint16_t port = (uint16_t)atoi(arguments[2]);
  for (uint32_t i = 0; i < MOST_FLOWS; i++)
    to[i] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i)};
  sender = socket_with(SOCK_DGRAM, 0);
  receiver = socket_with(SOCK_DGRAM, BUFFER);
  const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (bind(receiver, (const struct sockaddr *)&any, sizeof(any)) != 0) fail("bind");
  int buffer = 0;
  socklen_t length = sizeof(buffer);
  getsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &buffer, &length);
  const bool tcp = strcmp(arguments[1], "tcp") == 0;
  // What is under way may arrive at once: a datagram is charged up to 2,304 bytes.
  if (!tcp && window > buffer / 2304) window = buffer / 2304;
  if (window < segments) window = segments;
  if (tcp)
    run_stream();
  else
    run_datagrams(strcmp(arguments[1], "latency") == 0);
  return EXIT_SUCCESS;
}
