/*
 * From receivers to exporters and back: fan-out of batches over pipelines, the gate on the way, and
 * outcomes on the way back.
 *
 * Life of a batch: receiver_emit asks the gate, stamps the origin, and hands it to each pipeline of
 * its signal -> processors -> all exporters of the pipeline (an exporter in two pipelines gets it
 * twice) -> each calls batch_outcome -> at the last one the batch is settled, and with the last
 * batch of a tick the tick.
 *
 * Who takes a batch owes one outcome for it: handing it to n takers adds n - 1 to what is owed. All
 * is counted before the first taker sees it, since a taker may answer at once.
 *
 * A hand_over collects the batches of one tick, or holds one batch with a position. Each sort settles
 * in order: a position or tick counts as acknowledged when it was sent and everything before it of
 * its sort has an outcome.
 *
 * Specification: collector_host 2.5, design 2, 5.2, 5.11 and 6.
 */
#include "service/service_internal.h"

/* ---- hand-overs and outcomes ---- */

static struct hand_over *open_in(struct list *queue, struct receiver_node *n)
{
    struct hand_over *h = mem_zalloc(sizeof *h);
    h->node = n;
    h->term = n->progress.term;
    h->worst = OUTCOME_SENT;
    list_append(queue, &h->link);
    return h;
}

struct hand_over *hand_over_open(struct receiver_node *n, int64_t tick_ns)
{
    struct hand_over *h = open_in(&n->ticks, n);
    h->tick_ns = tick_ns;
    return h;
}

/* True if the note changed. */
static bool acknowledge(struct receiver_node *n, struct hand_over *h)
{
    if (!h->complete || h->worst != OUTCOME_SENT)
        return false;
    if (h->tick_ns > n->progress.acknowledged_ns) {
        n->progress.acknowledged_ns = h->tick_ns;
        return true;
    }
    if (h->position == NULL || h->term != n->progress.term) /* others may have come further since */
        return false;
    mem_free(n->progress.position);
    n->progress.position = h->position;
    h->position = NULL;
    return true;
}

static void settle(struct receiver_node *n, struct list *queue)
{
    bool changed = false;
    list_for_each_safe (node, queue) {
        struct hand_over *h = CONTAINER_OF(node, struct hand_over, link);
        if (!h->closed || h->pending > 0)
            break;
        changed |= acknowledge(n, h);
        list_remove(&h->link);
        mem_free(h->position);
        mem_free(h);
    }
    if (changed)
        receiver_node_note(n);
}

/* Both lists: which one a hand_over is in is not written down, and looking at the head of the other costs nothing. */
static void settle_all(struct receiver_node *n)
{
    settle(n, &n->ticks);
    settle(n, &n->positions);
}

void hand_over_close(struct hand_over *h, bool complete)
{
    h->closed = true;
    h->complete = complete;
    if (h->pending == 0)
        settle_all(h->node);
}

static void on_outcome(void *arg, enum outcome worst)
{
    struct hand_over *h = arg;
    struct receiver_node *n = h->node;
    CHECK(h->pending > 0 && n->in_flight > 0);
    h->pending--;
    n->in_flight--;
    n->counters.outcomes[worst]++;
    if (worst > h->worst)
        h->worst = worst;
    if (h->pending == 0 && h->closed)
        settle_all(n);
    if (n->draining && n->in_flight == 0)
        service_advance_later(n->graph->service);
}

/* ---- pipelines ---- */

static void consume(struct pipeline *p, struct batch *take_batch)
{
    for (size_t i = 0; i < p->exporter_count; i++) {
        struct exporter *e = &p->exporters[i]->exporter;
        bool is_last = i + 1 == p->exporter_count;
        e->type->consume(e, is_last ? take_batch : batch_ref(take_batch));
    }
}

/* How many take a batch that enters this pipeline. */
static uint32_t taker_count(const struct pipeline *p)
{
    return p->processor_count > 0 ? 1 : (uint32_t)p->exporter_count;
}

static void enter(struct pipeline *p, struct batch *take_batch)
{
    if (p->processor_count == 0) {
        consume(p, take_batch);
        return;
    }
    struct processor *first = &p->processors[0].processor;
    first->type->process(first, take_batch);
}

void processor_emit(struct processor *p, struct batch *take_batch)
{
    struct processor_node *n = CONTAINER_OF(p, struct processor_node, processor);
    struct pipeline *pipeline = n->pipeline;
    bool is_last = n->index + 1 == pipeline->processor_count;
    uint32_t takers = is_last ? (uint32_t)pipeline->exporter_count : 1;
    struct delivery *d = &take_batch->delivery;
    /* A derived batch owes nothing yet; one that was passed on owes what the processor owed. */
    d->pending = d->pending == 0 ? takers : d->pending + takers - 1;
    if (is_last) {
        consume(pipeline, take_batch);
        return;
    }
    struct processor *next = &pipeline->processors[n->index + 1].processor;
    next->type->process(next, take_batch);
}

static void fan_out(struct receiver_node *n, struct batch *take_batch)
{
    uint32_t takers = 0;
    size_t left = 0;
    for (size_t i = 0; i < n->pipeline_count; i++) {
        if (n->pipelines[i]->settings->signal != take_batch->signal)
            continue;
        takers += taker_count(n->pipelines[i]);
        left++;
    }
    if (takers == 0) { /* a signal that nobody asked for */
        take_batch->delivery.pending = 1;
        batch_outcome(take_batch, OUTCOME_SENT);
        batch_unref(take_batch);
        return;
    }
    take_batch->delivery.pending = takers;
    for (size_t i = 0; i < n->pipeline_count; i++) {
        if (n->pipelines[i]->settings->signal != take_batch->signal)
            continue;
        bool is_last = --left == 0;
        enter(n->pipelines[i], is_last ? take_batch : batch_ref(take_batch));
        if (is_last)
            break; /* the batch may be gone */
    }
}

bool receiver_node_has_room(const struct receiver_node *n, unsigned signals)
{
    for (size_t i = 0; i < n->pipeline_count; i++)
        for (size_t k = 0; k < n->pipelines[i]->exporter_count; k++) {
            const struct exporter *e = &n->pipelines[i]->exporters[k]->exporter;
            if ((n->pipelines[i]->settings->signal & signals) != 0 && e->type->has_room != NULL &&
                !e->type->has_room(e))
                return false;
        }
    return true;
}

void exporter_room(struct exporter *e)
{
    const struct graph *g = e->base.service->graph;
    for (size_t i = 0; g != NULL && i < g->receiver_count; i++) {
        struct receiver_node *n = &g->receivers[i];
        if (n->waiting_for_room)
            ticks_wake(n);
        if (n->waiting_signals != 0)
            loop_task_post(&n->room_task);
    }
}

static void on_room_task(void *arg)
{
    struct receiver_node *n = arg;
    n->waiting_signals = 0;
    if (n->active && n->receiver.type->on_room != NULL)
        n->receiver.type->on_room(&n->receiver);
}

void fan_out_init(struct receiver_node *n)
{
    list_init(&n->ticks);
    list_init(&n->positions);
    loop_task_init(n->receiver.base.loop, &n->room_task, "receiver room", on_room_task, n);
}

bool receiver_has_room(struct receiver *r, enum signal signal)
{
    struct receiver_node *n = CONTAINER_OF(r, struct receiver_node, receiver);
    if (receiver_node_has_room(n, signal))
        return true;
    n->waiting_signals |= signal;
    return false;
}

/* ---- receivers ---- */

static bool gate_is_open(struct receiver_node *n)
{
    if (!n->gated || (n->active && n->joined && elector_may_emit(n->elector)))
        return true;
    n->gate_closed = true;
    n->counters.batches_withheld++;
    if (!n->gate_closed_logged)
        log_warn(&n->receiver.base.logger, "Withholding data: this replica may not lead any more");
    n->gate_closed_logged = true;
    return false;
}

static void count_refused(struct receiver_node *n, const struct batch *b)
{
    n->counters.refused_items[signal_index(b->signal)] += b->item_count;
}

static void emit(struct receiver_node *n, struct hand_over *h, struct batch *take_batch)
{
    take_batch->origin = (struct origin){
        .receiver = &n->receiver,
        .receiver_id = n->receiver.base.id,
        .elector = n->elector_identity,
        .term = n->progress.term,
        .tick_ns = h->tick_ns,
    };
    fencing_stamp(n, take_batch);
    take_batch->delivery = (struct delivery){.worst = OUTCOME_SENT, .fn = on_outcome, .arg = h};
    h->pending++;
    h->batch_count++;
    n->in_flight++;
    n->counters.batches_emitted++;
    n->counters.accepted_items[signal_index(take_batch->signal)] += take_batch->item_count;
    fan_out(n, take_batch);
}

/* A hand_over of this batch alone. */
static void emit_alone(struct receiver_node *n, struct hand_over *h, struct batch *take_batch)
{
    h->closed = true;
    h->complete = true;
    emit(n, h, take_batch);
}

bool receiver_emit_at(struct receiver *r, struct batch *take_batch, struct position position)
{
    struct receiver_node *n = CONTAINER_OF(r, struct receiver_node, receiver);
    if (n->draining || !gate_is_open(n)) {
        count_refused(n, take_batch);
        batch_unref(take_batch);
        return false;
    }
    struct hand_over *h = open_in(&n->positions, n);
    h->position = position.text.len == 0 ? NULL : str_dup(position.text);
    emit_alone(n, h, take_batch);
    return true;
}

bool receiver_emit(struct receiver *r, struct batch *take_batch)
{
    struct receiver_node *n = CONTAINER_OF(r, struct receiver_node, receiver);
    if (!gate_is_open(n)) {
        count_refused(n, take_batch);
        batch_unref(take_batch);
        return false;
    }
    if (n->hand_over != NULL) /* within a tick */
        emit(n, n->hand_over, take_batch);
    else
        emit_alone(n, hand_over_open(n, 0), take_batch);
    return true;
}

int64_t receiver_lease_duration_ns(const struct receiver *r)
{
    const struct receiver_node *n = CONTAINER_OF(r, struct receiver_node, receiver);
    return n->elector == NULL ? 0 : elector_lease_duration_ns(n->elector);
}

void receiver_ready(struct receiver *r)
{
    struct receiver_node *n = CONTAINER_OF(r, struct receiver_node, receiver);
    ticks_wake(n);
    if (n->joined)
        elector_user_synced(n->elector);
}
