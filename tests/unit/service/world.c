#include "world.h"

static void sink(void *arg, str line)
{
    buf_str(arg, line);
}

static int64_t log_wall_ns(void *arg)
{
    return loop_wall_ns(arg);
}

static void on_end(void *arg, int exit_status)
{
    struct world *w = arg;
    assert_false(w->ended);
    w->ended = true;
    w->exit_status = exit_status;
}

void world_rewrite(struct world *w, const char *yaml)
{
    mem_free((char *)w->source.location.data);
    struct buf b;
    buf_init(&b, MIB);
    buf_printf(&b, "yaml:%s", yaml);
    size_t len;
    char *text = buf_take(&b, &len);
    w->source.location = str_make(text, len);
}

struct world *world_new(const char *yaml)
{
    struct world *w = mem_zalloc(sizeof *w);
    fakes_reset();
    fake_http_server_refuse(NULL);
    w->loop = fake_loop_new(1000 * SECOND, BEGIN_NS);
    buf_init(&w->log_text, 16 * MIB);
    const struct log_config log_config = {.level = LOG_DEBUG,
                                          .sink = sink,
                                          .sink_arg = &w->log_text,
                                          .wall_ns = log_wall_ns,
                                          .wall_arg = w->loop};
    w->log = log_new(&log_config);
    world_rewrite(w, yaml);
    const struct service_config config = {
        .loop = w->loop,
        .log = w->log,
        .components = &fake_components,
        .sources = &w->source,
        .source_count = 1,
        .serves_own_metrics = true,
        .on_end = on_end,
        .arg = w,
    };
    w->service = service_new(&config);
    return w;
}

void world_start(struct world *w)
{
    struct settings *settings = settings_load(&fake_components, &w->source, 1);
    if (settings->messages.error_count > 0) {
        struct buf text;
        buf_init(&text, MIB);
        config_messages_print(&text, &settings->messages, true, true);
        fail_msg("%s", buf_cstr(&text));
    }
    service_start(w->service, settings);
}

void world_run(struct world *w, int64_t duration_ns)
{
    fake_loop_run(w->loop, duration_ns);
}

int world_end(struct world *w)
{
    if (!w->ended) {
        service_stop(w->service);
        world_run(w, 60 * SECOND);
    }
    if (!w->ended)
        fail_msg("the service did not end:\n%s", buf_cstr(&w->log_text));
    int exit_status = w->exit_status;
    assert_int_equal(fake_http_server_count(), 0);
    service_free(w->service);
    fake_loop_settle(w->loop);
    loop_free(w->loop); /* checks that no timer is left */
    log_free(w->log);
    buf_deinit(&w->log_text);
    mem_free((char *)w->source.location.data);
    mem_free(w);
    fakes_reset();
    return exit_status;
}

struct elector_set *world_electors(struct world *w)
{
    return service_electors(w->service);
}

struct elector *world_elector(struct world *w, const char *lease)
{
    struct elector *e = fake_elector_find(world_electors(w), lease);
    assert_non_null(e);
    return e;
}

size_t world_log_count(struct world *w, const char *text)
{
    size_t count = 0;
    for (const char *at = buf_cstr(&w->log_text); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

bool world_logged(struct world *w, const char *text)
{
    return world_log_count(w, text) > 0;
}

struct receiver_counters world_counters(struct world *w, const char *id)
{
    struct receiver_counters counters;
    assert_true(service_receiver_counters(w->service, str_from(id), &counters));
    return counters;
}
