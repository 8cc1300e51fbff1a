/*
 * `baton lease status` and what `baton lease yield` shares with it.
 *
 * Life: the Leases are found (of the configuration's leader electors, or the one that is named) -> a client for each -> both records
 * of each are read -> printed -> with --watch, watched: each change of who leads or stands by is one line -> the loop ends, or with
 * --watch the person ends it.
 *
 * The credentials are those of the configuration. Outside of a cluster, where a service account has no server, they are the
 * kubeconfig's: then the command works with the very file that the pods have.
 *
 * Texts of the configuration live in its settings, which outlive the command.
 */
#include "service/command_lease.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "election/elector.h"
#include "io/file.h"
#include "service/command_lease_internal.h"
#include "wire/text.h"

enum { LEASE_NAME_MAX = 253 - (sizeof ELECTOR_STANDBY_SUFFIX - 1) };

/* ---- output ---- */

void lease_session_worsen(struct lease_session *s, enum lease_exit status)
{
    static const int order[] = {[LEASE_EXIT_OK] = 0,
                                [LEASE_EXIT_ERROR] = 3,
                                [LEASE_EXIT_NOBODY] = 1,
                                [LEASE_EXIT_NOT_TAKEN] = 2};
    if (order[status] > order[s->exit_status])
        s->exit_status = status;
}

void lease_session_out(struct lease_session *s, struct buf *take_text)
{
    bool ok = !take_text->overflow && s->output->out(s->output->arg, buf_view(take_text));
    buf_deinit(take_text);
    if (ok)
        return;
    lease_session_worsen(s, LEASE_EXIT_ERROR);
    loop_stop(s->loop); /* nobody reads it */
}

void lease_session_error(struct lease_session *s, const char *format, ...)
{
    struct err text;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text.text, sizeof text.text, format, args);
    va_end(args);
    struct buf b;
    buf_init(&b, 2 * ERR_TEXT_MAX);
    buf_printf(&b, "Error: %s\n", text.text);
    s->output->error(s->output->arg, buf_view(&b));
    buf_deinit(&b);
    lease_session_worsen(s, LEASE_EXIT_ERROR);
}

/* ---- status ---- */

static enum lease_exit exit_of(const struct lease_target *t)
{
    switch (lease_half_state(&t->view.main, lease_watcher_now_ns(&t->main))) {
    case LEASE_STATE_HELD:
        return LEASE_EXIT_OK;
    case LEASE_STATE_EXPIRED:
    case LEASE_STATE_FREE:
    case LEASE_STATE_ABSENT:
        return LEASE_EXIT_NOBODY;
    case LEASE_STATE_FORBIDDEN:
    case LEASE_STATE_FAILED:
        break;
    }
    return LEASE_EXIT_ERROR;
}

static void say_trouble(struct lease_target *t)
{
    const struct lease_half *h = &t->view.main;
    if (h->known == LEASE_FORBIDDEN)
        lease_session_error(
            t->session,
            "%s (needed on Leases in namespace %.*s: get and watch, for yield also update)",
            h->err.text, STR_ARG(t->view.namespace));
    else if (h->known == LEASE_FAILED)
        lease_session_error(t->session, "%.*s/%.*s: %s", STR_ARG(t->view.namespace),
                            STR_ARG(t->view.name), h->err.text);
}

static void print_all(struct lease_session *s)
{
    struct buf out;
    buf_init(&out, 64 * MIB);
    struct json_writer w = {.out = &out};
    if (s->request->json) {
        json_write_object(&w);
        json_write_key(&w, STR("leases"));
        json_write_array(&w);
    }
    for (size_t i = 0; i < s->count; i++) {
        struct lease_target *t = &s->targets[i];
        int64_t now_ns = lease_watcher_now_ns(&t->main);
        if (s->request->json)
            lease_view_json(&w, &t->view, now_ns);
        else
            lease_view_table(&out, &t->view, now_ns);
        if (!s->request->json && i + 1 < s->count)
            buf_byte(&out, '\n');
        say_trouble(t);
        lease_session_worsen(s, exit_of(t));
    }
    if (s->request->json) {
        json_write_array_end(&w);
        json_write_object_end(&w);
        buf_byte(&out, '\n');
    }
    lease_session_out(s, &out);
}

/* One line, if it says anything new. */
static void print_line(struct lease_target *t)
{
    struct lease_session *s = t->session;
    int64_t now_ns = lease_watcher_now_ns(&t->main);
    struct buf line;
    buf_init(&line, MIB);
    lease_view_line(&line, &t->view, now_ns);
    if (t->line != NULL && str_eqz(buf_view(&line), t->line)) {
        buf_deinit(&line);
        return;
    }
    mem_free(t->line);
    t->line = str_dup(buf_view(&line));
    buf_clear(&line);
    if (s->request->json) {
        struct json_writer w = {.out = &line};
        lease_view_json(&w, &t->view, now_ns);
    } else {
        rfc3339_print(&line, now_ns, 3);
        buf_printf(&line, " %s", t->line);
    }
    buf_byte(&line, '\n');
    lease_session_out(s, &line);
}

static void watch_all(struct lease_session *s)
{
    s->exit_status = LEASE_EXIT_OK;
    for (size_t i = 0; i < s->count; i++) {
        print_line(&s->targets[i]);
        lease_watcher_watch(&s->targets[i].main);
        lease_watcher_watch(&s->targets[i].standby);
    }
}

static void on_change(struct lease_target *t)
{
    struct lease_session *s = t->session;
    if (s->printed) {
        if (t->view.main.known == LEASE_FORBIDDEN) { /* nothing more will be seen of it */
            say_trouble(t);
            loop_stop(s->loop);
            return;
        }
        print_line(t);
        return;
    }
    for (size_t i = 0; i < s->count; i++)
        if (!s->targets[i].main_read || !s->targets[i].standby_read)
            return;
    s->printed = true;
    if (!s->request->watch || !s->request->json)
        print_all(s);
    if (s->request->watch && s->exit_status != LEASE_EXIT_ERROR)
        watch_all(s);
    else
        loop_stop(s->loop);
}

static void on_main_change(void *arg)
{
    struct lease_target *t = arg;
    t->main_read = true;
    on_change(t);
}

static void on_standby_change(void *arg)
{
    struct lease_target *t = arg;
    t->standby_read = true;
    on_change(t);
}

static void status_begin(struct lease_session *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct lease_target *t = &s->targets[i];
        t->main.on_change = on_main_change;
        t->standby.on_change = on_standby_change;
        lease_watcher_read(&t->main);
        lease_watcher_read(&t->standby);
    }
}

/* ---- which Leases ---- */

static bool is_known(const struct lease_session *s, const struct kube_client *client, str namespace,
                     str name)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->targets[i].view.name, name) &&
            str_eq(s->targets[i].view.namespace, namespace) &&
            str_eq(kube_client_server(s->targets[i].client), kube_client_server(client)))
            return true;
    return false;
}

static void init_reader(struct lease_target *t, struct lease_watcher *r, str name,
                        struct lease_half *half)
{
    *r = (struct lease_watcher){
        .loop = t->session->loop,
        .client = t->client,
        .namespace = t->view.namespace,
        .name = name,
        .half = half,
        .server_ahead_ns = &t->server_ahead_ns,
        .arg = t,
    };
    lease_watcher_init(r);
}

static bool add_target(struct lease_session *s, const struct elector_config *config,
                       struct err *err)
{
    const struct lease_request *q = s->request;
    struct kube_config kube = config->kube;
    str host;
    bool in_cluster = env_get("KUBERNETES_SERVICE_HOST", &host) && host.len > 0;
    if (q->kubeconfig.len > 0 || q->context.len > 0 ||
        (kube.auth != KUBE_AUTH_KUBECONFIG && !in_cluster)) {
        kube.auth = KUBE_AUTH_KUBECONFIG;
        kube.kubeconfig_path = q->kubeconfig;
        kube.context = q->context.len > 0 ? q->context : kube.context;
    }
    struct logger silent = {.log = NULL}; /* what matters is in the results */
    struct kube_client *client = kube_client_new(s->loop, &silent, &kube, err);
    if (client == NULL)
        return false;
    str namespace = config->lease_namespace.len > 0 ? config->lease_namespace
                    : q->namespace.len > 0          ? q->namespace
                                                    : kube_client_namespace(client);
    if (namespace.len == 0) {
        kube_client_free(client);
        return err_set(
            err,
            "the Lease %.*s: neither --namespace nor the configuration nor the credentials name a namespace",
            STR_ARG(config->lease_name));
    }
    if (is_known(s, client, namespace, config->lease_name)) {
        kube_client_free(client);
        return true;
    }
    struct lease_target *t = &s->targets[s->count++];
    t->session = s;
    t->client = client;
    lease_view_init(&t->view, arena_str(&s->arena, namespace),
                    arena_str(&s->arena, config->lease_name));
    init_reader(t, &t->main, t->view.name, &t->view.main);
    init_reader(t, &t->standby,
                arena_printf(&s->arena, "%.*s" ELECTOR_STANDBY_SUFFIX, STR_ARG(t->view.name)),
                &t->view.standby);
    return true;
}

static bool add_named(struct lease_session *s, struct err *err)
{
    const struct lease_request *q = s->request;
    if (!dns_subdomain_check(q->name, err))
        return err_wrap(err, "--name must be the name of a Lease");
    if (q->name.len > LEASE_NAME_MAX)
        return err_set(err, "--name has %zu characters, at most %d are", q->name.len,
                       LEASE_NAME_MAX);
    if (q->namespace.len > 0 && !dns_label_check(q->namespace, err))
        return err_wrap(err, "--namespace must be the name of a namespace");
    const struct elector_config config = {
        .kube = {.auth = KUBE_AUTH_SERVICE_ACCOUNT},
        .lease_name = q->name,
        .lease_namespace = q->namespace,
    };
    s->targets = ARENA_ARRAY(&s->arena, struct lease_target, 1);
    return add_target(s, &config, err);
}

static bool add_configured(struct lease_session *s, struct err *err)
{
    const struct settings *settings = s->request->settings;
    s->targets = ARENA_ARRAY(&s->arena, struct lease_target, settings->extensions.count);
    for (size_t i = 0; i < settings->extensions.count; i++) {
        const struct component_settings *c =
            settings_find(settings, COMPONENT_EXTENSION, settings->extensions.items[i]);
        const struct extension_type *type = c->type;
        struct elector_config config;
        if (type->lease == NULL)
            continue;
        if (!type->lease(c->config, &config, err) || !add_target(s, &config, err))
            return err_wrap(err, "extension \"%.*s\"", STR_ARG(c->id));
    }
    if (s->count == 0)
        return err_set(
            err,
            "the configuration has no leader elector in service::extensions: name a Lease with --name");
    return true;
}

/* ---- life ---- */

int command_lease(const struct lease_request *request, const struct lease_output *output)
{
    struct lease_session s = {.request = request, .output = output};
    struct logger silent = {.log = NULL};
    struct err err;
    arena_init(&s.arena, 4 * KIB);
    s.loop = loop_new(&silent, &err);
    bool ok = s.loop != NULL &&
              (request->settings != NULL ? add_configured(&s, &err) : add_named(&s, &err));
    if (!ok) {
        lease_session_error(&s, "%s", err.text);
    } else {
        if (request->yield)
            yield_begin(&s);
        else
            status_begin(&s);
        loop_run(s.loop);
    }
    for (size_t i = 0; i < s.count; i++) {
        struct lease_target *t = &s.targets[i];
        if (request->yield && ok)
            yield_end(t);
        lease_watcher_deinit(&t->main);
        lease_watcher_deinit(&t->standby);
        lease_view_deinit(&t->view);
        kube_client_free(t->client);
        mem_free(t->line);
    }
    if (request->yield && ok)
        loop_timer_clear(&s.timer);
    if (s.loop != NULL)
        loop_free(s.loop);
    arena_deinit(&s.arena);
    return (int)s.exit_status;
}
