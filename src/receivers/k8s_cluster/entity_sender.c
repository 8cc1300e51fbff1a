/*
 * Sends entity events while this replica leads: changes from the journal, then states of whole
 * streams that are due.
 *
 * Life of a batch: something is to be sent and exporters have room -> a draft of the cursor goes on
 * through the journal and, once that is used up, through stores -> the batch is handed over with
 * the position behind it -> the draft becomes the cursor. If the batch is withheld (the gate has
 * closed), the draft is forgotten: this replica tries again if it goes on leading, else the
 * successor sends.
 *
 * One batch a turn of the loop. Changes wait a moment for others to come along.
 *
 * Invariants
 *  - a store is gone through only while all changes are sent, so that no state is followed by an
 *    older one.
 *  - a position never claims more than this batch and those before it have sent.
 *
 * Specification: k8s_cluster.md 4.1, design 5.10 and 5.11.
 */
#include "receivers/k8s_cluster/entities.h"

#include "base/limits.h"

#define MS INT64_C(1000000)

/* ---- one batch ---- */

static bool batch_is_full(const struct entities *e)
{
    return entity_writer_records(&e->writer) >= LIMIT_ENTITY_BATCH_RECORDS ||
           entity_writer_bytes(&e->writer) >= LIMIT_ENTITY_BATCH_BYTES;
}

static void add_change(struct entities *e)
{
    const struct journal_entry *entry = journal_at(&e->journal, e->draft.next);
    if (!entities_pass(e, &e->draft))
        return;
    if (entry->before != NULL)
        entity_write_deletes(&e->writer, entry->before, entry->after);
    if (entry->after != NULL)
        entity_write_states(&e->writer, entry->after);
}

/* All objects of the stream that the draft stands in were sent. */
static void end_stream(struct entities *e)
{
    const struct entity_stream *s = &e->streams[e->draft.stream];
    struct entity_progress *p = &e->draft.progress[e->draft.stream];
    if (p->full_due)
        p->sent = (struct stream_mark){
            .known = s->version != 0, .version = s->version, .fingerprint = s->fingerprint};
    p->full_due = false;
    p->repeat_due = false;
    e->draft.within = false;
}

/* Stands in the next stream that is due; false if none is. */
static bool begin_stream(struct entities *e)
{
    struct entity_cursor *d = &e->draft;
    for (d->stream = 0; d->stream < e->stream_count; d->stream++) {
        const struct entity_progress *p = &d->progress[d->stream];
        if (!e->streams[d->stream].live || (!p->full_due && !p->repeat_due))
            continue;
        d->within = true;
        d->place = 0;
        return true;
    }
    return false;
}

/* Looks for the next object before it asks for room, so that the last batch knows that it is. */
static void add_states(struct entities *e)
{
    struct entity_cursor *d = &e->draft;
    while (d->within || begin_stream(e)) {
        const struct entity_stream *s = &e->streams[d->stream];
        uint32_t place = d->place;
        const struct object *o = s->live ? store_next(watch_store(s->stream->watch), &place) : NULL;
        if (o == NULL) {
            end_stream(e);
        } else if (!batch_is_full(e)) {
            entity_write_states(&e->writer, o);
            d->place = place;
        } else {
            return;
        }
    }
}

static bool any_due(const struct entities *e, const struct entity_cursor *c)
{
    for (size_t i = 0; i < e->stream_count; i++)
        if (e->streams[i].live && (c->progress[i].full_due || c->progress[i].repeat_due))
            return true;
    return false;
}

static bool any_repeat_due(const struct entities *e, const struct entity_cursor *c)
{
    for (size_t i = 0; i < e->stream_count; i++)
        if (e->streams[i].live && c->progress[i].repeat_due)
            return true;
    return false;
}

/* All changes that are known were sent, also what a list or bookmark has said. */
static void settle(struct entities *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct entity_stream *s = &e->streams[i];
        struct stream_mark *sent = &e->draft.progress[i].sent;
        if (!s->live || e->draft.progress[i].full_due)
            continue;
        sent->known = s->version != 0;
        sent->fingerprint = s->fingerprint;
        if (s->version > sent->version)
            sent->version = s->version;
    }
}

/* Goes on with the draft until the batch is full or nothing is left. */
static struct batch *make_batch(struct entities *e)
{
    entity_writer_begin(&e->writer, loop_wall_ns(e->loop));
    while (e->draft.next < e->journal.end && !batch_is_full(e))
        add_change(e);
    if (e->draft.next == e->journal.end) {
        settle(e);
        add_states(e);
        if (e->repeating && !any_repeat_due(e, &e->draft))
            e->draft.repeated_ms = e->repeat_ms;
    }
    return entity_writer_end(&e->writer);
}

/* ---- handing it over ---- */

static struct stream_mark mark_of(const struct entities *e, size_t i)
{
    const struct entity_stream *s = &e->streams[i];
    const struct entity_progress *p = &e->draft.progress[i];
    struct stream_mark mark = p->sent;
    if (p->full_due)
        mark.known = false;
    else if (s->skip_version != 0 && mark.version == s->skip_version)
        mark.fingerprint =
            s->skip_fingerprint; /* still where the predecessor was, be our store behind it */
    return mark;
}

static void print_position(struct entities *e, struct buf *text)
{
    for (size_t i = 0; i < e->stream_count; i++)
        e->marks[i] = mark_of(e, i);
    buf_clear(text);
    position_print(text, e->streams_hash, e->draft.repeated_ms, e->marks, e->stream_count);
    /* Too many streams: the last ones, of smaller kinds, go without a mark. */
    for (size_t known = e->stream_count; text->overflow && known > 0;) {
        size_t less = known / 8 + 1;
        for (size_t i = 0; i < less; i++)
            e->marks[--known].known = false;
        buf_clear(text);
        position_print(text, e->streams_hash, e->draft.repeated_ms, e->marks, e->stream_count);
    }
    if (text->overflow)
        buf_clear(text);
}

static bool hand_over(struct entities *e, struct batch *take_batch)
{
    struct buf text;
    buf_init(&text, LIMIT_POSITION_BYTES);
    print_position(e, &text);
    bool taken =
        receiver_emit_at(e->k->receiver, take_batch, (struct position){.text = buf_view(&text)});
    buf_deinit(&text);
    return taken;
}

static void begin_draft(struct entities *e)
{
    struct entity_progress *progress = e->draft.progress;
    memcpy(progress, e->now.progress, e->stream_count * sizeof *progress);
    e->draft = e->now;
    e->draft.progress = progress;
}

static void end_repeat(struct entities *e)
{
    e->repeating = false;
    e->counters.repetitions++;
}

static void accept_draft(struct entities *e)
{
    struct entity_cursor old = e->now;
    e->now = e->draft;
    e->draft = old;
    if (e->repeating && e->now.repeated_ms == e->repeat_ms)
        end_repeat(e);
    if (e->now.next == e->journal.end)
        e->drop_told = false;
}

static bool has_work(const struct entities *e)
{
    return e->now.next < e->journal.end || any_due(e, &e->now);
}

static void send_batch(void *arg)
{
    struct entities *e = arg;
    if (e->state != ENTITIES_SENDING || !has_work(e))
        return;
    if (!receiver_has_room(e->k->receiver, SIGNAL_LOGS))
        return; /* entities_room goes on */
    begin_draft(e);
    struct batch *b = make_batch(e);
    if (b != NULL && !hand_over(e, b)) {
        loop_timer_set_after(&e->flush, LIMIT_ENTITY_RETRY_MS * MS);
        return;
    }
    accept_draft(e);
    if (b != NULL) {
        e->counters.batches++;
        e->counters.records += entity_writer_records(&e->writer);
        e->counters.deletes += e->writer.delete_count;
    }
    if (has_work(e))
        loop_task_post(&e->task);
}

void entity_sender_wake(struct entities *e)
{
    bool is_urgent =
        e->journal.end - e->now.next >= LIMIT_ENTITY_BATCH_RECORDS || any_due(e, &e->now);
    if (is_urgent)
        loop_task_post(&e->task);
    else if (!loop_timer_armed(&e->flush))
        loop_timer_set_after(&e->flush, LIMIT_ENTITY_DELAY_MS * MS);
}

void entity_sender_stop(struct entities *e)
{
    loop_task_cancel(&e->task);
    loop_timer_clear(&e->flush);
}

/* ---- repetitions ---- */

static void begin_repeat(struct entities *e, int64_t due_ms)
{
    e->repeating = true;
    e->repeat_ms = due_ms;
    for (size_t i = 0; i < e->stream_count; i++)
        e->now.progress[i].repeat_due = e->streams[i].live;
    entity_sender_wake(e);
}

int64_t entity_sender_repeat(struct entities *e)
{
    int64_t interval_ns = e->k->config->metadata_collection_interval_ns;
    if (interval_ns <= 0)
        return INT64_MAX;
    int64_t interval_ms = interval_ns < MS ? 1 : interval_ns / MS;
    int64_t now_ms = loop_wall_ns(e->loop) / MS;
    if (e->repeating && !any_repeat_due(e, &e->now)) { /* its last streams went away */
        e->now.repeated_ms = e->repeat_ms;
        end_repeat(e);
    }
    /* Noted by a clock that was ahead, or ours was set back. */
    if (e->now.repeated_ms > now_ms + interval_ms)
        e->now.repeated_ms = now_ms;
    int64_t passed = (now_ms - e->now.repeated_ms) / interval_ms;
    if (passed < 1)
        return e->now.repeated_ms + interval_ms - now_ms;
    if (!e->repeating)
        begin_repeat(e, e->now.repeated_ms + passed * interval_ms);
    return interval_ms;
}

/* ---- life ---- */

void entity_sender_init(struct entities *e)
{
    e->now.progress = mem_zalloc(e->stream_count * sizeof *e->now.progress);
    e->draft.progress = mem_zalloc(e->stream_count * sizeof *e->draft.progress);
    loop_task_init(e->loop, &e->task, "entity events", send_batch, e);
    loop_timer_init(e->loop, &e->flush, "entity events", send_batch, e);
}

void entity_sender_deinit(struct entities *e)
{
    entity_sender_stop(e);
    mem_free(e->now.progress);
    mem_free(e->draft.progress);
}
