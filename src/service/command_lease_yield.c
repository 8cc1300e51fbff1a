/*
 * `baton lease yield`: the leader of the present term is asked, through the Lease itself, to hand over.
 *
 * Life: the record is read -> it is written again with the annotation `baton.dev/yield: "<uid>/<transitions>"`, under the version
 * that was read, so that nothing that happened meanwhile is undone -> the leader of that term sees it, finishes its tick and
 * releases the Lease (the annotation goes with that) -> the record is watched until it names somebody -> said. Who asks too late, or
 * for another term, asks for nothing.
 *
 * When nobody takes it over, the former leader takes it back after a while: that is told apart by its incarnation. When the
 * leader does not react in time (it is none of ours, or an older one), the request is taken back.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "service/command_lease_internal.h"
#include "wire/text.h"

#define MS INT64_C(1000000)
#define REQUEST_TIMEOUT_MS 10000
#define ASK_AGAIN_NS (100 * MS)
enum { WITHDRAWALS_MAX = 5 };

/* ---- the end ---- */

static const char *outcome_name(const struct lease_target *t)
{
    switch (t->exit_status) {
    case LEASE_EXIT_OK:
        return "taken";
    case LEASE_EXIT_NOBODY:
        return "nobody_leads";
    case LEASE_EXIT_NOT_TAKEN:
        return "not_taken";
    case LEASE_EXIT_ERROR:
        break;
    }
    return "failed";
}

static void print_outcome(struct lease_target *t, const char *text)
{
    struct lease_session *s = t->session;
    const struct lease_half *h = &t->view.main;
    str holder = h->known == LEASE_HERE ? h->lease.holder : STR_NONE;
    int64_t took_ns = t->remembered ? loop_boot_ns(s->loop) - t->asked_ns : 0;
    struct buf out;
    buf_init(&out, MIB);
    if (s->request->json) {
        struct json_writer w = {.out = &out};
        json_write_object(&w);
        json_write_key_string(&w, STR("namespace"), t->view.namespace);
        json_write_key_string(&w, STR("name"), t->view.name);
        json_write_key_string(&w, STR("outcome"), str_from(outcome_name(t)));
        json_write_key_string(&w, STR("text"), str_from(text));
        json_write_key_string(&w, STR("from"), str_from(t->holder));
        json_write_key_string(&w, STR("to"), holder);
        json_write_key(&w, STR("transitions"));
        json_write_i64(&w, h->known == LEASE_HERE ? h->lease.transitions : 0);
        json_write_key(&w, STR("seconds"));
        json_write_double(&w, (double)(took_ns / MS) / 1e3);
        json_write_object_end(&w);
        buf_byte(&out, '\n');
    } else {
        buf_printf(&out, "%.*s/%.*s: %s\n", STR_ARG(t->view.namespace), STR_ARG(t->view.name),
                   text);
    }
    lease_session_out(s, &out);
}

/* Says what came of it; the last one ends the command. */
static void finish(struct lease_target *t, enum lease_exit status, const char *text)
{
    struct lease_session *s = t->session;
    t->phase = YIELD_DONE;
    t->exit_status = status;
    lease_watcher_deinit(&t->main);
    if (status == LEASE_EXIT_ERROR)
        lease_session_error(s, "%.*s/%.*s: %s", STR_ARG(t->view.namespace), STR_ARG(t->view.name),
                            text);
    print_outcome(t, text);
    lease_session_worsen(s, status);
    for (size_t i = 0; i < s->count; i++)
        if (s->targets[i].phase != YIELD_DONE)
            return;
    loop_stop(s->loop);
}

static void PRINTF_LIKE(3, 4)
    finish_with(struct lease_target *t, enum lease_exit status, const char *format, ...)
{
    struct buf text;
    va_list args;
    char line[2048];
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_init(&text, sizeof line);
    for (const char *c = line; *c != '\0'; c++) /* holders are anybody's texts */
        buf_byte(&text, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
    finish(t, status, buf_cstr(&text));
    buf_deinit(&text);
}

/* ---- the term that is asked ---- */

static str incarnation_of(const struct lease *l)
{
    str incarnation, rest;
    str_cut(lease_annotation_get(l, STR(INCARNATION_ANNOTATION)), '/', &incarnation, &rest);
    return incarnation;
}

static void remember(struct lease_target *t)
{
    const struct lease *l = &t->view.main.lease;
    t->remembered = true;
    t->uid = str_dup(l->uid);
    t->holder = str_dup(l->holder);
    t->incarnation = str_dup(incarnation_of(l));
    t->transitions = l->transitions;
    t->asked_ns = loop_boot_ns(t->session->loop);
}

static bool is_same_term(const struct lease_target *t)
{
    const struct lease *l = &t->view.main.lease;
    return str_eqz(l->uid, t->uid) && l->transitions == t->transitions &&
           str_eqz(l->holder, t->holder) && str_eqz(incarnation_of(l), t->incarnation);
}

/* The record names the leader of another term. */
static void finish_taken(struct lease_target *t)
{
    const struct lease *l = &t->view.main.lease;
    double seconds = (double)(loop_boot_ns(t->session->loop) - t->asked_ns) / 1e9;
    if (str_eqz(l->holder, t->holder) && str_eqz(incarnation_of(l), t->incarnation))
        finish_with(
            t, LEASE_EXIT_NOT_TAKEN,
            "nobody else took it over: %.*s released it and took it back after %.1f s, transitions %" PRId32
            "; is there another replica, and may it write the Lease?",
            STR_ARG(l->holder), seconds, l->transitions);
    else
        finish_with(t, LEASE_EXIT_OK,
                    "%.*s leads now, transitions %" PRId32 "; %s led before; it took %.3f s",
                    STR_ARG(l->holder), l->transitions, t->holder, seconds);
}

/* ---- writing ---- */

static void on_written(void *arg, const struct kube_result *result);

/* The record as it was read, with the annotation or without it. */
static void write_annotation(struct lease_target *t, bool ask)
{
    struct lease lease;
    struct buf path, body, value;
    lease_init(&lease);
    buf_init(&path, 4 * KIB);
    buf_init(&body, LIMIT_LEASE_BYTES);
    buf_init(&value, LIMIT_LEASE_BYTES);
    lease_copy(&lease, &t->view.main.lease);
    if (ask)
        buf_printf(&value, "%s/%" PRId32, t->uid, t->transitions);
    lease_annotation_set(&lease, STR(YIELD_ANNOTATION), buf_view(&value));
    lease_path(&path, t->view.namespace, t->view.name);
    lease_print(&body, &lease);
    t->phase = ask ? YIELD_ASKING : YIELD_WITHDRAWING;
    t->call = kube_send(t->client, &(struct kube_request){
                                       .lane = KUBE_LANE_LEASE,
                                       .method = "PUT",
                                       .path = buf_view(&path),
                                       .body = buf_view(&body),
                                       .timeout_ms = REQUEST_TIMEOUT_MS,
                                       .body_max = LIMIT_LEASE_BYTES,
                                       .on_done = on_written,
                                       .arg = t,
                                   });
    lease_deinit(&lease);
    buf_deinit(&path);
    buf_deinit(&body);
    buf_deinit(&value);
}

static void finish_late(struct lease_target *t, bool withdrawn)
{
    if (t->released)
        finish_with(t, LEASE_EXIT_NOT_TAKEN, "%s released it, and nobody has taken it over yet",
                    t->holder);
    else
        finish_with(t, LEASE_EXIT_NOT_TAKEN,
                    "%s has not handed over in time, the request %s: is it baton, of a version "
                    "that knows it, and does its backend acknowledge?",
                    t->holder, withdrawn ? "is taken back" : "may still be on the Lease");
}

static void on_written(void *arg, const struct kube_result *result)
{
    struct lease_target *t = arg;
    t->call = NULL;
    bool done = result->outcome == HTTP_DONE && !result->credentials_failed;
    bool good = done && result->status < 300;
    if (t->phase == YIELD_WITHDRAWING) {
        if (good || t->withdrawals >= WITHDRAWALS_MAX)
            finish_late(t, good);
        else
            lease_watcher_read(&t->main);
        return;
    }
    if (good) {
        lease_watcher_take(&t->main, result);
        t->phase = YIELD_WAITING;
        lease_watcher_watch(&t->main);
    } else if (done && result->status == 403) {
        finish_with(t, LEASE_EXIT_ERROR, "%s (needed on the Lease: get, watch and update)",
                    result->err.text);
    } else if (done && result->status != 409 && result->status != 404 && result->status != 429 &&
               result->status < 500) {
        finish_with(t, LEASE_EXIT_ERROR, "%s", result->err.text);
    } else { /* somebody wrote meanwhile, or it is not known: look again */
        t->phase = YIELD_READING;
        loop_timer_set_after(&t->again_timer, done && result->status == 409 ? 0 : ASK_AGAIN_NS);
    }
}

/* ---- events ---- */

static void on_read(struct lease_target *t)
{
    const struct lease_half *h = &t->view.main;
    enum lease_state state = lease_half_state(h, lease_watcher_now_ns(&t->main));
    if (state == LEASE_STATE_FORBIDDEN || (state == LEASE_STATE_FAILED && !t->remembered)) {
        finish_with(t, LEASE_EXIT_ERROR, "%s", h->err.text);
    } else if (state == LEASE_STATE_FAILED) {
        loop_timer_set_after(&t->again_timer, ASK_AGAIN_NS);
    } else if (t->remembered && state == LEASE_STATE_HELD && !is_same_term(t)) {
        finish_taken(t);
    } else if (state == LEASE_STATE_HELD) {
        if (!t->remembered)
            remember(t);
        write_annotation(t, true);
    } else if (t->remembered) { /* released between two attempts */
        t->released = state == LEASE_STATE_FREE;
        t->phase = YIELD_WAITING;
        lease_watcher_watch(&t->main);
    } else {
        finish_with(t, LEASE_EXIT_NOBODY, "nobody leads who could hand over: the Lease is %s",
                    lease_state_name(state));
    }
}

static void on_change(void *arg)
{
    struct lease_target *t = arg;
    const struct lease_half *h = &t->view.main;
    switch (t->phase) {
    case YIELD_READING:
        on_read(t);
        break;
    case YIELD_WAITING:
        if (h->known == LEASE_FORBIDDEN) {
            finish_with(t, LEASE_EXIT_ERROR,
                        "%s (the leader is asked, but what it does cannot be watched)",
                        h->err.text);
        } else if (h->known == LEASE_HERE && h->lease.holder.len == 0) {
            t->released = true;
        } else if (h->known == LEASE_HERE && !is_same_term(t)) {
            finish_taken(t);
        }
        break;
    case YIELD_WITHDRAWING: /* read again after a conflict */
        if (t->call != NULL)
            break;
        t->withdrawals++;
        t->released = t->released || (h->known == LEASE_HERE && h->lease.holder.len == 0);
        if (h->known == LEASE_HERE && is_same_term(t))
            write_annotation(t, false);
        else if (h->known == LEASE_HERE && h->lease.holder.len > 0)
            finish_taken(t);
        else
            finish_late(t, false);
        break;
    case YIELD_ASKING:
    case YIELD_DONE:
        break;
    }
}

static void on_again(void *arg)
{
    struct lease_target *t = arg;
    if (t->main.call == NULL)
        lease_watcher_read(&t->main);
}

static void on_timeout(void *arg)
{
    struct lease_session *s = arg;
    for (size_t i = 0; i < s->count; i++) {
        struct lease_target *t = &s->targets[i];
        if (t->phase == YIELD_DONE)
            continue;
        if (t->call != NULL)
            kube_cancel(t->call);
        t->call = NULL;
        loop_timer_clear(&t->again_timer);
        if (!t->remembered) {
            finish_with(t, LEASE_EXIT_ERROR, "no answer from the API server in time");
            continue;
        }
        lease_watcher_deinit(&t->main);
        lease_watcher_init(&t->main);
        t->phase = YIELD_WITHDRAWING;
        lease_watcher_read(&t->main);
    }
}

/* ---- life ---- */

void yield_begin(struct lease_session *s)
{
    loop_timer_init(s->loop, &s->timer, "lease yield timeout", on_timeout, s);
    loop_timer_set_after(&s->timer, s->request->timeout_ns);
    for (size_t i = 0; i < s->count; i++) {
        struct lease_target *t = &s->targets[i];
        t->main.on_change = on_change;
        t->phase = YIELD_READING;
        loop_timer_init(s->loop, &t->again_timer, "lease yield", on_again, t);
        lease_watcher_read(&t->main);
    }
}

void yield_end(struct lease_target *t)
{
    if (t->call != NULL)
        kube_cancel(t->call);
    t->call = NULL;
    loop_timer_clear(&t->again_timer);
    mem_free(t->uid);
    mem_free(t->holder);
    mem_free(t->incarnation);
}
