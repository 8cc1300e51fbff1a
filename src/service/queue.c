/*
 * The sending queue. See queue.h for the life of a batch.
 *
 * A request is in one of these states; the arrows are the only ways:
 *   PACKING -> WAITING -> SENDING -> (RETRYING -> SENDING)* -> gone
 * A request that waits for its next attempt keeps its consumer, as in the reference: a backend that
 * is down sees at most num_consumers requests, not the whole queue.
 *
 * Memory: a batch is large while it is decoded, so it is cut and packed as soon as it comes, and
 * its content is freed when it is cut to its end and no other exporter holds it. What is decoded
 * counts against the byte bound as long as it is there. A batch that is larger than the bound still
 * gets through, since one request at a time is always allowed.
 *
 * Receivers that can wait ask queue_has_room, and with the queue switched off they wait for each
 * batch; a batch that comes unasked is taken as long as the bounds allow.
 *
 * Pace: a queue is for a backend that is slow or away. One that keeps up gains nothing from more
 * than LIMIT_QUEUE_AHEAD_BYTES waiting for it, so then there is no room, and a tick of any size is
 * collected as fast as it is sent, through a few buffers that stay in the processor's caches. When
 * no request has ended for PROGRESS_NS the backend does not keep up: then there is room up to the
 * bounds, and the tick is kept here as it was at its time.
 *
 * Buffers: a request is encoded into `spare` memory if there is some, with room for the transport's
 * prefix in front; packing takes that memory (no compression) or gives it back (compression).
 *
 * A request holds data of one batch only, so it has one origin: the header that fences a term off is
 * made with the request and stays what it is however often, and however late, the request is sent.
 *
 * Invariants: request_count, byte_count, encoded_bytes are the sums over `waiting` and `busy` (the
 * payload of a request in PACKING is empty); item_count also has what is not cut yet; a pending
 * batch exists while requests of it do, or while it is not cut to its end; consumers_busy =
 * requests in `busy` = those in SENDING and RETRYING; requests are in `waiting` in the order in
 * which they were cut and start in that order.
 *
 * Specification: collector_host 3.2.
 */
#include "service/queue.h"

#include "base/limits.h"
#include "io/file.h"
#include "telemetry/otlp.h"
#include "wire/text.h"

#define MS INT64_C(1000000)

/* A backend that has not ended a request for so long is not waited for. */
#define PROGRESS_NS (1000 * MS)
/* What a request and its batch cost beside payload and content. */
#define REQUEST_OVERHEAD_BYTES KIB
enum {
    PACKING_MAX = 2,       /* encoded requests in pool threads, up to 4 MiB each */
    UNCUT_BATCHES_MAX = 2, /* then receivers wait: a batch is cut in a turn or two */
    FULL_LOG_INTERVAL_S = 30,
};

enum request_state { REQUEST_PACKING, REQUEST_WAITING, REQUEST_SENDING, REQUEST_RETRYING };

struct pending_batch {
    struct list link; /* in queue.uncut until it is cut, then in queue.shared or nowhere */
    struct batch *batch;
    struct otlp_cursor cursor;
    size_t open_count;    /* requests that have not ended */
    size_t uncut_items;   /* not in a request yet */
    size_t decoded_bytes; /* of its content, 0 once that is freed */
    bool cut;
    enum outcome worst;
};

struct queue {
    struct exporter *exporter;
    struct loop *loop;
    struct logger *logger;
    struct queue_config config;
    struct retry_config retry;
    struct queue_transport transport;
    size_t bytes_max;
    struct list uncut; /* pending batches, oldest first */
    size_t uncut_count;
    struct list shared;  /* pending batches that are cut, with content that others still use */
    struct list waiting; /* requests in PACKING and WAITING */
    struct list busy;    /* requests in SENDING and RETRYING */
    int64_t consumers_busy;
    size_t packing_count; /* in pool threads */
    size_t encoded_bytes; /* of all requests, before packing */
    struct loop_task task;
    struct loop_timer stop_timer, pace_timer;
    int64_t progress_ns; /* boot time when a request ended, or the first one came */
    size_t last_bytes;   /* of the last request: the next one is likely to be as large */
    struct buf spare;    /* memory for the next request to be encoded into */
    int64_t full_logged_ns;
    bool told_full, stopping, dropping, stopped;
    int64_t stop_deadline_ns; /* while stopping */
    struct err last_failure;  /* text empty: none */
    struct queue_stats stats;
};

struct packing {
    struct send_request *request;
    struct buf encoded;
    struct err err;
    bool ok;
};

static void run(void *arg);
static void on_pace_timer(void *arg);
static void on_stop_deadline(void *arg);

static size_t default_bytes_max(void)
{
    uint64_t limit = cgroup_memory_limit() / 4;
    return limit > 0 && limit < LIMIT_QUEUE_BYTES ? (size_t)limit : LIMIT_QUEUE_BYTES;
}

struct queue *queue_new(struct exporter *e, const struct queue_config *queue,
                        const struct retry_config *retry, const struct queue_transport *transport)
{
    struct queue *q = mem_zalloc(sizeof *q);
    q->exporter = e;
    q->loop = e->base.loop;
    q->logger = &e->base.logger;
    q->config = *queue;
    q->retry = *retry;
    q->transport = *transport;
    q->bytes_max = queue->max_bytes > 0 ? (size_t)queue->max_bytes : default_bytes_max();
    if (!queue->enabled) /* one after the other */
        q->config.num_consumers = 1;
    const struct queue_batch_config *batch = &queue->batch;
    if (queue->enabled && queue->batch_enabled && batch->sizer == QUEUE_BYTES &&
        batch->max_size > 0 && (uint64_t)batch->max_size < transport->request_max)
        q->transport.request_max = (size_t)batch->max_size;
    list_init(&q->uncut);
    list_init(&q->shared);
    list_init(&q->waiting);
    list_init(&q->busy);
    loop_task_init(q->loop, &q->task, "sending queue", run, q);
    loop_timer_init(q->loop, &q->stop_timer, "sending queue stop", on_stop_deadline, q);
    loop_timer_init(q->loop, &q->pace_timer, "sending queue pace", on_pace_timer, q);
    return q;
}

static bool is_empty(const struct queue *q)
{
    return list_empty(&q->uncut) && list_empty(&q->waiting) && list_empty(&q->busy);
}

void queue_free(struct queue *q)
{
    if (q == NULL)
        return;
    CHECK(is_empty(q) && list_empty(&q->shared) && q->packing_count == 0);
    loop_task_cancel(&q->task);
    loop_timer_clear(&q->stop_timer);
    loop_timer_clear(&q->pace_timer);
    buf_deinit(&q->spare);
    mem_free(q);
}

const struct queue_stats *queue_statistics(const struct queue *q)
{
    return &q->stats;
}

static void add_requests(const struct queue *q, const struct list *requests,
                         uint64_t sizes[SIGNAL_COUNT])
{
    list_for_each (node, requests) {
        const struct send_request *r = CONTAINER_OF(node, struct send_request, link);
        sizes[signal_index(r->signal)] += q->config.sizer == QUEUE_ITEMS   ? r->item_count
                                          : q->config.sizer == QUEUE_BYTES ? r->encoded_bytes
                                                                           : 1;
    }
}

void queue_exporter_statistics(const struct queue *q, struct exporter_stats *stats)
{
    const struct queue_stats *s = &q->stats;
    memcpy(stats->sent, s->sent_by_signal, sizeof stats->sent);
    memcpy(stats->send_failed, s->failed_by_signal, sizeof stats->send_failed);
    memcpy(stats->enqueue_failed, s->refused_by_signal, sizeof stats->enqueue_failed);
    stats->requests = s->requests_sent;
    stats->retries = s->retries;
    stats->queue_bytes = s->byte_count + s->decoded_bytes;
    stats->has_queue = q->config.enabled;
    stats->queue_capacity = (uint64_t)q->config.queue_size;
    add_requests(q, &q->waiting, stats->queue_size);
    add_requests(q, &q->busy, stats->queue_size);
    list_for_each (node, &q->uncut) {
        const struct pending_batch *p = CONTAINER_OF(node, struct pending_batch, link);
        size_t size = q->config.sizer == QUEUE_REQUESTS ? 1 : p->uncut_items;
        if (q->config.sizer != QUEUE_BYTES) /* not encoded yet */
            stats->queue_size[signal_index(p->batch->signal)] += size;
    }
}

/* ---- room ---- */

/* Are the requests that exist as many as may be? */
static bool requests_are_full(const struct queue *q)
{
    if (q->stats.byte_count + q->stats.request_count * REQUEST_OVERHEAD_BYTES >= q->bytes_max)
        return true;
    if (!q->config.enabled || q->config.sizer == QUEUE_ITEMS)
        return false; /* cutting does not change the number of items */
    size_t size = q->config.sizer == QUEUE_BYTES ? q->encoded_bytes : q->stats.request_count;
    return size >= (size_t)q->config.queue_size;
}

/* Has what is here, cut or not, reached a bound? */
static bool is_full(const struct queue *q)
{
    const struct queue_stats *s = &q->stats;
    size_t things = s->request_count + q->uncut_count;
    if (s->byte_count + s->decoded_bytes + things * REQUEST_OVERHEAD_BYTES >= q->bytes_max)
        return true;
    if (!q->config.enabled)
        return false;
    size_t size = things;
    if (q->config.sizer == QUEUE_ITEMS)
        size = s->item_count;
    else if (q->config.sizer == QUEUE_BYTES)
        size = q->encoded_bytes;
    return size >= (size_t)q->config.queue_size;
}

/* Is more here than the backend needs to be kept busy, while it takes it? */
static bool is_ahead(const struct queue *q)
{
    size_t bytes = q->stats.byte_count + q->stats.decoded_bytes;
    return bytes >= LIMIT_QUEUE_AHEAD_BYTES && q->stats.request_count > 0 &&
           loop_boot_ns(q->loop) - q->progress_ns < PROGRESS_NS;
}

bool queue_has_room(const struct queue *q)
{
    if (q->stopping || q->uncut_count >= UNCUT_BATCHES_MAX || is_full(q) || is_ahead(q))
        return false;
    return q->config.enabled || is_empty(q);
}

/* Receivers may have been told that there is no room: they are owed a word when there is. */
static void note_room(struct queue *q)
{
    if (queue_has_room(q))
        return;
    q->told_full = true;
    int64_t now_ns = loop_boot_ns(q->loop);
    if (is_ahead(q) && !loop_timer_armed(&q->pace_timer))
        loop_timer_set(&q->pace_timer, q->progress_ns + PROGRESS_NS);
    bool logged =
        q->full_logged_ns != 0 && now_ns - q->full_logged_ns < FULL_LOG_INTERVAL_S * 1000 * MS;
    if (q->stopping || logged || !is_full(q))
        return;
    q->full_logged_ns = now_ns;
    log_warn(q->logger, "The sending queue is full: receivers wait, or lose what cannot wait",
             F_INT("requests", q->stats.request_count), F_INT("items", q->stats.item_count),
             F_INT("bytes", q->stats.byte_count + q->stats.decoded_bytes));
}

/* The backend may have stopped taking requests. */
static void on_pace_timer(void *arg)
{
    struct queue *q = arg;
    loop_task_post(&q->task);
}

/* ---- ends ---- */

static size_t content_bytes(const struct batch *b)
{
    size_t bytes = 0;
    for (; b != NULL; b = b->parent)
        bytes += b->arena.used_bytes;
    return bytes;
}

/* Frees what the batch holds, if nobody else reads it: of all the batch only its delivery is still
 * needed. A derived batch points into its parents, which are freed with it. */
static bool free_content(struct queue *q, struct pending_batch *p)
{
    struct batch *b = p->batch;
    if (b->ref_count > 1 || b->parent != NULL)
        return false;
    arena_deinit(&b->arena);
    b->resources = b->last_resource = NULL;
    b->origin.fencing_token = STR_NONE;
    q->stats.decoded_bytes -= p->decoded_bytes;
    p->decoded_bytes = 0;
    return true;
}

static void settle_batch(struct queue *q, struct pending_batch *p)
{
    if (!p->cut || p->open_count > 0)
        return;
    list_remove(&p->link);
    q->stats.decoded_bytes -= p->decoded_bytes;
    batch_outcome(p->batch, p->worst);
    batch_unref(p->batch);
    mem_free(p);
}

static void worsen(struct pending_batch *p, enum outcome outcome)
{
    if (outcome > p->worst)
        p->worst = outcome;
}

/* The request is in no list any more. */
static void end_request(struct queue *q, struct send_request *r, enum outcome outcome)
{
    struct pending_batch *p = r->pending;
    q->progress_ns = loop_boot_ns(q->loop);
    q->stats.request_count--;
    q->stats.byte_count -= r->payload.len;
    q->stats.item_count -= r->item_count;
    q->encoded_bytes -= r->encoded_bytes;
    uint64_t *by_signal =
        outcome == OUTCOME_SENT ? q->stats.sent_by_signal : q->stats.failed_by_signal;
    by_signal[signal_index(r->signal)] += r->item_count;
    if (outcome == OUTCOME_SENT)
        q->stats.sent_items += r->item_count;
    else if (outcome == OUTCOME_REFUSED)
        q->stats.failed_items += r->item_count;
    else
        q->stats.dropped_items += r->item_count;
    worsen(p, outcome);
    p->open_count--;
    loop_timer_clear(&r->timer);
    buf_deinit(&r->payload);
    mem_free(r->fencing_line);
    mem_free(r);
    settle_batch(q, p);
    /* Progress may just have closed it: who asks before the task runs is owed a word. */
    note_room(q);
    loop_task_post(&q->task);
}

static void log_dropped(struct queue *q, const char *why, const struct err *err, size_t item_count)
{
    struct buf text;
    buf_init(&text, 8 * KIB);
    buf_printf(&text, "%s: %s", why, err->text);
    log_error(q->logger, "Exporting failed. Dropping data.", F_STR("error", buf_view(&text)),
              F_INT("dropped_items", item_count));
    buf_deinit(&text);
}

/* ---- attempts ---- */

static void attempt(struct queue *q, struct send_request *r)
{
    r->state = REQUEST_SENDING;
    q->stats.requests_sent++;
    q->transport.send(q->transport.arg, r);
}

static void on_retry_timer(void *arg)
{
    struct send_request *r = arg;
    CHECK(r->state == REQUEST_RETRYING);
    attempt(r->queue, r);
}

static void end_busy(struct queue *q, struct send_request *r, enum outcome outcome)
{
    list_remove(&r->link);
    q->consumers_busy--;
    end_request(q, r, outcome);
}

/* Between (1 - factor) and (1 + factor) times the present interval; sets the next interval. */
static int64_t next_delay_ns(struct queue *q, struct send_request *r)
{
    double unit = (double)(loop_random_u64(q->loop) >> 11) / 9007199254740992.0; /* [0, 1) */
    double factor = q->retry.randomization_factor;
    double delay = (double)r->interval_ns * (1.0 - factor + 2.0 * factor * unit);
    double grown = (double)r->interval_ns * q->retry.multiplier;
    r->interval_ns =
        grown >= (double)q->retry.max_interval_ns ? q->retry.max_interval_ns : (int64_t)grown;
    if (delay >= (double)(INT64_MAX / 2))
        return INT64_MAX / 2;
    int64_t delay_ns = (int64_t)delay;
    return delay_ns < LIMIT_RETRY_DELAY_MIN_MS * MS ? LIMIT_RETRY_DELAY_MIN_MS * MS : delay_ns;
}

static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Why there will be no other attempt, or NULL. */
static const char *why_no_retry(const struct queue *q, const struct send_request *r,
                                int64_t retry_ns)
{
    if (!q->retry.enabled)
        return "not retried, retry_on_failure is off";
    if (q->stopping && retry_ns >= q->stop_deadline_ns)
        return "not retried, the collector is stopping";
    return r->give_up_ns > 0 && retry_ns > r->give_up_ns ? "no more retries left" : NULL;
}

static void log_retry(struct queue *q, const struct err *err, int64_t delay_ns)
{
    struct buf interval;
    buf_init(&interval, 64);
    duration_print(&interval, delay_ns);
    log_info(q->logger, "Exporting failed. Will retry the request after interval.", F_ERR(err),
             F_STR("interval", buf_view(&interval)));
    buf_deinit(&interval);
}

static void retry_later(struct queue *q, struct send_request *r, const struct send_result *result)
{
    q->last_failure = result->err;
    if (result->again_now && !r->repeated) {
        r->repeated = true;
        q->stats.retries++;
        log_debug(q->logger, "Exporting failed. Trying again at once.", F_ERR(&result->err));
        attempt(q, r);
        return;
    }
    int64_t delay_ns = next_delay_ns(q, r);
    if (q->stopping && delay_ns > LIMIT_STOP_RETRY_MS * MS) /* there is no time for more patience */
        delay_ns = LIMIT_STOP_RETRY_MS * MS;
    if (result->throttle_ns > delay_ns)
        delay_ns = result->throttle_ns;
    int64_t retry_ns = add_saturating(loop_boot_ns(q->loop), delay_ns);
    const char *why = why_no_retry(q, r, retry_ns);
    if (why != NULL) {
        log_dropped(q, why, &result->err, r->item_count);
        end_busy(q, r, OUTCOME_DROPPED);
        return;
    }
    log_retry(q, &result->err, delay_ns);
    q->stats.retries++;
    r->state = REQUEST_RETRYING;
    loop_timer_set(&r->timer, retry_ns);
}

static const char *rejected_key(enum signal signal)
{
    return signal == SIGNAL_METRICS ? "dropped_data_points"
           : signal == SIGNAL_LOGS  ? "dropped_log_records"
                                    : "dropped_spans";
}

void queue_sent(struct send_request *r, const struct send_result *result)
{
    struct queue *q = r->queue;
    CHECK(r->state == REQUEST_SENDING);
    switch (result->verdict) {
    case SEND_RETRY:
        retry_later(q, r, result);
        break;
    case SEND_NEVER:
        log_dropped(q, "not retryable error", &result->err, r->item_count);
        end_busy(q, r, OUTCOME_REFUSED);
        break;
    case SEND_OK:
        if (result->rejected_count > 0)
            q->stats.rejected_items += (uint64_t)result->rejected_count;
        if (result->rejected_count != 0 || result->message.len > 0)
            log_warn(q->logger, "Partial success response", F_STR("message", result->message),
                     F_INT(rejected_key(r->signal), result->rejected_count));
        end_busy(q, r, OUTCOME_SENT);
        break;
    }
}

static void start_waiting(struct queue *q)
{
    while (q->consumers_busy < q->config.num_consumers && !list_empty(&q->waiting)) {
        struct send_request *r = CONTAINER_OF(q->waiting.next, struct send_request, link);
        if (r->state == REQUEST_PACKING)
            break; /* those behind it wait too: that keeps the order */
        list_remove(&r->link);
        list_append(&q->busy, &r->link);
        q->consumers_busy++;
        r->interval_ns = q->retry.initial_interval_ns;
        r->give_up_ns = q->retry.max_elapsed_ns == 0
                            ? 0
                            : add_saturating(loop_boot_ns(q->loop), q->retry.max_elapsed_ns);
        attempt(q, r);
    }
}

/* ---- cutting and packing ---- */

static void pack_work(void *arg)
{
    struct packing *p = arg;
    const struct queue_transport *t = &p->request->queue->transport;
    struct buf *payload = &p->request->payload;
    p->ok = t->pack(t->arg, &p->encoded, payload, &p->err);
    if (p->ok &&
        payload->len > 0) { /* it may wait for long: without the slack of a growing buffer */
        payload->data = mem_realloc(payload->data, payload->len);
        payload->cap = payload->len;
    }
}

static void keep_spare(struct queue *q, struct buf *take)
{
    if (q->spare.data == NULL)
        q->spare = *take;
    else
        buf_deinit(take);
}

static void pack_end(struct packing *p)
{
    struct send_request *r = p->request;
    struct queue *q = r->queue;
    q->stats.byte_count += r->payload.len;
    if (p->ok && !q->dropping) {
        r->state = REQUEST_WAITING;
    } else {
        if (!p->ok) /* else on_stop_deadline has said it */
            log_dropped(q, "the request cannot be packed", &p->err, r->item_count);
        list_remove(&r->link);
        end_request(q, r, OUTCOME_DROPPED);
    }
    keep_spare(q, &p->encoded);
    mem_free(p);
    note_room(q);
    loop_task_post(&q->task);
}

static void on_packed(void *arg)
{
    struct packing *p = arg;
    p->request->queue->packing_count--;
    pack_end(p);
}

static char *fencing_line(const struct origin *o)
{
    if (o->fencing_header.len == 0)
        return NULL;
    struct buf line;
    buf_init(&line, o->fencing_header.len + o->fencing_token.len + 2);
    for (size_t i = 0; i < o->fencing_header.len; i++) {
        char c = o->fencing_header.data[i];
        buf_byte(&line, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    buf_text(&line, ": ");
    buf_str(&line, o->fencing_token);
    size_t len;
    return buf_take(&line, &len);
}

static void make_request(struct queue *q, struct pending_batch *pending, struct buf *take_encoded,
                         size_t item_count)
{
    struct send_request *r = mem_zalloc(sizeof *r);
    r->queue = q;
    r->arg = q->transport.arg;
    r->pending = pending;
    r->signal = pending->batch->signal;
    r->fencing_line = fencing_line(&pending->batch->origin);
    r->item_count = item_count;
    r->encoded_bytes = take_encoded->len - q->transport.prefix_bytes;
    q->last_bytes = take_encoded->len;
    if (q->stats.request_count == 0)
        q->progress_ns = loop_boot_ns(q->loop);
    r->state = REQUEST_PACKING;
    buf_init(&r->payload, take_encoded->len + take_encoded->len / 8 +
                              4 * KIB); /* zstd's and deflate's worst case */
    loop_timer_init(q->loop, &r->timer, "export retry", on_retry_timer, r);
    pending->open_count++;
    CHECK(item_count <= pending->uncut_items);
    pending->uncut_items -= item_count;
    q->stats.request_count++;
    q->encoded_bytes += r->encoded_bytes;
    list_append(&q->waiting, &r->link);
    struct packing *p = mem_zalloc(sizeof *p);
    p->request = r;
    p->encoded = *take_encoded;
    if (r->encoded_bytes > q->transport.pack_here_max) {
        q->packing_count++;
        loop_work(q->loop, "export packing", pack_work, on_packed, p);
    } else {
        pack_work(p);
        pack_end(p);
    }
}

static void lose_uncut(struct queue *q, struct pending_batch *p, size_t item_count)
{
    CHECK(item_count <= p->uncut_items);
    p->uncut_items -= item_count;
    q->stats.item_count -= item_count;
    q->stats.dropped_items += item_count;
    q->stats.failed_by_signal[signal_index(p->batch->signal)] += item_count;
    worsen(p, OUTCOME_DROPPED);
}

static void lose_too_large(struct queue *q, struct pending_batch *p, size_t item_count)
{
    enum signal signal = p->batch->signal;
    struct err err;
    err_set(&err, "one %s is larger than a request may be (%zu bytes)",
            signal == SIGNAL_METRICS ? "data point"
            : signal == SIGNAL_LOGS  ? "log record"
                                     : "span",
            q->transport.request_max);
    log_dropped(q, "too large", &err, item_count);
    lose_uncut(q, p, item_count);
}

/* The batch is cut to its end, or what is left of it is lost. */
static void finish_cut(struct queue *q, struct pending_batch *p)
{
    if (p->uncut_items > 0)
        lose_uncut(q, p, p->uncut_items);
    p->cut = true;
    list_remove(&p->link);
    q->uncut_count--;
    if (!free_content(q, p))
        list_append(&q->shared, &p->link);
    settle_batch(q, p);
}

/* An empty buffer, or one that was used before, with the prefix in it and room for what is likely to come. */
static void begin_encoding(const struct queue *q, struct buf *encoded)
{
    size_t prefix = q->transport.prefix_bytes;
    encoded->max = q->transport.request_max + prefix;
    buf_clear(encoded);
    size_t likely = q->last_bytes + q->last_bytes / 4 + prefix;
    char *room = buf_reserve(encoded, likely < encoded->max ? likely : encoded->max);
    CHECK(room != NULL);
    memset(room, 0, prefix);
    buf_commit(encoded, prefix);
}

/* One request of the oldest batch that is not cut to its end. */
static void cut_one(struct queue *q)
{
    struct pending_batch *p = CONTAINER_OF(q->uncut.next, struct pending_batch, link);
    struct buf encoded = q->spare;
    size_t item_count = 0;
    q->spare = (struct buf){0};
    begin_encoding(q, &encoded);
    switch (otlp_next(&p->cursor, &encoded, &item_count)) {
    case OTLP_REQUEST:
        make_request(q, p, &encoded, item_count);
        break;
    case OTLP_ITEM_TOO_LARGE:
        keep_spare(q, &encoded);
        lose_too_large(q, p, item_count);
        break;
    case OTLP_END:
        keep_spare(q, &encoded);
        finish_cut(q, p);
        return;
    }
    if (p->cursor.done)
        finish_cut(q, p);
}

static bool may_cut(const struct queue *q)
{
    if (list_empty(&q->uncut) || q->packing_count >= PACKING_MAX)
        return false;
    return q->stats.request_count == 0 || !requests_are_full(q);
}

/* Batches that other exporters were still busy with when they were cut. */
static void free_shared(struct queue *q)
{
    list_for_each_safe (node, &q->shared) {
        if (free_content(q, CONTAINER_OF(node, struct pending_batch, link)))
            list_remove(node);
    }
}

static void run(void *arg)
{
    struct queue *q = arg;
    free_shared(q);
    if (may_cut(q))
        cut_one(q);
    start_waiting(q);
    if (may_cut(q))
        loop_task_post(&q->task);
    note_room(q);
    if (q->told_full && queue_has_room(q)) {
        q->told_full = false;
        exporter_room(q->exporter);
    }
    if (q->stopping && !q->stopped && is_empty(q) && q->packing_count == 0) {
        q->stopped = true;
        loop_timer_clear(&q->stop_timer);
        exporter_stopped(q->exporter);
    }
}

static void refuse(struct queue *q, struct batch *take_batch)
{
    struct err err;
    err_set(&err, q->stopping ? "the collector is stopping" : "sending queue is full");
    log_error(q->logger, "Exporting failed. Rejecting data.", F_ERR(&err),
              F_INT("rejected_items", take_batch->item_count));
    q->stats.refused_items += take_batch->item_count;
    q->stats.refused_by_signal[signal_index(take_batch->signal)] += take_batch->item_count;
    batch_outcome(take_batch, OUTCOME_DROPPED);
    batch_unref(take_batch);
}

void queue_consume(struct queue *q, struct batch *take_batch)
{
    if (q->stopping || is_full(q)) {
        refuse(q, take_batch);
        return;
    }
    struct pending_batch *p = mem_zalloc(sizeof *p);
    p->batch = take_batch;
    p->worst = OUTCOME_SENT;
    p->uncut_items = take_batch->item_count;
    p->decoded_bytes = content_bytes(take_batch);
    otlp_cursor_init(&p->cursor, take_batch, q->transport.request_max);
    list_append(&q->uncut, &p->link);
    q->uncut_count++;
    q->stats.item_count += p->uncut_items;
    q->stats.decoded_bytes += p->decoded_bytes;
    note_room(q);
    loop_task_post(&q->task);
}

/* ---- stop ---- */

/* What waits for its next attempt gets it now; the rest follows as consumers become free. */
void queue_stop(struct queue *q, int64_t deadline_ns)
{
    q->stopping = true;
    q->stop_deadline_ns = deadline_ns;
    list_for_each_safe (node, &q->busy) {
        struct send_request *r = CONTAINER_OF(node, struct send_request, link);
        if (r->state == REQUEST_RETRYING) {
            loop_timer_clear(&r->timer);
            attempt(q, r);
        }
    }
    loop_timer_set(&q->stop_timer, deadline_ns);
    loop_task_post(&q->task);
}

static void log_undrained(struct queue *q)
{
    struct buf text;
    buf_init(&text, 8 * KIB);
    buf_text(&text, "the backend did not take it before the collector had to stop");
    if (q->last_failure.text[0] != '\0')
        buf_printf(&text, "; the last failure: %s", q->last_failure.text);
    log_error(q->logger, "Exporting failed. Dropping data.", F_STR("error", buf_view(&text)),
              F_INT("dropped_items", q->stats.item_count),
              F_INT("dropped_requests", q->stats.request_count));
    buf_deinit(&text);
}

/* Requests that are being packed end when their thread is done. */
static void on_stop_deadline(void *arg)
{
    struct queue *q = arg;
    q->dropping = true;
    if (!is_empty(q))
        log_undrained(q);
    list_for_each_safe (busy_node, &q->busy) {
        struct send_request *r = CONTAINER_OF(busy_node, struct send_request, link);
        if (r->state == REQUEST_SENDING)
            q->transport.cancel(q->transport.arg, r);
        end_busy(q, r, OUTCOME_DROPPED);
    }
    list_for_each_safe (waiting_node, &q->waiting) {
        struct send_request *r = CONTAINER_OF(waiting_node, struct send_request, link);
        if (r->state == REQUEST_PACKING)
            continue;
        list_remove(&r->link);
        end_request(q, r, OUTCOME_DROPPED);
    }
    list_for_each_safe (batch_node, &q->uncut)
        finish_cut(q, CONTAINER_OF(batch_node, struct pending_batch, link));
    loop_task_post(&q->task);
}
