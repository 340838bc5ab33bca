// Sends what consumers of NFQUEUE decide, receives what they let through, and counts both. Sender and receiver are one thread, so that no
// consumer pays for waking a receiver up. All consumers of a row are there at once, and take turns of some ten milliseconds: what else the
// machine does meets all of them alike.
//
// usage: traffic KIND NAME=NUMBER... lane=PORT:CONSUMER:WINDOW:HELD...
//   KIND     udp: datagrams, a window at a time; tcp: one connection's bytes; latency: datagrams at a pace, timed
//   lane     the port whose packets a consumer decides, the consumer's process id, and how many datagrams may wait for it
//   size     bytes of payload of a datagram
//   segments datagrams of one send (UDP_SEGMENT), 1 for none
//   window   bytes of TCP's receive buffer
//   prelude  single datagrams before everything else, an even number: what compiles while it runs sees so many packets before it is measured;
//            latency: a third of them, each when the consumer sleeps
//   turns    turns of each consumer between its marks; there are two before the first one
//   turn     milliseconds of a turn
//   half     1 where every second datagram is dropped
//   grouped  1 where the segments of a send are one packet to the consumer
//   flows    destination addresses (127.0.0.1 and on), used in turn
//   load     latency: percent of what sender and consumer can do together; 0 is the next datagram a millisecond behind the last one's arrival
//
// A mark is a datagram of 1 byte, and one of the held datagrams has 2. Marks are sent when nothing else is under way, so a consumer's counts
// between them are those that this program prints, a line of JSON for each lane.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, HEAD = 16, INSPECTED = 64, BUFFER = 4 << 20, MOST_FLOWS = 8, MOST_LANES = 16, MOST_TURNS = 64, MOST_LATENCIES = 1 << 18 };
/** Seconds after which what did not come back is lost. */
enum { PATIENCE = 10 };
enum { SERVED = 1 << 18 };
enum { WARM_TURNS = 2, PRELUDE_WINDOW = 64, UNKNOWN = -1 };
/** Packets that are sent before a look whether they came through: the loopback interface drops what exceeds net.core.netdev_max_backlog, 1,000. */
enum { MOST_ON_THE_WAY = 900 };

struct turn {
  uint64_t bytes;
  /** In which the consumer had packets and was not stopped. */
  double seconds;
};

/** A consumer, the ports that lead to it, and what went there. */
struct lane {
  uint16_t port;
  pid_t consumer;
  /** Datagrams that may be under way. */
  long window;
  /** Datagrams before everything else that come back behind the second mark. */
  long held;
  struct sockaddr_in to[MOST_FLOWS];
  int receiver, listener, from, at;
  uint64_t sent, back, rewritten, marks_back, held_back;
  uint64_t stream_sent, stream_back;
  uint32_t sequence, digest;
  double rate, *latencies;
  size_t latency_count;
  struct turn turns[MOST_TURNS];
  /** What was counted by the first mark. */
  uint64_t sent_before, back_before, rewritten_before, stream_before, retransmitted, retransmitted_before;
};

static long size = 64, segments = 1, window, turn = 60, turns = 10, half, grouped, flows = 1, load, prelude;
static struct lane lanes[MOST_LANES], *lane;
static int lane_count, sender;
/** A file in memory that TCP sends from, as a server of files does: the sender copies nothing, or it would be slower than the consumers. */
static int served;
static uint32_t pattern_sum;
static uint8_t outgoing[1 << 16];

static void fail(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_for(double seconds) {
  const double until = now() + seconds;
  while (now() < until) continue;
}

/** Looks away for a little: who asked without a pause would fight with the consumer for what both look at. */
static void pause_briefly(void) { pause_for(20e-6); }

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
    lane->marks_back++;
    return;
  }
  if (length == 2) {
    lane->held_back++;
    return;
  }
  lane->back++;
  if (head[8] == 0xa5 && head[15] == 0xa5) lane->rewritten++;
  if (lane->latencies == NULL || lane->latency_count == MOST_LATENCIES) return;
  double stamp;
  memcpy(&stamp, head + 4, sizeof(stamp));
  lane->latencies[lane->latency_count++] = now() - stamp;
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
  const int count = recvmmsg(lane->receiver, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
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
  if (sendto(sender, zeros, length, 0, (struct sockaddr *)&lane->to[0], sizeof(lane->to[0])) < 0) fail("sendto");
}

static void mark(void) {
  const uint64_t wanted = lane->marks_back + 1;
  send_short(1);
  await(&lane->marks_back, wanted, "marks");
}

/** Datagrams in one packet of the queue. */
static long packed(void) { return grouped ? segments : 1; }

/** How many of the first datagrams come back. */
static uint64_t expected(void) { return half ? (lane->sent + 1) / 2 : lane->sent; }

static void send_burst(long count) {
  for (long i = 0; i < count; i++) {
    const uint32_t word = htonl(lane->sequence);
    memcpy(outgoing + i * size, &word, sizeof(word));
    if (!grouped || i == 0) lane->digest += lane->sequence + pattern_sum;
    lane->sequence++;
  }
  const struct sockaddr_in *address = &lane->to[(lane->sequence / (uint32_t)count) % (uint32_t)flows];
  if (sendto(sender, outgoing, (size_t)(count * size), 0, (const struct sockaddr *)address, sizeof(*address)) < 0)
    fail("sendto");
  lane->sent += (uint64_t)count;
}

static void play_prelude(long most_under_way) {
  while (lane->sent < (uint64_t)prelude) {
    if (lane->sent + 1 - (half ? 2 * lane->back : lane->back) <= (uint64_t)most_under_way)
      send_burst(1);
    else if (!drain())
      pause_briefly();
  }
  await(&lane->back, expected(), "datagrams");
}

/** What runs when a packet wakes the consumer up is compiled by packets that do: a third as many, for they take longer. */
static void play_lone_prelude(void) {
  while (lane->sent < (uint64_t)prelude / 3) {
    send_burst(1);
    await(&lane->back, lane->sent, "datagrams");
    pause_for(100e-6);
  }
}

static void trace(int request, const char *what) {
  if (ptrace(request, lane->consumer, NULL, NULL) != 0) fail(what);
}

/**
 * Stops the thread that reads, by ptrace: after SIGSTOP and SIGCONT every thread of a process has to run before the first packet is read,
 * which is ten more where JavaScript runs, and no packet in a queue ever wakes them.
 */
static void stop_consumer(void) {
  trace(PTRACE_SEIZE, "ptrace, PTRACE_SEIZE");
  trace(PTRACE_INTERRUPT, "ptrace, PTRACE_INTERRUPT");
  // Asked again and again: who sleeps until it stands is woken up late.
  int status = 0;
  pid_t stopped;
  while ((stopped = waitpid(lane->consumer, &status, __WALL | WNOHANG)) <= 0)
    if (stopped < 0 && errno != EINTR) fail("waitpid");
  if (WIFSTOPPED(status)) return;
  fputs("the consumer ended\n", stderr);
  exit(EXIT_FAILURE);
}

/** It is not traced any more then: no signal of its own waits for this program. */
static void let_consumer_run(void) { trace(PTRACE_DETACH, "ptrace, PTRACE_DETACH"); }

/**
 * Packets that wait in all queues of the namespace (/proc/net/netfilter/nfnetlink_queue), without the held ones of the lanes; UNKNOWN for an
 * ordinary user in a namespace of his own, who may not read it.
 */
static long queued(void) {
  long sum = 0, waiting;
  FILE *queues = fopen("/proc/net/netfilter/nfnetlink_queue", "r");
  if (queues == NULL) {
    if (errno != EACCES) fail("/proc/net/netfilter/nfnetlink_queue");
    return UNKNOWN;
  }
  while (fscanf(queues, "%*u %*d %ld %*[^\n]", &waiting) == 1) sum += waiting;
  fclose(queues);
  for (int i = 0; i < lane_count; i++) sum -= lanes[i].held;
  return sum;
}

/**
 * Waits until what was sent is in the queue. What the kernel's softirq thread has taken over (ksoftirqd) goes on when this processor is given
 * up, else with the next tick: up to 4 ms in which the consumer would have to sleep.
 */
static void await_queued(long wanted) {
  const struct timespec moment = {.tv_nsec = 20000}, tick = {.tv_nsec = 4000000};
  if (queued() == UNKNOWN) {
    nanosleep(&tick, NULL);
    return;
  }
  for (const double deadline = now() + PATIENCE; queued() < wanted;) {
    nanosleep(&moment, NULL);
    if (now() < deadline) continue;
    fprintf(stderr, "%ld of %ld packets came into the queue\n", queued(), wanted);
    exit(EXIT_FAILURE);
  }
}

/** Lets the consumer run until so many packets are left, and what it is doing then is done. */
static void run_until(long left) {
  let_consumer_run();
  for (const double deadline = now() + PATIENCE; queued() > left;) {
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    if (now() < deadline) continue;
    fprintf(stderr, "%ld packets wait in the queue, and no more are decided\n", queued());
    exit(EXIT_FAILURE);
  }
  stop_consumer();
}

/**
 * Lets the consumer run with so many packets in its queue until half of them are decided, or all where there is no room for so many: where
 * each has many segments. So it finds packets all the time, as with a sender that is faster than it. The clock starts behind the first eighth:
 * the consumer stood still for longer than it now runs, and its processor's caches have forgotten it.
 *
 * What was let through waits in the receiver's buffer meanwhile, which has room for all: a receiver that took it at the same time would
 * fight with the consumer for the socket. Where nobody tells how many wait, it has to be that receiver, and the clock runs until all are back.
 *
 * Returns how many packets are left.
 */
static long decide(long packets, struct turn *taken) {
  const bool told = queued() != UNKNOWN;
  if (told && !grouped) run_until(packets * 7 / 8);
  const long before = told ? queued() : packets;
  const double started = now();
  if (told) {
    run_until(grouped ? 0 : packets / 2);
  } else {
    let_consumer_run();
    await(&lane->back, expected(), "datagrams");
    stop_consumer();
  }
  taken->seconds += now() - started;
  const long left = told ? queued() : 0;
  taken->bytes += (uint64_t)((before - left) * packed() * size);
  return left;
}

/** Floods the consumer for a turn: its queue is filled while it stands still. */
static struct turn flood(void) {
  const double until = now() + (double)turn / 1e3;
  struct turn taken = {0};
  stop_consumer();
  for (long waiting = 0; now() < until;) {
    // What waits must not exceed the window, which is all that the buffers hold.
    for (long sent = 0; waiting * packed() + segments <= lane->window;) {
      send_burst(segments);
      waiting += segments / packed();
      sent += segments / packed();
      if (sent + segments <= MOST_ON_THE_WAY) continue;
      await_queued(waiting);
      sent = 0;
    }
    await_queued(waiting);
    waiting = decide(waiting, &taken);
    while (drain()) continue;
  }
  let_consumer_run();
  await(&lane->back, expected(), "datagrams");
  return taken;
}

/** Datagrams per second that get through one by one: what sender and consumer can do together. */
static double capacity(void) {
  const double started = now(), until = started + (double)turn / 1e3;
  const uint64_t before = lane->sent;
  while (now() < until) {
    if (lane->sent - lane->back < (uint64_t)lane->window)
      send_burst(1);
    else
      drain();
    if (lane->sent % 16 == 0) drain();
  }
  await(&lane->back, lane->sent, "datagrams");
  return (double)(lane->sent - before) / (now() - started);
}

static struct turn pace(void) {
  const double started = now(), until = started + (double)turn / 1e3;
  const uint64_t before = lane->sent;
  for (double next = started; next < until;) {
    while (now() < next) drain();
    const double stamp = lane->rate == 0 ? now() : next;
    memcpy(outgoing + 4, &stamp, sizeof(stamp));
    send_burst(1);
    if (lane->rate == 0) {
      await(&lane->back, lane->sent, "datagrams");
      next = now() + 1e-3;
    } else {
      next += 1.0 / lane->rate;
      while (lane->sent - lane->back >= (uint64_t)lane->window) drain();
    }
  }
  await(&lane->back, lane->sent, "datagrams");
  return (struct turn){.bytes = (lane->sent - before) * (uint64_t)size, .seconds = now() - started};
}

/** Sends and takes bytes of the connection for a turn, then takes the rest. */
static struct turn stream(void) {
  const double started = now(), until = started + (double)turn / 1e3;
  const uint64_t before = lane->stream_sent;
  double deadline = until + PATIENCE;
  for (;;) {
    const bool sending = now() < until;
    if (!sending && lane->stream_back == lane->stream_sent) break;
    off_t from_start = 0;
    const ssize_t written = sending ? sendfile(lane->from, served, &from_start, SERVED) : -1;
    if (written > 0) lane->stream_sent += (uint64_t)written;
    // MSG_TRUNC: TCP throws the bytes away without copying them.
    const ssize_t taken = recv(lane->at, NULL, BUFFER, MSG_DONTWAIT | MSG_TRUNC);
    if (taken > 0) {
      lane->stream_back += (uint64_t)taken;
      deadline = (sending ? until : now()) + PATIENCE;
    } else if (written <= 0)
      pause_briefly();
    if (now() < deadline) continue;
    fputs("the connection stands still\n", stderr);
    exit(EXIT_FAILURE);
  }
  return (struct turn){.bytes = lane->stream_sent - before, .seconds = now() - started};
}

static uint64_t retransmitted(void) {
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);
  if (getsockopt(lane->from, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) fail("TCP_INFO");
  return info.tcpi_total_retrans;
}

static void listen_on_lane(void) {
  lane->listener = socket_with(SOCK_STREAM, (int)window);
  const int on = 1;
  setsockopt(lane->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(lane->listener, (struct sockaddr *)&lane->to[0], sizeof(lane->to[0])) != 0 || listen(lane->listener, 1) != 0)
    fail("listen");
}

static void connect_lane(void) {
  lane->from = socket_with(SOCK_STREAM, 0);
  if (connect(lane->from, (struct sockaddr *)&lane->to[0], sizeof(lane->to[0])) != 0) fail("connect");
  // Others may pace what is sent (bbr), and be the slower side.
  if (setsockopt(lane->from, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno")) != 0) fail("TCP_CONGESTION");
  if (fcntl(lane->from, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  lane->at = accept(lane->listener, NULL, NULL);
  if (lane->at < 0) fail("accept");
}

/** One turn's connection: one in ten or so stays at half the speed of the others, whoever consumes, and would be all that a consumer is measured by. */
static struct turn stream_anew(void) {
  connect_lane();
  const struct turn taken = stream();
  lane->retransmitted += retransmitted();
  // Who closes first keeps the port for a minute: the sender, whose port is any.
  close(lane->from);
  close(lane->at);
  return taken;
}

static int compare(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double quantile(double part) {
  return lane->latency_count == 0 ? 0 : lane->latencies[(size_t)((double)(lane->latency_count - 1) * part)] * 1e6;
}

static void print_counts(bool tcp) {
  printf("{\"turns\":[");
  for (long i = 0; i < turns; i++) {
    printf("%s{\"bytes\":%llu,\"seconds\":%.6f}", i == 0 ? "" : ",", (unsigned long long)lane->turns[i].bytes,
           lane->turns[i].seconds);
  }
  if (tcp)
    printf("],\"bytes\":%llu,\"retransmitted\":%llu}\n", (unsigned long long)(lane->stream_sent - lane->stream_before),
           (unsigned long long)(lane->retransmitted - lane->retransmitted_before));
  else
    printf("],\"bytes\":%llu,\"sent\":%llu,\"back\":%llu,\"rewritten\":%llu,\"digest\":%u,\"held\":%llu,\"p50\":%.2f,\"p99\":%.2f,\"timed\":%zu}\n",
           (unsigned long long)((lane->sent - lane->sent_before) * (uint64_t)size),
           (unsigned long long)(lane->sent - lane->sent_before), (unsigned long long)(lane->back - lane->back_before),
           (unsigned long long)(lane->rewritten - lane->rewritten_before), lane->digest,
           (unsigned long long)lane->held_back, quantile(0.5), quantile(0.99), lane->latency_count);
}

/** 0 sends each datagram by itself. */
static void cut_sends_into(int bytes) {
  if (segments > 1 && setsockopt(sender, SOL_UDP, UDP_SEGMENT, &bytes, sizeof(bytes)) != 0) fail("UDP_SEGMENT");
}

static void warm_up(bool tcp, bool latency) {
  if (tcp) listen_on_lane();
  if (latency) {
    play_lone_prelude();
  } else {
    const long prelude_window = tcp ? PRELUDE_WINDOW : MOST_ON_THE_WAY;
    play_prelude(lane->window < prelude_window ? lane->window : prelude_window);
  }
  cut_sends_into((int)size);
  for (long i = 0; i < lane->held; i++) {
    send_short(2);
    // They are read as they come, so they do not wait in the consumer's receive buffer.
    if (i % 64 == 63) pause_briefly();
  }
  // All lanes' held packets are taken off what waits: those of the others are not there yet.
  for (int i = 0; i < WARM_TURNS; i++) {
    if (tcp) {
      stream_anew();
    } else if (!latency) {
      flood();
    } else if (load == 0) {
      pace();
    } else {
      lane->rate = (double)load / 100 * capacity();
    }
  }
  cut_sends_into(0);
}

static void run(bool tcp, bool latency) {
  memset(outgoing, 0x11, sizeof(outgoing));
  const long inspected = (size < INSPECTED ? size : INSPECTED) / 4;
  pattern_sum = (uint32_t)(inspected - 1) * 0x11111111u;
  const int all = lane_count;
  served = memfd_create("served", MFD_CLOEXEC);
  if (served < 0 || ftruncate(served, SERVED) != 0) fail("memfd_create");
  for (size_t at = 0; at < SERVED; at += sizeof(outgoing))
    if (pwrite(served, outgoing, sizeof(outgoing), (off_t)at) < 0) fail("pwrite");
  for (lane = lanes; lane < lanes + all; lane++) {
    lane_count = (int)(lane - lanes) + 1;
    warm_up(tcp, latency);
  }
  for (lane = lanes; lane < lanes + all; lane++) {
    mark();
    lane->sent_before = lane->sent;
    lane->back_before = lane->back;
    lane->rewritten_before = lane->rewritten;
    lane->stream_before = lane->stream_sent;
    lane->retransmitted_before = lane->retransmitted;
    lane->digest = 0;
    if (latency) lane->latencies = calloc(MOST_LATENCIES, sizeof(double));
  }
  cut_sends_into((int)size);
  for (long i = 0; i < turns; i++) {
    for (int place = 0; place < all; place++) {
      // Who goes first changes from turn to turn.
      lane = &lanes[(place + i) % all];
      lane->turns[i] = tcp ? stream_anew() : latency ? pace() : flood();
    }
  }
  for (lane = lanes; lane < lanes + all; lane++) {
    mark();
    await(&lane->held_back, (uint64_t)lane->held, "held datagrams");
    if (latency) qsort(lane->latencies, lane->latency_count, sizeof(double), compare);
    print_counts(tcp);
  }
}

static void add_lane(const char *text) {
  struct lane *new = &lanes[lane_count];
  if (lane_count == MOST_LANES || sscanf(text, "lane=%hu:%d:%ld:%ld", &new->port, &new->consumer, &new->window, &new->held) != 4) {
    fprintf(stderr, "no lane: %s\n", text);
    exit(EXIT_FAILURE);
  }
  lane_count++;
}

static void option(const char *text) {
  const struct {
    const char *name;
    long *value;
  } options[] = {{"size=", &size}, {"segments=", &segments}, {"window=", &window}, {"turn=", &turn}, {"turns=", &turns}, {"half=", &half},
                 {"grouped=", &grouped}, {"flows=", &flows}, {"load=", &load}, {"prelude=", &prelude}};
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    const size_t length = strlen(options[i].name);
    if (strncmp(text, options[i].name, length) != 0) continue;
    *options[i].value = atol(text + length);
    return;
  }
  add_lane(text);
}

int main(int count, char **arguments) {
  for (int i = 2; i < count; i++) option(arguments[i]);
  if (count < 3 || lane_count == 0) {
    fputs("usage: traffic udp|tcp|latency NAME=NUMBER... lane=PORT:CONSUMER:WINDOW:HELD...\n", stderr);
    return EXIT_FAILURE;
  }
  if (size < 16 || segments < 1 || size * segments > 65507 || flows < 1 || flows > MOST_FLOWS || turns < 1 || turns > MOST_TURNS) {
    fputs("no such traffic\n", stderr);
    return EXIT_FAILURE;
  }
  const bool tcp = strcmp(arguments[1], "tcp") == 0;
  sender = socket_with(SOCK_DGRAM, 0);
  for (lane = lanes; lane < lanes + lane_count; lane++) {
    for (uint32_t i = 0; i < MOST_FLOWS; i++)
      lane->to[i] = (struct sockaddr_in){
          .sin_family = AF_INET, .sin_port = htons(lane->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i)};
    lane->receiver = socket_with(SOCK_DGRAM, BUFFER);
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(lane->port)};
    if (bind(lane->receiver, (const struct sockaddr *)&any, sizeof(any)) != 0) fail("bind");
    int buffer = 0;
    socklen_t length = sizeof(buffer);
    getsockopt(lane->receiver, SOL_SOCKET, SO_RCVBUF, &buffer, &length);
    // What is under way may arrive at once: a datagram is charged up to 2,304 bytes.
    if (lane->window > buffer / 2304) lane->window = buffer / 2304;
    if (lane->window < segments) lane->window = segments;
  }
  run(tcp, strcmp(arguments[1], "latency") == 0);
  return EXIT_SUCCESS;
}
