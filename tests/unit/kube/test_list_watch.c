/* The state machine of list and watch, row by row, with a clock that the test moves. The world around it: test_list_watch_world.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/buf.h"
#include "kube/list_watch.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

static const struct list_watch_periods periods = {
    .backoff_min_ns = 800 * MS,
    .backoff_max_ns = 30 * SECOND,
    .backoff_reset_ns = 120 * SECOND,
    .not_served_ns = 30 * SECOND,
    .forbidden_ns = 40 * SECOND,
};

struct fixture {
    struct list_watch m;
    struct list_watch_actions a;
    int64_t now_ns;
    uint64_t random;
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){.now_ns = 1000 * SECOND};
    list_watch_init(&f->m, true, &periods);
}

static void step(struct fixture *f, struct list_watch_event event)
{
    event.random = f->random;
    f->a = list_watch_step(&f->m, &event, f->now_ns);
}

static void send(struct fixture *f, enum list_watch_event_kind kind)
{
    step(f, (struct list_watch_event){.kind = kind, .retry_after_ms = -1});
}

static void send_version(struct fixture *f, enum list_watch_event_kind kind, const char *version)
{
    step(f, (struct list_watch_event){.kind = kind, .resource_version = str_from(version)});
}

static void send_page(struct fixture *f, const char *version, const char *token)
{
    step(f, (struct list_watch_event){
                .kind = LW_PAGE, .resource_version = str_from(version), .continue_token = str_from(token)});
    assert_int_equal(f->a.request, LW_REQUEST_NONE);
}

static void send_status(struct fixture *f, int status)
{
    step(f, (struct list_watch_event){.kind = LW_ERROR, .status = status, .retry_after_ms = -1});
}

/* An ERROR event. */
static void send_error(struct fixture *f, int status)
{
    step(f, (struct list_watch_event){.kind = LW_ERROR, .status = status, .retry_after_ms = -1, .in_stream = true});
    assert_true(f->a.cancel);
}

static void send_broken(struct fixture *f)
{
    step(f, (struct list_watch_event){.kind = LW_ENDED, .broken = true});
}

static void expect_query(struct fixture *f, const char *token, const char *expected)
{
    struct buf b;
    buf_init(&b, 8192);
    list_watch_query(&f->m, 345, str_from(token), &b);
    assert_string_equal(buf_cstr(&b), expected);
    buf_deinit(&b);
}

#define expect_request(f, kind, state_)                                                            \
    do {                                                                                           \
        assert_int_equal((f)->a.request, kind);                                                    \
        assert_int_equal((f)->m.state, state_);                                                    \
    } while (0)

/* It waits between these two, and then asks for `request`. */
static void expect_wait(struct fixture *f, int64_t min_ns, int64_t max_ns, enum list_watch_request request)
{
    assert_int_equal(f->a.request, LW_REQUEST_NONE);
    assert_int_equal(f->m.state, LW_WAITING);
    int64_t wait_ns = f->a.timer_ns - f->now_ns;
    if (wait_ns < min_ns || wait_ns > max_ns)
        fail_msg("waits %lld ms", (long long)(wait_ns / MS));
    f->now_ns = f->a.timer_ns;
    send(f, LW_TIMER);
    assert_int_equal(f->a.request, request);
}

/* -- ways to a state -- */

static void be_watching(struct fixture *f, const char *version)
{
    setup(f);
    send(f, LW_START);
    send(f, LW_OPENED);
    send_version(f, LW_SYNCED, version);
    assert_int_equal(f->m.state, LW_WATCHING);
}

/* By pages, for a server without streaming lists; the watch is asked for. */
static void be_watching_by_pages(struct fixture *f, const char *version)
{
    setup(f);
    f->m.has_streaming = false;
    send(f, LW_START);
    send(f, LW_OPENED);
    send_page(f, version, "");
    send(f, LW_LIST_END);
    expect_request(f, LW_REQUEST_WATCH, LW_WATCHING);
}

static void pass_time(struct fixture *f, int64_t ns)
{
    f->now_ns += ns;
}

/* -- lists -- */

static void test_streaming_list(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    send(&f, LW_START);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    assert_true(f.a.mark && !f.a.replace && !f.a.sweep && !f.a.cancel);
    expect_query(&f, "",
                 "watch=true&allowWatchBookmarks=true&timeoutSeconds=345&sendInitialEvents=true&resourceVersionMatch="
                 "NotOlderThan");
    send(&f, LW_OPENED);
    send_version(&f, LW_OBJECT, "99"); /* synthetic: in any order */
    assert_string_equal(f.m.resource_version, "");
    send_version(&f, LW_SYNCED, "50");
    assert_true(f.a.sweep && f.a.synced && !f.a.cancel);
    assert_int_equal(f.a.request, LW_REQUEST_NONE); /* the same stream goes on */
    assert_int_equal(f.m.state, LW_WATCHING);
    assert_string_equal(f.m.resource_version, "50");
    send_version(&f, LW_OBJECT, "51");
    send_version(&f, LW_BOOKMARK, "60");
    send_version(&f, LW_OBJECT, ""); /* unknown: the last one stays */
    assert_string_equal(f.m.resource_version, "60");
}

static void test_pages(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    send(&f, LW_START);
    send_status(&f, 422); /* a server that does not know sendInitialEvents */
    expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
    assert_int_equal(f.a.say, LW_SAY_NO_STREAMING);
    assert_true(f.a.mark);
    assert_int_equal(f.a.page, LW_PAGE_FIRST);
    expect_query(&f, "", "limit=500");
    send(&f, LW_OPENED);
    send_page(&f, "50", "t/1");
    send_version(&f, LW_OBJECT, "99");
    send(&f, LW_LIST_END);
    expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
    assert_int_equal(f.a.page, LW_PAGE_NEXT);
    assert_false(f.a.mark || f.a.sweep);
    expect_query(&f, "t/1", "limit=500&continue=t%2F1");
    send(&f, LW_OPENED);
    send_page(&f, "55", ""); /* the version of the first page counts */
    send(&f, LW_LIST_END);
    expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
    assert_true(f.a.sweep && f.a.synced);
    expect_query(&f, "", "watch=true&allowWatchBookmarks=true&timeoutSeconds=345&resourceVersion=50");
    /* Remembered: the next list is made of pages at once. */
    send(&f, LW_OPENED);
    send_status(&f, 410);
    expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
    assert_true(f.a.mark);
}

static void test_refusals_of_streaming(void **state)
{
    (void)state;
    static const int statuses[] = {400, 405, 406, 415, 422};
    struct fixture f;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        setup(&f);
        send(&f, LW_START);
        send_status(&f, statuses[i]);
        expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
        assert_false(f.m.has_streaming);
    }
    setup(&f);
    send(&f, LW_START);
    send(&f, LW_OPENED);
    send_error(&f, 500); /* etcd without progress notification */
    expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
    assert_false(f.m.has_streaming);
    /* A server that is not well does not make us forget. */
    setup(&f);
    send(&f, LW_START);
    send_status(&f, 503);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_STREAM);
    send_status(&f, 500);
    expect_wait(&f, 1600 * MS, 3200 * MS, LW_REQUEST_LIST); /* twice: this time by pages */
    assert_true(f.m.has_streaming);
    send_page(&f, "50", "");
    send(&f, LW_LIST_END);
    send(&f, LW_OPENED);
    pass_time(&f, 10 * SECOND);
    send_error(&f, 410);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    /* Silence, or an end without the bookmark: the parameter was ignored. */
    setup(&f);
    send(&f, LW_START);
    send(&f, LW_OPENED);
    step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .stalled = true});
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_LIST);
    setup(&f);
    send(&f, LW_START);
    for (int i = 0; i < 2; i++) {
        send(&f, LW_OPENED);
        send_version(&f, LW_OBJECT, "5");
        send(&f, LW_ENDED);
        assert_false(f.a.sweep);
        expect_wait(&f, 800 * MS, 3200 * MS, i == 0 ? LW_REQUEST_STREAM : LW_REQUEST_LIST);
    }
}

static void test_page_failures(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.m.has_streaming = false;
    send(&f, LW_START);
    send_page(&f, "50", "t1");
    send(&f, LW_LIST_END);
    send_page(&f, "50", "t2");
    send_broken(&f); /* within the second page: that page again */
    assert_false(f.a.sweep || f.a.mark);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_LIST);
    assert_int_equal(f.a.page, LW_PAGE_SAME);
    assert_false(f.a.mark);
    send_status(&f, 503);
    expect_wait(&f, 1600 * MS, 3200 * MS, LW_REQUEST_LIST);
    assert_int_equal(f.a.page, LW_PAGE_SAME);
    step(&f, (struct list_watch_event){.kind = LW_ERROR, .status = 429, .retry_after_ms = 7000});
    expect_wait(&f, 7000 * MS, 8750 * MS, LW_REQUEST_LIST);
    assert_int_equal(f.a.page, LW_PAGE_SAME);
    send(&f, LW_ENDED); /* "in order", but without the end of the list */
    expect_wait(&f, 3200 * MS, 30000 * MS, LW_REQUEST_LIST);
    assert_int_equal(f.a.page, LW_PAGE_SAME);
    /* The token expired: everything again, in one page. */
    send_status(&f, 410);
    expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
    assert_true(f.a.mark);
    assert_int_equal(f.a.page, LW_PAGE_FIRST);
    expect_query(&f, "", "");
    send_page(&f, "70", "t3"); /* a server that makes pages all the same */
    send(&f, LW_LIST_END);
    expect_query(&f, "t3", "continue=t3");
    send_status(&f, 410); /* not again at once */
    expect_wait(&f, 800 * MS, 60000 * MS, LW_REQUEST_LIST);
    send_page(&f, "70", "");
    send(&f, LW_LIST_END);
    assert_true(f.a.sweep);
    assert_string_equal(f.m.resource_version, "70");
    assert_false(f.m.full_list);
}

static void test_long_token(void **state)
{
    (void)state;
    struct fixture f;
    static char token[CONTINUE_TOKEN_MAX + 2];
    setup(&f);
    f.m.has_streaming = false;
    memset(token, 't', CONTINUE_TOKEN_MAX + 1);
    send(&f, LW_START);
    step(&f, (struct list_watch_event){
                 .kind = LW_PAGE, .resource_version = STR("5"), .continue_token = str_from(token)});
    assert_true(f.a.cancel && f.a.mark);
    expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
    expect_query(&f, "", "");
}

static void test_broken_list_sweeps_nothing(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "50");
    pass_time(&f, 60 * SECOND);
    send_error(&f, 410);
    assert_int_equal(f.a.say, LW_SAY_EXPIRED);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    assert_true(f.a.mark && !f.a.sweep);
    send(&f, LW_OPENED);
    send_version(&f, LW_OBJECT, "60");
    send_broken(&f);
    assert_false(f.a.sweep || f.a.synced);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_STREAM);
    assert_true(f.a.mark);
}

/* -- watches -- */

static void test_orderly_end(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "50");
    send_version(&f, LW_OBJECT, "60");
    pass_time(&f, 400 * SECOND);
    send(&f, LW_ENDED);
    expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING); /* at once, without a list */
    assert_false(f.a.mark);
    expect_query(&f, "", "watch=true&allowWatchBookmarks=true&timeoutSeconds=345&resourceVersion=60");
    assert_int_equal(f.a.say, LW_SAY_NOTHING);
    /* A watch without a word that took its time is one, too. */
    send(&f, LW_OPENED);
    pass_time(&f, 2 * SECOND);
    send(&f, LW_ENDED);
    expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
}

static void test_very_short_watch(void **state)
{
    (void)state;
    struct fixture f;
    be_watching_by_pages(&f, "50");
    for (int i = 0; i < 3; i++) {
        send(&f, LW_OPENED);
        pass_time(&f, 500 * MS);
        send(&f, LW_ENDED);
        expect_wait(&f, (800 << i) * MS, (1600 << i) * MS, LW_REQUEST_LIST);
        assert_true(f.a.mark);
        send_page(&f, "50", "");
        send(&f, LW_LIST_END);
        expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
    }
    send(&f, LW_OPENED);
    send_version(&f, LW_OBJECT, "51"); /* short, but of use */
    send(&f, LW_ENDED);
    expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
}

/* After a break the server's version is looked at before the watch goes on. */
static void test_break(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "50");
    send_version(&f, LW_OBJECT, "60");
    pass_time(&f, 10 * SECOND);
    send_broken(&f);
    assert_int_equal(f.a.say, LW_SAY_NOTHING); /* one break is nothing to speak of */
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_CHECK);
    expect_query(&f, "", "limit=1");
    send(&f, LW_OPENED);
    send_page(&f, "60", "more");
    send_version(&f, LW_OBJECT, "7"); /* does not count */
    send(&f, LW_LIST_END);
    expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
    assert_false(f.a.mark || f.a.sweep);
    assert_string_equal(f.m.resource_version, "60");
    /* No connection: the same. */
    for (int i = 1; i < 4; i++) {
        step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .refused = true});
        assert_int_equal(f.a.say, i == 1 ? LW_SAY_FAILING : LW_SAY_NOTHING);
        expect_wait(&f, (800 << i) * MS, (1600 << i) * MS, LW_REQUEST_CHECK);
    }
    send_page(&f, "75", "");
    send(&f, LW_LIST_END);
    expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
    send(&f, LW_OPENED);
    assert_int_equal(f.a.say, LW_SAY_NOTHING);
    assert_int_equal(f.a.timer_ns, f.now_ns + 5 * SECOND); /* well when it lasts */
    pass_time(&f, 5 * SECOND);
    send(&f, LW_TIMER);
    assert_int_equal(f.a.say, LW_SAY_WELL_AGAIN);
}

static void test_version_went_back(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "1000");
    send_broken(&f);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_CHECK);
    send_page(&f, "999", "");
    send(&f, LW_LIST_END);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    assert_int_equal(f.a.say, LW_SAY_WENT_BACK);
    assert_true(f.a.mark && f.a.replace);
    send(&f, LW_OPENED);
    send_version(&f, LW_SYNCED, "999");
    assert_true(f.a.sweep && f.a.synced);
    assert_string_equal(f.m.resource_version, "999");
    /* Noticed by a list only: it is made once more, for versions that were given out twice. */
    pass_time(&f, 60 * SECOND);
    send_error(&f, 410);
    assert_false(f.a.replace);
    send(&f, LW_OPENED);
    send_version(&f, LW_SYNCED, "9");
    assert_int_equal(f.a.say, LW_SAY_WENT_BACK);
    assert_true(f.a.cancel && f.a.mark && f.a.replace && !f.a.sweep);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    send_version(&f, LW_SYNCED, "8"); /* whatever it is now */
    assert_true(f.a.sweep && !f.a.mark);
    assert_string_equal(f.m.resource_version, "8");
    /* Versions that are no numbers are not compared. */
    be_watching(&f, "b");
    send_error(&f, 410);
    send_version(&f, LW_SYNCED, "a");
    assert_true(f.a.sweep);
}

/* A watch from a version that the server has not reached says nothing at all. */
static void test_silence_from_the_first_byte(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "1000");
    pass_time(&f, 300 * SECOND);
    send(&f, LW_ENDED);
    send(&f, LW_OPENED);
    pass_time(&f, 90 * SECOND);
    assert_true(list_watch_expects_bookmarks(&f.m));
    step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .stalled = true});
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_STREAM);
}

static void test_stall_after_events(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "1000");
    send_version(&f, LW_OBJECT, "1001");
    pass_time(&f, 90 * SECOND);
    step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .stalled = true});
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_CHECK);
}

/* A server that sends no bookmarks must not be listed every 90 seconds. */
static void test_server_without_bookmarks(void **state)
{
    (void)state;
    struct fixture f;
    be_watching_by_pages(&f, "1000");
    send(&f, LW_OPENED);
    pass_time(&f, 90 * SECOND);
    step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .stalled = true});
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_LIST);
    assert_false(list_watch_expects_bookmarks(&f.m));
    send_page(&f, "1000", "");
    send(&f, LW_LIST_END);
    send(&f, LW_OPENED);
    assert_false(list_watch_expects_bookmarks(&f.m));
    send_version(&f, LW_BOOKMARK, "1000"); /* it does after all */
    assert_true(list_watch_expects_bookmarks(&f.m));
}

static void test_expired(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "50");
    send_status(&f, 410); /* as a status */
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    assert_true(f.a.mark);
    send(&f, LW_OPENED);
    send_version(&f, LW_SYNCED, "60");
    pass_time(&f, 10 * SECOND);
    send_error(&f, 410); /* soon again: not at once */
    assert_int_equal(f.a.say, LW_SAY_EXPIRED);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_STREAM);
    send(&f, LW_OPENED);
    send_version(&f, LW_SYNCED, "70");
    pass_time(&f, 60 * SECOND);
    step(&f, (struct list_watch_event){.kind = LW_ERROR, .status = 500, .reason = STR("Expired"), .in_stream = true});
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING); /* by its reason */
}

static void test_errors_of_watches(void **state)
{
    (void)state;
    struct fixture f;
    be_watching_by_pages(&f, "50");
    step(&f, (struct list_watch_event){.kind = LW_ERROR, .status = 429, .retry_after_ms = 3000});
    expect_wait(&f, 3000 * MS, 3750 * MS, LW_REQUEST_CHECK); /* the same version */
    send_page(&f, "50", "");
    send(&f, LW_LIST_END);
    send_status(&f, 503);
    expect_wait(&f, 1600 * MS, 3200 * MS, LW_REQUEST_CHECK);
    send_page(&f, "50", "");
    send(&f, LW_LIST_END);
    send_status(&f, 500); /* the second in a row */
    expect_wait(&f, 3200 * MS, 6400 * MS, LW_REQUEST_LIST);
    assert_true(f.a.mark);
    be_watching(&f, "50");
    send_error(&f, 500);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_STREAM);
    be_watching(&f, "50");
    step(&f, (struct list_watch_event){.kind = LW_ERROR, .status = 504, .retry_after_ms = 1000, .too_large = true});
    expect_wait(&f, 1000 * MS, 1250 * MS, LW_REQUEST_STREAM);
    assert_true(f.a.mark);
    be_watching(&f, "50");
    send_status(&f, 401);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_CHECK);
    /* Retry-After of a day is not believed. */
    step(&f, (struct list_watch_event){.kind = LW_ERROR, .status = 503, .retry_after_ms = INT64_C(86400000)});
    expect_wait(&f, 300 * SECOND, 375 * SECOND, LW_REQUEST_CHECK);
}

static void test_backoff_numbers(void **state)
{
    (void)state;
    struct fixture f;
    static const int64_t delays_ms[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000};
    for (int most = 0; most < 2; most++) {
        setup(&f);
        send(&f, LW_START);
        for (size_t i = 0; i < COUNT_OF(delays_ms); i++) {
            f.random = most == 1 ? (uint64_t)delays_ms[i] * MS : 0;
            step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .refused = true});
            assert_int_equal(f.a.say, i == 0 ? LW_SAY_FAILING : LW_SAY_NOTHING);
            expect_wait(&f, delays_ms[i] * (most + 1) * MS, delays_ms[i] * (most + 1) * MS, LW_REQUEST_STREAM);
        }
    }
    f.random = 0;
    pass_time(&f, 121 * SECOND); /* without a failure */
    step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .refused = true});
    expect_wait(&f, 800 * MS, 800 * MS, LW_REQUEST_STREAM);
}

/* A server that restarts now and then, each time for a moment, is not waited for longer and longer; one that breaks each watch at once is. */
static void test_backoff_after_a_healthy_watch(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "1000");
    for (int i = 0; i < 8; i++) {
        pass_time(&f, 6 * SECOND);
        send_broken(&f);
        expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_CHECK);
        send_page(&f, "1000", "");
        send(&f, LW_LIST_END);
        send(&f, LW_OPENED);
    }
    for (int i = 0; i < 4; i++) {
        pass_time(&f, 4 * SECOND);
        send_broken(&f);
        expect_wait(&f, (1600 << i) * MS, (3200 << i) * MS, LW_REQUEST_CHECK);
        send_page(&f, "1000", "");
        send(&f, LW_LIST_END);
        send(&f, LW_OPENED);
    }
}

/* What does not count as a watch that was well: one that stalled, and the time that a list took on the same stream. */
static void test_backoff_goes_on_after_a_stall_and_after_a_long_list(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "1000");
    for (int i = 0; i < 3; i++) {
        pass_time(&f, 20 * SECOND);
        step(&f, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .stalled = true});
        expect_wait(&f, (800 << i) * MS, (1600 << i) * MS, LW_REQUEST_CHECK);
        send_page(&f, "1000", "");
        send(&f, LW_LIST_END);
        send(&f, LW_OPENED);
        send_version(&f, LW_BOOKMARK, "1000");
    }
    setup(&f);
    send(&f, LW_START);
    for (int i = 0; i < 3; i++) {
        send(&f, LW_OPENED);
        pass_time(&f, 20 * SECOND);
        send_version(&f, LW_SYNCED, "1000");
        pass_time(&f, SECOND);
        send_error(&f, 500); /* in the stream: another list */
        expect_wait(&f, (800 << i) * MS, (1600 << i) * MS, LW_REQUEST_STREAM);
    }
}

/* -- refusals -- */

static void test_not_served(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    send(&f, LW_START);
    for (int i = 0; i < 5; i++) {
        send_status(&f, 404);
        assert_int_equal(f.a.say, i == 0 ? LW_SAY_NOT_SERVED : LW_SAY_NOTHING);
        expect_wait(&f, 30 * SECOND, 45 * SECOND, LW_REQUEST_STREAM);
    }
    send(&f, LW_OPENED);
    assert_int_equal(f.a.say, LW_SAY_WELL_AGAIN);
    send_version(&f, LW_SYNCED, "50");
    assert_true(f.a.synced);
    pass_time(&f, 100 * SECOND);
    send(&f, LW_ENDED); /* removed: the watch ends, the next one finds nothing */
    send_status(&f, 404);
    assert_true(f.a.mark && f.a.sweep && !f.a.synced);
    assert_int_equal(f.a.say, LW_SAY_NOT_SERVED);
    assert_string_equal(f.m.resource_version, "");
    expect_wait(&f, 30 * SECOND, 45 * SECOND, LW_REQUEST_STREAM);
}

static void test_forbidden(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    send(&f, LW_START);
    for (int i = 0; i < 3; i++) {
        send_status(&f, 403); /* watch */
        assert_int_equal(f.a.say, LW_SAY_NOTHING);
        expect_request(&f, LW_REQUEST_LIST, LW_LISTING); /* lists may be allowed */
        send_status(&f, 403);
        assert_int_equal(f.a.say, i == 0 ? LW_SAY_FORBIDDEN : LW_SAY_NOTHING);
        expect_wait(&f, 40 * SECOND, 60 * SECOND, LW_REQUEST_STREAM);
    }
    send(&f, LW_OPENED);
    assert_int_equal(f.a.say, LW_SAY_WELL_AGAIN);
    send_version(&f, LW_SYNCED, "50");
    assert_int_equal(f.a.say, LW_SAY_NOTHING);
    /* Taken away later: what is there stays. */
    pass_time(&f, 100 * SECOND);
    send(&f, LW_ENDED);
    send_status(&f, 403);
    assert_int_equal(f.a.say, LW_SAY_FORBIDDEN);
    assert_false(f.a.mark || f.a.sweep);
    expect_wait(&f, 40 * SECOND, 60 * SECOND, LW_REQUEST_STREAM);
}

/* Without watches the store lives from lists. */
static void test_lists_only(void **state)
{
    (void)state;
    struct fixture f;
    for (int has_streaming = 0; has_streaming < 2; has_streaming++) {
        setup(&f);
        f.m.has_streaming = has_streaming == 1;
        send(&f, LW_START);
        for (int i = 0; i < 3; i++) {
            enum list_watch_say expected = i == 0 ? LW_SAY_FORBIDDEN : LW_SAY_NOTHING;
            if (has_streaming == 1)
                send_status(&f, 403);
            expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
            assert_true(f.a.mark);
            send(&f, LW_OPENED);
            if (has_streaming == 1)
                assert_int_equal(f.a.say, LW_SAY_NOTHING);
            send_page(&f, "50", "");
            send(&f, LW_LIST_END);
            assert_true(f.a.sweep && f.a.synced);
            if (has_streaming == 0) {
                expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
                assert_int_equal(f.a.say, LW_SAY_NOTHING);
                send_status(&f, 403);
            }
            assert_int_equal(f.a.say, expected);
            expect_wait(&f, 40 * SECOND, 60 * SECOND, has_streaming == 1 ? LW_REQUEST_STREAM : LW_REQUEST_LIST);
        }
    }
    f.m.has_streaming = true;
}

static void test_watch_only(void **state)
{
    (void)state;
    struct fixture f;
    be_watching(&f, "50");
    send_version(&f, LW_OBJECT, "60");
    send_broken(&f);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_CHECK);
    send_status(&f, 403); /* the look at the version is a list */
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    assert_int_equal(f.a.say, LW_SAY_NOTHING);
    be_watching_by_pages(&f, "50"); /* that list was allowed once */
    send(&f, LW_OPENED);
    send_broken(&f);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_LIST); /* short, and nothing came */
    send_page(&f, "50", "");
    send(&f, LW_LIST_END);
    send(&f, LW_OPENED);
    send_version(&f, LW_OBJECT, "60");
    send_broken(&f);
    expect_wait(&f, 1600 * MS, 3200 * MS, LW_REQUEST_CHECK);
    send_status(&f, 403);
    expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
}

static void test_half_a_list_then_forbidden(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.m.has_streaming = false;
    send(&f, LW_START);
    send_page(&f, "50", "t");
    send(&f, LW_LIST_END);
    send_status(&f, 403);
    assert_true(f.a.mark && f.a.sweep && !f.a.synced);
}

/* -- bytes that cannot be read -- */

static void test_unreadable(void **state)
{
    (void)state;
    struct fixture f;
    const struct list_watch_event unreadable = {.kind = LW_ENDED, .broken = true, .unreadable = true};
    be_watching(&f, "50");
    step(&f, unreadable);
    expect_wait(&f, 800 * MS, 1600 * MS, LW_REQUEST_CHECK); /* on from there */
    send_page(&f, "50", "");
    send(&f, LW_LIST_END);
    send(&f, LW_OPENED);
    step(&f, unreadable);
    expect_wait(&f, 1600 * MS, 3200 * MS, LW_REQUEST_STREAM); /* cannot get past it */
    send(&f, LW_OPENED);
    assert_true(f.m.wants_protobuf);
    send_version(&f, LW_OBJECT, "1"); /* initial events are no progress */
    step(&f, unreadable);
    assert_int_equal(f.a.say, LW_SAY_NO_PROTOBUF);
    assert_false(f.m.wants_protobuf);
    assert_true(f.m.has_streaming);
    expect_wait(&f, 3200 * MS, 6400 * MS, LW_REQUEST_STREAM);
    for (int i = 0; i < 5; i++) {
        step(&f, unreadable); /* JSON, too: said once */
        assert_int_equal(f.a.say, LW_SAY_NOTHING);
        expect_wait(&f, 3200 * MS, 60000 * MS, LW_REQUEST_STREAM);
    }
    /* Not in a row. */
    be_watching(&f, "50");
    for (int i = 0; i < 10; i++) {
        step(&f, unreadable);
        expect_wait(&f, 800 * MS, 60000 * MS, LW_REQUEST_CHECK);
        send_page(&f, "60", "");
        send(&f, LW_LIST_END);
        send(&f, LW_OPENED);
        send_version(&f, LW_OBJECT, "60");
    }
    assert_true(f.m.wants_protobuf);
    /* A page. */
    setup(&f);
    f.m.has_streaming = false;
    send(&f, LW_START);
    for (int i = 0; i < 3; i++) {
        step(&f, unreadable);
        expect_wait(&f, 800 * MS, 60000 * MS, LW_REQUEST_LIST);
        assert_int_equal(f.a.page, LW_PAGE_FIRST);
        assert_true(f.a.mark); /* the first page again is another list */
    }
    assert_false(f.m.wants_protobuf);
}

/* -- orders from outside -- */

static void test_relist(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    send(&f, LW_RELIST); /* not started */
    assert_int_equal(f.a.request, LW_REQUEST_NONE);
    be_watching(&f, "50");
    send(&f, LW_RELIST);
    assert_true(f.a.cancel && f.a.mark);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    send(&f, LW_RELIST); /* in the middle of one */
    assert_true(f.a.cancel && f.a.mark);
    send_version(&f, LW_SYNCED, "60");
    send_broken(&f);
    send(&f, LW_RELIST); /* while it waits: afterwards */
    assert_false(f.a.cancel || f.a.mark);
    f.now_ns += 100 * SECOND;
    send(&f, LW_TIMER);
    assert_true(f.a.mark);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
}

static void test_leave(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    send(&f, LW_START);
    for (int i = 0; i < 2; i++) { /* a list goes on */
        send(&f, LW_LEAVE);
        assert_false(f.a.cancel || f.a.request != LW_REQUEST_NONE);
        assert_int_equal(f.m.state, LW_STREAMING);
        send(&f, LW_OPENED);
    }
    be_watching(&f, "50");
    send_version(&f, LW_OBJECT, "51");
    for (int i = 0; i < 2; i++) {
        send(&f, LW_LEAVE);
        assert_true(f.a.cancel);
        assert_false(f.a.mark || f.a.sweep || f.a.say != LW_SAY_NOTHING);
        expect_request(&f, LW_REQUEST_WATCH, LW_WATCHING);
        assert_string_equal(f.m.resource_version, "51");
        send(&f, LW_LEAVE); /* it is not accepted yet */
        assert_false(f.a.cancel || f.a.request != LW_REQUEST_NONE);
        send(&f, LW_OPENED);
    }
    send_broken(&f);
    send(&f, LW_LEAVE); /* while it waits */
    assert_false(f.a.cancel || f.a.request != LW_REQUEST_NONE);
}

static void test_stop_and_strays(void **state)
{
    (void)state;
    static const enum list_watch_event_kind strays[] = {LW_OPENED, LW_OBJECT, LW_BOOKMARK, LW_SYNCED, LW_PAGE,
                                                        LW_LIST_END, LW_ERROR, LW_ENDED, LW_TIMER, LW_LEAVE};
    struct fixture f;
    be_watching(&f, "50");
    f.m.wants_protobuf = false;
    send(&f, LW_STOP);
    assert_true(f.a.cancel);
    for (size_t i = 0; i < COUNT_OF(strays); i++) {
        send(&f, strays[i]);
        assert_false(f.a.cancel || f.a.mark || f.a.sweep || f.a.request != LW_REQUEST_NONE || f.a.timer_ns != 0);
        assert_int_equal(f.m.state, LW_IDLE);
    }
    send(&f, LW_STOP);
    assert_false(f.a.cancel);
    send(&f, LW_START);
    expect_request(&f, LW_REQUEST_STREAM, LW_STREAMING);
    assert_false(f.m.wants_protobuf); /* learned */
    send_status(&f, 404);
    send(&f, LW_OBJECT); /* while it waits */
    assert_int_equal(f.m.state, LW_WAITING);
    assert_int_equal(f.a.timer_ns, 0);
}

static void test_versions(void **state)
{
    (void)state;
    struct fixture f;
    char version[RESOURCE_VERSION_MAX + 1];
    memset(version, '1', sizeof version);
    version[RESOURCE_VERSION_MAX] = '\0';
    be_watching(&f, version + 1); /* the longest there can be */
    assert_string_equal(f.m.resource_version, version + 1);
    /* Longer, or none: watched without, and listed again after each watch. */
    for (int i = 0; i < 2; i++) {
        be_watching_by_pages(&f, i == 0 ? version : "");
        expect_query(&f, "", "watch=true&allowWatchBookmarks=true&timeoutSeconds=345");
        send(&f, LW_OPENED);
        pass_time(&f, 100 * SECOND);
        send(&f, LW_ENDED);
        expect_request(&f, LW_REQUEST_LIST, LW_LISTING);
        assert_true(f.a.mark);
    }
    be_watching(&f, "a b&c");
    send(&f, LW_ENDED);
    expect_query(&f, "", "watch=true&allowWatchBookmarks=true&timeoutSeconds=345&resourceVersion=a%20b%26c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streaming_list),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_refusals_of_streaming),
        cmocka_unit_test(test_page_failures),
        cmocka_unit_test(test_long_token),
        cmocka_unit_test(test_broken_list_sweeps_nothing),
        cmocka_unit_test(test_orderly_end),
        cmocka_unit_test(test_very_short_watch),
        cmocka_unit_test(test_break),
        cmocka_unit_test(test_version_went_back),
        cmocka_unit_test(test_silence_from_the_first_byte),
        cmocka_unit_test(test_stall_after_events),
        cmocka_unit_test(test_server_without_bookmarks),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_errors_of_watches),
        cmocka_unit_test(test_backoff_numbers),
        cmocka_unit_test(test_backoff_after_a_healthy_watch),
        cmocka_unit_test(test_backoff_goes_on_after_a_stall_and_after_a_long_list),
        cmocka_unit_test(test_not_served),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_lists_only),
        cmocka_unit_test(test_watch_only),
        cmocka_unit_test(test_half_a_list_then_forbidden),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_relist),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_stop_and_strays),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
