#include "fake_components.h"

#include <stdio.h>

#include "base/limits.h"
#include "fake_loop.h"
#include "service/component.h"

enum { FAKES_MAX = 32 };
static struct fake *fakes[FAKES_MAX];
static size_t fake_count;
static struct buf trace;

struct fake *fake(const char *id)
{
    for (size_t i = 0; i < fake_count; i++)
        if (strcmp(fakes[i]->id, id) == 0)
            return fakes[i];
    CHECK(fake_count < FAKES_MAX);
    struct fake *f = mem_zalloc(sizeof *f);
    snprintf(f->id, sizeof f->id, "%s", id);
    fakes[fake_count++] = f;
    return f;
}

void fakes_reset(void)
{
    for (size_t i = 0; i < fake_count; i++) {
        CHECK(!fakes[i]->alive && fakes[i]->held_count == 0);
        mem_free(fakes[i]);
    }
    fake_count = 0;
    buf_deinit(&trace);
    buf_init(&trace, MIB);
}

const char *fake_trace(void)
{
    static char text[16 * KIB];
    snprintf(text, sizeof text, "%s", buf_cstr(&trace));
    buf_clear(&trace);
    return text;
}

static void note(const char *what, const struct component *c)
{
    if (trace.max == 0)
        buf_init(&trace, MIB);
    buf_printf(&trace, "%s%s %.*s", trace.len == 0 ? "" : ", ", what, STR_ARG(c->id));
}

static struct fake *of(const struct component *c)
{
    char id[64];
    snprintf(id, sizeof id, "%.*s", STR_ARG(c->id));
    return fake(id);
}

static bool created(struct component *c, struct err *err)
{
    struct fake *f = of(c);
    if (f->fail_create)
        return err_set(err, "told to fail");
    return true;
}

/* Is it the one that was started last? During a reload there is another one, waiting. */
static bool is_current(const struct component *c)
{
    return of(c)->component == c;
}

static void destroyed(struct component *c)
{
    note("destroy", c);
    if (!is_current(c))
        return;
    of(c)->alive = false;
    of(c)->component = NULL;
}

static bool started(struct component *c, struct err *err)
{
    struct fake *f = of(c);
    note("start", c);
    if (f->fail_start)
        return err_set(err, "told to fail");
    CHECK(!f->alive || is_current(c)); /* cold receivers start more than once */
    f->component = c;
    f->alive = true;
    f->stop_asked = f->quiesced = false;
    if (f->fatal_at_start) {
        struct err reason;
        err_set(&reason, "told to be fatal");
        component_report(c, STATUS_FATAL_ERROR, &reason);
    }
    return true;
}

/* ---- receivers ---- */

struct pull_config {
    int64_t interval_ns, batch_count;
};
struct pull {
    const struct pull_config *config;
    bool is_started, is_active;
};

static void pull_defaults(void *config)
{
    struct pull_config *c = config;
    c->interval_ns = INT64_C(1000000000);
    c->batch_count = 1;
}

static bool pull_create(struct receiver *r, const void *config, struct err *err)
{
    if (!created(&r->base, err))
        return false;
    struct pull *p = mem_zalloc(sizeof *p);
    p->config = config;
    r->base.state = p;
    return true;
}

static int64_t pull_interval_ns(const struct receiver *r)
{
    const struct pull *p = r->base.state;
    return p->config->interval_ns;
}

static bool receiver_start(struct receiver *r, struct err *err)
{
    struct pull *p = r->base.state;
    CHECK(!p->is_started);
    p->is_started = started(&r->base, err);
    return p->is_started;
}

static bool pull_is_ready(const struct receiver *r)
{
    return !of(&r->base)->not_ready;
}

static bool receiver_activate(struct receiver *r, struct position position, struct err *err)
{
    struct pull *p = r->base.state;
    struct fake *f = of(&r->base);
    CHECK(p->is_started && !p->is_active);
    note("activate", &r->base);
    snprintf(f->position, sizeof f->position, "%.*s", STR_ARG(position.text));
    if (f->fail_activate)
        return err_set(err, "told to fail");
    p->is_active = f->active = true;
    return true;
}

static const struct metric_desc desc = {.name = STR("m"), .type = METRIC_GAUGE};

static struct batch *make_batch(enum signal signal, int64_t time_ns, int64_t start_ns,
                                int64_t number)
{
    struct batch *b = batch_new(signal);
    struct scope *s = batch_scope(b, batch_resource(b));
    if (signal == SIGNAL_METRICS) {
        struct point *p = batch_point(b, batch_metric(b, s, &desc));
        p->time_ns = time_ns;
        p->start_ns = start_ns;
        p->value = VALUE_OF_INT(number);
    } else if (signal == SIGNAL_LOGS) {
        struct log_record *l = batch_log(b, s);
        l->time_ns = time_ns;
        l->body = VALUE_OF_INT(number);
    } else {
        batch_span(b, s)->start_ns = time_ns;
    }
    return b;
}

/* batch_count batches, each for every signal in turn; the cursor is on the heap, so that a leak
 * shows who forgot abandon. */
static enum step pull_collect(struct receiver *r, struct tick *tick)
{
    struct pull *p = r->base.state;
    struct fake *f = of(&r->base);
    CHECK(p->is_active);
    CHECK((tick->cursor == NULL) == (tick->step == 0));
    if (tick->cursor == NULL)
        tick->cursor = mem_zalloc(sizeof(int64_t));
    int64_t *next = tick->cursor;
    f->collects++;
    fake_loop_spend(r->base.loop, f->collect_takes_ns);
    if (f->during_collect != NULL)
        f->during_collect(r);
    for (unsigned signal = 1; signal <= 4 && *next < p->config->batch_count; signal <<= 1)
        if ((r->signals & signal) != 0 && !(r->type->has_positions && signal != SIGNAL_METRICS) &&
            !receiver_emit(r,
                           make_batch((enum signal)signal, tick->time_ns, tick->start_ns, *next)))
            return STEP_DONE;
    if (++*next < p->config->batch_count)
        return STEP_MORE;
    mem_free(tick->cursor);
    tick->cursor = NULL;
    return STEP_DONE;
}

static void pull_abandon(struct receiver *r, struct tick *tick)
{
    of(&r->base)->abandons++;
    mem_free(tick->cursor);
    tick->cursor = NULL;
}

static void receiver_deactivate(struct receiver *r)
{
    struct pull *p = r->base.state;
    CHECK(p->is_active);
    p->is_active = of(&r->base)->active = false;
    note("deactivate", &r->base);
}

static void receiver_stop(struct receiver *r)
{
    struct pull *p = r->base.state;
    CHECK(p->is_started && !p->is_active);
    p->is_started = false;
    note("stop", &r->base);
}

static void receiver_destroy(struct receiver *r)
{
    struct pull *p = r->base.state;
    CHECK(!p->is_started && !p->is_active);
    mem_free(p);
    destroyed(&r->base);
}

bool fake_push(struct fake *f, const char *position)
{
    CHECK(f->alive);
    struct receiver *r = CONTAINER_OF(f->component, struct receiver, base);
    struct batch *b = make_batch(SIGNAL_LOGS, loop_wall_ns(r->base.loop), 0, 0);
    return receiver_emit_at(r, b, (struct position){str_from(position)});
}

bool fake_push_has_room(struct fake *f)
{
    return receiver_has_room(CONTAINER_OF(f->component, struct receiver, base), SIGNAL_LOGS);
}

static void receiver_on_room(struct receiver *r)
{
    of(&r->base)->rooms++;
}

static const struct config_field pull_fields[] = {
    {.key = "interval",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct pull_config, interval_ns)},
    {.key = "batches",
     .type = CONFIG_INT,
     .offset = offsetof(struct pull_config, batch_count),
     .min = 0,
     .max = 1000},
};
static const struct config_schema pull_schema = {
    .name = "pull",
    .size = sizeof(struct pull_config),
    .fields = pull_fields,
    .field_count = COUNT_OF(pull_fields),
    .defaults = pull_defaults,
};
#define PULL(type_name, warm, ...)                                                                 \
    {                                                                                              \
        .name = type_name, .signals = 7, .kind = RECEIVER_PULL, .can_be_warm = warm,               \
        .stability = "alpha", .schema = &pull_schema, .create = pull_create,                       \
        .interval_ns = pull_interval_ns, .start = receiver_start, .is_ready = pull_is_ready,       \
        .activate = receiver_activate, .collect = pull_collect, .abandon = pull_abandon,           \
        .deactivate = receiver_deactivate, .stop = receiver_stop, .destroy = receiver_destroy,     \
        ##__VA_ARGS__                                                                              \
    }
static const struct receiver_type pull_type = PULL("pull", true);
static const struct receiver_type cold_type = PULL("cold", false);
static const struct receiver_type both_type =
    PULL("both", true, .has_positions = true, .on_room = receiver_on_room);
static const struct receiver_type push_type = {
    .name = "push",
    .signals = SIGNAL_LOGS,
    .kind = RECEIVER_PUSH,
    .can_be_warm = true,
    .stability = "alpha",
    .schema = &pull_schema,
    .create = pull_create,
    .start = receiver_start,
    .activate = receiver_activate,
    .deactivate = receiver_deactivate,
    .stop = receiver_stop,
    .destroy = receiver_destroy,
};

/* ---- processors ---- */

struct no_config {
    bool unused;
};
static const struct config_schema empty_schema = {.name = "empty",
                                                  .size = sizeof(struct no_config)};

static bool processor_create(struct processor *p, const void *config, struct err *err)
{
    (void)config;
    return created(&p->base, err);
}

static bool processor_start(struct processor *p, struct err *err)
{
    return started(&p->base, err);
}

static void pass_process(struct processor *p, struct batch *take_batch)
{
    note("process", &p->base);
    processor_emit(p, take_batch);
}

static void on_derived(void *arg, enum outcome worst)
{
    struct batch *parent = arg;
    batch_outcome(parent, worst);
}

static int64_t number_of(const struct batch *b)
{
    const struct scope *s = b->resources->scopes;
    if (b->signal == SIGNAL_METRICS)
        return s->metrics->first->value.integer;
    return b->signal == SIGNAL_LOGS ? s->logs->body.integer : 0;
}

static void derive_process(struct processor *p, struct batch *take_batch)
{
    struct batch *b =
        make_batch(take_batch->signal, take_batch->origin.tick_ns, 0, 1000 + number_of(take_batch));
    b->origin = take_batch->origin;
    b->parent = take_batch; /* our reference */
    b->delivery.fn = on_derived;
    b->delivery.arg = take_batch;
    note("process", &p->base);
    processor_emit(p, b);
}

static void processor_stop(struct processor *p)
{
    note("stop", &p->base);
}

static void processor_destroy(struct processor *p)
{
    destroyed(&p->base);
}

#define PROCESSOR(type_name, function)                                                             \
    {                                                                                              \
        .name = type_name, .signals = 7, .stability = "alpha", .schema = &empty_schema,            \
        .create = processor_create, .start = processor_start, .process = function,                 \
        .stop = processor_stop, .destroy = processor_destroy                                       \
    }
static const struct processor_type pass_type = PROCESSOR("pass", pass_process);
static const struct processor_type derive_type = PROCESSOR("derive", derive_process);

/* ---- exporters ---- */

/* As of an exporter with a queue of requests. */
static void sink_statistics(const struct exporter *e, struct exporter_stats *stats)
{
    (void)e;
    *stats = (struct exporter_stats){.sent = {1, 2, 3},
                                     .send_failed = {4, 5, 6},
                                     .enqueue_failed = {7, 8, 9},
                                     .has_queue = true,
                                     .queue_size = {10, 11, 12},
                                     .queue_capacity = 1000,
                                     .queue_bytes = 123456,
                                     .requests = 13,
                                     .retries = 14};
}

static bool sink_create(struct exporter *e, const void *config, struct err *err)
{
    (void)config;
    return created(&e->base, err);
}

static bool sink_start(struct exporter *e, struct err *err)
{
    return started(&e->base, err);
}

static void see(struct fake *f, const struct batch *b, int64_t now_ns)
{
    CHECK(f->seen_count < SEEN_MAX);
    struct fake_seen *s = &f->seen[f->seen_count++];
    *s = (struct fake_seen){.signal = b->signal,
                            .tick_ns = b->origin.tick_ns,
                            .seen_ns = now_ns,
                            .term = b->origin.term};
    snprintf(s->receiver, sizeof s->receiver, "%.*s", STR_ARG(b->origin.receiver_id));
    if (b->signal == SIGNAL_METRICS) {
        const struct point *p = b->resources->scopes->metrics->first;
        s->start_ns = p->start_ns;
        CHECK(p->time_ns == s->tick_ns);
    }
    s->number = number_of(b);
}

static void sink_consume(struct exporter *e, struct batch *take_batch)
{
    struct fake *f = of(&e->base);
    CHECK(!f->stop_asked);
    see(f, take_batch, loop_wall_ns(e->base.loop));
    if (f->hold) {
        CHECK(f->held_count < HELD_MAX);
        f->held[f->held_count++] = take_batch;
        return;
    }
    batch_outcome(take_batch, f->outcome);
    batch_unref(take_batch);
}

void fake_settle_one(struct fake *f, size_t index, enum outcome outcome)
{
    CHECK(index < f->held_count);
    struct batch *b = f->held[index];
    f->held_count--;
    memmove(&f->held[index], &f->held[index + 1], (f->held_count - index) * sizeof(struct batch *));
    batch_outcome(b, outcome);
    batch_unref(b);
}

void fake_settle(struct fake *f, enum outcome outcome)
{
    while (f->held_count > 0)
        fake_settle_one(f, 0, outcome);
}

static bool sink_has_room(const struct exporter *e)
{
    return !of(&e->base)->full;
}

void fake_let_stop(struct fake *f)
{
    CHECK(f->stop_asked);
    fake_settle(f, OUTCOME_DROPPED);
    exporter_stopped(CONTAINER_OF(f->component, struct exporter, base));
}

static void sink_stop(struct exporter *e, int64_t deadline_ns)
{
    struct fake *f = of(&e->base);
    CHECK(is_current(&e->base));
    note("stop", &e->base);
    f->stop_asked = true;
    f->deadline_ns = deadline_ns;
    if (!f->hang)
        fake_let_stop(f);
}

static void sink_destroy(struct exporter *e)
{
    CHECK(!is_current(&e->base) || of(&e->base)->held_count == 0);
    destroyed(&e->base);
}

static const struct exporter_type sink_type = {
    .name = "sink",
    .signals = 7,
    .stability = "alpha",
    .schema = &empty_schema,
    .create = sink_create,
    .start = sink_start,
    .consume = sink_consume,
    .has_room = sink_has_room,
    .stop = sink_stop,
    .statistics = sink_statistics,
    .destroy = sink_destroy,
};

/* ---- extensions ---- */

struct elect_config {
    str lease;
    int64_t duration_ns;
    int standby;
    int64_t handover_wait_ns;
    bool old_metrics;
};
struct elect {
    struct elector *elector;
    const struct elect_config *config;
    bool is_started;
};

static bool elect_get(struct extension *x, struct elector **elector, struct err *err)
{
    const struct elect *l = x->base.state;
    struct elector_config config = {.lease_name = l->config->lease,
                                    .standby = (enum standby)l->config->standby,
                                    .handover_wait_ns = l->config->handover_wait_ns,
                                    .lease_duration_ns = l->config->duration_ns};
    *elector = elector_get(service_electors(x->base.service), &config,
                           service_generation(x->base.service), err);
    return *elector != NULL;
}

static bool elect_create(struct extension *x, const void *config, struct err *err)
{
    if (!created(&x->base, err))
        return false;
    struct elect *l = mem_zalloc(sizeof *l);
    l->config = config;
    x->base.state = l;
    if (elect_get(x, &l->elector, err))
        return true;
    mem_free(l);
    return false;
}

static bool elect_start(struct extension *x, struct err *err)
{
    struct elect *l = x->base.state;
    if (!started(&x->base, err))
        return false;
    l->is_started = true;
    elector_start(l->elector);
    return true;
}

static struct elector *elect_elector(struct extension *x)
{
    return ((struct elect *)x->base.state)->elector;
}

static void on_released(void *arg)
{
    struct extension *x = arg;
    of(&x->base)->quiesced = true;
    extension_quiesced(x);
    if (of(&x->base)->stop_asked)
        extension_stopped(x);
}

static void elect_quiesce(struct extension *x)
{
    struct elect *l = x->base.state;
    note("quiesce", &x->base);
    elector_unref(l->elector, on_released, x);
    l->elector = NULL;
}

static void on_gone(void *arg)
{
    service_release(arg);
}

static void elect_reinstate(struct extension *x)
{
    struct err err;
    struct elector *again;
    note("reinstate", &x->base);
    CHECK(elect_get(x, &again, &err));
    service_hold(x->base.service);
    elector_unref(again, on_gone, x->base.service);
}

static void elect_stop(struct extension *x)
{
    note("stop", &x->base);
    of(&x->base)->stop_asked = true;
    if (of(&x->base)->quiesced)
        extension_stopped(x);
}

static void elect_destroy(struct extension *x)
{
    struct elect *l = x->base.state;
    if (l->elector != NULL) {
        service_hold(x->base.service);
        elector_unref(l->elector, on_gone, x->base.service);
    }
    mem_free(l);
    destroyed(&x->base);
}

static const char *const standby_names[] = {"cold", "warm", "auto", NULL};

static void elect_defaults(void *config)
{
    ((struct elect_config *)config)->standby = STANDBY_WARM;
}

static bool elect_has_old_metrics(const struct extension *x)
{
    return ((const struct elect *)x->base.state)->config->old_metrics;
}

static const struct config_field elect_fields[] = {
    {.key = "old_metrics",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct elect_config, old_metrics)},
    {.key = "standby",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct elect_config, standby),
     .choices = standby_names},
    {.key = "handover_wait",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct elect_config, handover_wait_ns)},
    {.key = "lease", .type = CONFIG_STR, .offset = offsetof(struct elect_config, lease)},
    {.key = "duration",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct elect_config, duration_ns)},
};
static const struct config_schema elect_schema = {.name = "elect",
                                                  .size = sizeof(struct elect_config),
                                                  .fields = elect_fields,
                                                  .field_count = COUNT_OF(elect_fields),
                                                  .defaults = elect_defaults};
static const struct extension_type elect_type = {
    .name = "elect",
    .stability = "alpha",
    .schema = &elect_schema,
    .create = elect_create,
    .start = elect_start,
    .elector = elect_elector,
    .has_old_metrics = elect_has_old_metrics,
    .quiesce = elect_quiesce,
    .reinstate = elect_reinstate,
    .stop = elect_stop,
    .destroy = elect_destroy,
};

static bool plain_create(struct extension *x, const void *config, struct err *err)
{
    (void)config;
    return created(&x->base, err);
}

static bool plain_start(struct extension *x, struct err *err)
{
    return started(&x->base, err);
}

static void plain_stop(struct extension *x)
{
    note("stop", &x->base);
    extension_stopped(x);
}

static void plain_destroy(struct extension *x)
{
    destroyed(&x->base);
}

static const struct extension_type plain_type = {
    .name = "plain",
    .stability = "alpha",
    .schema = &empty_schema,
    .create = plain_create,
    .start = plain_start,
    .stop = plain_stop,
    .destroy = plain_destroy,
};

static const struct receiver_type *const receivers[] = {&both_type, &cold_type, &pull_type,
                                                        &push_type, NULL};
static const struct processor_type *const processors[] = {&derive_type, &pass_type, NULL};
static const struct exporter_type *const exporters[] = {&sink_type, NULL};
static const struct extension_type *const extensions[] = {&elect_type, &plain_type, NULL};
const struct components fake_components = {.receivers = receivers,
                                           .processors = processors,
                                           .exporters = exporters,
                                           .extensions = extensions};
