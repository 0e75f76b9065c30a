/* The load of ws_load.c over HTTP/2 (RFC 8441): so many WebSockets on each connection, each a closed loop of its own.
 *
 * usage: ws_h2_load PORT CONNECTIONS WEBSOCKETS_EACH MESSAGE_BYTES SECONDS   (127.0.0.1, path /ws, prior knowledge)
 * prints the same line as ws_load. What a server may send and none does (padding, CONTINUATION behind the head of an
 * answer, a status in Huffman's code) ends the run.
 */
#include "ws_echo.h"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };
enum { SETTING_WINDOW = 4, SETTING_FRAME = 5, SETTING_CONNECT = 8 };
enum { FRAME_HEAD = 9, CONTROL_BYTES = 1 << 14, GIVEN_BACK = 1 << 30, HANDSHAKE_S = 10 };
static const int64_t LARGEST_WINDOW = 0x7fffffff, FIRST_WINDOW = 65535;

struct stream {
    struct echo echo;
    int64_t window; /* what may still be sent */
    uint32_t taken; /* since the server was last given room */
    int is_open;
};

struct connection {
    int fd, may_connect, open_count;
    uint8_t *out; /* what is to be sent */
    size_t out_held, out_sent, out_room;
    uint8_t head[FRAME_HEAD], control[CONTROL_BYTES]; /* of the frame being read; DATA is not kept */
    size_t head_held, control_held;
    uint32_t frame_left, stream_id, taken, first_window, max_frame;
    int64_t window;
    struct stream *streams;
};

static int stream_count;

static uint32_t read_number(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void write_number(uint8_t *bytes, uint32_t number) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

static void put(struct connection *connection, int type, int flags, uint32_t stream_id, const void *payload,
                size_t length) {
    uint8_t *place;
    if (connection->out_held + FRAME_HEAD + length > connection->out_room) {
        connection->out_room = 2 * (connection->out_held + FRAME_HEAD + length);
        connection->out = realloc(connection->out, connection->out_room);
        if (!connection->out) fail("realloc");
    }
    place = connection->out + connection->out_held;
    write_number(place, (uint32_t)length << 8 | (uint32_t)type);
    place[4] = (uint8_t)flags;
    write_number(place + 5, stream_id);
    if (length) memcpy(place + FRAME_HEAD, payload, length);
    connection->out_held += FRAME_HEAD + length;
}

static void put_number(struct connection *connection, int type, uint32_t stream_id, uint32_t number) {
    uint8_t payload[4];
    write_number(payload, number);
    put(connection, type, 0, stream_id, payload, sizeof payload);
}

static void give_up_stream(struct connection *connection, struct stream *stream, uint64_t *counter) {
    if (!stream->is_open) return;
    ++*counter;
    drop_message(&stream->echo);
    stream->is_open = 0;
    connection->open_count--;
}

static void give_up(struct connection *connection, uint64_t *counter) {
    for (int i = 0; i < stream_count; i++) give_up_stream(connection, &connection->streams[i], counter);
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
}

static void flush_out(struct connection *connection) {
    while (connection->out_sent < connection->out_held) {
        ssize_t gone = send(connection->fd, connection->out + connection->out_sent,
                            connection->out_held - connection->out_sent, MSG_NOSIGNAL);
        if (gone < 0) {
            if (errno != EAGAIN) give_up(connection, &write_errors);
            return;
        }
        connection->out_sent += (size_t)gone;
    }
    connection->out_held = connection->out_sent = 0;
}

/* As much of the message as the windows have room for. */
static void send_message(struct connection *connection, struct stream *stream) {
    struct echo *echo = &stream->echo;
    uint32_t stream_id = 2 * (uint32_t)(stream - connection->streams) + 1;
    while (echo->is_waiting && echo->sent < frame_bytes) {
        int64_t room = stream->window < connection->window ? stream->window : connection->window;
        size_t piece = frame_bytes - echo->sent;
        if (room <= 0) return;
        if ((int64_t)piece > room) piece = (size_t)room;
        if (piece > connection->max_frame) piece = connection->max_frame;
        put(connection, DATA, 0, stream_id, frame + echo->sent, piece);
        echo->sent += piece;
        stream->window -= (int64_t)piece;
        connection->window -= (int64_t)piece;
    }
}

static void start_message(struct connection *connection, struct stream *stream) {
    if (is_stopping) return;
    begin_message(&stream->echo);
    send_message(connection, stream);
}

static struct stream *find_stream(struct connection *connection) {
    uint32_t number = connection->stream_id / 2;
    return connection->stream_id % 2 && number < (uint32_t)stream_count ? &connection->streams[number] : NULL;
}

static void take_data(struct connection *connection, const uint8_t *data, size_t length) {
    struct stream *stream = find_stream(connection);
    if (!stream || !stream->is_open) return;
    connection->taken += (uint32_t)length;
    stream->taken += (uint32_t)length;
    if (stream->taken >= GIVEN_BACK) {
        put_number(connection, WINDOW_UPDATE, connection->stream_id, stream->taken);
        stream->taken = 0;
    }
    if (connection->taken >= GIVEN_BACK) {
        put_number(connection, WINDOW_UPDATE, 0, connection->taken);
        connection->taken = 0;
    }
    switch (take(&stream->echo, data, length)) {
    case UNFINISHED: break;
    case WHOLE:
        end_message(&stream->echo);
        start_message(connection, stream);
        break;
    case MALFORMED: give_up_stream(connection, stream, &protocol_errors); break;
    case DIFFERENT: give_up_stream(connection, stream, &mismatches); break;
    }
}

static void take_settings(struct connection *connection) {
    for (size_t i = 0; i + 6 <= connection->control_held; i += 6) {
        int setting = connection->control[i] << 8 | connection->control[i + 1];
        uint32_t value = read_number(connection->control + i + 2);
        if (setting == SETTING_FRAME) connection->max_frame = value;
        if (setting == SETTING_CONNECT) connection->may_connect = value == 1;
        if (setting == SETTING_WINDOW) { /* RFC 9113, 6.9.2: for open streams too */
            for (int each = 0; each < stream_count; each++)
                connection->streams[each].window += (int64_t)value - connection->first_window;
            connection->first_window = value;
        }
    }
    if (!connection->may_connect) { /* RFC 8441, 3 */
        fprintf(stderr, "ws_h2_load: the server offers no WebSockets over HTTP/2\n");
        exit(2);
    }
    put(connection, SETTINGS, ACK, 0, NULL, 0);
}

/* RFC 7541: :status 200 as an index of the static table (6.1), or its name as one and its value as text (6.2). */
static int is_status_200(const uint8_t *block, size_t length) {
    if (length && block[0] == 0x88) return 1;
    if (length < 5 || (block[0] != 0x08 && block[0] != 0x18 && block[0] != 0x48)) return 0;
    return !memcmp(block + 1, "\x03" "200", 4);
}

static void take_answer(struct connection *connection, int flags) {
    struct stream *stream = find_stream(connection);
    const uint8_t *block = connection->control;
    size_t i = 0;
    /* RFC 7541, 6.3: changes of the table's size may stand before the first field. */
    while (i < connection->control_held && (block[i] & 0xe0) == 0x20) {
        if ((block[i++] & 0x1f) != 0x1f) continue;
        while (i < connection->control_held && block[i++] & 0x80) {
        }
    }
    if (!stream || !(flags & END_HEADERS) || flags & (PADDED | END_STREAM) ||
        !is_status_200(block + i, connection->control_held - i)) {
        fprintf(stderr, "ws_h2_load: no WebSocket: an answer with flags %02x that begins with", flags);
        for (size_t shown = i; shown < i + 5 && shown < connection->control_held; shown++)
            fprintf(stderr, " %02x", block[shown]);
        exit(2);
    }
    stream->is_open = 1;
    connection->open_count++;
}

static void take_control(struct connection *connection, int type, int flags) {
    struct stream *stream = find_stream(connection);
    uint32_t number = connection->control_held >= 4 ? read_number(connection->control) & 0x7fffffff : 0;
    if (type == SETTINGS && !(flags & ACK)) take_settings(connection);
    if (type == PING && !(flags & ACK)) put(connection, PING, ACK, 0, connection->control, connection->control_held);
    if (type == HEADERS) take_answer(connection, flags);
    if (type == RST_STREAM && stream) give_up_stream(connection, stream, &protocol_errors);
    if (type == GOAWAY) give_up(connection, &protocol_errors);
    if (type != WINDOW_UPDATE) return;
    if (stream) {
        stream->window += number;
        send_message(connection, stream);
    } else if (!connection->stream_id) {
        connection->window += number;
        for (int i = 0; i < stream_count; i++) send_message(connection, &connection->streams[i]);
    }
}

static void take_frames(struct connection *connection, const uint8_t *data, size_t length) {
    while (length && connection->fd >= 0) {
        size_t piece;
        if (connection->head_held < FRAME_HEAD) {
            connection->head[connection->head_held++] = *data++;
            length--;
            if (connection->head_held < FRAME_HEAD) continue;
            connection->frame_left = read_number(connection->head) >> 8;
            connection->stream_id = read_number(connection->head + 5) & 0x7fffffff;
            connection->control_held = 0;
            if (connection->head[3] == DATA
                    ? connection->head[4] & (PADDED | END_STREAM)
                    : connection->frame_left > CONTROL_BYTES || connection->head[3] == CONTINUATION) {
                give_up(connection, &protocol_errors);
                return;
            }
        }
        piece = length < connection->frame_left ? length : connection->frame_left;
        if (connection->head[3] == DATA) {
            if (piece) take_data(connection, data, piece);
        } else {
            memcpy(connection->control + connection->control_held, data, piece);
            connection->control_held += piece;
        }
        connection->frame_left -= (uint32_t)piece;
        data += piece;
        length -= piece;
        if (connection->frame_left) continue;
        connection->head_held = 0;
        if (connection->head[3] != DATA) take_control(connection, connection->head[3], connection->head[4]);
    }
}

static void read_more(struct connection *connection) {
    ssize_t got = READ_BYTES;
    while (connection->fd >= 0 && got == READ_BYTES) {
        got = recv(connection->fd, read_buffer, READ_BYTES, 0);
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) give_up(connection, &read_errors);
        else take_frames(connection, read_buffer, (size_t)got);
    }
    /* What all its WebSockets have to say leaves at once. */
    if (connection->fd >= 0) flush_out(connection);
}

static void on_ready(void *ready, uint32_t events) {
    struct connection *connection = ready;
    if (connection->fd >= 0 && events & EPOLLOUT) flush_out(connection);
    if (connection->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_more(connection);
}

static void wait_until(struct connection *connection, const int *count, int wanted, const char *what) {
    while (*count < wanted) {
        ssize_t got;
        flush_out(connection);
        got = recv(connection->fd, read_buffer, READ_BYTES, 0);
        if (got <= 0) fail(what);
        take_frames(connection, read_buffer, (size_t)got);
        if (connection->fd < 0 || protocol_errors) fail(what);
    }
}

static void open_connection(struct connection *connection, int port) {
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /* ENABLE_PUSH 0, INITIAL_WINDOW_SIZE as large as can be */
    static const uint8_t settings[] = {0, 2, 0, 0, 0, 0, 0, SETTING_WINDOW, 0x7f, 0xff, 0xff, 0xff};
    /* RFC 7541, appendix A and 6.2.2: :method, :protocol, :scheme http, :path, :authority and a field by its name */
    static const char connect_block[] = "\x02\x07" "CONNECT" "\0\x09" ":protocol" "\x09" "websocket" "\x86"
                                        "\x04\x03" "/ws" "\x01\x09" "127.0.0.1"
                                        "\0\x15" "sec-websocket-version" "\x02" "13";
    struct timeval patience = {.tv_sec = HANDSHAKE_S};
    connection->fd = connect_to(port);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connection->window = connection->first_window = FIRST_WINDOW;
    connection->max_frame = 1 << 14;
    connection->streams = calloc((size_t)stream_count, sizeof *connection->streams);
    if (!connection->streams) fail("setup");
    for (int i = 0; i < stream_count; i++) connection->streams[i].window = FIRST_WINDOW;
    if (write(connection->fd, preface, sizeof preface - 1) != (ssize_t)sizeof preface - 1) fail("preface");
    put(connection, SETTINGS, 0, 0, settings, sizeof settings);
    put_number(connection, WINDOW_UPDATE, 0, (uint32_t)(LARGEST_WINDOW - FIRST_WINDOW));
    wait_until(connection, &connection->may_connect, 1, "SETTINGS");
    for (int i = 0; i < stream_count; i++)
        put(connection, HEADERS, END_HEADERS, 2 * (uint32_t)i + 1, connect_block, sizeof connect_block - 1);
    wait_until(connection, &connection->open_count, stream_count, "CONNECT");
}

int main(int argc, char **argv) {
    struct connection *connections;
    uint64_t started;
    int count, i, each, poll;
    if (argc != 6) {
        fprintf(stderr, "usage: ws_h2_load PORT CONNECTIONS WEBSOCKETS_EACH MESSAGE_BYTES SECONDS\n");
        return 2;
    }
    count = atoi(argv[2]);
    stream_count = atoi(argv[3]);
    poll = begin((size_t)atoll(argv[4]));
    connections = calloc((size_t)count, sizeof *connections);
    if (!connections) fail("setup");
    for (i = 0; i < count; i++) {
        open_connection(&connections[i], atoi(argv[1]));
        watch(poll, connections[i].fd, &connections[i]);
    }
    started = now_ns();
    for (i = 0; i < count; i++) {
        for (each = 0; each < stream_count; each++) start_message(&connections[i], &connections[i].streams[each]);
        flush_out(&connections[i]);
    }
    run(poll, started, atof(argv[5]));
    return 0;
}
