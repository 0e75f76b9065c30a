/* What the WebSocket loads share: the message, the reading of its echo, the clock, the loop and the report.
 *
 * The message is masked once, so that the client costs little beside the server. A load includes this file, defines
 * on_ready(), and counts what goes wrong in the counters below.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18, MAX_SAMPLES = 1 << 22, HEAD_BYTES = 10 };
enum verdict { UNFINISHED, WHOLE, MALFORMED, DIFFERENT };

struct echo {
    size_t sent;              /* bytes of the frame that are out */
    uint8_t head[HEAD_BYTES]; /* of the frame being read */
    size_t head_held, head_needed;
    uint64_t frame_left; /* payload bytes of the frame being read that are still to come */
    size_t compared;     /* bytes of the message that matched */
    int is_final, is_counted, is_waiting;
    uint64_t started_ns;
};

static uint8_t *frame, *message, read_buffer[READ_BYTES];
static size_t frame_bytes, message_bytes;
static uint32_t *samples_us;
static uint64_t answers, payload_bytes, mismatches, read_errors, write_errors, protocol_errors, in_flight;
static int is_stopping;

static void on_ready(void *connection, uint32_t events);

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(2);
}

static void make_frame(void) {
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d}; /* RFC 6455, 5.7 */
    uint32_t random_state = 2463534242u;
    size_t head = 2, i;
    message = malloc(message_bytes ? message_bytes : 1);
    frame = malloc(message_bytes + 14);
    if (!message || !frame) fail("malloc");
    for (i = 0; i < message_bytes; i++) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 17;
        random_state ^= random_state << 5;
        message[i] = (uint8_t)random_state;
    }
    frame[0] = 0x82; /* final, binary */
    if (message_bytes < 126) {
        frame[1] = (uint8_t)(0x80 | message_bytes);
    } else if (message_bytes < 65536) {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(message_bytes >> 8);
        frame[3] = (uint8_t)message_bytes;
        head = 4;
    } else {
        frame[1] = 0x80 | 127;
        for (i = 0; i < 8; i++) frame[2 + i] = (uint8_t)((uint64_t)message_bytes >> (56 - 8 * i));
        head = 10;
    }
    memcpy(frame + head, key, 4);
    for (i = 0; i < message_bytes; i++) frame[head + 4 + i] = message[i] ^ key[i & 3];
    frame_bytes = head + 4 + message_bytes;
}

/* Make the message and return what to watch sockets with. */
static int begin(size_t bytes) {
    int poll = epoll_create1(0);
    message_bytes = bytes;
    make_frame();
    samples_us = malloc(sizeof *samples_us * MAX_SAMPLES);
    if (!samples_us || poll < 0) fail("setup");
    return poll;
}

static int connect_to(int port) {
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* From here on the socket does not block, and on_ready() hears of it; edge-triggered: one registration for the run. */
static void watch(int poll, int fd, void *connection) {
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
    if (fcntl(fd, F_SETFL, O_NONBLOCK)) fail("fcntl");
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &interest)) fail("epoll_ctl");
}

static void begin_message(struct echo *echo) {
    echo->is_waiting = 1;
    in_flight++;
    echo->sent = echo->compared = 0;
    echo->started_ns = now_ns();
}

static void end_message(struct echo *echo) {
    if (answers < MAX_SAMPLES) samples_us[answers] = (uint32_t)((now_ns() - echo->started_ns) / 1000);
    answers++;
    payload_bytes += message_bytes;
    in_flight--;
    echo->is_waiting = 0;
}

static void drop_message(struct echo *echo) {
    if (echo->is_waiting) in_flight--;
    echo->is_waiting = 0;
}

/* Read frames out of data, which may end anywhere but beyond the echo. */
static enum verdict take(struct echo *echo, const uint8_t *data, size_t length) {
    while (length || (echo->is_counted && !echo->frame_left)) {
        if (!echo->is_counted) {
            uint8_t opcode, size_code;
            size_t i;
            echo->head[echo->head_held++] = *data++;
            length--;
            if (echo->head_held < 2) continue;
            size_code = echo->head[1] & 0x7f;
            echo->head_needed = size_code == 127 ? 10 : size_code == 126 ? 4 : 2;
            if (echo->head_held < echo->head_needed) continue;
            opcode = echo->head[0] & 0x0f;
            if (echo->head[1] & 0x80 || echo->head[0] & 0x70 || opcode > 2)
                return MALFORMED; /* masked, an extension, or a control frame nobody asked for */
            echo->frame_left = size_code;
            if (echo->head_needed > 2)
                for (echo->frame_left = 0, i = 2; i < echo->head_needed; i++)
                    echo->frame_left = echo->frame_left << 8 | echo->head[i];
            echo->is_final = echo->head[0] & 0x80;
            echo->is_counted = 1;
            echo->head_held = 0;
        } else {
            size_t piece = length < echo->frame_left ? length : (size_t)echo->frame_left;
            if (echo->compared + piece > message_bytes || memcmp(data, message + echo->compared, piece))
                return DIFFERENT;
            echo->compared += piece;
            echo->frame_left -= piece;
            data += piece;
            length -= piece;
            if (echo->frame_left) continue;
            echo->is_counted = 0;
            if (!echo->is_final) continue;
            if (length || !echo->is_waiting) return MALFORMED; /* an answer to nothing */
            return echo->compared == message_bytes ? WHOLE : DIFFERENT;
        }
    }
    return UNFINISHED;
}

static int compare_samples(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Turn the loop for so many seconds and until the last echo, and report; ten seconds later the rest is lost. */
static void run(int poll, uint64_t started, double seconds) {
    static struct epoll_event events[256];
    uint64_t stop_at = started + (uint64_t)(seconds * 1e9), give_up_at = stop_at + 10000000000u, ended, kept;
    int i;
    while (in_flight && now_ns() < give_up_at) {
        int ready = epoll_wait(poll, events, 256, 100);
        if (now_ns() >= stop_at) is_stopping = 1;
        for (i = 0; i < ready; i++) on_ready(events[i].data.ptr, events[i].events);
    }
    ended = now_ns();
    kept = answers < MAX_SAMPLES ? answers : MAX_SAMPLES;
    qsort(samples_us, kept, sizeof *samples_us, compare_samples);
    printf("RESULT {\"answers\":%llu,\"bytes\":%llu,\"duration_us\":%llu,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
           "\"errors\":{\"read\":%llu,\"write\":%llu,\"protocol\":%llu,\"mismatch\":%llu,\"timeout\":%llu}}\n",
           (unsigned long long)answers, (unsigned long long)payload_bytes,
           (unsigned long long)((ended - started) / 1000),
           kept ? (double)samples_us[kept / 2] : 0.0, kept ? (double)samples_us[kept * 99 / 100] : 0.0,
           kept ? (double)samples_us[kept - 1] : 0.0, (unsigned long long)read_errors, (unsigned long long)write_errors,
           (unsigned long long)protocol_errors, (unsigned long long)mismatches, (unsigned long long)in_flight);
}
