#include "harness.h"

static void log_sink(void *arg, str line)
{
    buf_str(arg, line);
}

static int64_t log_wall(void *arg)
{
    return arg == NULL ? 0 : loop_wall_ns(arg);
}

void exporter_room(struct exporter *e)
{
    CONTAINER_OF(e, struct harness, exporter)->room_count++;
}

void exporter_stopped(struct exporter *e)
{
    struct harness *h = CONTAINER_OF(e, struct harness, exporter);
    h->stopped_count++;
    loop_stop(h->loop);
}

struct harness *harness_load(const struct exporter_type *type, struct loop *loop, const char *yaml)
{
    struct harness *h = mem_zalloc(sizeof *h);
    struct node *root;
    struct err err;
    h->loop = loop;
    buf_init(&h->log_text, 64 * MIB);
    const struct log_config config = {.level = LOG_DEBUG,
                                      .sink = log_sink,
                                      .sink_arg = &h->log_text,
                                      .wall_ns = log_wall,
                                      .wall_arg = loop};
    h->log = log_new(&config);
    arena_init(&h->arena, 1024);
    config_messages_init(&h->messages, &h->arena);
    if (!yaml_parse(&h->arena, STR("test.yaml"), str_from(yaml), &root, &err))
        fail_msg("%s", err.text);
    h->exporter.type = type;
    h->exporter.signals = type->signals;
    h->exporter.base.kind = COMPONENT_EXPORTER;
    h->exporter.base.id = str_from(type->name);
    h->exporter.base.loop = loop;
    h->exporter.base.logger =
        (struct logger){.log = h->log, .fields_json = STR("\"otelcol.component.id\": \"test\"")};
    h->exporter.base.state =
        config_decode(&h->arena, type->schema, root, STR("exporters::test"), NULL, &h->messages);
    buf_init(&h->messages_text, MIB);
    config_messages_print(&h->messages_text, &h->messages, true, true);
    return h;
}

struct harness *harness_new(const struct exporter_type *type, struct loop *loop, const char *yaml)
{
    struct harness *h = harness_load(type, loop, yaml);
    struct err err;
    const void *config = h->exporter.base.state;
    h->exporter.base.state = NULL;
    if (h->messages.error_count > 0)
        fail_msg("%s", buf_cstr(&h->messages_text));
    assert_true(type->create(&h->exporter, config, &err));
    return h;
}

void harness_free(struct harness *h)
{
    if (h->messages.error_count == 0)
        h->exporter.type->destroy(&h->exporter);
    log_free(h->log);
    buf_deinit(&h->log_text);
    buf_deinit(&h->messages_text);
    arena_deinit(&h->arena);
    mem_free(h);
}

void harness_check(const struct exporter_type *type, const char *yaml, size_t errors,
                   size_t warnings, const char *text)
{
    struct harness *h = harness_load(type, NULL, yaml);
    size_t at;
    if (h->messages.error_count != errors || h->messages.warning_count != warnings ||
        !str_find(buf_view(&h->messages_text), str_from(text), &at))
        fail_msg("%s\n%zu errors, %zu warnings:\n%s\nwanted: %s", yaml, h->messages.error_count,
                 h->messages.warning_count, buf_cstr(&h->messages_text), text);
    h->exporter.base.state = NULL;
    h->messages.error_count = 1; /* nothing to destroy */
    harness_free(h);
}

bool harness_logged(const struct harness *h, const char *text)
{
    size_t at;
    return str_find(buf_view(&h->log_text), str_from(text), &at);
}

void harness_clear_log(struct harness *h)
{
    buf_clear(&h->log_text);
}

static void on_outcome(void *arg, enum outcome worst)
{
    struct harness *h = arg;
    h->outcomes[worst]++;
}

void harness_consume(struct harness *h, struct batch *take_batch)
{
    take_batch->delivery =
        (struct delivery){.pending = 1, .worst = OUTCOME_SENT, .fn = on_outcome, .arg = h};
    h->exporter.type->consume(&h->exporter, take_batch);
}
