/*
 * The machine of list and watch against a model of an API server that misbehaves at random: whatever it did, once it behaves again
 * the store becomes equal to its objects. Each world has a seed, which is printed when it fails:
 *
 *   kube_test_list_watch_world SEED         runs that one, with every step in words
 *   kube_test_list_watch_world FIRST LAST   runs all of these
 *
 * The model has what makes lists and watches hard: versions, a window of history that is compacted, restores of an older state with
 * a lower version, watches from the future that say nothing, tokens that expire, objects that are made again under their name,
 * bookmarks or none, streaming lists or none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kube/list_watch.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define STEP_NS (100 * MS)

enum { NAMES = 12, HISTORY_MAX = 4000, PAGE_SIZE = 5, UIDS_MAX = 8000, WORLDS = 2000 };

struct thing {
    uint32_t uid; /* 0: there is none of this name */
    uint64_t version;
};
struct happened {
    uint64_t version;
    uint32_t uid;
    uint64_t object_version; /* of the object; that of the deletion if it was deleted */
    bool deleted;
};
struct server {
    struct thing things[NAMES];
    uint64_t version;
    uint32_t next_uid;
    struct happened history[HISTORY_MAX];
    size_t history_count;
    uint64_t oldest; /* watches from an older version: 410 */
    struct thing backup[NAMES];
    uint64_t backup_version;
    bool has_streaming, has_bookmarks, has_orderly_ends;
    /* how it is today */
    bool is_down, is_served, forbids_watch, forbids_list, is_silent;
    unsigned fail_per_mille, cut_per_mille, garbage_per_mille, write_per_mille;
    bool is_quiet; /* since it was restored, the client has not seen it yet */
};

struct world {
    uint64_t seed, random;
    bool loud;
    int64_t now_ns;
    struct server s;
    struct list_watch m;
    int64_t timer_ns;
    /* the request under way */
    enum list_watch_request request;
    bool is_new, is_open, is_dead; /* dead: nothing will ever come */
    enum list_watch_page page;
    size_t sent;                   /* of the list */
    bool list_told;
    struct thing list[NAMES];
    size_t list_count, list_at;
    uint64_t list_version, position;
    bool token_valid;
    int64_t opened_ns, last_byte_ns, next_bookmark_ns, ends_ns;
    /* the store: what is known of each uid */
    uint64_t known[UIDS_MAX];
    uint32_t seen[UIDS_MAX], generation;
    bool sweeping, sync_due, synced;
    uint32_t sweep_at;
    bool replace;
    bool may_vanish; /* objects of the past may be gone for reasons that the client cannot know */
    size_t counts[16];
};

static uint64_t draw(struct world *w)
{
    uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
static bool chance(struct world *w, unsigned per_mille)
{
    return draw(w) % 1000 < per_mille;
}

PRINTF_LIKE(2, 3) static void say(const struct world *w, const char *format, ...)
{
    va_list args;
    if (!w->loud)
        return;
    va_start(args, format);
    printf("%9.1f ", (double)w->now_ns / 1e9);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

#define EXPECT(w, condition)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("seed %llu, second %lld: %s", (unsigned long long)(w)->seed,                  \
                     (long long)((w)->now_ns / SECOND), #condition);                               \
    } while (0)

/* -- the server's objects -- */

static void note(struct world *w, uint32_t uid, bool deleted)
{
    struct server *s = &w->s;
    if (s->history_count == HISTORY_MAX) {
        memmove(s->history, s->history + HISTORY_MAX / 2, sizeof s->history / 2);
        s->history_count = HISTORY_MAX / 2;
        s->oldest = s->history[0].version;
    }
    s->history[s->history_count++] = (struct happened){s->version, uid, s->version, deleted};
}

static void write_something(struct world *w)
{
    struct server *s = &w->s;
    struct thing *t = &s->things[draw(w) % NAMES];
    if (!s->is_served)
        return;
    s->version += 1 + draw(w) % 5; /* other resources write, too */
    if (t->uid == 0) {
        EXPECT(w, s->next_uid < UIDS_MAX);
        *t = (struct thing){s->next_uid++, s->version};
        note(w, t->uid, false);
    } else if (chance(w, 400)) {
        note(w, t->uid, true);
        t->uid = 0;
        if (chance(w, 300)) { /* made again under its name */
            s->version++;
            EXPECT(w, s->next_uid < UIDS_MAX);
            *t = (struct thing){s->next_uid++, s->version};
            note(w, t->uid, false);
        }
    } else {
        t->version = s->version;
        note(w, t->uid, false);
    }
}

static bool server_has(const struct server *s, uint32_t uid)
{
    for (size_t i = 0; i < NAMES; i++)
        if (s->things[i].uid == uid)
            return true;
    return false;
}

static void end(struct world *w, struct list_watch_event event);

/* An older state with its version, by a process that was started anew. */
static void restore(struct world *w)
{
    struct server *s = &w->s;
    say(w, "restore: from %llu to %llu", (unsigned long long)s->version, (unsigned long long)s->backup_version);
    memcpy(s->things, s->backup, sizeof s->things);
    s->version = s->backup_version;
    s->history_count = 0;
    s->oldest = s->version;
    s->is_quiet = true; /* see watch_from */
    w->token_valid = false;
    w->may_vanish = true;
    if (w->request != LW_REQUEST_NONE)
        end(w, (struct list_watch_event){.broken = true});
}

static void restart(struct world *w)
{
    say(w, "restart");
    w->s.history_count = 0;
    w->s.oldest = w->s.version;
    w->token_valid = false;
    w->is_dead = w->is_open;
}

/* -- the client -- */

static void step(struct world *w, struct list_watch_event event);

static void step_kind(struct world *w, enum list_watch_event_kind kind)
{
    step(w, (struct list_watch_event){.kind = kind, .retry_after_ms = -1});
}

static void close_request(struct world *w)
{
    w->request = LW_REQUEST_NONE;
    w->is_open = w->is_new = w->is_dead = false;
}

static void end(struct world *w, struct list_watch_event event)
{
    event.kind = LW_ENDED;
    event.retry_after_ms = -1;
    say(w, "ended%s%s%s%s", event.broken ? " broken" : "", event.refused ? " refused" : "",
        event.stalled ? " stalled" : "", event.unreadable ? " unreadable" : "");
    close_request(w);
    step(w, event);
}

static void answer_status(struct world *w, int status)
{
    struct list_watch_event event = {.kind = LW_ERROR, .status = status, .retry_after_ms = -1};
    if (status == 429 || (status == 503 && chance(w, 500)))
        event.retry_after_ms = (int64_t)(draw(w) % 10000);
    event.too_large = status == 504 && chance(w, 500);
    say(w, "status %d", status);
    close_request(w);
    step(w, event);
}

static void act(struct world *w, const struct list_watch_actions *a)
{
    static const char *const requests[] = {"none", "stream", "list", "check", "watch"};
    if (a->cancel)
        close_request(w);
    if (a->mark) {
        w->generation++;
        w->sweeping = w->sync_due = false;
        w->replace = a->replace;
    }
    if (a->sweep) {
        w->sweeping = true;
        w->sweep_at = 0;
        w->sync_due = a->synced;
        w->replace = false;
    }
    if (a->timer_ns != 0)
        w->timer_ns = a->timer_ns;
    w->counts[a->say]++;
    if (a->say != LW_SAY_NOTHING)
        say(w, "say %d", (int)a->say);
    if (a->request == LW_REQUEST_NONE)
        return;
    EXPECT(w, w->request == LW_REQUEST_NONE);
    say(w, "request %s%s from %s", requests[a->request], a->mark ? " with mark" : "", w->m.resource_version);
    w->request = a->request;
    w->page = a->page;
    w->is_new = true;
}

static void step(struct world *w, struct list_watch_event event)
{
    event.random = draw(w);
    struct list_watch_actions a = list_watch_step(&w->m, &event, w->now_ns);
    act(w, &a);
}

static void step_version(struct world *w, enum list_watch_event_kind kind, uint64_t version)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)version);
    step(w, (struct list_watch_event){.kind = kind, .resource_version = str_from(text), .retry_after_ms = -1});
}

static void put(struct world *w, uint32_t uid, uint64_t version)
{
    w->seen[uid] = w->generation;
    if (w->known[uid] != version || w->replace)
        w->known[uid] = version;
}

static void sweep_a_bit(struct world *w)
{
    for (int i = 0; w->sweeping && i < 500; i++) {
        if (w->sweep_at == w->s.next_uid) {
            w->sweeping = false;
            w->synced = w->sync_due;
            return;
        }
        uint32_t uid = w->sweep_at++;
        if (w->known[uid] == 0 || w->seen[uid] == w->generation)
            continue;
        /* Nothing is taken out that was there throughout. */
        EXPECT(w, w->may_vanish || !w->sync_due || !server_has(&w->s, uid));
        w->known[uid] = 0;
    }
}

/* -- requests -- */

static int random_status(struct world *w)
{
    static const int statuses[] = {429, 500, 503, 401, 410, 504, 400, 502};
    return statuses[draw(w) % COUNT_OF(statuses)];
}

static bool is_watch(const struct world *w)
{
    return w->request == LW_REQUEST_WATCH || w->request == LW_REQUEST_STREAM;
}

static void take_snapshot(struct world *w)
{
    w->list_count = w->list_at = 0;
    for (size_t i = 0; i < NAMES; i++)
        if (w->s.things[i].uid != 0)
            w->list[w->list_count++] = w->s.things[i];
    w->list_version = w->s.version;
    w->token_valid = true;
}

/* A watch from a version that is not reached yet is silent until then; what happened before that version is never told. No client
 * can notice when the server passes that version before it was looked at: nothing is written between a restore and the first contact. */
static bool watch_from(struct world *w)
{
    w->position = strtoull(w->m.resource_version, NULL, 10);
    return w->m.resource_version[0] == '\0' || w->position >= w->s.oldest;
}

/* The server's answer to a new request: false if it was an error. */
static bool accept_request(struct world *w)
{
    struct server *s = &w->s;
    if (s->is_down)
        end(w, (struct list_watch_event){.broken = true, .refused = true});
    else if (chance(w, s->fail_per_mille))
        answer_status(w, random_status(w));
    else if (!s->is_served)
        answer_status(w, 404);
    else if (is_watch(w) ? s->forbids_watch : s->forbids_list && w->m.has_streaming)
        answer_status(w, 403);
    else if (w->request == LW_REQUEST_STREAM && !s->has_streaming)
        answer_status(w, 422);
    else if (w->request == LW_REQUEST_WATCH && !watch_from(w))
        answer_status(w, 410);
    else if (w->request == LW_REQUEST_LIST && !w->m.first_page && !w->token_valid)
        answer_status(w, 410);
    else
        return true;
    return false;
}

static void open_request(struct world *w)
{
    w->is_new = false;
    if (!accept_request(w))
        return;
    w->is_open = true;
    w->opened_ns = w->last_byte_ns = w->now_ns;
    w->next_bookmark_ns = w->now_ns + 60 * SECOND;
    w->ends_ns = w->now_ns + (int64_t)(300 + draw(w) % 300) * SECOND;
    w->list_told = false;
    w->sent = 0;
    if (w->request == LW_REQUEST_STREAM || (w->request == LW_REQUEST_LIST && w->m.first_page))
        take_snapshot(w);
    else if (w->request == LW_REQUEST_LIST && w->page == LW_PAGE_SAME)
        w->list_at -= w->list_at % PAGE_SIZE; /* what came of it comes again */
    if (w->request == LW_REQUEST_STREAM)
        w->position = w->s.version;
    if (w->request == LW_REQUEST_WATCH)
        w->s.is_quiet = false;
    step_kind(w, LW_OPENED);
}

/* One event of a watch that is due; false if there is none. */
static bool watch_event(struct world *w)
{
    const struct server *s = &w->s;
    size_t low = 0, high = s->history_count; /* the first one behind the position */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->history[middle].version <= w->position)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == s->history_count)
        return false;
    const struct happened *h = &s->history[low];
    w->position = h->version;
    if (h->deleted)
        w->known[h->uid] = 0;
    else
        put(w, h->uid, h->object_version);
    say(w, "%s of %u at %llu", h->deleted ? "deletion" : "object", h->uid, (unsigned long long)h->version);
    step_version(w, LW_OBJECT, h->version);
    return true;
}

static void serve_watch(struct world *w)
{
    struct server *s = &w->s;
    if (w->request == LW_REQUEST_STREAM && !w->list_told) {
        if (w->list_at < w->list_count) {
            const struct thing *t = &w->list[w->list_at++];
            put(w, t->uid, t->version);
            step_version(w, LW_OBJECT, t->version);
        } else {
            w->list_told = true;
            w->s.is_quiet = false;
            w->request = LW_REQUEST_WATCH;
            say(w, "synced at %llu", (unsigned long long)w->list_version);
            step_version(w, LW_SYNCED, w->list_version);
        }
        w->last_byte_ns = w->now_ns;
    } else if (watch_event(w)) {
        w->last_byte_ns = w->now_ns;
    } else if (w->now_ns >= w->ends_ns) {
        end(w, (struct list_watch_event){.broken = !s->has_orderly_ends});
    } else if (s->has_bookmarks && w->now_ns >= w->next_bookmark_ns && s->version >= w->position) {
        w->next_bookmark_ns += 60 * SECOND;
        w->position = s->version;
        w->last_byte_ns = w->now_ns;
        step_version(w, LW_BOOKMARK, s->version);
    }
}

static void serve_list(struct world *w)
{
    bool is_check = w->request == LW_REQUEST_CHECK;
    size_t page_size = w->m.full_list ? NAMES : PAGE_SIZE;
    if (!w->list_told) {
        size_t left = w->list_count - w->list_at;
        char text[24];
        bool has_more = !is_check && left > page_size;
        snprintf(text, sizeof text, "%llu", (unsigned long long)(is_check ? w->s.version : w->list_version));
        w->list_told = true;
        w->s.is_quiet = false;
        step(w, (struct list_watch_event){.kind = LW_PAGE, .resource_version = str_from(text),
                                          .continue_token = has_more ? STR("t") : STR_NONE});
    } else if (!is_check && w->list_at < w->list_count && w->sent < page_size) {
        const struct thing *t = &w->list[w->list_at++];
        w->sent++;
        put(w, t->uid, t->version);
        step_kind(w, LW_OBJECT);
    } else {
        say(w, "end of page");
        close_request(w);
        step_kind(w, LW_LIST_END);
    }
    w->last_byte_ns = w->now_ns;
}

static int64_t idle_ns(const struct world *w)
{
    if (w->m.state == LW_STREAMING)
        return 30 * SECOND;
    if (!list_watch_expects_bookmarks(&w->m))
        return 640 * SECOND;
    return list_watch_awaits_first(&w->m) ? 180 * SECOND : 90 * SECOND;
}

static void serve(struct world *w)
{
    struct server *s = &w->s;
    if (w->request == LW_REQUEST_NONE)
        return;
    if (w->is_new) {
        open_request(w);
        return;
    }
    if (s->is_down || chance(w, s->cut_per_mille)) {
        bool is_orderly = is_watch(w) && chance(w, 300);
        end(w, (struct list_watch_event){.broken = !is_orderly});
    } else if (w->now_ns - w->last_byte_ns > idle_ns(w)) {
        end(w, (struct list_watch_event){.broken = true, .stalled = true});
    } else if (chance(w, s->garbage_per_mille) && w->m.wants_protobuf) {
        end(w, (struct list_watch_event){.broken = true, .unreadable = true});
    } else if (!w->is_dead && !s->is_silent) {
        for (int i = 0; i < 4 && w->is_open; i++) {
            if (is_watch(w))
                serve_watch(w);
            else
                serve_list(w);
        }
    }
}

/* -- weather -- */

static void change_weather(struct world *w)
{
    struct server *s = &w->s;
    s->fail_per_mille = chance(w, 300) ? (unsigned)(draw(w) % 700) : 0;
    s->cut_per_mille = chance(w, 300) ? (unsigned)(draw(w) % 200) : 0;
    s->garbage_per_mille = chance(w, 150) ? (unsigned)(draw(w) % 300) : 0;
    s->write_per_mille = chance(w, 700) ? (unsigned)(draw(w) % 300) : 0;
    s->is_down = chance(w, 150);
    s->is_silent = chance(w, 100);
    s->forbids_watch = chance(w, 80);
    s->forbids_list = s->has_streaming && chance(w, 80); /* else there would be no way to look at the version */
    if (chance(w, 60) != !s->is_served) {
        s->is_served = !s->is_served;
        say(w, "served: %d", s->is_served);
        w->may_vanish = true;
        memset(s->things, 0, sizeof s->things); /* its objects went with it, and so did its history */
        s->oldest = ++s->version;
        s->history_count = 0;
        if (w->is_open && is_watch(w))
            end(w, (struct list_watch_event){0});
    }
    if (chance(w, 100)) {
        s->oldest = s->version; /* compaction */
        w->token_valid = false;
    }
    if (chance(w, 100))
        w->is_dead = w->is_open;
    if (chance(w, 100)) {
        memcpy(s->backup, s->things, sizeof s->things);
        s->backup_version = s->version;
    }
    if (chance(w, 60) && s->backup_version != 0)
        restore(w);
    else if (chance(w, 100))
        restart(w);
    if (chance(w, 50))
        step_kind(w, LW_RELIST);
}

static void be_well(struct world *w)
{
    struct server *s = &w->s;
    if (!s->is_served)
        s->oldest = ++s->version;
    s->is_served = true;
    s->is_down = s->is_silent = s->forbids_watch = s->forbids_list = false;
    s->fail_per_mille = s->cut_per_mille = s->garbage_per_mille = 0;
    s->write_per_mille = 50;
}

static void advance(struct world *w)
{
    w->now_ns += STEP_NS;
    if (!w->s.is_quiet && chance(w, w->s.write_per_mille))
        write_something(w);
    if (w->timer_ns != 0 && w->now_ns >= w->timer_ns) {
        w->timer_ns = 0;
        step_kind(w, LW_TIMER);
    }
    serve(w);
    sweep_a_bit(w);
}

static void advance_to(struct world *w, int64_t end_ns)
{
    while (w->now_ns < end_ns)
        advance(w);
}

static void compare(struct world *w)
{
    size_t count = 0;
    for (uint32_t uid = 1; uid < w->s.next_uid; uid++)
        count += w->known[uid] != 0;
    for (size_t i = 0; i < NAMES; i++) {
        const struct thing *t = &w->s.things[i];
        if (t->uid == 0)
            continue;
        EXPECT(w, w->known[t->uid] == t->version);
        count--;
    }
    EXPECT(w, count == 0);
    EXPECT(w, w->synced && w->m.said == LW_SAY_NOTHING);
}

static const struct list_watch_periods periods = {
    .backoff_min_ns = 800 * MS,
    .backoff_max_ns = 30 * SECOND,
    .backoff_reset_ns = 120 * SECOND,
    .not_served_ns = 30 * SECOND,
    .forbidden_ns = 30 * SECOND,
};

static void live(struct world *w, uint64_t seed, bool loud)
{
    memset(w, 0, sizeof *w);
    w->seed = w->random = seed;
    w->loud = loud;
    w->now_ns = 1000 * SECOND;
    w->s = (struct server){.version = 95, .next_uid = 1, .is_served = true};
    w->s.has_streaming = chance(w, 600);
    w->s.has_bookmarks = chance(w, 700);
    w->s.has_orderly_ends = chance(w, 800);
    list_watch_init(&w->m, true, &periods);
    for (int i = 0; i < 30; i++)
        write_something(w);
    step_kind(w, LW_START);
    for (int era = 0; era < 30; era++) {
        change_weather(w);
        advance_to(w, w->now_ns + (int64_t)(1 + draw(w) % 60) * SECOND);
    }
    be_well(w);
    say(w, "all is well now");
    /* The longest wait of all: a server without bookmarks, a dead stream, the idle time of such, and a backoff. */
    advance_to(w, w->now_ns + 1500 * SECOND);
    w->s.write_per_mille = 0;
    advance_to(w, w->now_ns + 10 * SECOND);
    compare(w);
}

static void live_all(uint64_t first, uint64_t last, size_t counts[16])
{
    struct world *w = mem_alloc(sizeof *w);
    for (uint64_t seed = first; seed <= last; seed++) {
        live(w, seed, false);
        for (size_t i = 0; i < 16; i++)
            counts[i] += w->counts[i];
    }
    mem_free(w);
}

static void test_worlds(void **state)
{
    (void)state;
    size_t counts[16] = {0};
    live_all(1, WORLDS, counts);
    /* The worlds are wild enough. */
    for (int what = LW_SAY_FORBIDDEN; what <= LW_SAY_NO_PROTOBUF; what++)
        if (counts[what] < 20)
            fail_msg("only %zu times: %d", counts[what], what);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_worlds)};
    if (argc == 2) {
        struct world *w = mem_alloc(sizeof *w);
        live(w, strtoull(argv[1], NULL, 10), true);
        mem_free(w);
        return 0;
    }
    if (argc == 3) {
        size_t counts[16] = {0};
        live_all(strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), counts);
        for (int what = LW_SAY_FORBIDDEN; what <= LW_SAY_NO_PROTOBUF; what++)
            printf("said %d: %zu times\n", what, counts[what]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
