/*
 * The sending queue on a clock of its own, with a transport that only writes down what it is asked. The test decides when an attempt
 * ends and how; pool work runs at once (test_queue_pool.c has threads).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "fake_loop.h"
#include "service/queue.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

enum { PREFIX_BYTES = 3, SENDS_MAX = 4096, SEEN_MAX = 65536 };

struct fake_batch {
    struct batch *batch; /* not after it was settled */
    int settled;
    enum outcome outcome;
};

struct world {
    struct loop *loop;
    struct log *log;
    struct buf log_text;
    struct exporter exporter;
    struct queue *queue;
    struct send_request *under_way[SENDS_MAX];
    size_t under_way_count;
    size_t send_count, cancel_count, room_count, stopped_count;
    int64_t last_send_ns;
    bool pack_fails;
    uint32_t seen
        [SEEN_MAX]; /* numbers of the records in the order in which their requests were first sent */
    size_t seen_count;
    size_t largest_request;
};

static struct world *world_of(struct exporter *e)
{
    return CONTAINER_OF(e, struct world, exporter);
}

void exporter_room(struct exporter *e)
{
    struct world *w = world_of(e);
    assert_true(queue_has_room(w->queue));
    w->room_count++;
}

void exporter_stopped(struct exporter *e)
{
    world_of(e)->stopped_count++;
}

/* ---- transport ---- */

static bool fake_pack(const void *arg, struct buf *encoded, struct buf *out, struct err *err)
{
    const struct world *w = arg;
    if (w->pack_fails)
        return err_set(err, "no can do");
    buf_str(out, str_skip(buf_view(encoded), PREFIX_BYTES));
    return true;
}

/* Bodies are "rec-NNNNNN" and filling. */
static void note_records(struct world *w, str payload)
{
    size_t at;
    while (str_find(payload, STR("rec-"), &at)) {
        uint64_t number;
        payload = str_skip(payload, at + 4);
        assert_true(str_to_u64(str_make(payload.data, 6), &number));
        assert_true(w->seen_count < SEEN_MAX);
        w->seen[w->seen_count++] = (uint32_t)number;
    }
}

static void fake_send(void *arg, struct send_request *r)
{
    struct world *w = arg;
    assert_ptr_equal(r->arg, w);
    assert_null(r->transport);
    assert_true(w->under_way_count < SENDS_MAX);
    w->under_way[w->under_way_count++] = r;
    w->send_count++;
    w->last_send_ns = loop_boot_ns(w->loop);
    r->transport = w;
    if (r->payload.len > w->largest_request)
        w->largest_request = r->payload.len;
    note_records(w, buf_view(&r->payload));
}

static void take_under_way(struct world *w, struct send_request *r)
{
    size_t i = 0;
    while (i < w->under_way_count && w->under_way[i] != r)
        i++;
    assert_true(i < w->under_way_count);
    for (; i + 1 < w->under_way_count; i++)
        w->under_way[i] = w->under_way[i + 1];
    w->under_way_count--;
    r->transport = NULL;
}

static void fake_cancel(void *arg, struct send_request *r)
{
    struct world *w = arg;
    w->cancel_count++;
    take_under_way(w, r);
}

/* ---- world ---- */

static void log_sink(void *arg, str line)
{
    buf_str(arg, line);
}

static int64_t log_wall(void *arg)
{
    return loop_wall_ns(arg);
}

static struct queue_config queue_defaults(void)
{
    return (struct queue_config){
        .enabled = true, .num_consumers = 10, .queue_size = 1000, .max_bytes = 64 * (int64_t)MIB};
}

/* Without jitter, so that times are exact. */
static struct retry_config retry_defaults(void)
{
    return (struct retry_config){.enabled = true,
                                 .initial_interval_ns = 5 * SECOND,
                                 .max_interval_ns = 30 * SECOND,
                                 .max_elapsed_ns = 300 * SECOND,
                                 .multiplier = 1.5,
                                 .randomization_factor = 0};
}

static struct world *world_new(const struct queue_config *queue, const struct retry_config *retry,
                               size_t request_max)
{
    struct world *w = mem_zalloc(sizeof *w);
    w->loop = fake_loop_new(1000 * SECOND, INT64_C(1767268800) * SECOND);
    buf_init(&w->log_text, 16 * MIB);
    const struct log_config config = {.level = LOG_DEBUG,
                                      .sink = log_sink,
                                      .sink_arg = &w->log_text,
                                      .wall_ns = log_wall,
                                      .wall_arg = w->loop};
    w->log = log_new(&config);
    w->exporter.base.loop = w->loop;
    w->exporter.base.logger.log = w->log;
    const struct queue_transport transport = {.pack = fake_pack,
                                              .send = fake_send,
                                              .cancel = fake_cancel,
                                              .arg = w,
                                              .request_max = request_max,
                                              .prefix_bytes = PREFIX_BYTES};
    w->queue = queue_new(&w->exporter, queue, retry, &transport);
    return w;
}

static struct world *world_default(void)
{
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    return world_new(&queue, &retry, MIB);
}

static void turn(struct world *w)
{
    fake_loop_settle(w->loop);
}

static void run_for(struct world *w, int64_t ns)
{
    fake_loop_run(w->loop, ns);
}

static const struct queue_stats *stats(const struct world *w)
{
    return queue_statistics(w->queue);
}

static void assert_empty(const struct world *w)
{
    assert_int_equal(stats(w)->request_count, 0);
    assert_int_equal(stats(w)->byte_count, 0);
    assert_int_equal(stats(w)->item_count, 0);
    assert_int_equal(stats(w)->decoded_bytes, 0);
    assert_int_equal(w->under_way_count, 0);
}

static void world_free(struct world *w)
{
    turn(w);
    assert_empty(w);
    queue_free(w->queue);
    log_free(w->log);
    buf_deinit(&w->log_text);
    loop_free(w->loop);
    mem_free(w);
}

static bool logged(const struct world *w, const char *text)
{
    size_t at;
    return str_find(buf_view(&w->log_text), str_from(text), &at);
}

static size_t log_count(const struct world *w, const char *text)
{
    size_t count = 0, at;
    str rest = buf_view(&w->log_text);
    for (; str_find(rest, str_from(text), &at); count++)
        rest = str_skip(rest, at + 1);
    return count;
}

static void finish(struct world *w, size_t index, const struct send_result *result)
{
    assert_true(index < w->under_way_count);
    struct send_request *r = w->under_way[index];
    take_under_way(w, r);
    queue_sent(r, result);
}

static void finish_ok(struct world *w, size_t index)
{
    finish(w, index, &(struct send_result){.verdict = SEND_OK});
}

static void finish_bad(struct world *w, size_t index, enum send_verdict verdict)
{
    struct send_result result = {.verdict = verdict};
    err_set(&result.err, "backend says no");
    finish(w, index, &result);
}

/* ---- batches ---- */

static void on_outcome(void *arg, enum outcome worst)
{
    struct fake_batch *f = arg;
    f->settled++;
    f->outcome = worst;
    f->batch = NULL;
}

/* Log records "rec-NNNNNN..." from number `first` on, each of about `size` bytes. */
static struct fake_batch *batch_make(size_t first, size_t count, size_t size)
{
    struct fake_batch *f = mem_zalloc(sizeof *f);
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct scope *s = batch_scope(b, batch_resource(b));
    for (size_t i = 0; i < count; i++) {
        struct log_record *r = batch_log(b, s);
        char *text = arena_alloc(&b->arena, size + 16);
        memset(text, '.', size + 16);
        snprintf(text, 16, "rec-%06zu", first + i);
        text[10] = '.';
        r->body = VALUE_OF_STR(str_make(text, size < 10 ? 10 : size));
    }
    b->delivery =
        (struct delivery){.pending = 1, .worst = OUTCOME_SENT, .fn = on_outcome, .arg = f};
    f->batch = b;
    return f;
}

static struct fake_batch *feed(struct world *w, size_t first, size_t count, size_t size)
{
    struct fake_batch *f = batch_make(first, count, size);
    queue_consume(w->queue, f->batch);
    return f;
}

static void assert_settled(struct fake_batch *f, enum outcome outcome)
{
    assert_int_equal(f->settled, 1);
    assert_int_equal(f->outcome, outcome);
    mem_free(f);
}

static void assert_seen(const struct world *w, size_t first, size_t count)
{
    assert_int_equal(w->seen_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(w->seen[i], first + i);
}

/* ---- fencing ---- */

static struct fake_batch *feed_fenced(struct world *w, size_t first, size_t count, const char *token)
{
    struct fake_batch *f = batch_make(first, count, 1000);
    f->batch->origin.fencing_header = STR("X-Fencing");
    f->batch->origin.fencing_token = arena_str(&f->batch->arena, str_from(token));
    queue_consume(w->queue, f->batch);
    return f;
}

static void test_requests_keep_the_header_of_their_term(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    struct world *w = world_new(&queue, &retry, 4000);
    /* Handed over in one go, three requests each: no request holds data of two terms. */
    struct fake_batch *old = feed_fenced(w, 0, 9, "uid/3");
    struct fake_batch *new = feed_fenced(w, 9, 9, "uid/4");
    struct fake_batch *plain = feed(w, 18, 3, 1000);
    turn(w);
    assert_int_equal(w->under_way_count, 7);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(w->under_way[i]->fencing_line, i < 3 ? "x-fencing: uid/3" : "x-fencing: uid/4");
    assert_null(w->under_way[6]->fencing_line);
    assert_seen(w, 0, 21);
    /* A retry, long after the batch's content was freed, says the same. */
    finish_bad(w, 0, SEND_RETRY);
    while (w->under_way_count > 0)
        finish_ok(w, 0);
    run_for(w, 6 * SECOND);
    assert_int_equal(w->under_way_count, 1);
    assert_string_equal(w->under_way[0]->fencing_line, "x-fencing: uid/3");
    finish_ok(w, 0);
    turn(w);
    assert_settled(old, OUTCOME_SENT);
    assert_settled(new, OUTCOME_SENT);
    assert_settled(plain, OUTCOME_SENT);
    world_free(w);
}

/* ---- sending ---- */

static void test_one_batch(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = feed(w, 0, 3, 20);
    assert_int_equal(w->send_count, 0); /* not within the call */
    assert_int_equal(stats(w)->item_count, 3);
    assert_true(stats(w)->decoded_bytes > 60);
    turn(w);
    assert_int_equal(w->under_way_count, 1);
    assert_int_equal(w->under_way[0]->item_count, 3);
    assert_int_equal(w->under_way[0]->signal, SIGNAL_LOGS);
    assert_int_equal(stats(w)->request_count, 1);
    assert_int_equal(stats(w)->byte_count, w->under_way[0]->payload.len);
    assert_int_equal(stats(w)->decoded_bytes, 0); /* freed, though its outcome is still to come */
    assert_null(f->batch->arena.head);
    assert_null(f->batch->resources);
    assert_int_equal(w->under_way[0]->payload.cap, w->under_way[0]->payload.len); /* no slack */
    assert_int_equal(f->settled, 0);
    finish_ok(w, 0);
    assert_settled(f, OUTCOME_SENT);
    assert_int_equal(w->log_text.len, 0);
    assert_int_equal(stats(w)->sent_items, 3);
    assert_int_equal(stats(w)->requests_sent, 1);
    assert_seen(w, 0, 3);
    assert_int_equal(w->room_count, 0); /* nobody was told that there was none */
    world_free(w);
}

static void test_empty_batch(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = mem_zalloc(sizeof *f);
    f->batch = batch_new(SIGNAL_METRICS);
    f->batch->delivery =
        (struct delivery){.pending = 1, .worst = OUTCOME_SENT, .fn = on_outcome, .arg = f};
    queue_consume(w->queue, f->batch);
    turn(w);
    assert_settled(f, OUTCOME_SENT);
    assert_int_equal(w->send_count, 0);
    world_free(w);
}

static void test_cut_in_order(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.num_consumers = 1;
    struct world *w = world_new(&queue, &retry, 3000);
    struct fake_batch *f[3];
    for (size_t i = 0; i < 3; i++)
        f[i] = feed(w, i * 100, 100, 200);
    size_t open = 0;
    while (turn(w), w->under_way_count > 0) {
        assert_int_equal(w->under_way_count, 1);
        finish_ok(w, 0);
        open++;
    }
    assert_seen(w, 0, 300);
    assert_true(open >= 300 / 15 && open <= 300 / 10); /* full requests */
    assert_true(w->largest_request <= 3000);
    for (size_t i = 0; i < 3; i++)
        assert_settled(f[i], OUTCOME_SENT);
    world_free(w);
}

/* A batch's max_size in bytes makes requests smaller, never larger. */
static void test_max_size(void **state)
{
    (void)state;
    static const struct {
        int sizer;
        int64_t max_size;
        size_t largest;
    } cases[] = {{QUEUE_BYTES, 1000, 1000},
                 {QUEUE_BYTES, 0, 3000},
                 {QUEUE_BYTES, 100000, 3000},
                 {QUEUE_ITEMS, 1000, 3000}};
    struct retry_config retry = retry_defaults();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct queue_config queue = queue_defaults();
        queue.batch_enabled = true;
        queue.batch.sizer = cases[i].sizer;
        queue.batch.max_size = cases[i].max_size;
        struct world *w = world_new(&queue, &retry, 3000);
        struct fake_batch *f = feed(w, 0, 100, 100);
        while (turn(w), w->under_way_count > 0)
            finish_ok(w, 0);
        assert_settled(f, OUTCOME_SENT);
        assert_true(w->largest_request <= cases[i].largest &&
                    w->largest_request > cases[i].largest - 200);
        world_free(w);
    }
}

static void test_consumers(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.num_consumers = 3;
    struct world *w = world_new(&queue, &retry, MIB);
    struct fake_batch *f[5];
    for (size_t i = 0; i < 5; i++) {
        f[i] = feed(w, i, 1, 20);
        turn(w);
    }
    assert_int_equal(w->under_way_count, 3);
    finish_bad(w, 0, SEND_RETRY); /* waits, but keeps its consumer */
    turn(w);
    assert_int_equal(w->under_way_count, 2);
    finish_ok(w, 1); /* batch 2, out of order */
    assert_settled(f[2], OUTCOME_SENT);
    turn(w);
    assert_int_equal(w->under_way_count, 2); /* batches 1 and 3 */
    finish_ok(w, 0);
    assert_settled(f[1], OUTCOME_SENT);
    turn(w);
    finish_ok(w, 0);
    assert_settled(f[3], OUTCOME_SENT);
    finish_ok(w, 0);
    assert_settled(f[4], OUTCOME_SENT);
    assert_int_equal(w->under_way_count, 0);
    run_for(w, 6 * SECOND);
    finish_ok(w, 0);
    assert_settled(f[0], OUTCOME_SENT);
    world_free(w);
}

/* Every order of ends of three requests gives the worst outcome, once. */
static void test_worst_outcome(void **state)
{
    (void)state;
    static const enum send_verdict verdicts[3] = {SEND_OK, SEND_RETRY, SEND_NEVER};
    static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct retry_config retry = retry_defaults();
    struct queue_config queue = queue_defaults();
    retry.enabled = false;
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        struct world *w = world_new(&queue, &retry, 300);
        struct fake_batch *f = feed(w, 0, 3, 200);
        turn(w);
        assert_int_equal(w->under_way_count, 3);
        for (size_t k = 0; k < 3; k++) {
            struct send_request *r = NULL;
            for (size_t j = 0; j < w->under_way_count && r == NULL; j++) {
                size_t at;
                char name[16];
                snprintf(name, sizeof name, "rec-%06zu", orders[i][k]);
                if (str_find(buf_view(&w->under_way[j]->payload), str_from(name), &at)) {
                    r = w->under_way[j];
                    assert_int_equal(f->settled, 0);
                    if (verdicts[orders[i][k]] == SEND_OK)
                        finish_ok(w, j);
                    else
                        finish_bad(w, j, verdicts[orders[i][k]]);
                }
            }
            assert_non_null(r);
        }
        assert_settled(f, OUTCOME_REFUSED);
        assert_int_equal(stats(w)->sent_items, 1);
        assert_int_equal(stats(w)->dropped_items, 1);
        assert_int_equal(stats(w)->failed_items, 1);
        assert_true(logged(w, "not retried, retry_on_failure is off: backend says no"));
        assert_true(logged(w, "not retryable error: backend says no"));
        world_free(w);
    }
}

static void test_too_large(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    struct world *w = world_new(&queue, &retry, 500);
    struct fake_batch *f = mem_zalloc(sizeof *f);
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct scope *s = batch_scope(b, batch_resource(b));
    static const char large[600] = "rec-000009";
    batch_log(b, s)->body = VALUE_OF_STR(STR("rec-000000"));
    batch_log(b, s)->body = VALUE_OF_STR(str_make(large, sizeof large));
    batch_log(b, s)->body = VALUE_OF_STR(STR("rec-000001"));
    b->delivery =
        (struct delivery){.pending = 1, .worst = OUTCOME_SENT, .fn = on_outcome, .arg = f};
    queue_consume(w->queue, b);
    turn(w);
    while (w->under_way_count > 0)
        finish_ok(w, 0);
    assert_settled(f, OUTCOME_DROPPED);
    assert_seen(w, 0, 2);
    assert_int_equal(stats(w)->sent_items, 2);
    assert_int_equal(stats(w)->dropped_items, 1);
    assert_true(logged(w, "one log record is larger than a request may be (500 bytes)"));
    world_free(w);
}

static void test_pack_fails(void **state)
{
    (void)state;
    struct world *w = world_default();
    w->pack_fails = true;
    struct fake_batch *small = feed(w, 0, 2, 20);
    struct fake_batch *large = feed(w, 2, 1, 200 * 1024); /* in the pool */
    turn(w);
    assert_settled(small, OUTCOME_DROPPED);
    assert_settled(large, OUTCOME_DROPPED);
    assert_int_equal(stats(w)->dropped_items, 3);
    assert_int_equal(log_count(w, "the request cannot be packed: no can do"), 2);
    assert_int_equal(w->send_count, 0);
    world_free(w);
}

/* ---- bounds ---- */

static void test_bound_requests(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.queue_size = 2;
    struct world *w = world_new(&queue, &retry, MIB);
    assert_true(queue_has_room(w->queue));
    struct fake_batch *a = feed(w, 0, 5, 20);
    assert_true(queue_has_room(w->queue));
    struct fake_batch *b = feed(w, 5, 6, 20);
    assert_false(queue_has_room(w->queue)); /* before it is cut */
    turn(w);
    assert_false(queue_has_room(w->queue)); /* under way counts */
    assert_int_equal(log_count(w, "The sending queue is full"), 1);
    struct fake_batch *c = feed(w, 11, 7, 20);
    assert_settled(c, OUTCOME_DROPPED);
    assert_int_equal(stats(w)->refused_items, 7);
    assert_true(logged(w, "Exporting failed. Rejecting data.\t{\"error\": \"sending queue is "
                          "full\", \"rejected_items\": 7}"));
    assert_int_equal(w->room_count, 0);
    finish_ok(w, 0);
    turn(w);
    assert_int_equal(w->room_count, 1);
    finish_ok(w, 0);
    turn(w);
    assert_int_equal(w->room_count, 1); /* there was room already */
    assert_settled(a, OUTCOME_SENT);
    assert_settled(b, OUTCOME_SENT);
    world_free(w);
}

/* The queue fills while a batch is being cut, long after queue_consume returned with room left. */
static void test_room_after_cutting(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.queue_size = 4;
    queue.num_consumers = 1;
    struct world *w = world_new(&queue, &retry, 300);
    struct fake_batch *f = feed(w, 0, 10, 200);
    assert_true(queue_has_room(w->queue));
    turn(w);
    assert_false(queue_has_room(w->queue));
    assert_int_equal(stats(w)->request_count, 4); /* cutting stopped at the bound */
    assert_true(stats(w)->decoded_bytes > 0);
    assert_int_equal(stats(w)->item_count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(w->under_way_count, 1);
        assert_true(stats(w)->request_count <= 4);
        assert_int_equal(w->room_count, i <= 6 ? 0 : 1); /* 7 of 10 sent: 3 left, cut to the end */
        finish_ok(w, 0);
        turn(w);
    }
    assert_settled(f, OUTCOME_SENT);
    assert_seen(w, 0, 10);
    assert_int_equal(w->room_count, 1);
    world_free(w);
}

static void test_bound_items(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.sizer = QUEUE_ITEMS;
    queue.queue_size = 100;
    struct world *w = world_new(&queue, &retry, 2000);
    struct fake_batch *a = feed(w, 0, 99, 100);
    assert_true(queue_has_room(w->queue));
    struct fake_batch *b = feed(w, 99, 1, 100);
    assert_false(queue_has_room(w->queue));
    turn(w);
    assert_true(stats(w)->request_count > 2); /* requests do not count */
    assert_false(queue_has_room(w->queue));
    struct fake_batch *c = feed(w, 100, 1, 100);
    assert_settled(c, OUTCOME_DROPPED);
    size_t sent = w->under_way[0]->item_count;
    finish_ok(w, 0);
    assert_int_equal(stats(w)->item_count, 100 - sent);
    assert_true(queue_has_room(w->queue));
    while (w->under_way_count > 0) {
        finish_ok(w, 0);
        turn(w);
    }
    assert_settled(a, OUTCOME_SENT);
    assert_settled(b, OUTCOME_SENT);
    world_free(w);
}

static void test_bound_encoded_bytes(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.sizer = QUEUE_BYTES;
    queue.queue_size = 5000;
    queue.num_consumers = 1;
    struct world *w = world_new(&queue, &retry, 1500);
    struct fake_batch *f = feed(w, 0, 10, 1000);
    turn(w);
    assert_int_equal(stats(w)->request_count, 5); /* 5 * 1000 reach the bound */
    assert_false(queue_has_room(w->queue));
    while (w->under_way_count > 0) {
        finish_ok(w, 0);
        turn(w);
    }
    assert_settled(f, OUTCOME_SENT);
    assert_seen(w, 0, 10);
    assert_int_equal(w->room_count, 1);
    world_free(w);
}

static void test_bound_memory(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.max_bytes = 100 * 1024;
    struct world *w = world_new(&queue, &retry, 30 * 1024);
    struct fake_batch *a = feed(w, 0, 2, 25 * 1024);
    assert_true(queue_has_room(w->queue)); /* decoded 50 KiB */
    struct fake_batch *b = feed(w, 2, 2, 25 * 1024);
    assert_false(queue_has_room(w->queue));
    struct fake_batch *c = feed(w, 4, 1, 20);
    assert_settled(c, OUTCOME_DROPPED);
    turn(w);
    assert_int_equal(stats(w)->decoded_bytes, 0);
    assert_int_equal(stats(w)->request_count, 4);
    assert_true(stats(w)->byte_count > 100 * 1024 && stats(w)->byte_count < 104 * 1024);
    assert_false(queue_has_room(w->queue));
    size_t told = w->room_count;
    finish_ok(w, 0);
    turn(w);
    assert_int_equal(w->room_count, told + 1);
    while (w->under_way_count > 0)
        finish_ok(w, 0);
    assert_settled(a, OUTCOME_SENT);
    assert_settled(b, OUTCOME_SENT);
    world_free(w);
}

/* A batch larger than the bound is sent all the same, with few requests at a time. */
static void test_batch_over_the_bound(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.max_bytes = 10 * 1024;
    struct world *w = world_new(&queue, &retry, 4 * 1024);
    struct fake_batch *f = feed(w, 0, 100, 1000);
    turn(w);
    while (w->under_way_count > 0) {
        assert_true(stats(w)->request_count <= 4);
        finish_ok(w, 0);
        turn(w);
    }
    assert_settled(f, OUTCOME_SENT);
    assert_seen(w, 0, 100);
    world_free(w);
}

/* Another exporter holds the batch: its memory counts until that one lets go. */
static void test_shared_batch(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.max_bytes = 40 * 1024;
    queue.num_consumers = 1;
    struct world *w = world_new(&queue, &retry, MIB);
    struct fake_batch *a = batch_make(0, 1, 20 * 1024);
    struct batch *other = batch_ref(a->batch);
    other->delivery.pending = 2;
    queue_consume(w->queue, a->batch);
    turn(w);
    assert_true(stats(w)->decoded_bytes > 20 * 1024);
    assert_false(queue_has_room(w->queue)); /* decoded and encoded */
    struct fake_batch *b = batch_make(1, 1, 20);
    queue_consume(w->queue, b->batch);
    assert_settled(b, OUTCOME_DROPPED);
    assert_true(other->resources != NULL);
    batch_outcome(other, OUTCOME_DROPPED);
    batch_unref(other);
    finish_bad(w, 0, SEND_RETRY);
    run_for(w, 5 * SECOND);
    struct fake_batch *c = feed(w, 1, 1, 20); /* it is still there, nothing has looked */
    turn(w);
    assert_settled(c, OUTCOME_DROPPED);
    finish_ok(w, 0);
    assert_settled(a, OUTCOME_DROPPED);
    world_free(w);
}

static void test_shared_batch_freed_early(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *a = batch_make(0, 1, 20 * 1024);
    struct batch *other = batch_ref(a->batch);
    other->delivery.pending = 2;
    queue_consume(w->queue, a->batch);
    turn(w);
    assert_true(stats(w)->decoded_bytes > 20 * 1024);
    batch_outcome(other, OUTCOME_SENT);
    batch_unref(other);
    struct fake_batch *b = feed(w, 1, 1, 20); /* makes the queue look */
    turn(w);
    assert_int_equal(stats(w)->decoded_bytes, 0);
    finish_ok(w, 0);
    finish_ok(w, 0);
    assert_settled(a, OUTCOME_SENT);
    assert_settled(b, OUTCOME_SENT);
    world_free(w);
}

/* A derived batch keeps its parent, and both count. */
static void test_derived_batch(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *parent = batch_make(0, 1, 20 * 1024);
    struct fake_batch *child = batch_make(1, 1, 20);
    child->batch->parent = batch_ref(parent->batch);
    queue_consume(w->queue, child->batch);
    assert_true(stats(w)->decoded_bytes > 20 * 1024);
    turn(w);
    assert_true(stats(w)->decoded_bytes > 20 * 1024);
    finish_ok(w, 0);
    assert_settled(child, OUTCOME_SENT);
    assert_int_equal(stats(w)->decoded_bytes, 0);
    struct batch *b = parent->batch;
    batch_outcome(b, OUTCOME_SENT);
    assert_settled(parent, OUTCOME_SENT);
    batch_unref(b);
    world_free(w);
}

/* The bound nobody wrote: never more than 64 MiB. */
static void test_default_bound(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.max_bytes = 0;
    struct world *w = world_new(&queue, &retry, 4 * MIB);
    struct fake_batch *f[100];
    size_t count = 0;
    for (; count < COUNT_OF(f) && queue_has_room(w->queue); count++) {
        f[count] = feed(w, count, 1, MIB);
        turn(w);
    }
    assert_true(count >= 1 && count <= 64);
    while (w->under_way_count > 0) {
        finish_ok(w, 0);
        turn(w);
    }
    for (size_t i = 0; i < count; i++)
        assert_settled(f[i], OUTCOME_SENT);
    world_free(w);
}

/* ---- pace ---- */

/* A receiver that can wait: hands over `left` batches of 1 MiB as there is room. */
struct patient {
    struct world *w;
    struct fake_batch *batches[128];
    size_t count, left, bytes_most;
};

static void hand_over(struct patient *p)
{
    struct world *w = p->w;
    while (p->left > 0 && queue_has_room(w->queue)) {
        p->batches[p->count] = feed(w, p->count, 1, MIB);
        p->count++;
        p->left--;
        turn(w);
        size_t bytes = stats(w)->byte_count + stats(w)->decoded_bytes;
        p->bytes_most = bytes > p->bytes_most ? bytes : p->bytes_most;
    }
}

static void assert_all_sent(struct patient *p, size_t count)
{
    assert_int_equal(p->count, count);
    assert_seen(p->w, 0, count);
    for (size_t i = 0; i < count; i++)
        assert_settled(p->batches[i], OUTCOME_SENT);
    assert_int_equal(stats(p->w)->refused_items, 0);
}

/* Takes requests of 4 MiB. */
static struct world *world_wide(void)
{
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    return world_new(&queue, &retry, 4 * MIB);
}

/* A backend that keeps up never has much waiting for it. */
static void test_pace_of_a_quick_backend(void **state)
{
    (void)state;
    struct world *w = world_wide();
    struct patient p = {.w = w, .left = 57};
    hand_over(&p);
    while (w->under_way_count > 0) {
        assert_true(p.left == 0 || stats(w)->byte_count >= LIMIT_QUEUE_AHEAD_BYTES);
        run_for(w, 500 * MS);
        size_t told = w->room_count;
        finish_ok(w, 0);
        turn(w);
        assert_true(p.left == 0 || w->room_count == told + 1);
        hand_over(&p);
    }
    assert_true(p.bytes_most < LIMIT_QUEUE_AHEAD_BYTES + 2 * MIB);
    assert_all_sent(&p, 57);
    world_free(w);
}

/* The backend was silent for a second, so there is room. Then attempts end in one go (their timeouts fire with the tick's timer in between),
 * and the receiver asks amid them: it is owed a word. */
static void test_room_asked_for_amid_answers_is_told(void **state)
{
    (void)state;
    struct world *w = world_wide();
    struct patient p = {.w = w, .left = 4};
    hand_over(&p);
    run_for(w, SECOND + 2 * MS); /* nothing ends: there is room, said once */
    hand_over(&p);
    assert_int_equal(p.count, 4);
    assert_true(queue_has_room(w->queue));
    size_t told = w->room_count;
    finish_bad(w, 0, SEND_NEVER);              /* one request ends: "the backend keeps up, more is waiting than it needs" */
    assert_false(queue_has_room(w->queue));    /* the tick is due now: it waits for exporter_room, without a timer */
    finish_bad(w, 0, SEND_NEVER);              /* the others end in the same turn */
    finish_bad(w, 0, SEND_NEVER);
    turn(w);
    assert_true(queue_has_room(w->queue));
    assert_int_equal(w->room_count, told + 1); /* else that receiver never collects again */
    finish_ok(w, 0);
    turn(w);
    for (size_t i = 0; i < 4; i++)
        mem_free(p.batches[i]);
    world_free(w);
}

/* One that takes nothing for a second is not waited for: what is collected waits here. */
static void test_no_progress_fills_the_queue(void **state)
{
    (void)state;
    struct world *w = world_wide();
    struct patient p = {.w = w, .left = 128};
    hand_over(&p);
    size_t at_first = p.count, told = w->room_count;
    assert_true(at_first <= LIMIT_QUEUE_AHEAD_BYTES / MIB + 1);
    run_for(w, SECOND - MS);
    assert_false(queue_has_room(w->queue));
    assert_int_equal(w->room_count, told);
    run_for(w, 2 * MS);
    assert_int_equal(w->room_count, told + 1);
    hand_over(&p);
    assert_true(p.count >= 60 && p.count <= 64);
    assert_true(p.bytes_most <= 65 * MIB);
    assert_true(logged(w, "sending queue is full"));
    size_t filled = p.count;
    finish_ok(w, 0); /* alive again: it gets time to work off what is here */
    turn(w);
    assert_false(queue_has_room(w->queue));
    while (w->under_way_count > 0) {
        finish_ok(w, 0);
        turn(w);
    }
    assert_true(queue_has_room(w->queue));
    assert_all_sent(&p, filled);
    world_free(w);
}

/* Requests that are retried are no progress either; a queue that was empty waits a second for its first answer. */
static void test_retries_are_no_progress(void **state)
{
    (void)state;
    struct world *w = world_wide();
    run_for(w, 100 * SECOND);
    struct patient p = {.w = w, .left = 20};
    hand_over(&p);
    assert_true(p.left > 0);
    while (w->under_way_count > 0)
        finish_bad(w, 0, SEND_RETRY);
    run_for(w, 1001 * MS);
    hand_over(&p);
    assert_int_equal(p.left, 0);
    do {
        while (w->under_way_count > 0)
            finish_ok(w, 0);
        run_for(w, 10 * SECOND);
    } while (w->under_way_count > 0);
    for (size_t i = 0; i < p.count; i++)
        assert_settled(p.batches[i], OUTCOME_SENT);
    world_free(w);
}

/* A queue of 16 MiB and a backend that takes 5 s for each request: all of a tick of 57 MiB arrives, once. */
static void test_slow_backend(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.max_bytes = 16 * (int64_t)MIB;
    struct world *w = world_new(&queue, &retry, 4 * MIB);
    struct patient p = {.w = w, .left = 57};
    int64_t start_ns = loop_boot_ns(w->loop);
    while (p.left > 0 || stats(w)->request_count > 0) {
        hand_over(&p);
        for (int i = 0; i < 50; i++) {
            run_for(w, 100 * MS);
            hand_over(&p);
        }
        for (size_t n = w->under_way_count; n > 0; n--)
            finish_ok(w, 0);
        turn(w);
    }
    assert_true(p.bytes_most <= 17 * MIB);
    assert_true(loop_boot_ns(w->loop) - start_ns <= 40 * SECOND); /* 10 consumers are kept busy */
    assert_all_sent(&p, 57);
    world_free(w);
}

/* Receivers that cannot wait hand over many batches in one turn; those that can are told to wait. */
static void test_burst(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f[20];
    for (size_t i = 0; i < COUNT_OF(f); i++) {
        assert_int_equal(queue_has_room(w->queue), i < 2);
        f[i] = feed(w, i, 1, 20);
    }
    assert_int_equal(stats(w)->refused_items, 0);
    turn(w);
    assert_int_equal(w->room_count, 1);
    assert_false(logged(w, "sending queue is full")); /* it was not */
    while (w->under_way_count > 0) {
        finish_ok(w, 0);
        turn(w);
    }
    for (size_t i = 0; i < COUNT_OF(f); i++)
        assert_settled(f[i], OUTCOME_SENT);
    assert_seen(w, 0, 20);
    world_free(w);
}

static void test_queue_off(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.enabled = false;
    struct world *w = world_new(&queue, &retry, MIB);
    assert_true(queue_has_room(w->queue));
    struct fake_batch *a = feed(w, 0, 1, 20);
    assert_false(queue_has_room(w->queue));
    struct fake_batch *b = feed(w, 1, 1, 20); /* unasked */
    turn(w);
    assert_int_equal(w->under_way_count, 1); /* one after the other */
    assert_false(queue_has_room(w->queue));
    finish_ok(w, 0);
    assert_settled(a, OUTCOME_SENT);
    turn(w);
    assert_int_equal(w->room_count, 0);
    finish_ok(w, 0);
    assert_settled(b, OUTCOME_SENT);
    turn(w);
    assert_int_equal(w->room_count, 1);
    world_free(w);
}

/* No waiting requests to bound: a batch is cut to its end, so that its content can go. */
static void test_queue_off_large_batch(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.enabled = false;
    queue.queue_size = 1;
    struct world *w = world_new(&queue, &retry, 300);
    struct fake_batch *f = feed(w, 0, 10, 200);
    turn(w);
    assert_int_equal(w->under_way_count, 1);
    assert_int_equal(stats(w)->request_count, 10);
    assert_int_equal(stats(w)->decoded_bytes, 0);
    while (w->under_way_count > 0) {
        finish_ok(w, 0);
        turn(w);
    }
    assert_settled(f, OUTCOME_SENT);
    world_free(w);
}

/* ---- retries ---- */

static void test_retry_times(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = feed(w, 0, 4, 20);
    turn(w); /* max_elapsed_time is longer than all this */
    static const int64_t expected_ms[] = {5000, 7500, 11250, 16875, 25312, 30000, 30000};
    for (size_t i = 0; i < COUNT_OF(expected_ms); i++) {
        int64_t failed_ns = loop_boot_ns(w->loop);
        finish_bad(w, 0, SEND_RETRY);
        run_for(w, 40 * SECOND);
        assert_int_equal(w->under_way_count, 1);
        assert_int_equal((w->last_send_ns - failed_ns) / MS, expected_ms[i]);
    }
    assert_int_equal(stats(w)->retries, COUNT_OF(expected_ms));
    assert_true(logged(w, "info\tservice/queue.c:"));
    assert_true(logged(w, "Exporting failed. Will retry the request after interval.\t{\"error\": "
                          "\"backend says no\", \"interval\": \"7.5s\"}"));
    finish_ok(w, 0);
    assert_settled(f, OUTCOME_SENT);
    assert_int_equal(stats(w)->sent_items, 4);
    world_free(w);
}

static void test_retry_jitter(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    retry.randomization_factor = 0.5;
    retry.max_elapsed_ns = 0;
    int64_t least = INT64_MAX, most = 0;
    for (size_t i = 0; i < 300; i++) {
        struct world *w = world_new(&queue, &retry, MIB);
        for (size_t k = 0; k < i; k++)
            (void)loop_random_u64(w->loop);
        struct fake_batch *f = feed(w, 0, 1, 20);
        turn(w);
        int64_t at = w->last_send_ns;
        finish_bad(w, 0, SEND_RETRY);
        run_for(w, 8 * SECOND);
        int64_t first = w->last_send_ns - at;
        assert_true(first >= 2500 * MS && first < 7500 * MS);
        least = first < least ? first : least;
        most = first > most ? first : most;
        for (size_t k = 0; k < 8; k++) { /* 7.5 ... 30 */
            finish_bad(w, 0, SEND_RETRY);
            run_for(w, 45 * SECOND);
        }
        at = loop_boot_ns(w->loop);
        finish_bad(w, 0, SEND_RETRY);
        run_for(w, 46 * SECOND);
        assert_true(w->last_send_ns - at >= 15 * SECOND && w->last_send_ns - at < 45 * SECOND);
        finish_ok(w, 0);
        assert_settled(f, OUTCOME_SENT);
        world_free(w);
    }
    assert_true(least < 2700 * MS && most > 7300 * MS); /* the whole range */
}

static void test_give_up(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    retry.initial_interval_ns = retry.max_interval_ns = SECOND;
    retry.multiplier = 1;
    retry.max_elapsed_ns = 3 * SECOND;
    struct world *w = world_new(&queue, &retry, MIB);
    struct fake_batch *f = feed(w, 0, 4, 20);
    turn(w);
    for (size_t i = 0; i < 3;
         i++) { /* at 0, 1 and 2 s; the third one's wait ends exactly at the bound */
        finish_bad(w, 0, SEND_RETRY);
        run_for(w, SECOND);
        assert_int_equal(w->under_way_count, 1);
    }
    assert_int_equal(f->settled, 0);
    finish_bad(w, 0, SEND_RETRY);
    assert_settled(f, OUTCOME_DROPPED);
    assert_int_equal(stats(w)->dropped_items, 4);
    assert_int_equal(stats(w)->requests_sent, 4);
    assert_true(logged(w, "error\tservice/queue.c:"));
    assert_true(logged(w, "Exporting failed. Dropping data.\t{\"error\": \"no more retries left: "
                          "backend says no\", \"dropped_items\": 4}"));
    world_free(w);
}

/* The time a request waits in the queue does not count against its retries. */
static void test_give_up_counts_from_the_first_attempt(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.num_consumers = 1;
    retry.max_elapsed_ns = 30 * SECOND;
    struct world *w = world_new(&queue, &retry, MIB);
    struct fake_batch *a = feed(w, 0, 1, 20), *b = feed(w, 1, 1, 20);
    turn(w);
    run_for(w, 100 * SECOND);
    finish_ok(w, 0);
    assert_settled(a, OUTCOME_SENT);
    turn(w);
    finish_bad(w, 0, SEND_RETRY);
    assert_int_equal(b->settled, 0);
    run_for(w, 5 * SECOND);
    finish_ok(w, 0);
    assert_settled(b, OUTCOME_SENT);
    world_free(w);
}

static void finish_throttled(struct world *w, int64_t throttle_ns)
{
    struct send_result result = {.verdict = SEND_RETRY, .throttle_ns = throttle_ns};
    err_set(&result.err, "slow down");
    finish(w, 0, &result);
}

static void test_throttle(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = feed(w, 0, 1, 20);
    turn(w);
    int64_t at = w->last_send_ns;
    finish_throttled(w, SECOND); /* less than our own wait */
    run_for(w, 5 * SECOND);
    assert_int_equal(w->last_send_ns - at, 5 * SECOND);
    at = w->last_send_ns;
    finish_throttled(w, 100 * SECOND); /* more, and more than max_interval */
    run_for(w, 99 * SECOND);
    assert_int_equal(w->under_way_count, 0);
    run_for(w, SECOND);
    assert_int_equal(w->last_send_ns - at, 100 * SECOND);
    finish_throttled(w, 1000 * SECOND); /* over max_elapsed_time */
    assert_settled(f, OUTCOME_DROPPED);
    world_free(w);
}

static void test_throttle_for_ever(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    retry.max_elapsed_ns = 0;
    struct world *w = world_new(&queue, &retry, MIB);
    struct fake_batch *f = feed(w, 0, 1, 20);
    turn(w);
    finish_throttled(w, INT64_MAX);
    run_for(w, 1000000 * SECOND);
    assert_int_equal(w->under_way_count, 0);
    queue_stop(w->queue, loop_boot_ns(w->loop) + SECOND);
    assert_int_equal(w->under_way_count, 1);
    finish_ok(w, 0);
    assert_settled(f, OUTCOME_SENT);
    turn(w);
    assert_int_equal(w->stopped_count, 1);
    world_free(w);
}

/* Extremes of the settings: never faster than 10 ms, never an overflow. */
static void test_retry_extremes(void **state)
{
    (void)state;
    static const struct retry_config extremes[] = {
        {.enabled = true},
        {.enabled = true,
         .initial_interval_ns = SECOND,
         .max_interval_ns = SECOND,
         .multiplier = 0},
        {.enabled = true,
         .initial_interval_ns = SECOND,
         .max_interval_ns = INT64_MAX,
         .multiplier = 1e300,
         .randomization_factor = 1},
        {.enabled = true,
         .initial_interval_ns = INT64_MAX,
         .max_interval_ns = INT64_MAX,
         .multiplier = 1e300,
         .randomization_factor = 1},
    };
    struct queue_config queue = queue_defaults();
    for (size_t i = 0; i < COUNT_OF(extremes); i++) {
        struct world *w = world_new(&queue, &extremes[i], MIB);
        struct fake_batch *f = feed(w, 0, 1, 20);
        turn(w);
        for (size_t k = 0; k < 5 && w->under_way_count > 0; k++) {
            finish_bad(w, 0, SEND_RETRY);
            run_for(w, 9 * MS);
            assert_int_equal(w->under_way_count, 0);
            run_for(w, 2 * SECOND);
        }
        queue_stop(w->queue, loop_boot_ns(w->loop) + SECOND);
        turn(w);
        assert_int_equal(w->under_way_count, 1);
        finish_ok(w, 0);
        assert_settled(f, OUTCOME_SENT);
        world_free(w);
    }
}

static void test_again_now(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = feed(w, 0, 1, 20);
    turn(w);
    struct send_result result = {.verdict = SEND_RETRY, .again_now = true};
    err_set(&result.err, "refused stream");
    int64_t at = loop_boot_ns(w->loop);
    finish(w, 0, &result);
    assert_int_equal(w->under_way_count, 1);
    assert_int_equal(w->last_send_ns, at);
    finish(w, 0, &result); /* once only */
    assert_int_equal(w->under_way_count, 0);
    run_for(w, 5 * SECOND);
    assert_int_equal(w->last_send_ns - at, 5 * SECOND); /* the first interval has not grown */
    finish_ok(w, 0);
    assert_settled(f, OUTCOME_SENT);
    assert_int_equal(stats(w)->retries, 2);
    world_free(w);
}

static void test_permanent(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = feed(w, 0, 4, 20);
    turn(w);
    finish_bad(w, 0, SEND_NEVER);
    assert_settled(f, OUTCOME_REFUSED);
    run_for(w, 1000 * SECOND);
    assert_int_equal(w->send_count, 1);
    assert_int_equal(stats(w)->failed_items, 4);
    assert_true(logged(w, "Exporting failed. Dropping data.\t{\"error\": \"not retryable error: "
                          "backend says no\", \"dropped_items\": 4}"));
    world_free(w);
}

static void test_partial_success(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = feed(w, 0, 4, 20);
    turn(w);
    finish(
        w, 0,
        &(struct send_result){.verdict = SEND_OK, .rejected_count = 3, .message = STR("odd ones")});
    assert_settled(f, OUTCOME_SENT);
    assert_int_equal(stats(w)->sent_items, 4);
    assert_int_equal(stats(w)->rejected_items, 3);
    assert_true(logged(w, "warn\tservice/queue.c:"));
    assert_true(logged(
        w, "Partial success response\t{\"message\": \"odd ones\", \"dropped_log_records\": 3}"));
    f = feed(w, 0, 4, 20);
    turn(w);
    finish(w, 0, &(struct send_result){.verdict = SEND_OK, .message = STR("only a hint")});
    assert_settled(f, OUTCOME_SENT);
    assert_true(logged(
        w, "Partial success response\t{\"message\": \"only a hint\", \"dropped_log_records\": 0}"));
    assert_int_equal(stats(w)->rejected_items, 3);
    f = feed(w, 0, 4, 20);
    turn(w);
    finish(w, 0,
           &(struct send_result){.verdict = SEND_OK,
                                 .rejected_count = -5}); /* nonsense off the wire */
    assert_settled(f, OUTCOME_SENT);
    assert_int_equal(stats(w)->rejected_items, 3);
    assert_true(logged(w, "\"dropped_log_records\": -5"));
    world_free(w);
}

static void test_full_is_logged_seldom(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.queue_size = 1;
    struct world *w = world_new(&queue, &retry, MIB);
    for (size_t i = 0; i < 100; i++) { /* 100 s */
        struct fake_batch *f = feed(w, i, 1, 20);
        turn(w);
        finish_ok(w, 0);
        assert_settled(f, OUTCOME_SENT);
        run_for(w, SECOND);
    }
    assert_int_equal(log_count(w, "The sending queue is full"), 4); /* at 0, 30, 60, 90 s */
    assert_int_equal(w->room_count, 100);
    world_free(w);
}

/* ---- stop ---- */

static void test_stop_idle(void **state)
{
    (void)state;
    struct world *w = world_default();
    queue_stop(w->queue, loop_boot_ns(w->loop) + 5 * SECOND);
    assert_int_equal(w->stopped_count, 0); /* not within the call */
    turn(w);
    assert_int_equal(w->stopped_count, 1);
    assert_false(queue_has_room(w->queue));
    struct fake_batch *f = feed(w, 0, 1, 20);
    assert_settled(f, OUTCOME_DROPPED);
    assert_true(logged(w, "\"error\": \"the collector is stopping\", \"rejected_items\": 1"));
    run_for(w, 10 * SECOND);
    assert_int_equal(w->stopped_count, 1);
    assert_false(logged(w, "Dropping data"));
    world_free(w);
}

static void test_stop_drains(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.num_consumers = 2;
    struct world *w = world_new(&queue, &retry, 300);
    struct fake_batch *waits = feed(w, 0, 1, 200);
    turn(w);
    finish_bad(w, 0, SEND_RETRY);
    struct fake_batch *many =
        feed(w, 1, 5, 200); /* one under way, others waiting, others not cut */
    struct fake_batch *uncut = feed(w, 6, 1, 200);
    queue_stop(w->queue, loop_boot_ns(w->loop) + 5 * SECOND);
    assert_int_equal(w->under_way_count, 1); /* the one that waited for its retry */
    turn(w);
    assert_int_equal(w->under_way_count, 2);
    finish_bad(w, 0, SEND_RETRY); /* tried again soon, whatever the intervals say */
    turn(w);
    while (w->under_way_count > 0) {
        assert_int_equal(w->stopped_count, 0);
        finish_ok(w, 0);
        turn(w);
    }
    run_for(w, 500 * MS);
    assert_int_equal(w->under_way_count, 1);
    finish_ok(w, 0);
    turn(w);
    assert_settled(waits, OUTCOME_SENT);
    assert_settled(many, OUTCOME_SENT);
    assert_settled(uncut, OUTCOME_SENT);
    assert_int_equal(w->stopped_count, 1);
    assert_int_equal(stats(w)->sent_items, 7);
    assert_int_equal(stats(w)->dropped_items, 0);
    assert_int_equal(w->room_count, 0);
    assert_int_equal(w->cancel_count, 0);
    world_free(w);
}

static void test_stop_tries_until_its_deadline(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    struct world *w = world_new(&queue, &retry, 300);
    struct fake_batch *refused = feed(w, 0, 1, 200);
    turn(w);
    int64_t deadline_ns = loop_boot_ns(w->loop) + 5 * SECOND;
    queue_stop(w->queue, deadline_ns);
    size_t attempts = 0;
    while (w->stopped_count == 0) {
        assert_int_equal(w->under_way_count, 1);
        finish_bad(w, 0, SEND_RETRY);
        turn(w);
        attempts++;
        for (int i = 0; i < 50 && w->under_way_count == 0 && w->stopped_count == 0; i++)
            run_for(w, 10 * MS);
    }
    assert_true(attempts >= 10);
    assert_true(loop_boot_ns(w->loop) < deadline_ns);
    assert_settled(refused, OUTCOME_DROPPED);
    assert_true(logged(w, "not retried, the collector is stopping: backend says no"));
    world_free(w);
}

static void test_stop_deadline(void **state)
{
    (void)state;
    struct queue_config queue = queue_defaults();
    struct retry_config retry = retry_defaults();
    queue.num_consumers = 2;
    queue.queue_size = 4;
    struct world *w = world_new(&queue, &retry, 300);
    struct fake_batch *a = feed(w, 0, 3, 200);
    turn(w);
    finish_ok(w, 0);
    finish_bad(w, 0, SEND_RETRY);
    turn(w);
    struct fake_batch *b = feed(w, 3, 4, 200); /* two are cut, two are not: the bound */
    turn(w);
    assert_int_equal(stats(w)->request_count, 4);
    assert_int_equal(stats(w)->item_count, 6);
    queue_stop(w->queue, loop_boot_ns(w->loop) + 5 * SECOND);
    run_for(w, 5 * SECOND - MS);
    assert_int_equal(w->under_way_count, 2);
    assert_int_equal(w->stopped_count, 0);
    run_for(w, MS);
    assert_int_equal(w->stopped_count, 1);
    assert_int_equal(w->cancel_count, 2);
    assert_settled(a, OUTCOME_DROPPED);
    assert_settled(b, OUTCOME_DROPPED);
    assert_int_equal(stats(w)->sent_items, 1);
    assert_int_equal(stats(w)->dropped_items, 6);
    assert_int_equal(log_count(w, "Dropping data"), 1); /* one line with the sum */
    assert_true(logged(w, "the last failure: backend says no"));
    assert_true(logged(w, "\"dropped_items\": 6, \"dropped_requests\": 4"));
    world_free(w);
}

static void test_stop_deadline_passed(void **state)
{
    (void)state;
    struct world *w = world_default();
    struct fake_batch *f = feed(w, 0, 1, 20);
    queue_stop(w->queue, loop_boot_ns(w->loop) - SECOND);
    run_for(w, 0);
    assert_settled(f, OUTCOME_DROPPED);
    assert_int_equal(w->stopped_count, 1);
    world_free(w);
}

/* ---- anything at any time ---- */

static uint64_t seed;

static uint64_t dice(uint64_t sides)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % sides;
}

static void soak_step(struct world *w, struct fake_batch **made, size_t *count, size_t *items)
{
    switch (dice(6)) {
    case 0:
    case 1:
        made[*count] = feed(w, *count, 1 + dice(20), 10 + dice(400));
        *items += made[*count]->batch != NULL ? made[*count]->batch->item_count : 0;
        (*count)++;
        break;
    case 2:
        turn(w);
        break;
    case 3:
        run_for(w, (int64_t)dice(2000) * MS);
        break;
    default:
        if (w->under_way_count == 0)
            break;
        if (dice(3) == 0)
            finish_bad(w, dice(w->under_way_count), dice(4) == 0 ? SEND_NEVER : SEND_RETRY);
        else
            finish_ok(w, dice(w->under_way_count));
    }
}

static void test_soak(void **state)
{
    (void)state;
    enum { BATCHES = 400 };
    for (uint64_t round = 1; round <= 60; round++) {
        seed = round;
        struct queue_config queue = queue_defaults();
        struct retry_config retry = retry_defaults();
        queue.num_consumers = 1 + (int64_t)dice(5);
        queue.queue_size = 1 + (int64_t)dice(50);
        queue.sizer = (int)dice(3);
        queue.queue_size *= queue.sizer == QUEUE_BYTES ? 300 : queue.sizer == QUEUE_ITEMS ? 10 : 1;
        queue.max_bytes = 1024 * (int64_t)(1 + dice(100));
        queue.enabled = dice(5) > 0;
        retry.max_elapsed_ns = (int64_t)dice(3) * 20 * SECOND;
        struct world *w = world_new(&queue, &retry, 500 + dice(2000));
        struct fake_batch *made[BATCHES];
        size_t count = 0, items = 0;
        while (count < BATCHES) {
            soak_step(w, made, &count, &items);
            assert_true(stats(w)->byte_count <= (size_t)queue.max_bytes + 3000);
            assert_true(w->under_way_count <= (size_t)queue.num_consumers);
            w->seen_count = 0;
        }
        queue_stop(w->queue, loop_boot_ns(w->loop) + 5 * SECOND);
        for (size_t i = dice(100); i > 0 && w->under_way_count > 0; i--) {
            finish_ok(w, 0);
            turn(w);
            w->seen_count = 0;
        }
        run_for(w, 10 * SECOND);
        assert_int_equal(w->stopped_count, 1);
        for (size_t i = 0; i < count; i++)
            assert_settled(made[i], made[i]->outcome);
        const struct queue_stats *s = stats(w);
        assert_int_equal(s->sent_items + s->failed_items + s->dropped_items, items);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_keep_the_header_of_their_term),
        cmocka_unit_test(test_one_batch),
        cmocka_unit_test(test_empty_batch),
        cmocka_unit_test(test_cut_in_order),
        cmocka_unit_test(test_max_size),
        cmocka_unit_test(test_consumers),
        cmocka_unit_test(test_worst_outcome),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_pack_fails),
        cmocka_unit_test(test_bound_requests),
        cmocka_unit_test(test_room_after_cutting),
        cmocka_unit_test(test_bound_items),
        cmocka_unit_test(test_bound_encoded_bytes),
        cmocka_unit_test(test_bound_memory),
        cmocka_unit_test(test_batch_over_the_bound),
        cmocka_unit_test(test_shared_batch),
        cmocka_unit_test(test_shared_batch_freed_early),
        cmocka_unit_test(test_derived_batch),
        cmocka_unit_test(test_default_bound),
        cmocka_unit_test(test_pace_of_a_quick_backend),
        cmocka_unit_test(test_room_asked_for_amid_answers_is_told),
        cmocka_unit_test(test_no_progress_fills_the_queue),
        cmocka_unit_test(test_retries_are_no_progress),
        cmocka_unit_test(test_slow_backend),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_queue_off),
        cmocka_unit_test(test_queue_off_large_batch),
        cmocka_unit_test(test_retry_times),
        cmocka_unit_test(test_retry_jitter),
        cmocka_unit_test(test_give_up),
        cmocka_unit_test(test_give_up_counts_from_the_first_attempt),
        cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_throttle_for_ever),
        cmocka_unit_test(test_retry_extremes),
        cmocka_unit_test(test_again_now),
        cmocka_unit_test(test_permanent),
        cmocka_unit_test(test_partial_success),
        cmocka_unit_test(test_full_is_logged_seldom),
        cmocka_unit_test(test_stop_idle),
        cmocka_unit_test(test_stop_drains),
        cmocka_unit_test(test_stop_tries_until_its_deadline),
        cmocka_unit_test(test_stop_deadline),
        cmocka_unit_test(test_stop_deadline_passed),
        cmocka_unit_test(test_soak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
