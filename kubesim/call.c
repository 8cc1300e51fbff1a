/*
 * The life of a call.
 *
 *   start   copy, take apart, who is it, is a fault meant for it
 *   HELD    while the simulator is frozen
 *   DELAYED by a fault, before it is executed
 *   ANSWERED executed; visible from due_ns on, since answers can be delayed, too
 *   HUNG    never an answer
 *   read    out of a buffer; lists and watches print more of themselves when it is empty, so that
 *           memory does not grow with them
 *   free    by the adapter. A write that is still held or delayed stays until it has been executed:
 *           a request that is under way reaches a real server although its client has given up
 *
 * Invariants: a call is in sim->calls from start to free; on_ready is called at most once for each
 * WAIT.
 */
#include "kubesim/sim.h"

#include "kubesim/generate.h"

void sim_wake_at(struct kubesim *sim, int64_t now_ns)
{
    if (now_ns < sim->wake_ns)
        sim->wake_ns = now_ns;
}

int64_t sim_now(const struct kubesim *sim)
{
    return sim->config.now_ns(sim->config.arg);
}

void call_notify(struct kubesim_call *call)
{
    if (!call->waiting)
        return;
    call->waiting = false;
    if (call->on_ready != NULL)
        call->on_ready(call->ready_arg);
}

static bool is_visible(const struct kubesim_call *call)
{
    return call->phase == CALL_ANSWERED && (call->is_control || !call->sim->frozen) &&
           call->due_ns <= sim_now(call->sim);
}

static void reset_answer(struct kubesim_call *call)
{
    buf_clear(&call->out);
    call->out_pos = 0;
    object_list_deinit(&call->list.objects);
    if (call->watch != NULL)
        sim_watch_free(call->watch);
    call->watch = NULL;
    call->source = SOURCE_BUFFER;
}

/* No answer at all, or no more of it. */
void call_cut(struct kubesim_call *call, bool head_too)
{
    reset_answer(call);
    if (head_too)
        call->head = (struct kubesim_head){0};
    call->cut = true;
    call->phase = CALL_ANSWERED;
    call->due_ns = 0;
}

/* What a fault does to an answer that is there. */
static void spoil(struct kubesim_call *call, const struct sim_fault *f)
{
    bool is_watch = call->source == SOURCE_WATCH;
    if (f->status != 0) {
        reset_answer(call);
        fault_answer(call);
        is_watch = false;
    }
    if (f->cut == FAULT_AFTER) {
        call_cut(call, !is_watch);
    } else if (f->cut == FAULT_MIDDLE && is_watch) {
        call->watch->cut_next = true;
    } else if (f->cut == FAULT_MIDDLE) {
        call->cut_at =
            (int64_t)(call->source == SOURCE_LIST ? LIMIT_SIM_CHUNK_BYTES : call->out.len) / 2;
    }
    if (call->watch != NULL) {
        call->watch->stalled = f->stall;
        call->watch->event_delay_ns = f->event_delay_ns;
    }
    if (f->answer_delay_ns > 0) {
        call->due_ns = sim_now(call->sim) + f->answer_delay_ns;
        sim_wake_at(call->sim, call->due_ns);
    }
    if (f->hang == FAULT_AFTER) {
        reset_answer(call);
        call->phase = CALL_HUNG;
    }
}

static void run(struct kubesim_call *call)
{
    const struct sim_fault *f = call->fault;
    if (f != NULL && f->hang == FAULT_BEFORE) {
        call->phase = CALL_HUNG;
        return;
    }
    call->phase = CALL_ANSWERED;
    call->due_ns = 0;
    if (f != NULL && f->cut == FAULT_BEFORE) {
        call_cut(call, true);
    } else {
        if (f == NULL || f->status == 0 || f->execute)
            call_execute(call);
        if (f != NULL)
            spoil(call, f);
    }
    sim_journal_close(call);
}

static void begin(struct kubesim_call *call)
{
    struct kubesim *sim = call->sim;
    call->phase = CALL_ANSWERED;
    bool known = auth_identify(call);
    call_classify(call);
    sim_journal_open(call);
    if (!known) {
        sim_journal_close(call);
        return;
    }
    call->fault = fault_pick(call);
    if (call->fault != NULL && call->fault->delay_ns > 0) {
        call->phase = CALL_DELAYED;
        call->due_ns = sim_now(sim) + call->fault->delay_ns;
        sim_wake_at(sim, call->due_ns);
        return;
    }
    run(call);
}

static void copy_request(struct kubesim_call *call, const struct kubesim_request *from)
{
    struct arena *a = &call->arena;
    struct kubesim_request *r = &call->request;
    *r = *from;
    r->method = arena_cstr(a, str_from(from->method));
    r->path = arena_str(a, from->path);
    r->query = arena_str(a, from->query);
    r->authorization = arena_str(a, from->authorization);
    r->content_type = arena_str(a, from->content_type);
    r->accept = arena_str(a, from->accept);
    r->impersonate_user = arena_str(a, from->impersonate_user);
    r->impersonate_group = arena_str(a, from->impersonate_group);
    r->body = arena_str(a, from->body);
}

struct kubesim_call *call_new(struct kubesim *sim, const struct kubesim_request *request)
{
    struct kubesim_call *call = mem_zalloc(sizeof *call);
    call->sim = sim;
    arena_init(&call->arena, 4 * KIB);
    buf_init(&call->out, LIMIT_SIM_OUT_BYTES);
    copy_request(call, request);
    call->phase = CALL_ANSWERED;
    call->cut_at = -1;
    call->started_ns = sim_now(sim);
    list_append(&sim->calls, &call->node);
    route_parse(&call->route, &call->arena, call->request.path);
    query_parse(&call->query, &call->arena, call->request.query);
    call->is_control = call->route.type == ROUTE_CONTROL;
    return call;
}

struct kubesim_call *kubesim_call_start(struct kubesim *sim, const struct kubesim_request *request,
                                        void (*on_ready)(void *arg), void *arg)
{
    struct kubesim_call *call = call_new(sim, request);
    call->on_ready = on_ready;
    call->ready_arg = arg;
    if (call->is_control)
        control_execute(call);
    else if (sim->frozen)
        call->phase = CALL_HELD;
    else
        begin(call);
    call->waiting = !is_visible(call);
    return call;
}

const struct kubesim_head *kubesim_call_head(const struct kubesim_call *call)
{
    return is_visible(call) && call->head.status != 0 ? &call->head : NULL;
}

enum kubesim_state kubesim_call_read(struct kubesim_call *call, char *data, size_t size,
                                     size_t *len)
{
    *len = 0;
    if (!is_visible(call)) {
        call->waiting = true;
        return KUBESIM_WAIT;
    }
    if (call->head.status == 0 || call->out.overflow)
        return KUBESIM_CUT;
    if (call->out_pos == call->out.len) {
        buf_clear(&call->out);
        call->out_pos = 0;
        if (call->source == SOURCE_LIST)
            list_fill(call);
        else if (call->source == SOURCE_WATCH)
            watch_fill(call);
    }
    size_t n = call->out.len - call->out_pos;
    n = n < size ? n : size;
    if (call->cut_at >= 0 && n >= (size_t)call->cut_at - call->sent) {
        n = (size_t)call->cut_at - call->sent;
        if (n == 0)
            return KUBESIM_CUT;
    }
    if (n > 0) {
        memcpy(data, call->out.data + call->out_pos, n);
        call->out_pos += n;
        call->sent += n;
        *len = n;
        return KUBESIM_DATA;
    }
    if (call->source == SOURCE_WATCH && !call->watch->over) {
        call->waiting = true;
        return KUBESIM_WAIT;
    }
    return call->cut ? KUBESIM_CUT : KUBESIM_END;
}

void call_destroy(struct kubesim_call *call)
{
    list_remove(&call->node);
    reset_answer(call);
    buf_deinit(&call->out);
    arena_deinit(&call->arena);
    mem_free(call);
}

static bool is_write(const struct kubesim_call *call)
{
    return strcmp(call->request.method, "GET") != 0;
}

void kubesim_call_free(struct kubesim_call *call)
{
    call->on_ready = NULL;
    if ((call->phase == CALL_HELD || call->phase == CALL_DELAYED) && is_write(call))
        call->abandoned = true;
    else
        call_destroy(call);
}

/* -- time -- */

static void call_tick(struct kubesim_call *call, int64_t now_ns)
{
    if (call->phase == CALL_HELD)
        begin(call);
    else if (call->phase == CALL_DELAYED && call->due_ns <= now_ns)
        run(call);
    if (call->phase == CALL_DELAYED || (call->phase == CALL_ANSWERED && call->due_ns > now_ns)) {
        sim_wake_at(call->sim, call->due_ns);
        return;
    }
    if (call->phase == CALL_HUNG)
        return;
    if (call->abandoned) {
        call_destroy(call);
        return;
    }
    if (call->watch != NULL)
        watch_tick(call->watch, now_ns);
    else
        call_notify(call);
}

int64_t kubesim_tick(struct kubesim *sim)
{
    int64_t now_ns = sim_now(sim);
    if (sim->frozen && sim->frozen_until_ns <= now_ns)
        kubesim_freeze(sim, false);
    if (sim->frozen)
        return sim->frozen_until_ns;
    int64_t churn_ns = churn_run(sim, now_ns);
    if (sim->wake_ns <= now_ns) {
        sim->wake_ns = INT64_MAX;
        list_for_each_safe (node, &sim->calls)
            call_tick(CONTAINER_OF(node, struct kubesim_call, node), now_ns);
    }
    return churn_ns < sim->wake_ns ? churn_ns : sim->wake_ns;
}
