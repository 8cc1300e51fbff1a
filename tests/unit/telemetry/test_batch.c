/* Batches: order of lists, counts, references, delivery, and that misuse ends the program. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "telemetry/batch.h"

static const struct metric_desc gauge = {.name = {"g", 1}, .type = METRIC_GAUGE};
static const struct metric_desc untyped = {.name = {"e", 1}};

static void test_lists_keep_their_order(void **state)
{
    (void)state;
    struct batch *b = batch_new(SIGNAL_METRICS);
    assert_int_equal(b->ref_count, 1);
    assert_null(b->resources);
    struct resource *r1 = batch_resource(b), *r2 = batch_resource(b);
    struct scope *s1 = batch_scope(b, r1), *s2 = batch_scope(b, r1), *s3 = batch_scope(b, r2);
    struct metric *m1 = batch_metric(b, s1, &gauge), *m2 = batch_metric(b, s1, &gauge);
    struct metric *m3 = batch_metric(b, s2, &untyped);
    struct point *p1 = batch_point(b, m2), *p2 = batch_point(b, m2), *p3 = batch_point(b, m2);
    assert_ptr_equal(b->resources, r1);
    assert_ptr_equal(r1->next, r2);
    assert_ptr_equal(b->last_resource, r2);
    assert_ptr_equal(r1->scopes, s1);
    assert_ptr_equal(s1->next, s2);
    assert_null(s2->next);
    assert_ptr_equal(r2->scopes, s3);
    assert_ptr_equal(s1->metrics, m1);
    assert_ptr_equal(m1->next, m2);
    assert_ptr_equal(s1->last, m2);
    assert_ptr_equal(s2->metrics, m3);
    assert_null(s3->metrics);
    assert_null(m1->first);
    assert_ptr_equal(m2->first, p1);
    assert_ptr_equal(p1->next, p2);
    assert_ptr_equal(m2->last, p3);
    assert_null(p3->next);
    assert_int_equal(b->resource_count, 2);
    assert_int_equal(b->metric_count, 3);
    assert_int_equal(b->item_count, 3);
    assert_int_equal(m2->point_count, 3);
    assert_int_equal(p3->value.kind, VALUE_EMPTY);
    batch_unref(b);
}

static void test_logs_and_spans(void **state)
{
    (void)state;
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct scope *s = batch_scope(b, batch_resource(b));
    struct log_record *r1 = batch_log(b, s), *r2 = batch_log(b, s), *r3 = batch_log(b, s);
    assert_ptr_equal(s->logs, r1);
    assert_ptr_equal(r1->next, r2);
    assert_ptr_equal(r2->next, r3);
    assert_null(r3->next);
    assert_int_equal(b->item_count, 3);
    assert_int_equal(b->metric_count, 0);
    batch_unref(b);
    b = batch_new(SIGNAL_TRACES);
    s = batch_scope(b, batch_resource(b));
    struct span *n1 = batch_span(b, s), *n2 = batch_span(b, s);
    assert_ptr_equal(s->spans, n1);
    assert_ptr_equal(n1->next, n2);
    assert_null(n2->next);
    assert_int_equal(b->item_count, 2);
    batch_unref(b);
}

static void test_signal_names(void **state)
{
    (void)state;
    assert_string_equal(signal_name(SIGNAL_METRICS), "metrics");
    assert_string_equal(signal_name(SIGNAL_LOGS), "logs");
    assert_string_equal(signal_name(SIGNAL_TRACES), "traces");
}

static void test_attributes_are_copied(void **state)
{
    (void)state;
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct attribute items[2] = {{STR("a"), VALUE_OF_INT(1)}, {STR("b"), VALUE_OF_BOOL(true)}};
    struct attributes copy = batch_attributes(b, items, 2);
    memset(items, 0xff, sizeof items);
    assert_int_equal(copy.count, 2);
    assert_true(str_eqz(copy.items[0].key, "a"));
    assert_int_equal(copy.items[0].value.integer, 1);
    assert_int_equal(copy.items[1].value.kind, VALUE_BOOL);
    copy = batch_attributes(b, NULL, 0);
    assert_int_equal(copy.count, 0);
    batch_unref(b);
}

static void test_references_and_parents(void **state)
{
    (void)state;
    /* A long chain: letting go of the last one frees all; the sanitizer sees what is left. */
    struct batch *b = batch_new(SIGNAL_LOGS), *first = b;
    batch_ref(first);
    for (int i = 0; i < 100000; i++) {
        struct batch *derived = batch_new(SIGNAL_LOGS);
        derived->parent = b; /* the reference moves */
        b = derived;
    }
    assert_ptr_equal(batch_ref(b), b);
    batch_unref(b);
    assert_int_equal(first->ref_count, 2);
    batch_unref(b);
    assert_int_equal(first->ref_count, 1);
    batch_resource(first); /* still alive */
    batch_unref(first);
    batch_unref(NULL);
}

struct seen {
    struct batch *unref; /* let go in the call */
    unsigned count;
    enum outcome worst;
};

static void on_outcome(void *arg, enum outcome worst)
{
    struct seen *seen = arg;
    seen->count++;
    seen->worst = worst;
    batch_unref(seen->unref);
}

static void test_worst_outcome_counts(void **state)
{
    (void)state;
    static const enum outcome orders[][3] = {
        {OUTCOME_SENT, OUTCOME_SENT, OUTCOME_SENT},
        {OUTCOME_SENT, OUTCOME_DROPPED, OUTCOME_SENT},
        {OUTCOME_REFUSED, OUTCOME_DROPPED, OUTCOME_SENT},
        {OUTCOME_DROPPED, OUTCOME_SENT, OUTCOME_REFUSED},
    };
    static const enum outcome expected[] = {OUTCOME_SENT, OUTCOME_DROPPED, OUTCOME_REFUSED,
                                            OUTCOME_REFUSED};
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        struct batch *b = batch_new(SIGNAL_LOGS);
        struct seen seen = {.unref = b};
        b->delivery = (struct delivery){.pending = 3, .fn = on_outcome, .arg = &seen};
        batch_outcome(b, orders[i][0]);
        batch_outcome(b, orders[i][1]);
        assert_int_equal(seen.count, 0);
        batch_outcome(b, orders[i][2]); /* frees it */
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.worst, expected[i]);
    }
}

static void test_outcome_without_listener(void **state)
{
    (void)state;
    struct batch *b = batch_new(SIGNAL_LOGS);
    b->delivery.pending = 1;
    batch_outcome(b, OUTCOME_REFUSED);
    assert_int_equal(b->delivery.pending, 0);
    assert_int_equal(b->delivery.worst, OUTCOME_REFUSED);
    batch_unref(b);
}

/* Runs it in a child, which must abort. */
static void assert_aborts(void (*mistake)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka takes it */
        if (freopen("/dev/null", "w", stderr) != NULL)
            mistake();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void unref_with_an_outcome_owed(void)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    b->delivery.pending = 1;
    batch_unref(b);
}
static void outcome_that_nobody_owes(void)
{
    batch_outcome(batch_new(SIGNAL_LOGS), OUTCOME_SENT);
}
static void outcome_once_too_often(void)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    b->delivery.pending = 1;
    batch_outcome(b, OUTCOME_SENT);
    batch_outcome(b, OUTCOME_SENT);
}
static void log_in_a_batch_of_metrics(void)
{
    struct batch *b = batch_new(SIGNAL_METRICS);
    batch_log(b, batch_scope(b, batch_resource(b)));
}
static void metric_in_a_batch_of_logs(void)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    batch_metric(b, batch_scope(b, batch_resource(b)), &gauge);
}
static void span_in_a_batch_of_logs(void)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    batch_span(b, batch_scope(b, batch_resource(b)));
}
static void point_without_a_type(void)
{
    struct batch *b = batch_new(SIGNAL_METRICS);
    batch_point(b, batch_metric(b, batch_scope(b, batch_resource(b)), &untyped));
}
static void append_after_handing_on(void)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    b->delivery.pending = 1;
    batch_resource(b);
}
static void new_of_two_signals(void)
{
    batch_new(SIGNAL_LOGS | SIGNAL_METRICS);
}

static void test_misuse_ends_the_program(void **state)
{
    (void)state;
    assert_aborts(unref_with_an_outcome_owed);
    assert_aborts(outcome_that_nobody_owes);
    assert_aborts(outcome_once_too_often);
    assert_aborts(log_in_a_batch_of_metrics);
    assert_aborts(metric_in_a_batch_of_logs);
    assert_aborts(span_in_a_batch_of_logs);
    assert_aborts(point_without_a_type);
    assert_aborts(append_after_handing_on);
    assert_aborts(new_of_two_signals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_keep_their_order),
        cmocka_unit_test(test_logs_and_spans),
        cmocka_unit_test(test_signal_names),
        cmocka_unit_test(test_attributes_are_copied),
        cmocka_unit_test(test_references_and_parents),
        cmocka_unit_test(test_worst_outcome_counts),
        cmocka_unit_test(test_outcome_without_listener),
        cmocka_unit_test(test_misuse_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
