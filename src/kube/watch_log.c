/*
 * What a watch says: once for each change, with its label, what it means and what to do.
 *
 * A server that cannot be reached is the trouble of all watches of a client: the first one that
 * notices says it for all, and the first one that gets through again, too. What the server answers
 * is each watch's own.
 */
#include "kube/watch_internal.h"

#define SECOND_NS INT64_C(1000000000)
#define DECODE_LOG_INTERVAL_NS (60 * SECOND_NS)

static void set_trouble(struct watch *w, enum watch_trouble trouble, const char *text)
{
    mem_free(w->trouble_text);
    w->trouble_text = text == NULL ? NULL : str_dup(str_from(text));
    w->trouble = trouble;
    watch_state_changed(w);
}

/* ClusterRole: {apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]} */
static void print_rule(struct buf *b, const struct watch *w)
{
    buf_printf(b, "%s: {apiGroups: [\"%s\"], resources: [\"%s\"], verbs: [\"list\", \"watch\"]}",
               w->namespace[0] != '\0' ? "Role" : "ClusterRole", w->group, w->plural);
    if (w->namespace[0] != '\0')
        buf_printf(b, " in namespace %s", w->namespace);
}

static void say_forbidden(struct watch *w)
{
    static const char nothing[] = "No permission for a resource: nothing is known of it until the "
                                  "rule is added, which is noticed by itself";
    static const char lists_only[] = "No permission to watch a resource: what is known of it is as "
                                     "old as its last list until the rule is added, which is "
                                     "noticed by itself";
    struct buf rule;
    buf_init(&rule, 4 * KIB);
    print_rule(&rule, w);
    log_warn(&w->set->trouble_logger, w->machine.synced_once ? lists_only : nothing,
             F_CSTR("verb", w->denied_watch ? "watch" : "list"), F_STR("watch", watch_label(w)),
             F_STR("rule", buf_view(&rule)), F_CSTR("error", w->denied_text));
    buf_deinit(&rule);
}

static void say_not_served(void *arg, str offer)
{
    struct watch *w = arg;
    w->discovery = NULL;
    log_warn(&w->set->trouble_logger,
             "The API server does not serve this resource; it is looked for again now and then",
             F_STR("watch", watch_label(w)), F_STR("offered", offer),
             F_STR("error", watch_trouble_text(w)));
}

/* The line follows when the server has said what else there is. */
static void ask_offer(struct watch *w)
{
    watch_say_no_offer(w);
    w->discovery = discovery_start(w->client->kube, str_from(w->group), str_from(w->version),
                                   str_from(w->plural), say_not_served, w);
}

void watch_say_no_offer(struct watch *w)
{
    if (w->discovery != NULL)
        discovery_cancel(w->discovery);
    w->discovery = NULL;
}

/* This watch gets no answer, or not any more. */
static void mark_unreachable(struct watch *w, bool is_unreachable)
{
    if (w->said_by_client == is_unreachable)
        return;
    w->said_by_client = is_unreachable;
    w->client->unreachable_count += is_unreachable ? 1 : -1U;
}

void watch_say_stopped(struct watch *w)
{
    watch_say_no_offer(w);
    mark_unreachable(w, false);
    if (w->client->unreachable_count == 0)
        w->client->is_unreachable = false; /* nobody is left to say that it is over */
}

static void say_failing(struct watch *w, const struct err *err)
{
    struct watch_client *c = w->client;
    const struct logger *logger = &w->set->trouble_logger;
    mark_unreachable(w, err->code == 0); /* no answer */
    if (!w->said_by_client) {
        log_warn(logger, "A watch fails; it is tried again", F_STR("watch", watch_label(w)),
                 F_ERR(err));
    } else if (!c->is_unreachable) {
        c->is_unreachable = true;
        log_warn(logger, "The API server cannot be reached; its watches are tried again",
                 F_STR("server", kube_client_server(c->kube)), F_STR("watch", watch_label(w)),
                 F_ERR(err));
    }
}

static void say_well_again(struct watch *w)
{
    struct watch_client *c = w->client;
    const struct logger *logger = &w->set->trouble_logger;
    if (!w->said_by_client) {
        log_info(logger, "A watch is well again", F_STR("watch", watch_label(w)));
    } else if (c->is_unreachable) {
        c->is_unreachable = false;
        log_info(logger, "The API server can be reached again",
                 F_STR("server", kube_client_server(c->kube)));
    }
    mark_unreachable(w, false);
}

void watch_say(struct watch *w, enum list_watch_say what, const struct err *err)
{
    const struct logger *logger = &w->set->trouble_logger;
    switch (what) {
    case LW_SAY_NOTHING:
        break;
    case LW_SAY_FORBIDDEN:
        say_forbidden(w);
        set_trouble(w, WATCH_FORBIDDEN, w->denied_text);
        break;
    case LW_SAY_NOT_SERVED:
        ask_offer(w);
        set_trouble(w, WATCH_NOT_SERVED, err->text);
        break;
    case LW_SAY_FAILING:
        say_failing(w, err);
        set_trouble(w, WATCH_FAILING, err->text);
        break;
    case LW_SAY_WELL_AGAIN:
        watch_say_no_offer(w);
        say_well_again(w);
        set_trouble(w, WATCH_WELL, NULL);
        break;
    case LW_SAY_EXPIRED:
        log_info(logger, "The version of a watch is too old; its objects are listed again",
                 F_STR("watch", watch_label(w)));
        break;
    case LW_SAY_WENT_BACK:
        log_warn(logger,
                 "The API server's version went back (was etcd restored?); all objects are read "
                 "anew",
                 F_STR("watch", watch_label(w)));
        break;
    case LW_SAY_NO_STREAMING:
        w->client->no_streaming = true;
        log_debug(logger, "The API server does not offer streaming lists, listing in pages",
                  F_STR("watch", watch_label(w)), F_ERR(err));
        break;
    case LW_SAY_NO_PROTOBUF:
        log_warn(
            logger,
            "The API server's protobuf cannot be read; this watch goes on in JSON, which costs "
            "more",
            F_STR("watch", watch_label(w)), F_ERR(err));
        break;
    }
}

void watch_say_synced(struct watch *w, bool is_first)
{
    int64_t took_ns = loop_boot_ns(w->set->loop) - w->list_started_ns;
    if (is_first)
        log_info(&w->set->logger, "A watch is synced", F_STR("watch", watch_label(w)),
                 F_INT("objects", w->store.count), F_DOUBLE("seconds", (double)took_ns / 1e9));
    else
        log_debug(&w->set->logger, "A watch is synced again", F_STR("watch", watch_label(w)),
                  F_INT("objects", w->store.count), F_DOUBLE("seconds", (double)took_ns / 1e9));
}

void watch_say_undecodable(struct watch *w, const struct watch_meta *meta, const struct err *err)
{
    int64_t now_ns = loop_boot_ns(w->set->loop);
    if (w->decode_logged_ns != 0 && now_ns - w->decode_logged_ns < DECODE_LOG_INTERVAL_NS)
        return;
    w->decode_logged_ns = now_ns;
    uint64_t count = w->stats.decode_failures - w->decode_failures_logged;
    w->decode_failures_logged = w->stats.decode_failures;
    log_warn(&w->set->logger, "An object cannot be read; its last readable state is kept",
             F_STR("watch", watch_label(w)), F_STR("namespace", meta->namespace),
             F_STR("name", meta->name), F_INT("count", count), F_ERR(err));
}
