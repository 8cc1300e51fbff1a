/*
 * Entity events of k8s_cluster: what was changed, what was sent, and who sends what at a change of
 * leader.
 *
 * Life of a change: the store changes -> an entry of the journal, on every replica alike -> the
 * leader sends it (entity_sender.c) and the service notes the position once exporters have
 * acknowledged it -> it leaves the journal when it is older than any leader can be late.
 *
 * At a change of leader the new one compares, for each stream, the noted mark with its journal: if
 * the journal reaches back to it, what came after the mark is sent; if not, the state of all
 * objects, and the gap is counted. A mark has a version and a fingerprint of the objects. The
 * version finds the place within the journal; the fingerprint shows that nothing happened between a
 * mark and a younger journal, which is the rule in quiet streams.
 *
 * A reload hands the journal on: the old receiver follows its watches until the new one has it, and
 * the fingerprint of the store shows that no change was missed. So the new one goes on after what was
 * acknowledged, like a standby that takes over.
 *
 * Versions of changes that a list has found come in no order. Such changes do not move the mark;
 * the end of the list does. A delete that a list has found has no version until then.
 *
 * Invariants
 *  - stream.fingerprint is the sum over its store; floor.fingerprint plus the steps of the entries
 *    from `first` on is the same.
 *  - no entry leaves the journal unsent without a full state being due for its stream.
 *  - nothing is sent before all stores were full once: pods name services and owners.
 *
 * What cannot be known: deletes that fell into a gap, and what came and went between two lists.
 *
 * Specification: k8s_cluster.md 4.1 and 8.0, design 5.10 and 5.11.
 */
#include "receivers/k8s_cluster/entities.h"

#include "base/limits.h"

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)

enum { DROPS_A_TURN = 2000 /* old entries let go in one handler */ };

static struct watch *watch_of(const struct entity_stream *s)
{
    return s->stream->watch;
}

/* Also while all is read again for fields that only metrics need: after a reload nothing of the journal is lost for that. */
static bool is_synced(const struct entity_stream *s)
{
    const struct watch_user needs = {.fields = ENTITY_FIELDS};
    return watch_is_synced(watch_of(s), &needs);
}

/* False while there is none: before the first list, and while a list is taken over. */
static bool has_version(const struct entity_stream *s)
{
    return watch_resource_version(watch_of(s)).len > 0;
}

static uint64_t version_of_watch(const struct entity_stream *s)
{
    uint64_t version;
    return str_to_u64(watch_resource_version(watch_of(s)), &version) ? version : 0;
}

/* ---- gaps ---- */

void entities_send_full(struct entities *e, size_t i, bool is_gap)
{
    e->now.progress[i].full_due = true;
    if (e->now.within && e->now.stream == i)
        e->now.place = 0; /* what it passed may have changed unseen */
    if (is_gap) {
        e->counters.gap_streams++;
        e->counters.gap_objects += watch_store(watch_of(&e->streams[i]))->count;
    }
}

/* Logs what was counted since `before`. */
static void tell_gap(struct entities *e, const struct entity_counters *before)
{
    uint64_t streams = e->counters.gap_streams - before->gap_streams;
    if (streams == 0)
        return;
    log_warn(&e->k->receiver->base.logger,
             "Changes of objects may be missing from entity events: sending the state of all "
             "objects of these streams; deletions in between are not known",
             F_INT("streams", streams),
             F_INT("objects", e->counters.gap_objects - before->gap_objects));
}

/* ---- the journal ---- */

/* The list that brought changes was complete at this version. */
static void end_list(struct entities *e, size_t i, uint64_t version)
{
    struct entity_stream *s = &e->streams[i];
    if (!s->listing)
        return;
    s->listing = false;
    uint64_t n = s->list_first > e->journal.first ? s->list_first : e->journal.first;
    for (; n < e->journal.end; n++) {
        struct journal_entry *entry = journal_at(&e->journal, n);
        if (entry->stream == i && entry->version == 0)
            entry->version = version;
    }
    if (s->floor.version == UINT64_MAX)
        s->floor.version = version;
}

/* The journal of this stream begins here, at `version`. */
static void begin_journal(struct entities *e, size_t i, uint64_t version)
{
    struct entity_stream *s = &e->streams[i];
    s->first = e->journal.end;
    s->floor = (struct stream_mark){
        .known = version != 0, .version = version, .fingerprint = s->fingerprint};
}

/* Versions went back: what they said of earlier changes cannot be compared with later ones. */
static void turn_back(struct entities *e, size_t i, uint64_t version)
{
    struct entity_stream *s = &e->streams[i];
    log_warn(&e->k->receiver->base.logger, "Resource versions went back; was etcd restored?",
             F_STR("watch", watch_label(watch_of(s))), F_INT("version", version));
    begin_journal(e, i, version);
    s->turned_back = true;
    s->skip_version = 0;
    if (e->state != ENTITIES_SENDING)
        return;
    struct entity_counters before = e->counters;
    entities_send_full(e, i, true);
    tell_gap(e, &before);
    entity_sender_wake(e);
}

/* Lists that ended, and bookmarks. */
static void follow_version(struct entities *e, size_t i)
{
    struct entity_stream *s = &e->streams[i];
    uint64_t version = version_of_watch(s);
    if (!s->live || !has_version(s) || version == s->version)
        return;
    bool is_back = version < s->version;
    end_list(e, i, version);
    s->version = version;
    if (is_back)
        turn_back(e, i, version);
    else if (!s->floor.known) /* it began within a list, which is complete now */
        begin_journal(e, i, version);
}

/* Has the oldest entry yet to be sent? */
static bool oldest_is_unsent(const struct entities *e)
{
    return e->state != ENTITIES_IDLE && e->journal.first >= e->now.next;
}

bool entities_pass(struct entities *e, struct entity_cursor *c)
{
    uint64_t number = c->next++;
    const struct journal_entry *entry = journal_at(&e->journal, number);
    const struct entity_stream *s = &e->streams[entry->stream];
    struct stream_mark *sent = &c->progress[entry->stream].sent;
    if (number < s->send_from)
        return false;
    sent->fingerprint += entry->step;
    if (!entry->by_list && entry->version > sent->version)
        sent->version = entry->version;
    return entry->version == 0 || entry->version > s->skip_version;
}

static void drop_unsent(struct entities *e)
{
    uint32_t stream = journal_at(&e->journal, e->journal.first)->stream;
    if (e->state != ENTITIES_SENDING || !entities_pass(e, &e->now))
        return;
    e->counters.dropped_changes++;
    entities_send_full(e, stream, false);
    if (!e->drop_told)
        log_warn(&e->k->receiver->base.logger,
                 "Entity events wait for exporters for too long: changes are dropped, the state of "
                 "their objects is sent later",
                 F_INT("journal_bytes_max", e->journal_bytes_max));
    e->drop_told = true;
}

static void drop_oldest(struct entities *e)
{
    const struct journal_entry *entry = journal_at(&e->journal, e->journal.first);
    struct entity_stream *s = &e->streams[entry->stream];
    if (e->journal.first >= s->first) {
        /* A delete that a list has found and that has no version yet: end_list says it. */
        uint64_t unknown = s->listing ? UINT64_MAX : s->version;
        uint64_t version = entry->version != 0 ? entry->version : unknown;
        s->floor.fingerprint += entry->step;
        if (version > s->floor.version)
            s->floor.version = version;
    }
    if (oldest_is_unsent(e))
        drop_unsent(e);
    journal_drop(&e->journal);
}

/* Two lease durations: so late may a successor be, which has to wait out the Lease of one that died. */
static int64_t period_ns(const struct entities *e)
{
    int64_t duration_ns = receiver_lease_duration_ns(e->k->receiver);
    return duration_ns > 0 ? 2 * duration_ns : LIMIT_JOURNAL_PERIOD_S * SECOND;
}

static void trim(struct entities *e)
{
    int64_t old_ns = loop_boot_ns(e->loop) - period_ns(e);
    for (int i = 0; i < DROPS_A_TURN && !journal_is_empty(&e->journal); i++) {
        bool is_old =
            !oldest_is_unsent(e) && journal_at(&e->journal, e->journal.first)->at_ns <= old_ns;
        if (!is_old && e->journal.bytes <= e->journal_bytes_max)
            return;
        drop_oldest(e);
    }
}

/* A change in the order of the list that is being taken over. The watch may go on already while the
 * list still finds deletes. */
static void follow_list(struct entities *e, size_t i)
{
    struct entity_stream *s = &e->streams[i];
    if (!s->listing)
        s->list_first = e->journal.end;
    s->listing = true;
}

/* A change in the order of versions. */
static void follow_change(struct entities *e, size_t i, uint64_t version)
{
    struct entity_stream *s = &e->streams[i];
    if (version == 0)
        return;
    end_list(e, i, version - 1);
    bool is_back = version < s->version;
    s->version = version;
    if (is_back)
        turn_back(e, i, version - 1);
}

/* A reference for the journal; objects are counted, not changed. */
static struct object *hold(const struct object *o)
{
    return object_ref((struct object *)(uintptr_t)o);
}

static void note_change(struct entities *e, uint32_t i, const struct watch_change *change)
{
    bool is_delete = change->kind == WATCH_DELETED;
    struct journal_entry entry = {
        .version = change->resource_version,
        .at_ns = loop_boot_ns(e->loop),
        .stream = i,
        .by_list = change->by_list || !has_version(&e->streams[i]),
    };
    if (entry.version == 0 && !is_delete)
        entry.version = change->after->resource_version;
    if (entry.by_list)
        follow_list(e, i);
    else
        follow_change(e, i, entry.version);
    if (is_delete) {
        entry.before = hold(change->before);
        entry.step = -object_fingerprint(change->before);
    } else {
        entry.after = hold(change->after);
        entry.step = object_fingerprint(change->after) - object_fingerprint(change->before);
        if (change->before != NULL &&
            entity_any_vanished(&e->writer, change->before, change->after))
            entry.before = hold(change->before);
    }
    e->streams[i].fingerprint += entry.step;
    journal_add(&e->journal, &entry);
}

/* Its objects are gone from the store, but not from the cluster, as far as we know: nothing is sent. */
static void end_stream(struct entities *e, size_t i)
{
    struct entity_progress *p = &e->now.progress[i];
    e->streams[i].live = false;
    if (p->full_due)
        p->sent.known = false;
    p->full_due = false;
    p->repeat_due = false;
}

/* The store is emptied since the kind is not served. A proxy or an API server of another version may have said so: objects of kinds
 * of Kubernetes itself are not deleted that way. */
static bool is_loss(const struct entity_stream *s, const struct watch_change *change)
{
    return change->kind == WATCH_DELETED && change->by_list &&
           watch_trouble(watch_of(s)) == WATCH_NOT_SERVED;
}

void entities_change(struct entities *e, const struct k8s_stream *stream,
                     const struct watch_change *change)
{
    uint32_t i = e->index[stream - e->k->streams];
    if (i == UINT32_MAX || !e->streams[i].live)
        return; /* the first list: entities_state follows it */
    if (is_loss(&e->streams[i], change)) {
        end_stream(e, i);
        return;
    }
    bool is_update = change->before != NULL && change->after != NULL;
    if (is_update && change->after->resource_version != 0 &&
        change->before->resource_version == change->after->resource_version)
        return; /* read again with more fields */
    note_change(e, i, change);
    trim(e);
    if (e->state == ENTITIES_SENDING)
        entity_sender_wake(e);
}

/* ---- where a term begins ---- */

enum mark_place {
    MARK_UNKNOWN, /* changes after it may be missing */
    MARK_JOURNAL, /* the journal tells all that came after it */
    MARK_CURRENT, /* nothing came after it */
};

/* The predecessor saw more than we have, which will come. But a list that was made after its end
 * cannot be behind it: then versions count anew. */
static bool counts_anew(const struct entities *e, const struct entity_stream *s, uint64_t version)
{
    return version > s->version && (s->turned_back || s->live_since_ns >= e->activated_ns);
}

static enum mark_place find_mark(const struct entities *e, size_t i)
{
    const struct entity_stream *s = &e->streams[i];
    const struct stream_mark *mark = &e->now.progress[i].sent;
    if (!mark->known || mark->version == 0 || !s->floor.known)
        return MARK_UNKNOWN;
    if (mark->version >= s->version && fingerprints_equal(mark->fingerprint, s->fingerprint))
        return MARK_CURRENT;
    if (counts_anew(e, s, mark->version))
        return MARK_UNKNOWN;
    if (mark->version >= s->floor.version ||
        fingerprints_equal(mark->fingerprint, s->floor.fingerprint))
        return MARK_JOURNAL;
    return MARK_UNKNOWN;
}

/* A store is full while we lead: what of it must be sent? `from_journal`: the journal is still to be gone through. */
static void resume_stream(struct entities *e, size_t i, bool from_journal)
{
    struct entity_stream *s = &e->streams[i];
    struct stream_mark *sent = &e->now.progress[i].sent;
    enum mark_place place = find_mark(e, i);
    if (place == MARK_UNKNOWN) {
        bool was_any_sent = !sent->known || sent->version != 0;
        entities_send_full(e, i, was_any_sent);
        return;
    }
    if (!counts_anew(e, s, sent->version)) {
        s->skip_version = sent->version;
        s->skip_fingerprint = sent->fingerprint;
        s->skip_until_ns = loop_boot_ns(e->loop) + LIMIT_POSITION_AHEAD_S * SECOND;
    }
    if (place == MARK_JOURNAL && from_journal) {
        s->send_from = s->first;
        sent->fingerprint = s->floor.fingerprint;
    } else {
        sent->fingerprint = s->fingerprint;
    }
}

static void begin_sending(struct entities *e)
{
    struct entity_counters before = e->counters;
    e->state = ENTITIES_SENDING;
    e->now.next = e->journal.first;
    e->drop_told = false;
    for (size_t i = 0; i < e->stream_count; i++) {
        e->streams[i].send_from = e->journal.end;
        e->streams[i].skip_version = 0;
        if (e->streams[i].live)
            resume_stream(e, i, true);
    }
    tell_gap(e, &before);
    entity_sender_repeat(e);
    entity_sender_wake(e);
}

static void begin_if_synced(struct entities *e)
{
    if (e->state != ENTITIES_WAITING)
        return;
    for (size_t i = 0; i < e->stream_count; i++)
        if (!e->streams[i].stream->is_missing && !is_synced(&e->streams[i]))
            return;
    begin_sending(e);
}

static void inherit(struct entities *e, str text)
{
    struct err err;
    int64_t now_ms = loop_wall_ns(e->loop) / MS;
    e->now.repeated_ms = now_ms;
    struct stream_mark mark = {.known = text.len == 0};
    for (size_t i = 0; i < e->stream_count; i++)
        e->marks[i] = mark;
    int64_t repeated_ms;
    if (text.len > 0 &&
        !position_parse(text, e->streams_hash, &repeated_ms, e->marks, e->stream_count, &err))
        log_warn(&e->k->receiver->base.logger,
                 "The position of the last leader cannot be used for entity events", F_ERR(&err));
    else if (text.len > 0)
        e->now.repeated_ms = repeated_ms;
    for (size_t i = 0; i < e->stream_count; i++)
        e->now.progress[i] = (struct entity_progress){.sent = e->marks[i]};
}

void entities_activate(struct entities *e, struct position position)
{
    CHECK(e->state == ENTITIES_IDLE);
    e->state = ENTITIES_WAITING;
    e->activated_ns = loop_boot_ns(e->loop);
    e->now.next = e->journal.first;
    e->now.within = false;
    e->repeating = false;
    inherit(e, position.text);
    loop_timer_set_after(&e->clock, 0);
    begin_if_synced(e);
}

void entities_deactivate(struct entities *e)
{
    e->state = ENTITIES_IDLE;
    entity_sender_stop(e);
}

void entities_room(struct entities *e)
{
    if (e->state == ENTITIES_SENDING)
        entity_sender_wake(e);
}

/* ---- streams ---- */

static uint64_t fingerprint_of(const struct store *store)
{
    uint64_t sum = 0;
    uint32_t place = 0;
    const struct object *o;
    while ((o = store_next(store, &place)) != NULL)
        sum += object_fingerprint(o);
    return sum;
}

static void begin_stream(struct entities *e, size_t i)
{
    struct entity_stream *s = &e->streams[i];
    s->live = true;
    s->live_since_ns = loop_boot_ns(e->loop);
    s->version = version_of_watch(s);
    s->listing = false;
    s->turned_back = false;
    s->fingerprint = fingerprint_of(watch_store(watch_of(s)));
    /* While a part of a list is in the store, and the rest is to come, it is of no version. */
    begin_journal(e, i, s->torn ? 0 : s->version);
    s->torn = false;
    loop_timer_set_after(&e->clock, 0);
    if (e->state != ENTITIES_SENDING)
        return;
    struct entity_counters before = e->counters;
    resume_stream(e, i, false);
    tell_gap(e, &before);
    entity_sender_wake(e);
}

/* Also by the clock: a store that is full while a list is taken over has a version later, and nobody tells. */
static void follow_state(struct entities *e, size_t i)
{
    struct entity_stream *s = &e->streams[i];
    bool live = is_synced(s) && (s->live || has_version(s));
    if (live && !s->live)
        begin_stream(e, i);
    else if (!live && s->live)
        end_stream(e, i);
}

void entities_state(struct entities *e, const struct k8s_stream *stream)
{
    uint32_t i = e->index[stream - e->k->streams];
    if (i != UINT32_MAX)
        follow_state(e, i);
    begin_if_synced(e);
}

void entities_stop(struct entities *e)
{
    for (size_t i = 0; i < e->stream_count; i++)
        if (e->streams[i].live)
            end_stream(e, i);
    loop_timer_clear(&e->clock);
}

/* ---- a reload ---- */

static bool has_same_watches(const struct entities *a, const struct entities *b)
{
    if (a->stream_count != b->stream_count)
        return false;
    for (size_t i = 0; i < a->stream_count; i++)
        if (watch_of(&a->streams[i]) != watch_of(&b->streams[i]))
            return false;
    return true;
}

void entities_carry(struct entities *e, struct entities *from)
{
    CHECK(e->state == ENTITIES_IDLE && from->state == ENTITIES_IDLE);
    if (!has_same_watches(e, from))
        return;
    journal_deinit(&e->journal);
    e->journal = from->journal;
    journal_init(&from->journal, e->journal.pool);
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct k8s_stream *stream = e->streams[i].stream;
        e->streams[i] = from->streams[i];
        e->streams[i].stream = stream;
        e->streams[i].carried = from->streams[i].live && !from->streams[i].listing;
        e->streams[i].torn = from->streams[i].live && from->streams[i].listing;
        e->streams[i].live = from->streams[i].live = false;
    }
}

void entities_start(struct entities *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        struct entity_stream *s = &e->streams[i];
        if (!s->carried)
            continue;
        s->carried = false;
        s->live = is_synced(s) && has_version(s) &&
                  fingerprint_of(watch_store(watch_of(s))) == s->fingerprint;
        if (s->live)
            loop_timer_set_after(&e->clock, 0);
    }
}

/* ---- the clock ---- */

/* The predecessor was ahead of us. We catch up, if only by a bookmark, or its versions were of another history. */
static void end_skip(struct entities *e, size_t i, int64_t now_ns)
{
    struct entity_stream *s = &e->streams[i];
    if (s->skip_version == 0 || !s->live || e->now.next < e->journal.end)
        return;
    bool is_over = now_ns >= s->skip_until_ns;
    if (s->version >= s->skip_version ||
        (is_over && fingerprints_equal(s->fingerprint, s->skip_fingerprint)))
        s->skip_version = 0;
    else if (is_over)
        turn_back(e, i, s->version);
}

static void on_clock(void *arg)
{
    struct entities *e = arg;
    int64_t now_ns = loop_boot_ns(e->loop), delay_ms = LIMIT_TICK_TIMER_MS;
    for (size_t i = 0; i < e->stream_count; i++) {
        follow_state(e, i);
        follow_version(e, i);
        if (e->state == ENTITIES_SENDING)
            end_skip(e, i, now_ns);
    }
    trim(e);
    if (e->state == ENTITIES_SENDING) {
        int64_t repeat_ms = entity_sender_repeat(e);
        if (repeat_ms < delay_ms)
            delay_ms = repeat_ms;
    }
    loop_timer_set_after(&e->clock, delay_ms * MS);
}

/* ---- life ---- */

static void add_streams(struct entities *e)
{
    const struct k8s_cluster *k = e->k;
    e->streams = mem_zalloc(k->stream_count * sizeof *e->streams);
    e->index = mem_zalloc(k->stream_count * sizeof *e->index);
    for (size_t i = 0; i < k->stream_count; i++) {
        e->index[i] = UINT32_MAX;
        if (!entity_kind_has_events(k->streams[i].kind))
            continue;
        e->index[i] = (uint32_t)e->stream_count;
        e->streams[e->stream_count++].stream = &k->streams[i];
        e->streams_hash =
            position_hash(e->streams_hash, (unsigned)k->streams[i].kind, k->streams[i].namespace);
    }
}

struct entities *entities_new(struct k8s_cluster *k)
{
    CHECK(k->stream_count > 0);
    struct entities *e = mem_zalloc(sizeof *e);
    struct object_pool *pool = watch_store(k->streams[0].watch)->pool;
    e->k = k;
    e->loop = k->receiver->base.loop;
    e->journal_bytes_max = LIMIT_JOURNAL_BYTES;
    entity_writer_init(&e->writer, k, pool);
    journal_init(&e->journal, pool);
    add_streams(e);
    e->marks = mem_zalloc(e->stream_count * sizeof *e->marks);
    loop_timer_init(e->loop, &e->clock, "entity events clock", on_clock, e);
    entity_sender_init(e);
    return e;
}

void entities_free(struct entities *e)
{
    if (e == NULL)
        return;
    entity_sender_deinit(e);
    loop_timer_clear(&e->clock);
    journal_deinit(&e->journal);
    entity_writer_deinit(&e->writer);
    mem_free(e->streams);
    mem_free(e->index);
    mem_free(e->marks);
    mem_free(e);
}
