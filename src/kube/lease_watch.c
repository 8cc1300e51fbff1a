/*
 * A watch on one Lease.
 *
 * Life: lease_watch_start sends the request; LEASE_OPENED when the server has accepted it; events
 * as they come; LEASE_ENDED once, last, whatever the reason; lease_watch_free, which may come
 * inside any of the callbacks and cancels what is under way.
 *
 * The first event comes from the loop, after lease_watch_start has returned. A field selector names
 * the Lease, and events with another name are dropped all the same: a server that ignored the
 * selector would otherwise hand us a stranger's leadership.
 *
 * Specification: kubernetes_wire 3.4 to 3.6: sendInitialEvents with
 * resourceVersionMatch=NotOlderThan, bookmarks, 410 as an ERROR event within HTTP 200.
 */
#include "base/limits.h"
#include "kube/lease_stream.h"
#include "wire/text.h"

struct lease_watch {
    struct kube_call *call; /* NULL: over */
    struct lease_stream stream;
    char *label; /* "watch of Lease namespace/name", for errors */
    str name;    /* within the label */
    void (*on_event)(void *arg, enum lease_event event, const struct lease *lease,
                     const struct kube_result *result);
    void *arg;
    bool has_end; /* `end` was decided by an event, not by the connection */
    enum http_outcome end_outcome;
    struct err end_error;
    bool *freed; /* on the stack of a callback that is running */
};

/* False if the watch was freed in the callback. */
static bool tell(struct lease_watch *w, enum lease_event event, const struct lease *lease,
                 const struct kube_result *result)
{
    bool freed = false;
    w->freed = &freed;
    w->on_event(w->arg, event, lease, result);
    if (!freed)
        w->freed = NULL;
    return !freed;
}

static void on_open(void *arg, const struct http_response *r)
{
    (void)r;
    tell(arg, LEASE_OPENED, NULL, NULL);
}

/* The stream ends by its content: what LEASE_ENDED will say. */
static void end_with_error_event(struct lease_watch *w)
{
    struct buf text;
    buf_init(&text, ERR_TEXT_MAX - 1);
    status_print(&text, w->stream.status.code, &w->stream.status);
    err_set_code(&w->end_error, w->stream.status.code, "%s: %s", w->label, buf_cstr(&text));
    buf_deinit(&text);
    w->has_end = true;
    w->end_outcome = HTTP_DONE;
}

static bool on_data(void *arg, str data)
{
    static const enum lease_event events[] = {
        [LEASE_STREAM_SEEN] = LEASE_SEEN,
        [LEASE_STREAM_DELETED] = LEASE_DELETED,
        [LEASE_STREAM_BOOKMARK] = LEASE_BOOKMARK,
        [LEASE_STREAM_SYNCED] = LEASE_SYNCED,
    };
    struct lease_watch *w = arg;
    for (;;) {
        enum lease_stream_step step = lease_stream_next(&w->stream, &data, &w->end_error);
        if (step == LEASE_STREAM_MORE)
            return true;
        if (step == LEASE_STREAM_ERROR) {
            end_with_error_event(w);
            return false;
        }
        if (step == LEASE_STREAM_BROKEN) {
            err_wrap(&w->end_error, "%s", w->label);
            w->has_end = true;
            w->end_outcome = HTTP_BROKEN;
            return false;
        }
        bool is_ours = str_eq(w->stream.lease.name, w->name) || step == LEASE_STREAM_BOOKMARK ||
                       step == LEASE_STREAM_SYNCED;
        if (is_ours && !tell(w, events[step], &w->stream.lease, NULL))
            return false;
    }
}

static void on_done(void *arg, const struct kube_result *result)
{
    struct lease_watch *w = arg;
    struct kube_result end = *result;
    w->call = NULL;
    if (w->has_end) {
        const struct kube_status *status = &w->stream.status;
        end.outcome = w->end_outcome;
        end.err = w->end_error;
        if (w->end_outcome == HTTP_DONE) {
            end.status = status->code == 0 ? 500 : status->code;
            end.reason = status->reason;
            end.message = status->message;
            end.retry_after_ms = status->retry_after_s < 0 ? -1 : status->retry_after_s * 1000;
        }
    } else if (end.outcome == HTTP_DONE && end.status < 300 &&
               !lease_stream_is_between(&w->stream)) {
        end.outcome = HTTP_BROKEN;
        err_set(&end.err, "%s: the stream ended inside an event", w->label);
    }
    tell(w, LEASE_ENDED, NULL, &end);
}

static void print_query(struct buf *b, str name, bool initial, str resource_version,
                        int64_t timeout_s)
{
    buf_text(b, "watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3D");
    url_encode(b, name);
    if (timeout_s > 0)
        buf_printf(b, "&timeoutSeconds=%" PRId64, timeout_s);
    if (initial)
        buf_text(b, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    if (resource_version.len > 0) {
        buf_text(b, "&resourceVersion=");
        url_encode(b, resource_version);
    }
}

struct lease_watch *lease_watch_start(struct kube_client *client, str namespace, str name,
                                      bool initial, str resource_version, int64_t timeout_s,
                                      int64_t idle_timeout_ms,
                                      void (*on_event)(void *arg, enum lease_event event,
                                                       const struct lease *lease,
                                                       const struct kube_result *result),
                                      void *arg)
{
    CHECK(on_event != NULL && name.len > 0);
    struct lease_watch *w = mem_zalloc(sizeof *w);
    struct buf label, path, query;
    buf_init(&label, 4096);
    buf_init(&path, 4096);
    buf_init(&query, 8192);
    lease_stream_init(&w->stream);
    w->on_event = on_event;
    w->arg = arg;
    buf_printf(&label, "watch of Lease %.*s/", STR_ARG(namespace));
    size_t name_pos = label.len, label_len;
    buf_str(&label, name);
    CHECK(!label.overflow);
    w->label = buf_take(&label, &label_len);
    w->name = str_make(w->label + name_pos, label_len - name_pos);
    lease_path(&path, namespace, STR_NONE);
    print_query(&query, name, initial, resource_version, timeout_s);
    w->call =
        kube_send(client, &(struct kube_request){
                              .lane = KUBE_LANE_LEASE, /* one connection for all of an election */
                              .method = "GET",
                              .path = buf_view(&path),
                              .query = buf_view(&query),
                              .idle_timeout_ms = idle_timeout_ms,
                              .stream = true,
                              .on_data = on_data,
                              .on_open = on_open,
                              .on_done = on_done,
                              .arg = w,
                          });
    buf_deinit(&path);
    buf_deinit(&query);
    return w;
}

void lease_watch_free(struct lease_watch *w)
{
    if (w == NULL)
        return;
    if (w->call != NULL)
        kube_cancel(w->call);
    if (w->freed != NULL)
        *w->freed = true;
    lease_stream_deinit(&w->stream);
    mem_free(w->label);
    mem_free(w);
}
