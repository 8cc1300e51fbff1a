/*
 * The HTTP client on HTTP/2: against nghttpd (cleartext and TLS), and against frames written by hand for what no server does on demand:
 * trailers-only answers, resets with a code, refused streams, GOAWAY, streams that stay open.
 */
#include "tests/unit/io/peer.h"

#include <sys/resource.h>

#include "io/http_internal.h"
#include "io/loop_uv.h"
#include "tests/unit/io/certs.h"

static struct cert ca, server;
static char folder[] = "/tmp/test_http2_XXXXXX";

static void put(const char *name, const char *text, size_t len)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

enum { FILE_LEN = 300000 };
static char content[FILE_LEN];

static int make_files(void **state)
{
    (void)state;
    ca = cert_make("Test CA", NULL, NULL);
    server = cert_make("server", "IP:127.0.0.1", &ca);
    if (mkdtemp(folder) == NULL)
        return -1;
    for (size_t i = 0; i < FILE_LEN; i++)
        content[i] = (char)(i * 7 ^ i >> 9);
    put("file", content, FILE_LEN);
    put("key", server.key_pem, strlen(server.key_pem));
    put("cert", server.cert_pem, strlen(server.cert_pem));
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    char command[64];
    cert_free(&ca);
    cert_free(&server);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* -- nghttpd -- */

struct nghttpd {
    pid_t pid;
    int port;
    bool tls;
};

static struct nghttpd nghttpd_start(bool tls)
{
    struct nghttpd n = {.port = free_port(), .tls = tls};
    static char port[16], key[64], cert[64], log_path[64];
    (void)snprintf(port, sizeof(port), "%d", n.port);
    (void)snprintf(key, sizeof(key), "%s/key", folder);
    (void)snprintf(cert, sizeof(cert), "%s/cert", folder);
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
    const char *const plain_args[] = {
        "nghttpd",       "--no-tls", "-a", "127.0.0.1", "-d", folder, "--trailer=grpc-status: 0",
        "--echo-upload", port,       NULL};
    const char *const tls_args[] = {
        "nghttpd",       "-a", "127.0.0.1", "-d", folder, "--trailer=grpc-status: 0",
        "--echo-upload", port, key,         cert, NULL};
    n.pid = process_start(tls ? tls_args : plain_args, n.port, log_path);
    return n;
}

static str nghttpd_url(const struct nghttpd *n, const char *path)
{
    static char text[128];
    return str_make(text, (size_t)snprintf(text, sizeof(text), "%s://127.0.0.1:%d%s",
                                           n->tls ? "https" : "http", n->port, path));
}

static struct http_client_config h2_config(bool tls)
{
    return (struct http_client_config){.version = tls ? HTTP_2_TLS : HTTP_2_CLEARTEXT,
                                       .tls = {.ca_pem = str_from(ca.cert_pem)},
                                       .user_agent = STR("test")};
}

/* On one connection: libcurl 7.88.1 fails at the second request on cleartext HTTP/2. */
static void test_one_after_the_other(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct nghttpd n = nghttpd_start(tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        for (int i = 0; i < 5; i++) {
            struct exchange x = {.trailer_name = "grpc-status", .header_name = "grpc-status"};
            exchange_run(w, &x, (struct http_request){.url = nghttpd_url(&n, "/file")}, true);
            check_outcome(&x, HTTP_DONE);
            assert_true(x.http2);
            assert_int_equal(x.status, 200);
            assert_int_equal(x.status_at_headers, 200);
            assert_string_equal(x.trailer, "0");
            assert_string_equal(x.header, "(none)");
            assert_true(str_eq(buf_view(&x.data), str_make(content, FILE_LEN)));
            assert_int_equal(x.reused, i > 0);
            exchange_free(&x);
        }
        world_free(w);
        process_stop(n.pid);
    }
}

static void test_many_at_once(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    for (int tls = 0; tls < 2; tls++) {
        struct nghttpd n = nghttpd_start(tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        static struct exchange xs[COUNT];
        memset(xs, 0, sizeof(xs));
        for (int i = 0; i < COUNT; i++)
            exchange_start(w, &xs[i], (struct http_request){.url = nghttpd_url(&n, "/file")},
                           i % 2);
        loop_run(w->loop);
        int connections = 0;
        for (int i = 0; i < COUNT; i++) {
            check_outcome(&xs[i], HTTP_DONE);
            assert_true(
                str_eq(buf_view(i % 2 ? &xs[i].data : &xs[i].body), str_make(content, FILE_LEN)));
            connections += !xs[i].reused;
            exchange_free(&xs[i]);
        }
        assert_int_equal(connections, 1);
        world_free(w);
        process_stop(n.pid);
    }
}

static void test_uploads(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 100, 16384, 65536, FILE_LEN};
    for (int tls = 0; tls < 2; tls++) {
        struct nghttpd n = nghttpd_start(tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        const str headers[] = {STR("Content-Type: application/grpc"), STR("TE: trailers"),
                               STR("grpc-encoding: gzip")};
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            struct exchange x = {0};
            exchange_run(w, &x,
                         (struct http_request){.method = "POST",
                                               .url = nghttpd_url(&n, "/upload"),
                                               .body = str_make(content, lengths[i]),
                                               .body_static = i % 2,
                                               .headers = headers,
                                               .header_count = 3},
                         false);
            check_outcome(&x, HTTP_DONE);
            assert_true(str_eq(buf_view(&x.body), str_make(content, lengths[i])));
            exchange_free(&x);
        }
        world_free(w);
        process_stop(n.pid);
    }
}

/* The other regression of libcurl 7.88.1: the end of an answer that it has read but forgotten. */
static void test_large_answers_do_not_stall(void **state)
{
    (void)state;
    enum { LEN = 10000000, COUNT = 12 };
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/large", folder);
    put("large", "", 0);
    assert_int_equal(truncate(path, LEN), 0);
    for (int tls = 0; tls < 2; tls++) {
        struct nghttpd n = nghttpd_start(tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        for (int i = 0; i < COUNT; i++) {
            struct exchange x = {.trailer_name = "grpc-status"};
            exchange_run(
                w, &x,
                (struct http_request){.url = nghttpd_url(&n, "/large"), .idle_timeout_ms = 3000},
                true);
            check_outcome(&x, HTTP_DONE);
            assert_int_equal(x.data.len, LEN);
            assert_string_equal(x.trailer, "0");
            exchange_free(&x);
        }
        world_free(w);
        process_stop(n.pid);
    }
}

/* -- frames by hand (RFC 9113) -- */

enum {
    F_DATA = 0,
    F_HEADERS = 1,
    F_RST_STREAM = 3,
    F_SETTINGS = 4,
    F_PING = 6,
    F_GOAWAY = 7,
    END_STREAM = 1,
    ACK = 1,
    END_HEADERS = 4
};

static bool frame(struct peer_connection *c, int type, int flags, uint32_t stream,
                  const void *payload, size_t len)
{
    unsigned char head[9] = {
        (unsigned char)(len >> 16),    (unsigned char)(len >> 8),    (unsigned char)len,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream};
    return peer_write(c, head, 9) && (len == 0 || peer_write(c, payload, len));
}

/* RFC 7541, 6.2.2: a literal without indexing, or the indexed ":status: 200" */
static size_t hpack(unsigned char *at, const char *name, const char *value)
{
    if (strcmp(name, ":status") == 0 && strcmp(value, "200") == 0) {
        at[0] = 0x88;
        return 1;
    }
    size_t name_len = strlen(name), value_len = strlen(value), len = 0;
    at[len++] = 0;
    at[len++] = (unsigned char)name_len;
    memcpy(at + len, name, name_len);
    len += name_len;
    at[len++] = (unsigned char)value_len;
    memcpy(at + len, value, value_len);
    return len + value_len;
}

static bool headers(struct peer_connection *c, uint32_t stream, int flags, const char *n1,
                    const char *v1, const char *n2, const char *v2)
{
    unsigned char block[512];
    size_t len = hpack(block, n1, v1);
    if (n2 != NULL)
        len += hpack(block + len, n2, v2);
    return frame(c, F_HEADERS, flags | END_HEADERS, stream, block, len);
}

static bool reset(struct peer_connection *c, uint32_t stream, uint32_t code)
{
    const unsigned char payload[4] = {(unsigned char)(code >> 24), (unsigned char)(code >> 16),
                                      (unsigned char)(code >> 8), (unsigned char)code};
    return frame(c, F_RST_STREAM, 0, stream, payload, 4);
}

/* What the hand-made server does with each request; `count` is the number of it in the whole peer, from 1. */
typedef bool answer_fn(struct peer_connection *c, uint32_t stream, int count);
typedef bool reset_fn(struct peer_connection *c, uint32_t stream);
struct script {
    answer_fn *answer;
    reset_fn *on_reset;
    atomic_int resets;
    uint32_t streams[256]; /* open ones of the first connection */
    int stream_count;
    int open_max; /* answer_open ends streams after so many; 0: none */
    /* answer_limited */
    int takes[32];   /* requests that the connection of this index takes */
    bool sends_away; /* the last of them comes with GOAWAY */
    atomic_int taken_count;
    unsigned char streams_max; /* told in SETTINGS; 0: not */
};

static bool serve_frame(struct peer_connection *c, int type, int flags, uint32_t stream,
                        const unsigned char *payload, size_t len)
{
    struct script *script = c->peer->arg;
    if (type == F_SETTINGS && !(flags & ACK))
        return frame(c, F_SETTINGS, ACK, 0, NULL, 0);
    if (type == F_PING && !(flags & ACK))
        return frame(c, F_PING, ACK, 0, payload, len);
    if ((type == F_HEADERS || type == F_DATA) && (flags & END_STREAM))
        return script->answer(c, stream, atomic_fetch_add(&c->peer->requests, 1) + 1);
    if (type == F_RST_STREAM) {
        atomic_fetch_add(&script->resets, 1);
        return script->on_reset == NULL || script->on_reset(c, stream);
    }
    return type != F_GOAWAY;
}

struct frame_head {
    size_t len;
    int type, flags;
    uint32_t stream;
};

/* Its payload, or NULL. */
static const char *next_frame(struct peer_connection *c, struct frame_head *f)
{
    const unsigned char *head = (const unsigned char *)peer_take(c, 9);
    if (head == NULL)
        return NULL;
    *f = (struct frame_head){
        .len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2],
        .type = head[3],
        .flags = head[4],
        .stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 |
                  head[8],
    };
    return peer_take(c, f->len);
}

static void serve_h2(struct peer_connection *c)
{
    const struct script *script = c->peer->arg;
    const unsigned char settings[6] = {0, 3, 0, 0, 0, script->streams_max}; /* 3: streams at once */
    if (peer_take(c, 24) == NULL ||
        !frame(c, F_SETTINGS, 0, 0, settings, script->streams_max > 0 ? sizeof(settings) : 0))
        return;
    for (;;) {
        struct frame_head f;
        const char *payload = next_frame(c, &f);
        if (payload == NULL ||
            !serve_frame(c, f.type, f.flags, f.stream, (const unsigned char *)payload, f.len))
            break;
    }
    atomic_fetch_add(&c->peer->closed_by_client, 1);
}

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                     const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl, (void)arg;
    for (unsigned at = 0; at < in_len; at += 1u + in[at])
        if (in[at] == 2 && memcmp(in + at + 1, "h2", 2) == 0) {
            *out = in + at + 1;
            *out_len = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static struct peer *h2_peer_of(void (*serve)(struct peer_connection *), void *arg, bool tls)
{
    SSL_CTX *context = NULL;
    if (tls) {
        context = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_use_certificate(context, server.x509), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, server.key), 1);
        SSL_CTX_set_alpn_select_cb(context, select_h2, NULL);
    }
    return peer_start_on(AF_INET, serve, arg, context);
}

static struct peer *h2_peer(struct script *script, bool tls)
{
    return h2_peer_of(serve_h2, script, tls);
}

static bool answer_trailers_only(struct peer_connection *c, uint32_t stream, int count)
{
    (void)count;
    return headers(c, stream, END_STREAM, ":status", "200", "grpc-status", "7");
}

static bool answer_full(struct peer_connection *c, uint32_t stream, int count)
{
    (void)count;
    return headers(c, stream, 0, ":status", "103", "x-early", "hint") &&
           headers(c, stream, 0, ":status", "200", "grpc-status", "99") &&
           frame(c, F_DATA, 0, stream, "hello", 5) &&
           headers(c, stream, END_STREAM, "grpc-status", "0", "grpc-message", "fine");
}

static bool answer_with_length(struct peer_connection *c, uint32_t stream, int count)
{
    static const char data[10000];
    (void)count;
    return headers(c, stream, 0, ":status", "200", "content-length", "10000") &&
           frame(c, F_DATA, END_STREAM, stream, data, sizeof(data));
}

/* The end of the stream stands in a frame that is larger than a piece: libcurl does not see it. The length says it. */
static void test_small_pieces(void **state)
{
    (void)state;
    struct script script = {.answer = answer_with_length};
    struct peer *p = h2_peer(&script, true);
    struct http_client_config config = h2_config(true);
    struct world *w = world_new(&config);
    for (int i = 0; i < 3; i++) {
        struct exchange x = {0};
        exchange_run(w, &x,
                     (struct http_request){.url = url_of(p, "/x"),
                                           .piece_bytes_max = LIMIT_HTTP_JSON_PIECE_BYTES,
                                           .idle_timeout_ms = 10000},
                     true);
        check_outcome(&x, HTTP_DONE);
        assert_int_equal(x.data.len, 10000);
        assert_int_equal(x.reused, i > 0);
        exchange_free(&x);
    }
    world_free(w);
    peer_stop(p);
}

enum { BURST_PIECES = 400 };

/* As a server that streams a list: object by object, each sent by itself. */
static bool answer_object_by_object(struct peer_connection *c, uint32_t stream, int count)
{
    static const char data[100];
    (void)count;
    bool ok = headers(c, stream, 0, ":status", "200", NULL, NULL);
    for (int i = 0; i < BURST_PIECES && ok; i++) {
        usleep(300);
        ok = frame(c, F_DATA, i == BURST_PIECES - 1 ? END_STREAM : 0, stream, data, sizeof(data));
    }
    return ok;
}

struct bursts {
    struct loop_task task;
    bool posted;
    int count;
    int64_t first_ns, last_ns;
};

static void burst_over(void *arg)
{
    struct bursts *b = arg;
    b->posted = false;
}

static void count_burst(struct exchange *x)
{
    struct bursts *b = x->user;
    b->last_ns = loop_boot_ns(x->world->loop);
    if (b->first_ns == 0)
        b->first_ns = b->last_ns;
    if (b->posted)
        return;
    b->posted = true;
    b->count++;
    loop_task_post(&b->task);
}

/* A list is looked at once a millisecond at most, whatever the server's pace: what came meanwhile is read in one go. */
static void test_lists_are_read_in_bursts(void **state)
{
    (void)state;
    struct script script = {.answer = answer_object_by_object};
    struct peer *p = h2_peer(&script, true);
    struct http_client_config config = h2_config(true);
    struct world *w = world_new(&config);
    struct bursts b = {.count = 0};
    loop_task_init(w->loop, &b.task, "burst over", burst_over, &b);
    struct exchange x = {.in_data = count_burst, .user = &b};
    exchange_run(w, &x,
                 (struct http_request){.url = url_of(p, "/x"),
                                       .piece_bytes_max = LIMIT_HTTP_PROTOBUF_PIECE_BYTES,
                                       .stream = true,
                                       .idle_timeout_ms = 10000},
                 true);
    check_outcome(&x, HTTP_DONE);
    assert_int_equal(x.data.len, BURST_PIECES * 100);
    /* Before and after the rests libcurl may have looked by itself. */
    assert_true(b.count <= (b.last_ns - b.first_ns) / (LIMIT_HTTP_REST_MS * 1000000) + 8);
    exchange_free(&x);
    loop_task_cancel(&b.task);
    world_free(w);
    peer_stop(p);
}

static void test_trailers_and_trailers_only(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct script only = {.answer = answer_trailers_only}, full = {.answer = answer_full};
        struct peer *only_peer = h2_peer(&only, tls), *full_peer = h2_peer(&full, tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        for (int i = 0; i < 3; i++) {
            struct exchange a = {.header_name = "grpc-status", .trailer_name = "grpc-status"};
            exchange_run(w, &a,
                         (struct http_request){
                             .method = "POST", .url = url_of(only_peer, "/x"), .body = STR("b")},
                         false);
            check_outcome(&a, HTTP_DONE);
            assert_string_equal(a.header, "7");
            assert_string_equal(a.trailer, "(none)");
            assert_int_equal(a.body.len, 0);
            struct exchange b = {.header_name = "grpc-status", .trailer_name = "grpc-status"};
            exchange_run(w, &b, (struct http_request){.url = url_of(full_peer, "/x")}, false);
            check_outcome(&b, HTTP_DONE);
            assert_string_equal(b.header, "99");
            assert_string_equal(b.trailer, "0");
            assert_int_equal(b.headers_count, 1);
            assert_true(str_eqz(buf_view(&b.body), "hello"));
            exchange_free(&a);
            exchange_free(&b);
        }
        world_free(w);
        peer_stop(only_peer);
        peer_stop(full_peer);
    }
}

/* ENHANCE_YOUR_CALM at once; INTERNAL_ERROR after the headers; CANCEL after data */
static bool answer_resets(struct peer_connection *c, uint32_t stream, int count)
{
    if (count == 1)
        return reset(c, stream, 11);
    if (!headers(c, stream, 0, ":status", "200", NULL, NULL))
        return false;
    return count == 2 ? reset(c, stream, 2)
                      : frame(c, F_DATA, 0, stream, "part", 4) && reset(c, stream, 8);
}

static void test_reset_codes(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        static const uint32_t codes[] = {11, 2, 8};
        struct script script = {.answer = answer_resets};
        struct peer *p = h2_peer(&script, tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        for (size_t i = 0; i < COUNT_OF(codes); i++) {
            struct exchange x = {0};
            exchange_run(
                w, &x,
                (struct http_request){.method = "POST", .url = url_of(p, "/x"), .body = STR("b")},
                true);
            check_outcome(&x, HTTP_BROKEN);
            assert_int_equal(x.http2_error, codes[i]);
            exchange_free(&x);
        }
        assert_int_equal(p->requests, 3);
        world_free(w);
        peer_stop(p);
    }
}

static bool answer_refuses_first(struct peer_connection *c, uint32_t stream, int count)
{
    return count == 1 ? reset(c, stream, 7) : answer_full(c, stream, count);
}

/* What was refused was not acted on: without a body libcurl sends it again; in all other cases the caller must. */
static void test_refused_stream(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool with_body = i % 2, tls = i / 2;
        struct script script = {.answer = answer_refuses_first};
        struct peer *p = h2_peer(&script, tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        struct exchange x = {0};
        exchange_run(w, &x,
                     (struct http_request){.method = with_body ? "POST" : "GET",
                                           .url = url_of(p, "/x"),
                                           .body = with_body ? STR("b") : STR_NONE},
                     false);
        check_outcome(&x, with_body || !tls ? HTTP_BROKEN : HTTP_DONE);
        assert_true(tls || x.http2_error == 7);
        assert_int_equal(p->requests, with_body || !tls ? 1 : 2);
        exchange_free(&x);
        world_free(w);
        peer_stop(p);
    }
}

static bool answer_goaway(struct peer_connection *c, uint32_t stream, int count)
{
    if (count == 1) { /* graceful: this stream is served, the connection takes no more */
        const unsigned char payload[8] = {0, 0, 0, (unsigned char)stream, 0, 0, 0, 0};
        return frame(c, F_GOAWAY, 0, 0, payload, 8) && answer_full(c, stream, count);
    }
    return answer_full(c, stream, count);
}

static void test_goaway(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct script script = {.answer = answer_goaway};
        struct peer *p = h2_peer(&script, tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        for (int i = 0; i < 3; i++) {
            struct exchange x = {0};
            exchange_run(w, &x,
                         (struct http_request){.method = "POST",
                                               .url = url_of(p, "/x"),
                                               .body = STR("b"),
                                               .timeout_ms = 10000},
                         false);
            check_outcome(&x, HTTP_DONE);
            assert_int_equal(x.reused, i == 2);
            exchange_free(&x);
        }
        assert_int_equal(p->accepted, 2);
        world_free(w);
        peer_stop(p);
    }
}

/* Streams that stay open until one of them is reset by the client; then the others are completed. */
static bool answer_open(struct peer_connection *c, uint32_t stream, int count)
{
    struct script *script = c->peer->arg;
    if (script->open_max > 0 && count > script->open_max)
        return answer_full(c, stream, count);
    if (c->index == 0)
        script->streams[script->stream_count++] = stream;
    return headers(c, stream, 0, ":status", "200", NULL, NULL) &&
           frame(c, F_DATA, 0, stream, "hello", 5);
}

static bool complete_others(struct peer_connection *c, uint32_t gone)
{
    const struct script *script = c->peer->arg;
    for (int i = 0; i < script->stream_count; i++)
        if (script->streams[i] != gone &&
            !frame(c, F_DATA, END_STREAM, script->streams[i], " world", 6))
            return false;
    return true;
}

static void test_ending_one_stream_leaves_the_others(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        enum { COUNT = 10, VICTIM = 4 };
        bool by_abort = round % 2, tls = round / 2;
        struct script script = {
            .answer = answer_open, .on_reset = complete_others, .open_max = COUNT};
        struct peer *p = h2_peer(&script, tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        struct exchange xs[COUNT] = {0};
        for (int i = 0; i < COUNT; i++) {
            if (i == VICTIM && by_abort)
                continue;
            exchange_start(w, &xs[i], (struct http_request){.url = url_of(p, "/x"), .stream = true},
                           true);
        }
        run_until(w, &p->requests, by_abort ? COUNT - 1 : COUNT);
        if (by_abort) {
            xs[VICTIM].abort_after = 1;
            exchange_start(w, &xs[VICTIM],
                           (struct http_request){.url = url_of(p, "/x"), .stream = true}, true);
        } else {
            http_cancel(xs[VICTIM].call);
            w->pending--;
        }
        if (by_abort)
            while (xs[VICTIM].done_count == 0)
                run_for_ms(w, 1);
        /* libcurl tells the server of the reset when it next has something to send on the connection */
        struct exchange next = {0};
        exchange_start(w, &next, (struct http_request){.url = url_of(p, "/x")}, false);
        loop_run(w->loop);
        check_outcome(&next, HTTP_DONE);
        assert_true(next.reused);
        exchange_free(&next);
        assert_true(script.resets >= 1);
        for (int i = 0; i < COUNT; i++) {
            if (i == VICTIM) {
                assert_int_equal(xs[i].done_count, by_abort);
            } else {
                check_outcome(&xs[i], HTTP_DONE);
                assert_true(str_eqz(buf_view(&xs[i].data), "hello world"));
            }
            exchange_free(&xs[i]);
        }
        assert_int_equal(p->accepted, 1);
        world_free(w);
        peer_stop(p);
    }
}

static void test_long_streams_take_connections_of_their_own(void **state)
{
    (void)state;
    enum { COUNT = LIMIT_HTTP_LONG_STREAMS + 20 };
    struct script script = {.answer = answer_open};
    struct peer *p = h2_peer(&script, true);
    struct http_client_config config = h2_config(true);
    struct world *w = world_new(&config);
    static struct exchange xs[COUNT];
    for (int i = 0; i < COUNT; i++)
        exchange_start(
            w, &xs[i],
            (struct http_request){.url = url_of(p, "/x"), .stream = true, .idle_timeout_ms = 60000},
            true);
    run_until(w, &p->requests, COUNT);
    assert_int_equal(p->accepted, 2);
    http_client_free(w->client); /* with all of them open */
    w->client = NULL;
    run_for_ms(w, 1);
    for (int i = 0; i < COUNT; i++)
        exchange_free(&xs[i]);
    world_free(w);
    peer_stop(p);
}

/* -- connections that take no more -- */

/* The first `open_max` of all stay open. */
static bool answer_limited(struct peer_connection *c, uint32_t stream, int count)
{
    (void)count;
    struct script *script = c->peer->arg;
    int number = ((int)stream + 1) / 2, most = script->takes[c->index];
    const unsigned char payload[8] = {0, 0, 0, (unsigned char)stream, 0, 0, 0, 0};
    if (number > most)
        return script->sends_away || reset(c, stream, 7);
    if (number == most && script->sends_away && !frame(c, F_GOAWAY, 0, 0, payload, 8))
        return false;
    if (!headers(c, stream, 0, ":status", "200", NULL, NULL) ||
        !frame(c, F_DATA, 0, stream, "hello", 5))
        return false;
    return atomic_fetch_add(&script->taken_count, 1) < script->open_max ||
           frame(c, F_DATA, END_STREAM, stream, NULL, 0);
}

/* As a watch: it goes on at another place. `user` counts. */
static void move(void *arg)
{
    struct exchange *x = arg;
    struct world *w = x->world;
    *(int *)x->user += 1;
    http_cancel(x->call);
    w->pending--;
    exchange_start(w, x, (struct http_request){.url = str_from(x->header), .stream = true}, true);
}

/* libcurl gives a request up that was refused five times; a watch is sent again then. */
static void send_again(struct exchange *x)
{
    assert_int_equal(x->outcome, HTTP_BROKEN);
    x->done_count = 0;
    exchange_start(
        x->world, x,
        (struct http_request){.url = str_from(x->header), .stream = true, .on_leave = move}, true);
}

static void streams_start(struct world *w, const struct peer *p, struct exchange *xs, int count,
                          int *moved_count)
{
    for (int i = 0; i < count; i++) {
        xs[i].user = moved_count;
        xs[i].in_done = send_again;
        (void)snprintf(xs[i].header, sizeof(xs[i].header), "%.*s", STR_ARG(url_of(p, "/x")));
        exchange_start(
            w, &xs[i],
            (struct http_request){.url = str_from(xs[i].header), .stream = true, .on_leave = move},
            true);
    }
}

/* All of them have been answered, and the client knows. */
static void streams_wait(struct world *w, const struct exchange *xs, int count)
{
    for (int i = 0, ms = 0; i < count; i++)
        for (; xs[i].data.len < strlen("hello"); ms++) {
            assert_true(ms < 10000);
            run_for_ms(w, 1);
        }
}

/* An ordinary request, as the renewal of a Lease: it does not wait until its time is up, whatever became of the connections. */
static void check_ordinary_request(struct world *w, const struct peer *p)
{
    struct exchange x = {0};
    exchange_start(
        w, &x,
        (struct http_request){
            .method = "PUT", .url = url_of(p, "/x"), .body = STR("b"), .timeout_ms = 10000},
        false);
    while (x.done_count == 0)
        run_for_ms(w, 1);
    check_outcome(&x, HTTP_DONE);
    exchange_free(&x);
}

/* None of them is over. */
static void streams_end(struct world *w, struct peer *p, struct exchange *xs, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(xs[i].done_count, 0);
        exchange_free(&xs[i]);
    }
    world_free(w);
    peer_stop(p);
}

/* Each of those that the server did not take would open a connection of its own. */
static void test_requests_sent_away_share_the_next_connection(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    struct script script = {
        .answer = answer_limited, .sends_away = true, .takes = {10, 20, 100}, .open_max = COUNT};
    struct peer *p = h2_peer(&script, true);
    struct http_client_config config = h2_config(true);
    struct world *w = world_new(&config);
    static struct exchange xs[COUNT];
    int moved_count = 0;
    streams_start(w, p, xs, COUNT, &moved_count);
    streams_wait(w, xs, COUNT);
    for (int i = 0; i < 3; i++)
        check_ordinary_request(w, p);
    assert_int_equal(p->accepted, 3);
    assert_int_equal(p->closed_by_client, 0);
    assert_int_equal(moved_count, 0);
    for (int i = 0; i < COUNT; i++)
        assert_true(str_eqz(buf_view(&xs[i].data), "hello"));
    streams_end(w, p, xs, COUNT);
}

/* Of a server that allows few streams all connections are full: there are as many as it takes, and none is emptied. */
static void test_full_connections(void **state)
{
    (void)state;
    enum { EACH = 4, CONNECTIONS = 8, COUNT = EACH * CONNECTIONS };
    struct script script = {.answer = answer_limited, .streams_max = EACH, .open_max = COUNT};
    for (int i = 0; i < CONNECTIONS; i++)
        script.takes[i] = EACH;
    script.takes[CONNECTIONS] = 10;
    struct peer *p = h2_peer(&script, true);
    struct http_client_config config = h2_config(true);
    struct world *w = world_new(&config);
    static struct exchange xs[COUNT];
    int moved_count = 0;
    streams_start(w, p, xs, COUNT, &moved_count);
    streams_wait(w, xs, COUNT);
    assert_int_equal(p->accepted, CONNECTIONS);
    for (int i = 0; i < 3; i++)
        check_ordinary_request(w, p);
    assert_int_equal(p->accepted, CONNECTIONS + 1);
    assert_int_equal(p->closed_by_client, 0);
    assert_int_equal(moved_count, 0);
    streams_end(w, p, xs, COUNT);
}

/* Connections that were sent away stay with their streams, but for a few: then the smallest go. */
static void test_few_connections_drain(void **state)
{
    (void)state;
    enum { SMALL = 10, EACH = 3, LAST = 20, COUNT = SMALL * EACH + LAST };
    struct script script = {.answer = answer_limited, .sends_away = true};
    for (int i = 0; i < SMALL; i++)
        script.takes[i] = EACH;
    script.takes[SMALL] = 100;
    struct peer *p = h2_peer(&script, true);
    struct http_client_config config = h2_config(true);
    struct world *w = world_new(&config);
    static struct exchange xs[COUNT];
    int moved_count = 0;
    script.open_max = INT_MAX;
    for (int i = 0; i < SMALL; i++) {
        streams_start(w, p, xs + i * EACH, EACH, &moved_count);
        streams_wait(w, xs, (i + 1) * EACH);
    }
    assert_int_equal(p->accepted, SMALL);
    assert_int_equal(moved_count, 0); /* nobody knows yet that a connection could take more */
    streams_start(w, p, xs + SMALL * EACH, LAST, &moved_count);
    /* 50 streams; with 20 on one connection that makes 3 that are needed, so 4 of the 11 go, and then with 32 on it 2, so one more */
    enum { GONE = 5 };
    run_until(w, &p->closed_by_client, GONE);
    assert_int_equal(moved_count, GONE * EACH);
    run_until(w, &script.taken_count, COUNT + moved_count);
    run_for_ms(w, 20);
    assert_int_equal(p->accepted, SMALL + 1);
    streams_end(w, p, xs, COUNT);
}

/* The connection is cut while streams are open. */
static bool answer_cut(struct peer_connection *c, uint32_t stream, int count)
{
    return answer_open(c, stream, count) && count < 5;
}

static void test_cut_connection_breaks_all_streams(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct script script = {.answer = answer_cut};
        struct peer *p = h2_peer(&script, tls);
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        struct exchange xs[5] = {0};
        for (int i = 0; i < 5; i++)
            exchange_start(
                w, &xs[i],
                (struct http_request){.url = url_of(p, "/x"), .stream = true, .timeout_ms = 20000},
                true);
        loop_run(w->loop);
        for (int i = 0; i < 5; i++) {
            check_outcome(&xs[i], HTTP_BROKEN);
            exchange_free(&xs[i]);
        }
        world_free(w);
        peer_stop(p);
    }
}

/* -- a server that speaks HTTP/1.1 only -- */

static void test_cleartext_http2_to_http1_server(void **state)
{
    (void)state;
    static char answer[] =
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    struct peer *p = peer_start(serve_text, answer);
    struct http_client_config config = h2_config(false);
    struct world *w = world_new(&config);
    struct exchange x = {0};
    exchange_run(
        w, &x,
        (struct http_request){
            .method = "POST", .url = url_of(p, "/x"), .body = STR("b"), .timeout_ms = 10000},
        false);
    check_outcome(&x, HTTP_BROKEN);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

/* -- cleartext: the connection that calls share -- */

/* All wait for the connection that the first one makes, and share its fate. */
static void test_calls_share_a_failed_connection(void **state)
{
    (void)state;
    enum { COUNT = 5 };
    struct http_client_config config = h2_config(false);
    struct world *w = world_new(&config);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", free_port());
    struct exchange xs[COUNT] = {0};
    for (int i = 0; i < COUNT; i++)
        exchange_start(
            w, &xs[i],
            (struct http_request){.method = "POST", .url = str_from(url), .body = STR("b")}, false);
    loop_run(w->loop);
    for (int i = 0; i < COUNT; i++) {
        check_outcome(&xs[i], HTTP_CONNECT_FAILED);
        assert_non_null(strstr(xs[i].err, "Failed to connect"));
        exchange_free(&xs[i]);
    }
    world_free(w);
}

/* The call that connects is cancelled or runs out of time: the others go on. */
static void test_the_connecting_call_ends(void **state)
{
    (void)state;
    for (int by_timeout = 0; by_timeout < 2; by_timeout++) {
        struct script script = {.answer = answer_full};
        struct peer *p = h2_peer(&script, false);
        struct http_client_config config = h2_config(false);
        struct world *w = world_new(&config);
        struct exchange first = {0}, second = {0};
        exchange_start(w, &first,
                       (struct http_request){.url = url_of(p, "/x"), .timeout_ms = by_timeout},
                       false);
        exchange_start(w, &second, (struct http_request){.url = url_of(p, "/x")}, false);
        if (!by_timeout) {
            loop_task_post(&w->client->start);
            http_cancel(first.call);
            w->pending--;
        } else {
            usleep(2000);
        }
        loop_run(w->loop);
        check_outcome(&second, HTTP_DONE);
        exchange_free(&first);
        exchange_free(&second);
        world_free(w);
        peer_stop(p);
    }
}

/* Dropped connections serve what is on them, new calls have another. */
static void test_dropped_cleartext_connection(void **state)
{
    (void)state;
    struct script script = {.answer = answer_open, .on_reset = complete_others, .open_max = 1};
    struct peer *p = h2_peer(&script, false);
    struct http_client_config config = h2_config(false);
    struct world *w = world_new(&config);
    struct exchange open = {0}, next = {0}, fresh = {0};
    exchange_start(w, &open, (struct http_request){.url = url_of(p, "/x")}, true);
    run_until(w, &p->requests, 1);
    http_client_drop_connections(w->client);
    exchange_start(w, &next, (struct http_request){.url = url_of(p, "/x")}, false);
    while (next.done_count == 0)
        run_for_ms(w, 1);
    check_outcome(&next, HTTP_DONE);
    assert_false(next.reused);
    assert_int_equal(open.done_count, 0);
    exchange_start(w, &fresh,
                   (struct http_request){.url = url_of(p, "/x"), .fresh_connection = true}, false);
    while (fresh.done_count == 0)
        run_for_ms(w, 1);
    check_outcome(&fresh, HTTP_DONE);
    assert_false(fresh.reused);
    assert_int_equal(p->accepted, 3);
    http_cancel(open.call);
    w->pending--;
    exchange_free(&open);
    exchange_free(&next);
    exchange_free(&fresh);
    world_free(w);
    peer_stop(p);
}

/* Gives the client much room, and then does not read until it is released. */
static void serve_sleepily(struct peer_connection *c)
{
    static const unsigned char window[6] = {0, 4, 0x7f, 0xff, 0xff, 0xff}; /* INITIAL_WINDOW_SIZE */
    static const unsigned char more[4] = {0x7f, 0xff, 0, 0};
    if (peer_take(c, 24) == NULL || !frame(c, F_SETTINGS, 0, 0, window, 6) ||
        !frame(c, 8 /* WINDOW_UPDATE */, 0, 0, more, 4))
        return;
    atomic_fetch_add(&c->peer->requests, 1);
    peer_wait_release(c->peer);
    for (;;) {
        const unsigned char *head = (const unsigned char *)peer_take(c, 9);
        if (head == NULL)
            return;
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        int type = head[3], flags = head[4];
        uint32_t stream =
            (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        const char *payload = peer_take(c, len);
        if (payload == NULL)
            return;
        for (size_t i = 0; type == F_DATA && i < len; i++)
            if (payload[i] != (stream == 1 ? 'a' : 'b'))
                return;
        struct script *script = c->peer->arg;
        script->resets += type == F_RST_STREAM && stream == 1;
        if (stream == 3 && (flags & END_STREAM) && !answer_full(c, stream, 1))
            return;
    }
}

/* A body of which part is in a frame under way goes from memory while the socket is full: the frame is ended from a copy, and the
 * connection goes on. */
static void test_cancel_within_a_frame(void **state)
{
    (void)state;
    enum { LEN = 32 * 1024 * 1024 };
    struct script script = {0};
    struct peer *p = peer_start(serve_sleepily, &script);
    struct http_client_config config = h2_config(false);
    struct world *w = world_new(&config);
    char *body = malloc(LEN);
    memset(body, 'a', LEN);
    struct exchange first = {0}, second = {0};
    exchange_start(w, &first,
                   (struct http_request){.method = "POST",
                                         .url = url_of(p, "/x"),
                                         .body = str_make(body, LEN),
                                         .body_static = true},
                   false);
    run_until(w, &p->requests, 1);
    run_for_ms(w, 50); /* the socket is full, or nearly */
    assert_true(first.call->body_sent > 0 && first.call->body_sent < LEN);
    http_cancel(first.call);
    w->pending--;
    memset(body, 'x', LEN);
    free(body);
    char tail[20000];
    memset(tail, 'b', sizeof(tail));
    exchange_start(w, &second,
                   (struct http_request){.method = "POST",
                                         .url = url_of(p, "/x"),
                                         .body = str_make(tail, sizeof(tail))},
                   false);
    run_for_ms(w, 1);
    atomic_store(&p->release, true);
    loop_run(w->loop);
    check_outcome(&second, HTTP_DONE);
    assert_true(second.reused);
    assert_int_equal(script.resets, 1);
    assert_int_equal(p->accepted, 1);
    exchange_free(&first);
    exchange_free(&second);
    world_free(w);
    peer_stop(p);
}

/* An answer that comes while the body still waits for the server's window counts, and the stream is given up. */
static bool serve_early_frames(struct peer_connection *c)
{
    for (;;) {
        const unsigned char *head = (const unsigned char *)peer_take(c, 9);
        if (head == NULL)
            return false;
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        int type = head[3];
        uint32_t stream =
            (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        if (peer_take(c, len) == NULL)
            return false;
        struct script *script = c->peer->arg;
        script->resets += type == F_RST_STREAM;
        if (type == F_HEADERS &&
            !headers(c, stream, END_STREAM, ":status", "200", "grpc-status", "8"))
            return false;
    }
}

static void serve_early(struct peer_connection *c)
{
    if (peer_take(c, 24) != NULL && frame(c, F_SETTINGS, 0, 0, NULL, 0))
        (void)serve_early_frames(c);
}

static void test_answer_before_the_body(void **state)
{
    (void)state;
    struct script script = {0};
    struct peer *p = peer_start(serve_early, &script);
    struct http_client_config config = h2_config(false);
    struct world *w = world_new(&config);
    for (int i = 0; i < 3; i++) {
        struct exchange x = {.header_name = "grpc-status"};
        exchange_run(w, &x,
                     (struct http_request){.method = "POST",
                                           .url = url_of(p, "/x"),
                                           .body = str_make(content, FILE_LEN)},
                     false);
        check_outcome(&x, HTTP_DONE);
        assert_string_equal(x.header, "8");
        assert_int_equal(x.reused, i > 0);
        exchange_free(&x);
    }
    run_until(w, &script.resets, 3);
    world_free(w);
    peer_stop(p);
}

/* Nothing has left the process: the network is not to blame. */
static void test_no_descriptor_left(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct peer *p = peer_start(serve_text, (void *)(uintptr_t)"");
        struct http_client_config config = h2_config(tls);
        struct world *w = world_new(&config);
        struct exchange x = {0};
        struct rlimit limit, before;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        int lowest = dup(0); /* all below are taken */
        assert_true(lowest > 0);
        close(lowest);
        limit = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        exchange_run(w, &x, (struct http_request){.url = url_of(p, "/x")}, false);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(x.outcome, HTTP_CONNECT_FAILED);
        assert_non_null(strstr(x.err, "cannot connect: no descriptor is left (too many open files)"));
        exchange_free(&x);
        world_free(w);
        peer_stop(p);
    }
}

/* -- a body that waits for the server's window -- */

enum { TURNS_MAX = 5000 }; /* some hundreds are needed; hundreds of thousands were seen */

struct windows {
    size_t received, open; /* bytes of bodies; of the window that are left */
    int round_trip_us;     /* 0: the window is never opened again */
};

static bool window_update(struct peer_connection *c, uint32_t stream, uint32_t n)
{
    const unsigned char more[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                   (unsigned char)(n >> 8), (unsigned char)n};
    return frame(c, 8 /* WINDOW_UPDATE */, 0, stream, more, 4);
}

/* Takes 64 KiB at a time, as servers far away do that leave the windows at their default. */
static bool take_data(struct peer_connection *c, int flags, uint32_t stream, size_t len)
{
    struct windows *ws = c->peer->arg;
    ws->received += len;
    ws->open -= len;
    if ((flags & END_STREAM) && !headers(c, stream, END_STREAM, ":status", "200", NULL, NULL))
        return false;
    if (ws->open > 0 || ws->round_trip_us == 0)
        return true;
    usleep((unsigned)ws->round_trip_us);
    ws->open = 65535;
    return window_update(c, 0, 65535) && ((flags & END_STREAM) || window_update(c, stream, 65535));
}

static void serve_windows(struct peer_connection *c)
{
    if (peer_take(c, 24) == NULL || !frame(c, F_SETTINGS, 0, 0, NULL, 0))
        return;
    for (;;) {
        struct frame_head f;
        bool ok = next_frame(c, &f) != NULL;
        if (ok && f.type == F_SETTINGS && !(f.flags & ACK))
            ok = frame(c, F_SETTINGS, ACK, 0, NULL, 0);
        else if (ok && f.type == F_DATA)
            ok = take_data(c, f.flags, f.stream, f.len);
        if (!ok)
            return;
    }
}

static void count_turn(uv_check_t *check)
{
    size_t *turns = check->data;
    ++*turns;
}

static void closed(uv_handle_t *handle)
{
    (void)handle;
}

/* While the window is closed there is nothing to do: the loop turns for what comes, not in vain. */
static void check_windows(bool tls, int round_trip_us, enum http_outcome outcome)
{
    static char body[2000000];
    struct windows ws = {.open = 65535, .round_trip_us = round_trip_us};
    struct peer *p = h2_peer_of(serve_windows, &ws, tls);
    struct http_client_config config = h2_config(tls);
    struct world *w = world_new(&config);
    struct exchange x = {0};
    size_t turns = 0;
    uv_check_t check = {.data = &turns};
    assert_int_equal(uv_check_init(loop_uv(w->loop), &check), 0);
    assert_int_equal(uv_check_start(&check, count_turn), 0);
    exchange_run(w, &x,
                 (struct http_request){.method = "POST",
                                       .url = url_of(p, "/x"),
                                       .body = str_make(body, sizeof(body)),
                                       .body_static = true,
                                       .timeout_ms = round_trip_us > 0 ? 30000 : 1500},
                 false);
    assert_int_equal(x.outcome, outcome);
    assert_true(turns < TURNS_MAX);
    exchange_free(&x);
    uv_close((uv_handle_t *)&check, closed);
    world_free(w);
    peer_stop(p);
}

static void test_a_closed_window_costs_no_time(void **state)
{
    (void)state;
    check_windows(false, 0, HTTP_TIMEOUT);
    check_windows(false, 30000, HTTP_DONE);
    check_windows(true, 30000, HTTP_DONE); /* a backend far away */
    check_windows(true, 0, HTTP_TIMEOUT);  /* one that is stuck */
}

int main(void)
{
    alarm(55);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_uploads),
        cmocka_unit_test(test_large_answers_do_not_stall),
        cmocka_unit_test(test_small_pieces),
        cmocka_unit_test(test_lists_are_read_in_bursts),
        cmocka_unit_test(test_trailers_and_trailers_only),
        cmocka_unit_test(test_reset_codes),
        cmocka_unit_test(test_refused_stream),
        cmocka_unit_test(test_goaway),
        cmocka_unit_test(test_ending_one_stream_leaves_the_others),
        cmocka_unit_test(test_long_streams_take_connections_of_their_own),
        cmocka_unit_test(test_requests_sent_away_share_the_next_connection),
        cmocka_unit_test(test_full_connections),
        cmocka_unit_test(test_few_connections_drain),
        cmocka_unit_test(test_cut_connection_breaks_all_streams),
        cmocka_unit_test(test_cleartext_http2_to_http1_server),
        cmocka_unit_test(test_calls_share_a_failed_connection),
        cmocka_unit_test(test_the_connecting_call_ends),
        cmocka_unit_test(test_dropped_cleartext_connection),
        cmocka_unit_test(test_cancel_within_a_frame),
        cmocka_unit_test(test_answer_before_the_body),
        cmocka_unit_test(test_no_descriptor_left),
        cmocka_unit_test(test_a_closed_window_costs_no_time),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
