/* WebSocket echo load in a closed loop: each connection sends one masked message, waits for the whole echo, compares
 * it byte by byte and sends the next. The frame is made once, so that the client costs little beside the server.
 *
 * usage: ws_load PORT CONNECTIONS MESSAGE_BYTES SECONDS        (127.0.0.1, path /ws, no extensions offered)
 * prints one line: RESULT {"answers":N,"bytes":N,"duration_us":N,"p50_us":X,"p99_us":X,"max_us":X,"errors":{...}}
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

struct connection {
    int fd;
    size_t sent;             /* bytes of the frame that are out */
    uint8_t head[HEAD_BYTES]; /* of the frame being read */
    size_t head_held, head_needed;
    uint64_t frame_left;     /* payload bytes of the frame being read that are still to come */
    size_t compared;         /* bytes of the message that matched */
    int is_final, is_counted, is_waiting;
    uint64_t started_ns;
};

static uint8_t *frame, *message, read_buffer[READ_BYTES];
static size_t frame_bytes, message_bytes;
static uint32_t *samples_us;
static uint64_t answers, payload_bytes, mismatches, read_errors, write_errors, protocol_errors, in_flight;
static int is_stopping;

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "ws_load: %s: %s\n", what, strerror(errno));
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

static int open_connection(int port) {
    char reply[4096];
    size_t held = 0;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (write(fd, request, (size_t)length) != length) fail("handshake");
    /* The server speaks only when spoken to after the handshake, so nothing lies behind the blank line. */
    while (held < sizeof reply - 1) {
        ssize_t got = read(fd, reply + held, sizeof reply - 1 - held);
        if (got <= 0) fail("handshake");
        held += (size_t)got;
        reply[held] = 0;
        if (strstr(reply, "\r\n\r\n")) break;
    }
    if (strncmp(reply, "HTTP/1.1 101", 12)) {
        fprintf(stderr, "ws_load: not upgraded: %.60s\n", reply);
        exit(2);
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK)) fail("fcntl");
    return fd;
}

static void give_up(struct connection *connection, uint64_t *counter) {
    ++*counter;
    if (connection->is_waiting) in_flight--;
    connection->is_waiting = 0;
    close(connection->fd);
    connection->fd = -1;
}

static void send_more(struct connection *connection) {
    while (connection->sent < frame_bytes) {
        ssize_t gone = send(connection->fd, frame + connection->sent, frame_bytes - connection->sent, MSG_NOSIGNAL);
        if (gone < 0) {
            if (errno != EAGAIN) give_up(connection, &write_errors);
            return;
        }
        connection->sent += (size_t)gone;
    }
}

static void start_message(struct connection *connection) {
    if (is_stopping) {
        connection->is_waiting = 0;
        return;
    }
    connection->is_waiting = 1;
    in_flight++;
    connection->sent = connection->compared = 0;
    connection->started_ns = now_ns();
    send_more(connection);
}

static void end_message(struct connection *connection) {
    if (connection->compared != message_bytes) {
        give_up(connection, &mismatches);
        return;
    }
    if (answers < MAX_SAMPLES) samples_us[answers] = (uint32_t)((now_ns() - connection->started_ns) / 1000);
    answers++;
    payload_bytes += message_bytes;
    in_flight--;
    connection->is_waiting = 0;
    start_message(connection);
}

/* Read frames out of data; 0 when the connection was given up. */
static int take(struct connection *connection, const uint8_t *data, size_t length) {
    while (length || (connection->is_counted && !connection->frame_left)) {
        if (!connection->is_counted) {
            uint8_t opcode, size_code;
            size_t i;
            connection->head[connection->head_held++] = *data++;
            length--;
            if (connection->head_held < 2) continue;
            size_code = connection->head[1] & 0x7f;
            connection->head_needed = size_code == 127 ? 10 : size_code == 126 ? 4 : 2;
            if (connection->head_held < connection->head_needed) continue;
            opcode = connection->head[0] & 0x0f;
            if (connection->head[1] & 0x80 || connection->head[0] & 0x70 || opcode > 2) {
                give_up(connection, &protocol_errors); /* masked, an extension, or a control frame nobody asked for */
                return 0;
            }
            connection->frame_left = size_code;
            if (connection->head_needed > 2)
                for (connection->frame_left = 0, i = 2; i < connection->head_needed; i++)
                    connection->frame_left = connection->frame_left << 8 | connection->head[i];
            connection->is_final = connection->head[0] & 0x80;
            connection->is_counted = 1;
            connection->head_held = 0;
        } else {
            size_t piece = length < connection->frame_left ? length : (size_t)connection->frame_left;
            if (connection->compared + piece > message_bytes ||
                memcmp(data, message + connection->compared, piece)) {
                give_up(connection, &mismatches);
                return 0;
            }
            connection->compared += piece;
            connection->frame_left -= piece;
            data += piece;
            length -= piece;
            if (!connection->frame_left) {
                connection->is_counted = 0;
                if (connection->is_final) {
                    if (length) { /* an answer to nothing */
                        give_up(connection, &protocol_errors);
                        return 0;
                    }
                    end_message(connection);
                    if (connection->fd < 0) return 0;
                }
            }
        }
    }
    return 1;
}

static void read_more(struct connection *connection) {
    for (;;) {
        ssize_t got = recv(connection->fd, read_buffer, READ_BYTES, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            give_up(connection, &read_errors);
            return;
        }
        if (!take(connection, read_buffer, (size_t)got) || got < READ_BYTES) return;
    }
}

static int compare_samples(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    static struct epoll_event events[256];
    struct connection *connections;
    uint64_t started, stop_at, give_up_at, ended, kept;
    int count, i, poll;
    if (argc != 5) {
        fprintf(stderr, "usage: ws_load PORT CONNECTIONS MESSAGE_BYTES SECONDS\n");
        return 2;
    }
    count = atoi(argv[2]);
    message_bytes = (size_t)atoll(argv[3]);
    make_frame();
    connections = calloc((size_t)count, sizeof *connections);
    samples_us = malloc(sizeof *samples_us * MAX_SAMPLES);
    poll = epoll_create1(0);
    if (!connections || !samples_us || poll < 0) fail("setup");
    for (i = 0; i < count; i++) {
        /* Edge-triggered in both directions: one registration for the whole run. */
        struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &connections[i]};
        connections[i].fd = open_connection(atoi(argv[1]));
        if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &interest)) fail("epoll_ctl");
    }
    started = now_ns();
    stop_at = started + (uint64_t)(atof(argv[4]) * 1e9);
    give_up_at = stop_at + 10000000000u;
    for (i = 0; i < count; i++) start_message(&connections[i]);
    while (in_flight && now_ns() < give_up_at) {
        int ready = epoll_wait(poll, events, 256, 100);
        if (now_ns() >= stop_at) is_stopping = 1;
        for (i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->fd >= 0 && events[i].events & EPOLLOUT && connection->is_waiting) send_more(connection);
            if (connection->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_more(connection);
        }
    }
    ended = now_ns();
    kept = answers < MAX_SAMPLES ? answers : MAX_SAMPLES;
    qsort(samples_us, kept, sizeof *samples_us, compare_samples);
    printf("RESULT {\"answers\":%llu,\"bytes\":%llu,\"duration_us\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
           "\"errors\":{\"read\":%llu,\"write\":%llu,\"protocol\":%llu,\"mismatch\":%llu,\"timeout\":%llu}}\n",
           (unsigned long long)answers, (unsigned long long)payload_bytes, (unsigned long long)((ended - started) / 1000),
           kept ? (double)samples_us[kept / 2] : 0.0, kept ? (double)samples_us[kept * 99 / 100] : 0.0,
           kept ? (double)samples_us[kept - 1] : 0.0, (unsigned long long)read_errors, (unsigned long long)write_errors,
           (unsigned long long)protocol_errors, (unsigned long long)mismatches, (unsigned long long)in_flight);
    return 0;
}
