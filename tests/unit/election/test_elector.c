/* The elector between the machine and the API server: what it writes, and what it says, when answers and the watch come in an unlucky
 * order. The client and the watch are faked; the machine has tests of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../service/fake_loop.h"
#include "base/limits.h"
#include "election/elector.h"
#include "election/note.h"
#include "kube/lease.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

/* ---- the API server ---- */

struct kube_client {
    struct loop *loop;
};
struct kube_call {
    const char *method;
    char *body;
    void (*on_done)(void *arg, const struct kube_result *result);
    void *arg;
};
struct lease_watch {
    void (*on_event)(void *arg, enum lease_event event, const struct lease *lease,
                     const struct kube_result *result);
    void *arg;
};
static struct kube_call *call; /* under way; one at a time, for there is no standby */
static struct lease_watch *watch;
static int watch_count; /* that were opened */
static char watch_version[32]; /* of the last one */
static char *record;    /* the Lease as it was written last */

struct kube_client *kube_client_new(struct loop *loop, const struct logger *logger,
                                    const struct kube_config *config, struct err *err)
{
    (void)logger, (void)config, (void)err;
    struct kube_client *c = mem_zalloc(sizeof *c);
    c->loop = loop;
    return c;
}

void kube_client_free(struct kube_client *client)
{
    mem_free(client);
}

str kube_client_server(const struct kube_client *client)
{
    (void)client;
    return STR("https://fake");
}

str kube_client_namespace(const struct kube_client *client)
{
    (void)client;
    return STR("ns");
}

str kube_client_key(const struct kube_client *client)
{
    (void)client;
    return STR("key");
}

bool kube_client_pod(const struct kube_client *client, str *pod_name, str *pod_uid)
{
    (void)client, (void)pod_name, (void)pod_uid;
    return false;
}

void kube_client_drop_connections(struct kube_client *client, enum kube_lane lane)
{
    (void)client, (void)lane;
}

struct kube_call *kube_send(struct kube_client *client, const struct kube_request *request)
{
    (void)client;
    assert_null(call);
    call = mem_zalloc(sizeof *call);
    call->method = request->method;
    call->body = str_dup(request->body);
    call->on_done = request->on_done;
    call->arg = request->arg;
    return call;
}

void kube_cancel(struct kube_call *c)
{
    assert_ptr_equal(c, call);
    mem_free(c->body);
    mem_free(c);
    call = NULL;
}

struct lease_watch *lease_watch_start(struct kube_client *client, str namespace, str name,
                                      bool initial, str resource_version, int64_t timeout_s,
                                      int64_t idle_timeout_ms,
                                      void (*on_event)(void *arg, enum lease_event event,
                                                       const struct lease *lease,
                                                       const struct kube_result *result),
                                      void *arg)
{
    (void)client, (void)namespace, (void)name, (void)initial,
        (void)timeout_s, (void)idle_timeout_ms;
    snprintf(watch_version, sizeof watch_version, "%.*s", (int)resource_version.len, resource_version.len ? resource_version.data : "");
    assert_null(watch);
    watch = mem_zalloc(sizeof *watch);
    watch_count++;
    watch->on_event = on_event;
    watch->arg = arg;
    return watch;
}

void lease_watch_free(struct lease_watch *w)
{
    assert_ptr_equal(w, watch);
    mem_free(w);
    watch = NULL;
}

/* ---- a world ---- */

struct world {
    struct loop *loop;
    struct log *log;
    struct buf log_text;
    struct elector_set *set;
    struct elector *elector;
    bool done;
};

static void sink(void *arg, str line)
{
    buf_str(arg, line);
}

static int64_t wall_ns(void *arg)
{
    return loop_wall_ns(arg);
}

static int log_count(const struct world *w, const char *text)
{
    int count = 0;
    size_t at;
    for (str rest = buf_view(&w->log_text); str_find(rest, str_from(text), &at);
         rest = str_skip(rest, at + 1))
        count++;
    return count;
}

static bool logged(const struct world *w, const char *text)
{
    return log_count(w, text) > 0;
}

static struct elector_config settings(void)
{
    return (struct elector_config){
        .lease_name = STR("l"),
        .identity = STR("me"),
        .lease_duration_ns = 15 * SECOND,
        .renew_deadline_ns = 10 * SECOND,
        .retry_period_ns = 2 * SECOND,
        .safety_margin_ns = SECOND,
        .release_on_shutdown = true,
        .standby = STANDBY_COLD,
        .dead_holder_check = DEAD_HOLDER_OFF,
    };
}

static struct elector *get(struct world *w, struct elector_config config, uint64_t generation)
{
    struct err err;
    struct elector *e = elector_get(w->set, &config, generation, &err);
    if (e == NULL)
        fail_msg("%s", err.text);
    return e;
}

static void answer(int status, const char *body)
{
    struct kube_call c = *call;
    struct kube_result result = {
        .outcome = HTTP_DONE, .status = status, .body = str_from(body), .retry_after_ms = -1};
    err_set(&result.err, "status %d", status);
    mem_free(call);
    call = NULL;
    c.on_done(c.arg, &result);
    mem_free(c.body);
}

static void fails(enum http_outcome outcome, const char *why)
{
    struct kube_call c = *call;
    struct kube_result result = {.outcome = outcome, .retry_after_ms = -1};
    err_set(&result.err, "%s", why);
    mem_free(call);
    call = NULL;
    c.on_done(c.arg, &result);
    mem_free(c.body);
}

static void no_answer(void)
{
    fails(HTTP_TIMEOUT, "no answer");
}

/* The server carries the call under way out: the record becomes what it says, in this version. */
static void execute(const char *version)
{
    struct lease lease;
    struct err err;
    struct buf text;
    lease_init(&lease);
    buf_init(&text, LIMIT_LEASE_BYTES);
    assert_true(lease_parse(&lease, str_from(call->body), &err));
    lease.uid = STR("uid-1");
    lease.resource_version = str_from(version);
    lease_print(&text, &lease);
    mem_free(record);
    record = str_dup(buf_view(&text));
    buf_deinit(&text);
    lease_deinit(&lease);
}

/* The watch shows the record, in that version if it is given. */
static void watch_shows(enum lease_event event, const char *version)
{
    struct lease lease;
    struct err err;
    lease_init(&lease);
    assert_true(lease_parse(&lease, str_from(record), &err));
    if (version != NULL)
        lease.resource_version = str_from(version);
    watch->on_event(watch->arg, event, &lease, NULL);
    lease_deinit(&lease);
}

static void watch_says(enum lease_event event)
{
    watch->on_event(watch->arg, event, NULL, NULL);
}

/* The end of the initial state, which is of that version. */
static void watch_is_synced(const char *version)
{
    struct lease lease;
    lease_init(&lease);
    lease.resource_version = str_from(version);
    watch->on_event(watch->arg, LEASE_SYNCED, &lease, NULL);
    lease_deinit(&lease);
}

static bool sends(const char *method)
{
    return call != NULL && strcmp(call->method, method) == 0;
}

static bool body_has(const char *text)
{
    return strstr(call->body, text) != NULL;
}

static struct world *begin(struct elector_config config)
{
    struct world *w = mem_zalloc(sizeof *w);
    call = NULL; /* a test before may have failed */
    watch = NULL;
    w->loop = fake_loop_new(1000 * SECOND, INT64_C(1767268800) * SECOND);
    buf_init(&w->log_text, MIB);
    w->log = log_new(&(struct log_config){.level = LOG_INFO,
                                          .sink = sink,
                                          .sink_arg = &w->log_text,
                                          .wall_ns = wall_ns,
                                          .wall_arg = w->loop});
    w->set = elector_set_new(w->loop, &(struct logger){.log = w->log});
    w->elector = get(w, config, 1);
    elector_start(w->elector);
    watch_says(LEASE_OPENED);
    return w;
}

/* Leads by version 10. */
static struct world *lead(struct elector_config config)
{
    struct world *w = begin(config);
    watch_is_synced("9");
    assert_true(sends("POST"));
    execute("10");
    answer(201, record);
    assert_true(elector_may_emit(w->elector));
    return w;
}

static void on_gone(void *arg)
{
    struct world *w = arg;
    w->done = true;
}

/* Once nobody uses the elector any more. */
static void finish(struct world *w)
{
    for (int i = 0; i < 10 && !w->done; i++) {
        if (call != NULL)
            answer(403, "");
        fake_loop_run(w->loop, SECOND);
    }
    assert_true(w->done);
    elector_set_free(w->set);
    mem_free(record);
    record = NULL;
    log_free(w->log);
    buf_deinit(&w->log_text);
    loop_free(w->loop);
    mem_free(w);
}

static void end(struct world *w)
{
    elector_unref(w->elector, on_gone, w);
    finish(w);
}

/* ---- tests ---- */

/* A renewal is carried out, and its answer lost. While the read that follows is on its way back, the Lease is deleted: what the read says
 * is from before that. The Lease is made anew, and a creation names neither version nor uid. */
static void test_late_read_brings_no_deleted_lease_back(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    fake_loop_run(w->loop, 5 * SECOND);
    assert_true(sends("PUT"));
    execute("11");
    no_answer();
    assert_true(sends("GET"));
    fake_loop_run(w->loop, MS); /* the watch was begun anew */
    watch_says(LEASE_OPENED);
    watch_shows(LEASE_SEEN, NULL);
    watch_is_synced("11");
    watch_shows(LEASE_DELETED, "12");
    answer(200, record);
    assert_true(sends("POST"));
    assert_false(body_has("resourceVersion") || body_has("uid-1"));
    execute("13");
    answer(201, record);
    assert_true(elector_may_emit(w->elector));
    end(w);
}

/* A refusal for lack of permission is an answer, but no success. */
static void test_a_missing_permission_is_no_success(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    fake_loop_run(w->loop, 5 * SECOND);
    no_answer();
    assert_true(sends("GET"));
    answer(403, "");
    assert_true(logged(w, "No permission for the Lease"));
    assert_false(logged(w, "Calls for the Lease succeed again"));
    fake_loop_run(w->loop, 5 * SECOND);
    answer(409, "");
    assert_true(logged(w, "Calls for the Lease succeed again"));
    end(w);
}

/* The watch's initial state, in which there was no Lease, is of before its creation and comes after the creation's answer. */
static void test_a_late_initial_state_deletes_nothing(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    fake_loop_run(w->loop, 5 * SECOND);
    execute("11");
    no_answer(); /* the watch is begun anew */
    answer(200, record);
    fake_loop_run(w->loop, MS);
    assert_null(call);
    watch_says(LEASE_OPENED);
    watch_is_synced("9");
    assert_null(call);
    assert_false(logged(w, "The Lease was deleted"));
    watch_is_synced("12"); /* and this one is news */
    assert_true(sends("POST"));
    assert_true(logged(w, "The Lease was deleted"));
    end(w);
}

static int64_t gate_ns(const struct world *w)
{
    struct elector_stats stats;
    elector_statistics(w->elector, &stats);
    return stats.gate_ns;
}

/* A renewal gets no answer and is not carried out, but somebody annotates the Lease meanwhile: a newer version, and it is not ours.
 * Candidates that go by the record's times have not seen us renew. */
static void test_an_annotation_is_no_renewal(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    int64_t gate_before_ns = gate_ns(w);
    fake_loop_run(w->loop, 5 * SECOND);
    assert_true(sends("PUT"));
    watch_shows(LEASE_SEEN, "11"); /* as it was, with something that does not concern us */
    no_answer();
    assert_true(sends("GET"));
    char *version = strstr(record, "\"10\"");
    assert_non_null(version);
    version[2] = '1';
    answer(200, record);
    assert_int_equal(gate_ns(w), gate_before_ns);
    assert_true(sends("PUT")); /* the renewal is still due */
    execute("12");
    no_answer();
    assert_true(sends("GET"));
    answer(200, record); /* and that one was carried out */
    assert_true(gate_ns(w) > gate_before_ns);
    end(w);
}

static void fail_renewals(struct world *w, int64_t duration_ns)
{
    for (int64_t ns = 0; ns < duration_ns; ns += 100 * MS) {
        fake_loop_run(w->loop, 100 * MS);
        if (call != NULL)
            answer(503, "");
    }
}

static void test_the_renew_deadline_stops_nothing_with_keep(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    fail_renewals(w, 11 * SECOND);
    assert_true(logged(w, "Renewals of the Lease have failed since the renew deadline"));
    assert_true(logged(w, "stops_emitting_in_s"));
    end(w);
    struct elector_config config = settings();
    config.keep_on_outage = true;
    w = lead(config);
    fail_renewals(w, 20 * SECOND);
    assert_true(elector_may_emit(w->elector));
    assert_true(logged(w, "Renewals of the Lease have failed since the renew deadline"));
    assert_false(logged(w, "stops_emitting_in_s"));
    end(w);
}

/* A reload shortens the durations: that no renewal came so soon before is no failure. The Lease says at once what is so now. */
static void test_a_reload_with_shorter_durations(void **state)
{
    (void)state;
    struct elector_config config = settings();
    config.lease_duration_ns = 30 * SECOND;
    config.renew_deadline_ns = 20 * SECOND;
    struct world *w = lead(config);
    fake_loop_run(w->loop, 8 * SECOND);
    assert_null(call);
    config.lease_duration_ns = 9 * SECOND;
    config.renew_deadline_ns = 6 * SECOND;
    config.retry_period_ns = SECOND;
    assert_ptr_equal(get(w, config, 2), w->elector);
    w->done = false;
    elector_unref(w->elector, on_gone, w);
    fake_loop_run(w->loop, 10 * MS);
    assert_true(w->done);
    w->done = false;
    assert_true(sends("PUT"));
    assert_true(body_has("\"leaseDurationSeconds\":9"));
    execute("11");
    answer(200, record);
    assert_true(elector_may_emit(w->elector));
    assert_false(logged(w, "Renewals of the Lease have failed"));
    fail_renewals(w, 7 * SECOND);
    assert_true(logged(w, "Renewals of the Lease have failed"));
    end(w);
}

/* A candidate cannot change its name: another identity is another candidate, which two extensions of the new configuration share. */
static void test_a_reload_with_another_identity(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    struct elector_config config = settings();
    config.identity = STR("you");
    struct elector *other = get(w, config, 2);
    assert_true(str_eqz(elector_identity(other), "you"));
    assert_ptr_equal(get(w, config, 2), other);
    struct err err;
    config.identity = STR("me");
    assert_null(elector_get(w->set, &config, 2, &err)); /* not both, on one Lease */
    config.identity = STR_NONE;
    assert_ptr_equal(get(w, config, 2), other);
    for (int i = 0; i < 3; i++) {
        elector_unref(other, on_gone, w);
        fake_loop_run(w->loop, MS);
        assert_true(w->done);
        w->done = false;
    }
    assert_ptr_equal(get(w, settings(), 3), w->elector); /* the reload failed */
    elector_unref(w->elector, on_gone, w);
    fake_loop_run(w->loop, MS);
    w->done = false;
    end(w);
}

static void renew(struct world *w, const char *version, bool is_shown)
{
    fake_loop_run(w->loop, 5 * SECOND);
    assert_true(sends("PUT"));
    execute(version);
    answer(200, record);
    if (is_shown)
        watch_shows(LEASE_SEEN, NULL);
    fake_loop_run(w->loop, MS);
}

/* Nothing ends, nothing comes: until a bookmark is missed, only our own writes can tell. */
static void test_a_watch_that_does_not_show_our_writes_is_opened_anew(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    watch_shows(LEASE_SEEN, NULL);
    int before = watch_count;
    renew(w, "11", true);
    renew(w, "12", true);
    renew(w, "13", false); /* it may be on its way */
    assert_int_equal(watch_count, before);
    renew(w, "14", false);
    assert_int_equal(watch_count, before + 1);
    renew(w, "15", false); /* from version 14 on: that one it need not show */
    assert_int_equal(watch_count, before + 1);
    renew(w, "16", false);
    assert_int_equal(watch_count, before + 2);
    end(w);
}

/* The watch shows what a predecessor with that note has left, in version 9. */
static int predecessor_duration_s = 15;
static void predecessor(const struct note *note, const char *holder, int64_t renew_ns)
{
    struct lease lease;
    struct buf text;
    lease_init(&lease);
    buf_init(&text, 64 * KIB);
    (void)note_print(&text, note);
    lease.name = STR("l");
    lease.namespace = STR("ns");
    lease.uid = note->lease_uid;
    lease.resource_version = STR("9");
    lease.holder = str_from(holder);
    lease.has_holder = true;
    lease.duration_s = lease.holder.len > 0 ? predecessor_duration_s : 1; /* released */
    lease.renew_ns = renew_ns;
    lease_annotation_set(&lease, STR(NOTE_ANNOTATION), buf_view(&text));
    buf_clear(&text);
    lease_print(&text, &lease);
    mem_free(record);
    record = str_dup(buf_view(&text));
    watch_shows(LEASE_SEEN, NULL);
    buf_deinit(&text);
    lease_deinit(&lease);
}

static const struct note_entry *written_entry(struct note *note, const char *receiver)
{
    struct lease lease;
    struct err err;
    lease_init(&lease);
    assert_true(lease_parse(&lease, str_from(call->body), &err));
    str text = lease_annotation_get(&lease, STR(NOTE_ANNOTATION));
    if (text.len > 0)
        assert_true(note_parse(note, text, &err));
    else
        note_clear(note);
    lease_deinit(&lease);
    return note_find(note, str_from(receiver));
}

static void give_back_a_claim(const char *predecessor_name, struct note *left)
{
    struct world *w = begin(settings());
    const int64_t now_ns = INT64_C(1767268800) * SECOND;
    struct note note;
    note_init(&note);
    note.lease_uid = STR("uid-1");
    note_put(&note, STR("dummy"),
             &(struct note_entry){.interval_ns = SECOND,
                                  .start_ns = now_ns - 100 * SECOND,
                                  .enqueued_ns = now_ns - 3 * SECOND,
                                  .acknowledged_ns = now_ns - 4 * SECOND});
    note_put(&note, STR("ahead"),
             &(struct note_entry){.interval_ns = SECOND, .enqueued_ns = now_ns + 60 * SECOND});
    predecessor(&note, predecessor_name, SECOND);
    fake_loop_run(w->loop, call != NULL ? MS : 16 * SECOND); /* until it has expired */
    if (sends("GET"))
        answer(200, record);
    assert_true(sends("PUT"));
    execute("10");
    elector_unref(w->elector, on_gone, w);
    answer(200, record);
    assert_true(sends("PUT"));
    assert_true(body_has("\"holderIdentity\":\"\""));
    const struct note_entry *found = written_entry(left, "dummy");
    assert_non_null(found);
    assert_int_equal(found->start_ns, now_ns - 100 * SECOND);
    assert_int_equal(found->acknowledged_ns, now_ns - 4 * SECOND);
    assert_int_equal(note_find(left, STR("ahead"))->enqueued_ns, now_ns + 60 * SECOND);
    note_deinit(&note);
    finish(w);
}

/* The predecessor has crashed, and its successor ends before its claim is answered: what it releases must tell the next one that the
 * predecessor may have sent until its gate closed. If that had let go in order, it had not. */
static void test_a_claim_given_back_after_a_crash_counts_as_sent_what_may_have_been(void **state)
{
    (void)state;
    const int64_t now_ns = INT64_C(1767268800) * SECOND;
    struct note left;
    note_init(&left);
    give_back_a_claim("somebody", &left);
    assert_int_equal(note_find(&left, STR("dummy"))->enqueued_ns, now_ns + 15 * SECOND);
    give_back_a_claim("", &left);
    assert_int_equal(note_find(&left, STR("dummy"))->enqueued_ns, now_ns - 3 * SECOND);
    note_deinit(&left);
}

/* Calls go through, and the watch is not even begun: it was sent into a connection that is dead. */
static void test_a_watch_that_is_never_answered_is_opened_anew(void **state)
{
    (void)state;
    struct world *w = begin(settings());
    struct note none;
    note_init(&none);
    none.lease_uid = STR("uid-1");
    predecessor(&none, "somebody", SECOND);
    struct kube_result cut = {.outcome = HTTP_BROKEN, .retry_after_ms = -1};
    err_set(&cut.err, "the connection broke");
    watch->on_event(watch->arg, LEASE_ENDED, NULL, &cut);
    fake_loop_run(w->loop, SECOND);
    assert_non_null(watch); /* it hangs from now on */
    int before = watch_count;
    for (int i = 0; i < 4; i++) { /* reads in its place, for 9 s */
        fake_loop_run(w->loop, 2 * SECOND);
        assert_true(sends("GET"));
        answer(200, record);
        assert_int_equal(watch_count, before);
    }
    fake_loop_run(w->loop, 2 * SECOND + 500 * MS);
    assert_true(sends("GET"));
    answer(200, record);
    fake_loop_run(w->loop, MS);
    assert_int_equal(watch_count, before + 1);
    note_deinit(&none);
    end(w);
}

/* What was released after ours is of a term of somebody who was never seen: nothing holds this candidate back any more. */
static void test_a_release_of_a_later_term_is_told_from_our_own(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    struct lease later;
    struct err err;
    struct buf text;
    elector_yield(w->elector);
    assert_true(sends("PUT"));
    execute("11");
    answer(200, record);
    watch_shows(LEASE_SEEN, "12"); /* touched by somebody */
    assert_null(call);
    lease_init(&later);
    buf_init(&text, LIMIT_LEASE_BYTES);
    assert_true(lease_parse(&later, str_from(record), &err));
    later.transitions++;
    lease_print(&text, &later);
    mem_free(record);
    record = str_dup(buf_view(&text));
    watch_shows(LEASE_SEEN, "14");
    assert_true(sends("PUT"));
    buf_deinit(&text);
    lease_deinit(&later);
    end(w);
}

/* A restored etcd gives its versions once more. What a claim writes is what stands there now. */
static void test_a_version_that_is_given_again_is_read_again(void **state)
{
    (void)state;
    struct world *w = begin(settings());
    struct note before, after, written;
    note_init(&before);
    note_init(&after);
    note_init(&written);
    before.lease_uid = after.lease_uid = STR("uid-1");
    note_put(&before, STR("dummy"), &(struct note_entry){.interval_ns = 1, .enqueued_ns = 7});
    note_put(&after, STR("dummy"), &(struct note_entry){.interval_ns = 1, .enqueued_ns = 8});
    predecessor(&before, "somebody", 2 * SECOND);
    assert_null(call);
    predecessor(&after, "", SECOND);
    assert_true(sends("PUT"));
    assert_non_null(written_entry(&written, "dummy"));
    assert_int_equal(written_entry(&written, "dummy")->enqueued_ns, 8);
    note_deinit(&written);
    note_deinit(&after);
    note_deinit(&before);
    end(w);
}

/* Its answer comes when the gate has closed, so that the term has not begun: the renewal that opens it must not write over what was
 * inherited, neither with nothing nor with what an earlier term has left. */
static void test_a_renewal_before_the_term_begins_keeps_the_inherited_note(void **state)
{
    (void)state;
    struct world *w = begin(settings());
    struct note note, written;
    note_init(&note);
    note_init(&written);
    note.lease_uid = STR("uid-1");
    note_put(&note, STR("dummy"), &(struct note_entry){.interval_ns = 1, .enqueued_ns = 7});
    predecessor(&note, "", SECOND);
    assert_true(sends("PUT"));
    assert_non_null(written_entry(&written, "dummy"));
    execute("10");
    fake_loop_run(w->loop, 14 * SECOND + 500 * MS);
    answer(200, record);
    assert_false(elector_may_emit(w->elector));
    assert_true(sends("PUT"));
    assert_non_null(written_entry(&written, "dummy"));
    assert_int_equal(written_entry(&written, "dummy")->enqueued_ns, 7);
    execute("11");
    answer(200, record);
    assert_true(elector_may_emit(w->elector));
    note_deinit(&written);
    note_deinit(&note);
    end(w);
}

/* Those that spoke last stay in front, for a full note leaves out who is behind. */
static void test_an_inherited_note_keeps_its_order(void **state)
{
    (void)state;
    struct world *w = begin(settings());
    struct note note;
    note_init(&note);
    note.lease_uid = STR("uid-1");
    note_put(&note, STR("last"), &(struct note_entry){.interval_ns = 1, .enqueued_ns = 1});
    note_put(&note, STR("first"), &(struct note_entry){.interval_ns = 1, .enqueued_ns = 2});
    predecessor(&note, "", SECOND);
    assert_true(sends("PUT"));
    execute("10");
    answer(200, record);
    fake_loop_run(w->loop, 5 * SECOND);
    assert_true(sends("PUT"));
    const char *first = strstr(call->body, "first"), *last = strstr(call->body, "last");
    assert_true(first != NULL && last != NULL && first < last);
    note_deinit(&note);
    end(w);
}

/* Some renewals in a row are refused, and then somebody annotates the Lease (a request to hand over, say): the record is still
 * our own, with the renewTime of the last renewal that stands. */
static void test_our_last_renewal_is_ours_after_refused_ones(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    int refused = 0;
    for (int i = 0; i < 80 && refused < 4; i++) {
        fake_loop_run(w->loop, 100 * MS);
        if (call != NULL) {
            answer(429, "");
            refused++;
        }
    }
    assert_int_equal(refused, 4);
    assert_true(elector_may_emit(w->elector));
    watch_shows(LEASE_SEEN, "11"); /* annotated: otherwise as it was */
    assert_false(logged(w, "the Lease carries another name"));
    assert_true(elector_may_emit(w->elector));
    /* Another one leads; then a restored etcd shows our record once more, and the other's gate is open. */
    struct lease other;
    struct err err;
    lease_init(&other);
    assert_true(lease_parse(&other, str_from(record), &err));
    other.resource_version = STR("12");
    other.holder = STR("other");
    other.renew_ns += SECOND;
    watch->on_event(watch->arg, LEASE_SEEN, &other, NULL);
    lease_deinit(&other);
    assert_true(logged(w, "the Lease carries another name"));
    watch_shows(LEASE_SEEN, "13");
    fake_loop_run(w->loop, SECOND);
    assert_true(call == NULL || sends("GET"));
    end(w);
}

/* "identity is the same in two replicas: remove the key" (runbook); done by a reload. */
static void test_a_reload_that_removes_the_identity(void **state)
{
    (void)state;
    struct world *w = lead(settings());
    struct elector_config config = settings();
    config.identity = STR_NONE;
    struct elector *e = get(w, config, 2);
    assert_false(str_eq(elector_identity(e), STR("me")));
    assert_ptr_equal(get(w, config, 3), e); /* nor does it go on under another one from then on */
    for (int i = 0; i < 2; i++) {
        elector_unref(e, on_gone, w);
        fake_loop_run(w->loop, MS);
        assert_true(w->done);
        w->done = false;
    }
    end(w);
}

static void watch_ends(int status)
{
    struct kube_result r = {.outcome = HTTP_DONE, .status = status, .retry_after_ms = -1};
    err_set(&r.err, "status %d", status);
    watch->on_event(watch->arg, LEASE_ENDED, NULL, &r);
}

/* A server without streaming lists has forgotten the version of a Lease that nobody writes. */
static void test_a_watch_from_a_forgotten_version_begins_anew(void **state)
{
    (void)state;
    struct elector_config config = settings();
    config.lease_duration_ns = 3600 * SECOND;
    config.renew_deadline_ns = 1000 * SECOND;
    struct world *w = begin(config);
    struct note note;
    note_init(&note);
    note.lease_uid = STR("uid-1");
    predecessor_duration_s = 3600;
    predecessor(&note, "other", SECOND);
    predecessor_duration_s = 15;
    watch_ends(422);
    int forgotten = 0;
    for (int i = 0; i < 3000; i++) {
        fake_loop_run(w->loop, 100 * MS);
        if (call != NULL) {
            assert_true(sends("GET"));
            answer(200, record);
        }
        if (watch != NULL && watch_version[0] == '\0') { /* it stays */
            watch->on_event(watch->arg, LEASE_OPENED, NULL, NULL);
        } else if (watch != NULL) {
            watch_ends(410);
            forgotten++;
        }
    }
    assert_int_equal(forgotten, 1);
    assert_non_null(watch);
    end(w);
}

/* On a busy machine the first call may time out before the server's certificate is looked at. */
static void test_why_there_is_no_connection_is_told_behind_a_late_answer(void **state)
{
    (void)state;
    struct world *w = begin(settings());
    for (int failed = 0; failed < 6; fake_loop_run(w->loop, 100 * MS)) {
        if (call == NULL)
            continue;
        if (failed++ % 2 == 0)
            no_answer();
        else
            fails(HTTP_CONNECT_FAILED, "authority not known");
    }
    assert_int_equal(log_count(w, "no answer"), 1);
    assert_int_equal(log_count(w, "authority not known"), 1);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_read_brings_no_deleted_lease_back),
        cmocka_unit_test(test_a_late_initial_state_deletes_nothing),
        cmocka_unit_test(test_a_missing_permission_is_no_success),
        cmocka_unit_test(test_an_annotation_is_no_renewal),
        cmocka_unit_test(test_the_renew_deadline_stops_nothing_with_keep),
        cmocka_unit_test(test_a_reload_with_shorter_durations),
        cmocka_unit_test(test_a_reload_with_another_identity),
        cmocka_unit_test(test_a_watch_that_does_not_show_our_writes_is_opened_anew),
        cmocka_unit_test(test_a_watch_that_is_never_answered_is_opened_anew),
        cmocka_unit_test(test_an_inherited_note_keeps_its_order),
        cmocka_unit_test(test_a_claim_given_back_after_a_crash_counts_as_sent_what_may_have_been),
        cmocka_unit_test(test_a_renewal_before_the_term_begins_keeps_the_inherited_note),
        cmocka_unit_test(test_a_version_that_is_given_again_is_read_again),
        cmocka_unit_test(test_a_release_of_a_later_term_is_told_from_our_own),
        cmocka_unit_test(test_our_last_renewal_is_ours_after_refused_ones),
        cmocka_unit_test(test_a_reload_that_removes_the_identity),
        cmocka_unit_test(test_a_watch_from_a_forgotten_version_begins_anew),
        cmocka_unit_test(test_why_there_is_no_connection_is_told_behind_a_late_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
