/*
 * One watch at work: the machine of list_watch.c with requests, a timer and the store.
 *
 * Life of a request: the machine asks for it -> it waits for its turn (watch_client.c) -> kube_send
 * -> headers: a stream reader by the Content-Type -> data: objects are decoded where they lie and
 * go into the store, inside the callback -> the end, told to the machine, which asks for the next.
 *
 * Every callback may end the request it came from: a step of the machine may cancel it. `attempt`
 * tells whether the request under way is still the same.
 *
 * After a list, objects that were not in it are taken out in slices, from a task; the watch goes on
 * meanwhile, for whatever comes from it counts as seen. A list that begins while the task is still
 * at work ends it: its own sweep takes what was left over.
 *
 * Invariants: a request under way has w->call or waits in the queue, never both; page_token is the
 * token of the page under way; the store changes here only.
 */
#include <stdio.h>

#include "kube/watch_internal.h"

#define MS_NS INT64_C(1000000)

enum {
    SWEEP_PLACES = 1024, /* looked at between two looks at the clock */
    WATCH_SECONDS_MIN = 300,
    WATCH_SECONDS_SPAN = 300,
    WATCH_SILENCE_MAX_MS = (WATCH_SECONDS_MIN + WATCH_SECONDS_SPAN + 30) * 1000,
};

static void step(struct watch *w, struct list_watch_event event, const struct err *err);
static void watchdog_arm(struct watch *w);

/* -- the store -- */

static void tell(struct watch *w, const struct watch_change *change)
{
    list_for_each (node, &w->users) {
        struct watch_user *user = CONTAINER_OF(node, struct watch_user, link);
        if (user->on_change != NULL)
            user->on_change(user->arg, change);
    }
}

static bool comes_by_list(const struct watch *w)
{
    return w->machine.state != LW_WATCHING;
}

static void put(struct watch *w, struct object *take_object)
{
    struct object *before, *after = object_ref(take_object);
    enum store_change change = store_put(&w->store, take_object, &before);
    if (change != STORE_SAME)
        tell(w, &(struct watch_change){
                    .kind = change == STORE_ADDED ? WATCH_ADDED : WATCH_UPDATED,
                    .before = before,
                    .after = after,
                    .resource_version = after->resource_version,
                    .by_list = comes_by_list(w),
                });
    object_unref(&w->set->pool, before);
    object_unref(&w->set->pool, after);
}

static void tell_deleted(struct watch *w, struct object *take_before, uint64_t resource_version,
                         bool by_list)
{
    tell(w, &(struct watch_change){
                .kind = WATCH_DELETED,
                .before = take_before,
                .resource_version = resource_version,
                .by_list = by_list,
            });
    object_unref(&w->set->pool, take_before);
}

/* The store is empty: its tables go, too. */
static void store_give_back(struct watch *w)
{
    store_reset(&w->store);
}

static void sweep_done(struct watch *w)
{
    bool was_synced = w->synced;
    unsigned was_complete = w->complete_fields;
    if (w->is_dying) {
        watch_free(w);
        return;
    }
    if (!w->is_running)
        store_give_back(w);
    w->synced = w->sync_due;
    w->complete_fields = w->sync_due ? w->list_fields : 0;
    if (w->sync_due)
        watch_say_synced(w, !was_synced);
    w->sync_due = false;
    /* What a list had brought until it was denied is gone now: then nobody waits for the kind any more. */
    bool is_changed = w->synced != was_synced || w->complete_fields != was_complete;
    if (is_changed || (watch_is_denied(w) && !w->synced))
        watch_state_changed(w);
}

static void sweep(void *arg)
{
    struct watch *w = arg;
    int64_t end_ns = loop_boot_ns(w->set->loop) + LIMIT_SWEEP_SLICE_MS * MS_NS;
    do {
        uint32_t budget = SWEEP_PLACES;
        struct object *gone;
        while ((gone = store_sweep(&w->store, &budget)) != NULL)
            tell_deleted(w, gone, 0, true);
        if (budget > 0) {
            sweep_done(w);
            return;
        }
    } while (loop_boot_ns(w->set->loop) < end_ns);
    loop_task_post(&w->sweep_task);
}

static void begin_mark(struct watch *w, bool replace)
{
    loop_task_cancel(&w->sweep_task);
    w->sync_due = false;
    w->store.takes_same = replace;
    w->list_fields = w->decode_fields;
    w->list_started_ns = loop_boot_ns(w->set->loop);
    store_mark(&w->store);
}

static void begin_sweep(struct watch *w, bool is_synced)
{
    w->store.takes_same = false;
    w->sync_due = is_synced;
    w->sweep_task.fn = sweep;
    w->sweep_task.arg = w;
    loop_task_post(&w->sweep_task);
}

/* -- what comes -- */

static void step_version(struct watch *w, enum list_watch_event_kind kind, str version)
{
    step(w, (struct list_watch_event){.kind = kind, .resource_version = version}, NULL);
}

static void step_object(struct watch *w, uint64_t number, str text)
{
    char digits[24];
    if (number != 0) {
        int len = snprintf(digits, sizeof digits, "%" PRIu64, number);
        text = str_make(digits, (size_t)len);
    }
    step_version(w, LW_OBJECT, text);
}

/* A valid frame with an object that cannot be read: the store keeps what it has of it. */
static void undecodable(struct watch *w, const struct err *err)
{
    struct watch_meta meta;
    uint8_t uid[16];
    bool canonical;
    w->stats.decode_failures++;
    (void)watch_meta_read(&meta, w->stream.format, w->stream.bytes, &w->stream.arena, NULL);
    watch_say_undecodable(w, &meta, err);
    if (meta.uid.len > 0) {
        uid_parse(meta.uid, w->set->pool.hash_key, uid, &canonical);
        struct object *known = store_get(&w->store, uid), *before;
        if (known != NULL) { /* so that no sweep takes it */
            (void)store_put(&w->store, object_ref(known), &before);
            object_unref(&w->set->pool, before);
        }
    }
    step_object(w, 0, meta.resource_version);
}

static void object_came(struct watch *w)
{
    struct err err;
    struct watch_meta meta = {0};
    w->stats.events++;
    if (w->machine.state == LW_CHECKING)
        return;
    struct object *o = w->codec->decode(w->codec, &w->set->pool, w->decode_fields, w->stream.format,
                                        w->stream.bytes, &err);
    if (o == NULL) {
        undecodable(w, &err);
        return;
    }
    uint64_t version = o->resource_version;
    put(w, o);
    if (version == 0) /* not a number: its text */
        (void)watch_meta_read(&meta, w->stream.format, w->stream.bytes, &w->stream.arena, NULL);
    step_object(w, version, meta.resource_version);
}

/* False if it does not say of whom. */
static bool deletion_came(struct watch *w, struct err *err)
{
    struct watch_meta meta;
    uint8_t uid[16];
    bool canonical;
    uint64_t version;
    w->stats.events++;
    bool is_whole =
        watch_meta_read(&meta, w->stream.format, w->stream.bytes, &w->stream.arena, err);
    if (meta.uid.len == 0)
        return !is_whole ? false : err_set(err, "a DELETED event without a uid");
    uid_parse(meta.uid, w->set->pool.hash_key, uid, &canonical);
    if (!str_to_u64(meta.resource_version, &version))
        version = 0;
    struct object *before = store_remove(&w->store, uid);
    if (before != NULL)
        tell_deleted(w, before, version, comes_by_list(w));
    step_object(w, version, meta.resource_version);
    return true;
}

static void page_came(struct watch *w)
{
    const struct watch_stream *s = &w->stream;
    mem_free(w->next_token);
    w->next_token = s->continue_token.len == 0 ? NULL : str_dup(s->continue_token);
    step(w,
         (struct list_watch_event){
             .kind = LW_PAGE,
             .resource_version = s->resource_version,
             .continue_token = s->continue_token,
         },
         NULL);
}

/* -- the end of a request -- */

/* Nothing is under way any more. */
static void end_request(struct watch *w)
{
    if (w->call != NULL)
        kube_cancel(w->call);
    w->call = NULL;
    w->attempt++;
    loop_timer_clear(&w->watchdog);
    if (w->has_stream)
        watch_stream_deinit(&w->stream);
    w->has_stream = false;
    watch_client_release(w);
}

static bool is_too_large(int status, str message)
{
    size_t pos;
    return status >= 500 && str_find(message, STR("Too large resource version"), &pos);
}

/* An ERROR event in the stream. Its texts lie in the stream's arena. */
static void error_came(struct watch *w)
{
    const struct kube_status *status = &w->stream.status;
    struct list_watch_event event = {
        .kind = LW_ERROR,
        .status = status->code == 0 ? 500 : status->code,
        .reason = status->reason,
        .retry_after_ms = status->retry_after_s > 0 ? status->retry_after_s * 1000 : -1,
        .in_stream = true,
        .too_large = is_too_large(status->code, status->message),
    };
    struct buf text;
    struct err err;
    buf_init(&text, ERR_TEXT_MAX - 1);
    status_print(&text, event.status, status);
    err_set_code(&err, event.status, "%s", buf_cstr(&text));
    buf_deinit(&text);
    step(w, event, &err);
}

static void unreadable(struct watch *w, struct err *err)
{
    err_wrap(err, "watch of %s", w->label);
    err->code = -1;
    end_request(w);
    step(w, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .unreadable = true}, err);
}

/* On HTTP/2 the end of the answer may come late, and to cancel a stream is nothing; on HTTP/1.1 it would cost the connection. */
static void list_ended(struct watch *w)
{
    w->list_ended = true;
    if (!w->is_http2)
        return; /* on_done comes */
    end_request(w);
    step(w, (struct list_watch_event){.kind = LW_LIST_END}, NULL);
}

static bool on_data(void *arg, str data)
{
    struct watch *w = arg;
    uint64_t attempt = w->attempt;
    bool was_first = list_watch_awaits_first(&w->machine);
    struct err err;
    w->stats.bytes_received += data.len;
    w->last_byte_ns = loop_boot_ns(w->set->loop);
    while (w->attempt == attempt) {
        switch (watch_stream_next(&w->stream, &data, &err)) {
        case STREAM_MORE:
            if (was_first && !list_watch_awaits_first(&w->machine))
                watchdog_arm(w); /* less patience from here on */
            return true;
        case STREAM_OBJECT:
            object_came(w);
            break;
        case STREAM_DELETED:
            if (!deletion_came(w, &err))
                unreadable(w, &err);
            break;
        case STREAM_BOOKMARK:
            step_version(w, LW_BOOKMARK, w->stream.resource_version);
            break;
        case STREAM_SYNCED:
            step_version(w, LW_SYNCED, w->stream.resource_version);
            if (w->attempt == attempt)
                watchdog_arm(w); /* from now on it is a watch */
            break;
        case STREAM_PAGE:
            page_came(w);
            break;
        case STREAM_END:
            list_ended(w);
            break;
        case STREAM_ERROR:
            error_came(w);
            break;
        case STREAM_BROKEN:
            unreadable(w, &err);
            break;
        }
    }
    return false;
}

static void on_open(void *arg, const struct http_response *r)
{
    struct watch *w = arg;
    struct err err;
    str type = STR_NONE;
    bool is_list = w->machine.request == LW_REQUEST_LIST || w->machine.request == LW_REQUEST_CHECK;
    (void)http_response_header(r, "content-type", &type);
    w->has_stream = true;
    w->list_ended = false;
    w->is_http2 = http_response_is_http2(r);
    if (!watch_stream_init(&w->stream, is_list, type, &err)) {
        unreadable(w, &err);
        return;
    }
    watchdog_arm(w); /* another patience from here on */
    step(w, (struct list_watch_event){.kind = LW_OPENED}, NULL);
}

static void on_done(void *arg, const struct kube_result *r)
{
    struct watch *w = arg;
    struct err err = r->err;
    struct list_watch_event event = {.kind = LW_ENDED, .retry_after_ms = r->retry_after_ms};
    bool is_answered = r->outcome == HTTP_DONE;
    if (w->has_stream && w->list_ended) {
        event.kind = LW_LIST_END;
    } else if (is_answered && r->status >= 300) {
        event.kind = LW_ERROR;
        event.status = r->status;
        event.reason = r->reason;
        event.too_large = is_too_large(r->status, r->message);
        w->was_told_to_wait = r->retry_after_ms >= 0;
    } else {
        event.refused = r->credentials_failed || r->outcome == HTTP_CONNECT_FAILED;
        event.broken = !is_answered || !w->has_stream || !watch_stream_is_between(&w->stream);
        if (is_answered)
            err_set_code(&err, -1, "watch of %s: the answer ended%s", w->label,
                         event.broken ? " before it was complete" : "");
    }
    w->call = NULL;
    end_request(w);
    step(w, event, &err);
}

/* A watch goes on where it is on another connection. A list under way is not begun again. */
static void on_leave(void *arg)
{
    step(arg, (struct list_watch_event){.kind = LW_LEAVE}, NULL);
}

/* -- the watchdog -- */

/* How long nothing may come. Silence of a watch is measured by its bookmarks; of one without, by the time at which the server ends it. */
static int64_t idle_ns(const struct watch *w)
{
    const struct watch_periods *p = &w->set->periods;
    int64_t bookmark_ms =
        list_watch_awaits_first(&w->machine) ? p->watch_first_ms : p->watch_idle_ms;
    bool expects_bookmarks = list_watch_expects_bookmarks(&w->machine);
    if (w->has_stream && w->machine.state == LW_STREAMING)
        return p->streaming_idle_ms * MS_NS;
    if (w->has_stream && w->machine.state == LW_WATCHING)
        return (expects_bookmarks ? bookmark_ms : WATCH_SILENCE_MAX_MS) * MS_NS;
    return p->list_idle_ms * MS_NS;
}

static void watchdog_arm(struct watch *w)
{
    loop_timer_set(&w->watchdog, w->last_byte_ns + idle_ns(w));
}

/* Data only notes when it came. */
static void watchdog_fired(void *arg)
{
    struct watch *w = arg;
    struct err err;
    bool was_opened = w->has_stream;
    int64_t silent_ns = loop_boot_ns(w->set->loop) - w->last_byte_ns;
    if (silent_ns < idle_ns(w)) {
        watchdog_arm(w);
        return;
    }
    err_set(&err, "watch of %s: nothing came for %" PRId64 " s", w->label,
            silent_ns / MS_NS / 1000);
    watch_client_give_up_connection(w);
    end_request(w);
    step(w, (struct list_watch_event){.kind = LW_ENDED, .broken = true, .stalled = was_opened},
         &err);
}

/* -- requests -- */

void watch_send(struct watch *w)
{
    enum list_watch_request request = w->machine.request;
    bool is_watch = request == LW_REQUEST_STREAM || request == LW_REQUEST_WATCH;
    bool protobuf = w->machine.wants_protobuf && w->codec->has_protobuf;
    int64_t timeout_s =
        WATCH_SECONDS_MIN + (int64_t)(loop_random_u64(w->set->loop) % WATCH_SECONDS_SPAN);
    struct buf query;
    buf_init(&query, LIMIT_HTTP_URL_BYTES);
    list_watch_query(&w->machine, timeout_s, str_from(w->page_token), &query);
    buf_text(&query, w->selectors);
    *(is_watch ? &w->stats.watch_requests : &w->stats.lists) += 1;
    w->drop_count = w->client->drop_count;
    w->call = kube_send(
        w->client->kube,
        &(struct kube_request){
            .lane = is_watch ? KUBE_LANE_WATCH : KUBE_LANE_LIST,
            .path = str_from(w->path),
            .query = buf_view(&query),
            .accept = protobuf ? "application/vnd.kubernetes.protobuf,application/json" : NULL,
            .stream = is_watch,
            .piece_bytes_max =
                protobuf ? LIMIT_HTTP_PROTOBUF_PIECE_BYTES : LIMIT_HTTP_JSON_PIECE_BYTES,
            .on_data = on_data,
            .on_open = on_open,
            .on_leave = on_leave,
            .on_done = on_done,
            .arg = w,
        });
    buf_deinit(&query);
    w->last_byte_ns = loop_boot_ns(w->set->loop);
    watchdog_arm(w);
}

static void choose_page(struct watch *w, enum list_watch_page page)
{
    if (page == LW_PAGE_SAME)
        return;
    mem_free(w->page_token);
    w->page_token = page == LW_PAGE_NEXT ? w->next_token : NULL;
    if (page == LW_PAGE_FIRST)
        mem_free(w->next_token);
    w->next_token = NULL;
}

static void forget_pages(struct watch *w)
{
    choose_page(w, LW_PAGE_FIRST);
}

/* -- steps -- */

static void act(struct watch *w, const struct list_watch_actions *a, const struct err *err)
{
    static const struct err nothing = {.code = 0};
    if (a->cancel)
        end_request(w);
    if (a->mark)
        begin_mark(w, a->replace);
    if (a->sweep)
        begin_sweep(w, a->synced);
    if (a->timer_ns != 0)
        loop_timer_set(&w->timer, a->timer_ns);
    if (a->say != LW_SAY_NOTHING)
        watch_say(w, a->say, err == NULL ? &nothing : err);
    if (a->request == LW_REQUEST_NONE)
        return;
    if (a->request == LW_REQUEST_LIST)
        choose_page(w, a->page);
    else
        forget_pages(w);
    watch_client_enqueue(w);
}

/* Said later, perhaps: when lists are not allowed either. */
static void keep_denial(struct watch *w, const struct err *err)
{
    mem_free(w->denied_text);
    w->denied_text = str_dup(str_from(err->text));
    w->denied_watch = w->machine.state == LW_STREAMING || w->machine.state == LW_WATCHING;
}

/* `err`: of LW_ERROR and LW_ENDED. */
static void step(struct watch *w, struct list_watch_event event, const struct err *err)
{
    if (event.kind == LW_ERROR && event.status == 403)
        keep_denial(w, err);
    if (event.kind != LW_OBJECT && event.kind != LW_BOOKMARK)
        event.random = loop_random_u64(w->set->loop);
    if (w->client->no_streaming)
        w->machine.has_streaming = false;
    struct list_watch_actions actions =
        list_watch_step(&w->machine, &event, loop_boot_ns(w->set->loop));
    act(w, &actions, err);
}

static void on_timer(void *arg)
{
    step(arg, (struct list_watch_event){.kind = LW_TIMER}, NULL);
}

void watch_run_start(struct watch *w)
{
    CHECK(!w->is_running);
    w->is_running = true;
    loop_timer_init(w->set->loop, &w->timer, "watch", on_timer, w);
    loop_timer_init(w->set->loop, &w->watchdog, "watch watchdog", watchdog_fired, w);
    step(w, (struct list_watch_event){.kind = LW_START}, NULL);
}

void watch_run_stop(struct watch *w)
{
    CHECK(w->is_running);
    step(w, (struct list_watch_event){.kind = LW_STOP}, NULL);
    end_request(w);
    forget_pages(w);
    loop_timer_clear(&w->timer);
    watch_say_stopped(w);
    w->is_running = false;
}

void watch_run_relist(struct watch *w)
{
    step(w, (struct list_watch_event){.kind = LW_RELIST}, NULL);
}

void watch_run_empty(struct watch *w)
{
    begin_mark(w, false);
    begin_sweep(w, false);
}
