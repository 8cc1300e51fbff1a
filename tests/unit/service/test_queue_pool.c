/* The sending queue on the real loop: what runs in pool threads, when they come into being, and a stop while they are at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "service/queue.h"

#define MS INT64_C(1000000)

enum { REQUESTS_MAX = 64 };

struct world {
    struct loop *loop;
    struct exporter exporter;
    struct queue *queue;
    pthread_t main_thread;
    bool hold; /* packing waits for `go` */
    sem_t go;
    atomic_int packing, packing_most, packed_here, packed_in_pool;
    size_t sent_items[REQUESTS_MAX];
    size_t sent_count, stop_after;
    bool stopped;
    struct loop_task answer;
    struct send_request *under_way;
    struct loop_timer timer;
    int outcomes[3];
};

void exporter_room(struct exporter *e)
{
    (void)e;
}

void exporter_stopped(struct exporter *e)
{
    struct world *w = CONTAINER_OF(e, struct world, exporter);
    w->stopped = true;
    loop_stop(w->loop);
}

static bool fake_pack(const void *arg, struct buf *encoded, struct buf *out, struct err *err)
{
    (void)err;
    struct world *w = (struct world *)(uintptr_t)arg;
    int now = atomic_fetch_add(&w->packing, 1) + 1;
    int most = atomic_load(&w->packing_most);
    while (now > most && !atomic_compare_exchange_weak(&w->packing_most, &most, now))
        ;
    if (w->hold)
        sem_wait(&w->go);
    buf_str(out, buf_view(encoded));
    atomic_fetch_add(
        pthread_equal(pthread_self(), w->main_thread) ? &w->packed_here : &w->packed_in_pool, 1);
    atomic_fetch_sub(&w->packing, 1);
    return true;
}

static void answer(void *arg)
{
    struct world *w = arg;
    struct send_request *r = w->under_way;
    w->under_way = NULL;
    if (w->sent_count == w->stop_after)
        loop_stop(w->loop);
    queue_sent(r, &(struct send_result){.verdict = SEND_OK});
}

static void fake_send(void *arg, struct send_request *r)
{
    struct world *w = arg;
    assert_null(w->under_way);
    assert_true(w->sent_count < REQUESTS_MAX);
    w->sent_items[w->sent_count++] = r->item_count;
    w->under_way = r;
    loop_task_post(&w->answer);
}

static void fake_cancel(void *arg, struct send_request *r)
{
    struct world *w = arg;
    assert_ptr_equal(w->under_way, r);
    loop_task_cancel(&w->answer);
    w->under_way = NULL;
}

static void on_outcome(void *arg, enum outcome worst)
{
    struct world *w = arg;
    w->outcomes[worst]++;
}

static void feed(struct world *w, size_t count, size_t size)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct scope *s = batch_scope(b, batch_resource(b));
    for (size_t i = 0; i < count; i++) {
        char *text = arena_zalloc(&b->arena, size);
        memset(text, 'x', size);
        batch_log(b, s)->body = VALUE_OF_STR(str_make(text, size));
    }
    b->delivery =
        (struct delivery){.pending = 1, .worst = OUTCOME_SENT, .fn = on_outcome, .arg = w};
    queue_consume(w->queue, b);
}

static size_t thread_count(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static struct world *world_new(void)
{
    struct world *w = mem_zalloc(sizeof *w);
    struct logger silent = {0};
    struct err err;
    w->loop = loop_new(&silent, &err);
    assert_non_null(w->loop);
    w->main_thread = pthread_self();
    assert_int_equal(sem_init(&w->go, 0, 0), 0);
    w->exporter.base.loop = w->loop;
    loop_task_init(w->loop, &w->answer, "test answer", answer, w);
    const struct queue_config queue = {
        .enabled = true, .num_consumers = 1, .queue_size = 1000, .max_bytes = 64 * (int64_t)MIB};
    const struct retry_config retry = {.enabled = false};
    const struct queue_transport transport = {.pack = fake_pack,
                                              .send = fake_send,
                                              .cancel = fake_cancel,
                                              .arg = w,
                                              .request_max = 4 * MIB,
                                              .pack_here_max = 64 * KIB};
    w->queue = queue_new(&w->exporter, &queue, &retry, &transport);
    return w;
}

static void world_free(struct world *w)
{
    if (!w->stopped) {
        queue_stop(w->queue, loop_boot_ns(w->loop) + 5000 * MS);
        loop_run(w->loop);
    }
    assert_true(w->stopped);
    queue_free(w->queue);
    loop_free(w->loop);
    sem_destroy(&w->go);
    mem_free(w);
}

static void run_until_sent(struct world *w, size_t count)
{
    w->stop_after = count;
    loop_run(w->loop);
    assert_int_equal(w->sent_count, count);
}

/* First of all tests: the pool has no threads yet, and small requests do not bring them into being. */
static void test_small_requests_need_no_thread(void **state)
{
    (void)state;
    struct world *w = world_new();
    size_t before = thread_count();
    for (size_t i = 0; i < 20; i++)
        feed(w, 100, 500); /* 50 kB */
    run_until_sent(w, 20);
    assert_int_equal(thread_count(), before);
    assert_int_equal(w->packed_here, 20);
    feed(w, 200, 500); /* 100 kB */
    run_until_sent(w, 21);
    assert_int_equal(w->packed_here, 20);
    assert_int_equal(w->packed_in_pool, 1);
    assert_true(thread_count() > before);
    world_free(w);
}

/* A large request that is still being packed is not overtaken. */
static void test_order_is_kept(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (size_t i = 0; i < 5; i++) {
        feed(w, 2000 + i, 1000);
        feed(w, 1 + i, 10);
    }
    run_until_sent(w, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(w->sent_items[i], i % 2 == 0 ? 2000 + i / 2 : 1 + i / 2);
    world_free(w);
}

static void test_few_at_a_time(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (size_t i = 0; i < 20; i++)
        feed(w, 1, MIB);
    run_until_sent(w, 20);
    assert_int_equal(w->packed_in_pool, 20);
    assert_true(w->packing_most <= 2);
    world_free(w);
}

static void let_go(void *arg)
{
    struct world *w = arg;
    assert_false(w->stopped); /* a thread still works on memory of the queue */
    assert_int_equal(w->outcomes[OUTCOME_DROPPED], 1);
    assert_int_equal(queue_statistics(w->queue)->request_count, 2);
    for (int i = 0; i < 2; i++)
        sem_post(&w->go);
}

static void stop_while_packing(void *arg)
{
    struct world *w = arg;
    if (atomic_load(&w->packing) < 2) {
        loop_timer_set_after(&w->timer, MS);
        return;
    }
    queue_stop(w->queue, loop_boot_ns(w->loop) + 20 * MS);
    w->timer.fn = let_go;
    loop_timer_set_after(&w->timer, 100 * MS);
}

static void test_stop_while_packing(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->hold = true;
    for (size_t i = 0; i < 3; i++)
        feed(w, 1, MIB); /* two in the pool, the third waits to be cut */
    loop_timer_init(w->loop, &w->timer, "test", stop_while_packing, w);
    loop_timer_set_after(&w->timer, MS);
    loop_run(w->loop);
    assert_true(w->stopped);
    assert_int_equal(w->outcomes[OUTCOME_DROPPED], 3);
    assert_int_equal(queue_statistics(w->queue)->dropped_items, 3);
    assert_int_equal(queue_statistics(w->queue)->byte_count, 0);
    assert_int_equal(w->sent_count, 0);
    world_free(w);
}

/* The deadline is far: what is being packed is sent first. */
static void test_stop_waits_for_packing(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (size_t i = 0; i < 3; i++)
        feed(w, 1, MIB);
    queue_stop(w->queue, loop_boot_ns(w->loop) + 5000 * MS);
    loop_run(w->loop);
    assert_true(w->stopped);
    assert_int_equal(w->outcomes[OUTCOME_SENT], 3);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_requests_need_no_thread),
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_few_at_a_time),
        cmocka_unit_test(test_stop_while_packing),
        cmocka_unit_test(test_stop_waits_for_packing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
