/*
 * When to list, when to watch, from which version, and how long to wait in between.
 *
 * Life: a list of everything (one stream with initial events, or pages) -> sweep -> a watch from the
 * version of the list -> at its end the next watch from the last version -> ... When the chain of
 * versions is lost (410, an error in the stream, a version that went back) there is another list,
 * which is put into the same store.
 *
 * Rules that keep the store right
 *  - Lists never name a version: the server then answers with its newest state, never with an old
 *    one of its cache, and after etcd was restored there is no version that it cannot reach.
 *  - Versions of initial events do not count; the one of the end bookmark does.
 *  - A list that did not come to its end sweeps nothing.
 *  - A watch from a version that the server has not reached yet gets no events, and no error. So
 *    after a break (not after an orderly end) the server's version is looked at first, and silence
 *    from the first byte on means another list.
 *  - Versions are compared for that only. Objects are never dropped because of theirs.
 *
 * A page that failed is asked for again with its token: pages of one token are of one state. The
 * first page has none, so that it begins another list. When a token expired, the list is made again
 * in one page.
 *
 * Specification: kubernetes_wire 3.2 to 3.7; numbers of client-go's reflector.
 */
#include "kube/list_watch.h"

#include "base/buf.h"
#include "kube/lease.h"
#include "wire/text.h"

#define MS INT64_C(1000000)
#define SECOND_NS (1000 * MS)
#define RETRY_AFTER_MAX_NS                                                                         \
    (300 * SECOND_NS)                     /* a server that says more is asked again all the same */
#define SHORT_WATCH_NS SECOND_NS          /* client-go: one that brings nothing is an error */
#define EXPIRED_AGAIN_NS (30 * SECOND_NS) /* versions that expire faster than that are an error */
#define WELL_AFTER_NS (5 * SECOND_NS)     /* a watch that was accepted and stays */

enum {
    PAGE_ITEMS = 500,        /* as client-go */
    STREAM_FAILURES_MAX = 2, /* then the next list is made of pages */
    WATCH_FAILURES_MAX = 2,  /* then another list */
    UNREADABLE_MAX = 3,      /* then JSON */
    DOUBLINGS_MAX = 10,
};

/* One step under way. */
struct turn {
    struct list_watch *m;
    const struct list_watch_event *event;
    int64_t now_ns;
    struct list_watch_actions actions;
};

void list_watch_init(struct list_watch *m, bool wants_protobuf,
                     const struct list_watch_periods *periods)
{
    *m = (struct list_watch){
        .periods = periods,
        .has_streaming = true,
        .wants_protobuf = wants_protobuf,
    };
}

bool list_watch_expects_bookmarks(const struct list_watch *m)
{
    return !m->is_quiet;
}

bool list_watch_awaits_first(const struct list_watch *m)
{
    return !m->anything_came;
}

static void copy_version(char to[RESOURCE_VERSION_MAX], str version)
{
    if (version.len >= RESOURCE_VERSION_MAX) /* no server has such */
        version.len = 0;
    if (version.len > 0)
        memcpy(to, version.data, version.len);
    to[version.len] = '\0';
}

/* -- what is said -- */

static void say(struct turn *t, enum list_watch_say what)
{
    if (t->m->said == what)
        return;
    t->m->said = what;
    t->actions.say = what;
}

static void say_well(struct turn *t)
{
    if (t->m->said == LW_SAY_NOTHING)
        return;
    t->m->said = LW_SAY_NOTHING;
    t->actions.say = LW_SAY_WELL_AGAIN;
}

/* -- requests and waits -- */

static void begin(struct turn *t, enum list_watch_request request)
{
    static const enum list_watch_state states[] = {
        [LW_REQUEST_STREAM] = LW_STREAMING,
        [LW_REQUEST_LIST] = LW_LISTING,
        [LW_REQUEST_CHECK] = LW_CHECKING,
        [LW_REQUEST_WATCH] = LW_WATCHING,
    };
    struct list_watch *m = t->m;
    m->state = states[request];
    m->request = request;
    m->opened_ns = 0;
    m->anything_came = false;
    t->actions.request = request;
}

static void mark(struct turn *t)
{
    t->actions.mark = true;
    t->actions.replace = t->m->replacing;
}

static void begin_pages(struct turn *t)
{
    mark(t);
    t->m->first_page = true;
    t->m->has_next_page = false;
    t->actions.page = LW_PAGE_FIRST;
    begin(t, LW_REQUEST_LIST);
}

static void begin_list(struct turn *t)
{
    struct list_watch *m = t->m;
    m->is_polling = false;
    if (m->has_streaming && m->stream_failure_count < STREAM_FAILURES_MAX) {
        mark(t);
        begin(t, LW_REQUEST_STREAM);
    } else {
        begin_pages(t);
    }
}

/* `request` STREAM stands for a list of everything, whichever way; LIST for the page that failed. Before a watch goes on, the server's
 * version is looked at: much can happen in the meantime. */
static void wait(struct turn *t, enum list_watch_request request, int64_t delay_ns)
{
    t->m->state = LW_WAITING;
    t->m->request = request == LW_REQUEST_WATCH ? LW_REQUEST_CHECK : request;
    t->actions.timer_ns = t->now_ns + delay_ns;
}

/* Up to `most` more, so that watches which failed together do not come back together. */
static int64_t jitter(const struct turn *t, int64_t most_ns)
{
    return (int64_t)(t->event->random % (uint64_t)(most_ns + 1));
}

/* A watch that broke after it had stayed: the server answered, so its breaks do not add up to the wait of a server that is away. */
static bool was_well(const struct turn *t)
{
    const struct list_watch *m = t->m;
    return m->state == LW_WATCHING && m->opened_ns != 0 && !t->event->stalled &&
           t->now_ns - m->opened_ns >= WELL_AFTER_NS;
}

static int64_t backoff(struct turn *t)
{
    struct list_watch *m = t->m;
    const struct list_watch_periods *p = m->periods;
    if (was_well(t) || t->now_ns - m->last_failure_ns > p->backoff_reset_ns)
        m->failure_count = 0;
    m->last_failure_ns = t->now_ns;
    int64_t delay_ns = p->backoff_min_ns
                       << (m->failure_count < DOUBLINGS_MAX ? m->failure_count : DOUBLINGS_MAX);
    m->failure_count++;
    if (delay_ns > p->backoff_max_ns)
        delay_ns = p->backoff_max_ns;
    return delay_ns + jitter(t, delay_ns);
}

/* A try that failed, another one later. One break of a watch that was well is nothing to speak of. */
static void wait_backoff(struct turn *t, enum list_watch_request request)
{
    struct list_watch *m = t->m;
    int64_t delay_ns = backoff(t);
    if (t->event->kind == LW_ERROR && t->event->retry_after_ms > 0) {
        delay_ns = t->event->retry_after_ms < RETRY_AFTER_MAX_NS / MS
                       ? t->event->retry_after_ms * MS
                       : RETRY_AFTER_MAX_NS;
        delay_ns += jitter(t, delay_ns / 4);
    }
    wait(t, request, delay_ns);
    if (m->said == LW_SAY_NOTHING && (m->failure_count >= 2 || !m->synced_once))
        say(t, LW_SAY_FAILING);
}

static void retry(struct turn *t)
{
    wait_backoff(t, t->m->request);
}

/* -- the list is complete -- */

static void went_back(struct turn *t)
{
    struct list_watch *m = t->m;
    m->replacing = true; /* versions are given out a second time */
    m->resource_version[0] = '\0';
    begin_list(t);
    t->actions.say = LW_SAY_WENT_BACK;
}

static void finish_list(struct turn *t, str version)
{
    struct list_watch *m = t->m;
    bool is_stream = m->state == LW_STREAMING;
    if (!m->replacing && resource_version_newer(str_from(m->resource_version), version)) {
        t->actions.cancel = is_stream;
        went_back(t);
        return;
    }
    copy_version(m->resource_version, version);
    m->synced_once = true;
    m->full_list = m->replacing = false;
    m->stream_failure_count = m->watch_failure_count = m->unreadable_count = 0;
    t->actions.sweep = t->actions.synced = true;
    if (m->is_polling) {
        say(t, LW_SAY_FORBIDDEN);
        wait(t, LW_REQUEST_STREAM,
             m->periods->forbidden_ns + jitter(t, m->periods->forbidden_ns / 2));
        return;
    }
    if (is_stream) {
        m->state = LW_WATCHING;
        m->request = LW_REQUEST_WATCH;
        m->opened_ns = t->now_ns; /* as a watch */
        m->anything_came = m->bookmarks_come = true;
        m->is_quiet = false;
    } else {
        begin(t, LW_REQUEST_WATCH);
    }
    if (!m->watch_forbidden)
        say_well(t);
}

static void list_end(struct turn *t)
{
    struct list_watch *m = t->m;
    if (m->state == LW_CHECKING) {
        if (resource_version_newer(str_from(m->resource_version), str_from(m->list_version)))
            went_back(t);
        else
            begin(t, LW_REQUEST_WATCH);
        return;
    }
    if (m->state != LW_LISTING)
        return;
    if (m->has_next_page) {
        m->first_page = m->has_next_page = false;
        t->actions.page = LW_PAGE_NEXT;
        begin(t, LW_REQUEST_LIST);
        return;
    }
    char version[RESOURCE_VERSION_MAX];
    copy_version(version, str_from(m->list_version));
    finish_list(t, str_from(version));
}

static void page(struct turn *t)
{
    struct list_watch *m = t->m;
    m->anything_came = true;
    if (m->state == LW_CHECKING || m->first_page)
        copy_version(m->list_version, t->event->resource_version);
    if (m->state != LW_LISTING)
        return;
    m->has_next_page = t->event->continue_token.len > 0;
    if (t->event->continue_token.len > CONTINUE_TOKEN_MAX) {
        t->actions.cancel = true;
        m->full_list = true;
        begin_pages(t);
    }
}

/* -- the watch -- */

static void opened(struct turn *t)
{
    struct list_watch *m = t->m;
    m->opened_ns = t->now_ns;
    if (m->state == LW_STREAMING || m->state == LW_WATCHING)
        m->watch_forbidden = false;
    bool was_denied = m->said == LW_SAY_FORBIDDEN || m->said == LW_SAY_NOT_SERVED;
    if (was_denied && !m->watch_forbidden && m->state != LW_CHECKING)
        say_well(t);
    if (m->said != LW_SAY_NOTHING && m->state == LW_WATCHING)
        t->actions.timer_ns = t->now_ns + WELL_AFTER_NS;
}

/* Of a watch: an object, a deletion or a bookmark. */
static void came(struct turn *t)
{
    struct list_watch *m = t->m;
    m->anything_came = true;
    if (m->state != LW_WATCHING)
        return;
    if (t->event->resource_version.len > 0)
        copy_version(m->resource_version, t->event->resource_version);
    m->watch_failure_count = m->unreadable_count = 0;
    if (t->event->kind != LW_OBJECT) {
        m->bookmarks_come = true;
        m->is_quiet = false;
    }
    say_well(t);
}

/* -- errors -- */

static void not_served(struct turn *t)
{
    struct list_watch *m = t->m;
    m->synced_once = false;
    m->resource_version[0] = '\0';
    t->actions.mark = t->actions.sweep = true; /* all of it is gone */
    wait(t, LW_REQUEST_STREAM,
         m->periods->not_served_ns + jitter(t, m->periods->not_served_ns / 2));
    say(t, LW_SAY_NOT_SERVED);
}

static void forbidden(struct turn *t)
{
    struct list_watch *m = t->m;
    if (m->state ==
        LW_CHECKING) { /* watches may be allowed all the same, with which a list can be had */
        if (m->has_streaming)
            begin_list(t);
        else
            begin(t, LW_REQUEST_WATCH);
        return;
    }
    if (m->state == LW_STREAMING || m->state == LW_WATCHING)
        m->watch_forbidden = true;
    if (m->state == LW_STREAMING) {
        m->is_polling = true;
        begin_pages(t);
        return;
    }
    if (!m->synced_once)
        t->actions.mark = t->actions.sweep = true; /* half a list is worse than none */
    wait(t, LW_REQUEST_STREAM, m->periods->forbidden_ns + jitter(t, m->periods->forbidden_ns / 2));
    say(t, LW_SAY_FORBIDDEN);
}

static void expired(struct turn *t)
{
    struct list_watch *m = t->m;
    if (m->state == LW_LISTING && !m->first_page) { /* the token is of no use any more */
        if (m->full_list)
            wait_backoff(t, LW_REQUEST_STREAM);
        else
            begin_pages(t);
        m->full_list = true;
        return;
    }
    if (m->state != LW_WATCHING) {
        m->stream_failure_count += m->state == LW_STREAMING;
        retry(t);
        return;
    }
    bool is_again = m->expired_ns != 0 && t->now_ns - m->expired_ns < EXPIRED_AGAIN_NS;
    m->expired_ns = t->now_ns;
    if (is_again)
        wait_backoff(t, LW_REQUEST_STREAM);
    else
        begin_list(t);
    if (t->actions.say == LW_SAY_NOTHING)
        t->actions.say = LW_SAY_EXPIRED;
}

/* Whether the server does not know what a stream with initial events is. */
static bool is_refusal(const struct list_watch_event *e)
{
    switch (e->status) {
    case 400:
    case 405:
    case 406:
    case 415:
    case 422:
        return true;
    default:
        return e->in_stream && e->status == 500;
    }
}

static void other_error(struct turn *t)
{
    struct list_watch *m = t->m;
    switch (m->state) {
    case LW_STREAMING:
        if (is_refusal(t->event)) {
            m->has_streaming = false;
            begin_pages(t);
            t->actions.say = LW_SAY_NO_STREAMING;
            return;
        }
        m->stream_failure_count++;
        retry(t);
        break;
    case LW_WATCHING:
        m->watch_failure_count++;
        if (t->event->in_stream || m->watch_failure_count >= WATCH_FAILURES_MAX)
            wait_backoff(t, LW_REQUEST_STREAM);
        else
            retry(t);
        break;
    default:
        retry(t);
    }
}

static void failed(struct turn *t)
{
    const struct list_watch_event *e = t->event;
    struct list_watch *m = t->m;
    t->actions.cancel = e->in_stream;
    bool is_expired =
        e->status == 410 || str_eqz(e->reason, "Expired") || str_eqz(e->reason, "Gone");
    if (is_expired)
        expired(t);
    else if (e->too_large && m->state == LW_WATCHING)
        wait_backoff(t, LW_REQUEST_STREAM); /* the list will show that the version went back */
    else if (e->status == 404)
        not_served(t);
    else if (e->status == 403)
        forbidden(t);
    else if (e->status == 429 || e->too_large)
        wait_backoff(t, m->request);
    else
        other_error(t);
}

/* -- ends -- */

static void unreadable(struct turn *t)
{
    struct list_watch *m = t->m;
    m->unreadable_count++;
    bool is_resumed = m->state == LW_WATCHING && m->unreadable_count == 1;
    bool is_lost = m->state == LW_WATCHING && !is_resumed; /* cannot get past it */
    wait_backoff(t, is_lost ? LW_REQUEST_STREAM : m->request);
    if (m->unreadable_count < UNREADABLE_MAX || !m->wants_protobuf)
        return;
    m->wants_protobuf = false;
    m->unreadable_count = 0;
    t->actions.say = LW_SAY_NO_PROTOBUF;
}

static void watch_ended(struct turn *t)
{
    struct list_watch *m = t->m;
    const struct list_watch_event *e = t->event;
    bool was_opened = m->opened_ns != 0;
    bool was_short = !was_opened || t->now_ns - m->opened_ns < SHORT_WATCH_NS;
    bool is_lost = was_opened && !m->anything_came && (was_short || e->stalled);
    if (e->stalled && was_opened && !m->anything_came && !m->bookmarks_come)
        m->is_quiet = true;
    m->bookmarks_come &= !(e->stalled && is_lost);
    if (is_lost || m->resource_version[0] == '\0') {
        if (is_lost || e->broken)
            wait_backoff(t, LW_REQUEST_STREAM);
        else
            begin_list(t);
    } else if (e->broken) {
        retry(t);
    } else {
        begin(t, LW_REQUEST_WATCH);
    }
}

static void ended(struct turn *t)
{
    struct list_watch *m = t->m;
    const struct list_watch_event *e = t->event;
    if (e->unreadable) {
        unreadable(t);
    } else if (m->state == LW_WATCHING) {
        watch_ended(t);
    } else {
        if (m->state == LW_STREAMING && !e->refused)
            m->stream_failure_count += e->stalled ? STREAM_FAILURES_MAX : 1;
        retry(t);
    }
}

/* -- steps -- */

static void timer(struct turn *t)
{
    struct list_watch *m = t->m;
    if (m->state == LW_WATCHING && m->opened_ns != 0)
        say_well(t);
    if (m->state != LW_WAITING)
        return;
    if (m->request == LW_REQUEST_STREAM) {
        begin_list(t);
    } else if (m->request == LW_REQUEST_LIST && m->first_page) {
        begin_pages(t); /* of another state: what came of the last one does not count as seen */
    } else {
        t->actions.page = LW_PAGE_SAME;
        begin(t, m->request);
    }
}

static void relist(struct turn *t)
{
    struct list_watch *m = t->m;
    if (m->state == LW_WAITING) {
        m->request = LW_REQUEST_STREAM;
    } else if (m->state != LW_IDLE) {
        t->actions.cancel = true;
        begin_list(t);
    }
}

/* Only a watch from a version: what came of a list would have to come again. */
static void leave(struct turn *t)
{
    const struct list_watch *m = t->m;
    if (m->state != LW_WATCHING || m->opened_ns == 0 || m->resource_version[0] == '\0')
        return;
    t->actions.cancel = true;
    begin(t, LW_REQUEST_WATCH);
}

static void stop(struct turn *t)
{
    struct list_watch *m = t->m;
    struct list_watch fresh;
    t->actions.cancel = m->state != LW_IDLE && m->state != LW_WAITING;
    list_watch_init(&fresh, m->wants_protobuf, m->periods);
    fresh.has_streaming = m->has_streaming;
    *m = fresh;
}

struct list_watch_actions list_watch_step(struct list_watch *m,
                                          const struct list_watch_event *event, int64_t now_ns)
{
    struct turn t = {.m = m, .event = event, .now_ns = now_ns};
    bool is_under_way = m->state != LW_IDLE && m->state != LW_WAITING;
    switch (event->kind) {
    case LW_START:
        if (m->state == LW_IDLE)
            begin_list(&t);
        return t.actions;
    case LW_STOP:
        stop(&t);
        return t.actions;
    case LW_RELIST:
        relist(&t);
        return t.actions;
    case LW_TIMER:
        timer(&t);
        return t.actions;
    case LW_LEAVE:
        leave(&t);
        return t.actions;
    default:
        break;
    }
    if (!is_under_way)
        return t.actions;
    switch (event->kind) {
    case LW_OPENED:
        opened(&t);
        break;
    case LW_SYNCED:
        if (m->state == LW_STREAMING)
            finish_list(&t, event->resource_version);
        else
            came(&t);
        break;
    case LW_OBJECT:
    case LW_BOOKMARK:
        came(&t);
        break;
    case LW_PAGE:
        page(&t);
        break;
    case LW_LIST_END:
        list_end(&t);
        break;
    case LW_ERROR:
        failed(&t);
        break;
    default: /* LW_ENDED */
        ended(&t);
    }
    return t.actions;
}

void list_watch_query(const struct list_watch *m, int64_t timeout_s, str continue_token,
                      struct buf *query)
{
    switch (m->request) {
    case LW_REQUEST_CHECK:
        buf_text(query, "limit=1");
        return;
    case LW_REQUEST_LIST:
        if (!m->full_list)
            buf_printf(query, "limit=%d", PAGE_ITEMS);
        if (continue_token.len > 0) {
            buf_text(query, m->full_list ? "continue=" : "&continue=");
            url_encode(query, continue_token);
        }
        return;
    default:
        buf_printf(query, "watch=true&allowWatchBookmarks=true&timeoutSeconds=%" PRId64, timeout_s);
    }
    if (m->request == LW_REQUEST_STREAM)
        buf_text(query, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    else if (m->resource_version[0] != '\0') {
        buf_text(query, "&resourceVersion=");
        url_encode(query, str_from(m->resource_version));
    }
}
