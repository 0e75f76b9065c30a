/* WebSocket echo load in a closed loop: each connection sends one masked message, waits for the whole echo, compares
 * it byte by byte and sends the next.
 *
 * usage: ws_load PORT CONNECTIONS MESSAGE_BYTES SECONDS        (127.0.0.1, path /ws, no extensions offered)
 * prints one line: RESULT {"answers":N,"bytes":N,"duration_us":N,"p50_us":X,"p99_us":X,"max_us":X,"errors":{...}}
 */
#include "ws_echo.h"

struct connection {
    int fd;
    struct echo echo;
};

static int open_connection(int port) {
    char reply[4096], request[512];
    size_t held = 0;
    int fd = connect_to(port);
    int length = snprintf(request, sizeof request,
                          "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", port);
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
    return fd;
}

static void give_up(struct connection *connection, uint64_t *counter) {
    ++*counter;
    drop_message(&connection->echo);
    close(connection->fd);
    connection->fd = -1;
}

static void send_more(struct connection *connection) {
    struct echo *echo = &connection->echo;
    while (echo->sent < frame_bytes) {
        ssize_t gone = send(connection->fd, frame + echo->sent, frame_bytes - echo->sent, MSG_NOSIGNAL);
        if (gone < 0) {
            if (errno != EAGAIN) give_up(connection, &write_errors);
            return;
        }
        echo->sent += (size_t)gone;
    }
}

static void start_message(struct connection *connection) {
    if (is_stopping) return;
    begin_message(&connection->echo);
    send_more(connection);
}

static void read_more(struct connection *connection) {
    for (;;) {
        ssize_t got = recv(connection->fd, read_buffer, READ_BYTES, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            give_up(connection, &read_errors);
            return;
        }
        switch (take(&connection->echo, read_buffer, (size_t)got)) {
        case UNFINISHED: break;
        case WHOLE:
            end_message(&connection->echo);
            start_message(connection);
            break;
        case MALFORMED: give_up(connection, &protocol_errors); break;
        case DIFFERENT: give_up(connection, &mismatches); break;
        }
        if (connection->fd < 0 || got < READ_BYTES) return;
    }
}

static void on_ready(void *ready, uint32_t events) {
    struct connection *connection = ready;
    if (connection->fd >= 0 && events & EPOLLOUT && connection->echo.is_waiting) send_more(connection);
    if (connection->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_more(connection);
}

int main(int argc, char **argv) {
    struct connection *connections;
    uint64_t started;
    int count, i, poll;
    if (argc != 5) {
        fprintf(stderr, "usage: ws_load PORT CONNECTIONS MESSAGE_BYTES SECONDS\n");
        return 2;
    }
    count = atoi(argv[2]);
    poll = begin((size_t)atoll(argv[3]));
    connections = calloc((size_t)count, sizeof *connections);
    if (!connections) fail("setup");
    for (i = 0; i < count; i++) {
        connections[i].fd = open_connection(atoi(argv[1]));
        watch(poll, connections[i].fd, &connections[i]);
    }
    started = now_ns();
    for (i = 0; i < count; i++) start_message(&connections[i]);
    run(poll, started, atof(argv[4]));
    return 0;
}
