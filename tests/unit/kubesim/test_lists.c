/* list: pages, states of the past, selectors, forms; and the store against a model. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, NULL);
    return 0;
}

static int setup_small_window(void **state)
{
    struct kubesim_config config = {.window_events = 4};
    (void)state;
    world_init(&w, &config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_deinit(&w);
    return 0;
}

static void make(const char *namespace, const char *name, const char *label)
{
    char path[200], body[300];
    snprintf(path, sizeof path, "/apis/coordination.k8s.io/v1/namespaces/%s/leases", namespace);
    snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"l\":\"%s\"}}}", name,
             label);
    assert_answer(post(&w, path, body), 201, NULL);
}

/* "a b c" */
static const char *names(struct answer a)
{
    struct buf b;
    const struct dom *items = at(a.json, "items");
    buf_init(&b, 1 << 20);
    for (const struct dom *i = items == NULL ? NULL : items->first; i != NULL; i = i->next)
        buf_printf(&b, "%s%s", b.len > 0 ? " " : "", text_at(&w, i, "metadata.name"));
    const char *text = arena_cstr(&w.arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static struct answer getf(const char *pattern, const char *text)
{
    char path[4000];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(path, sizeof path, pattern, text);
#pragma GCC diagnostic pop
    return get(&w, path);
}

static void test_order_and_scope(void **state)
{
    (void)state;
    assert_answer(post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"default-2\"}}"), 201, NULL);
    assert_answer(post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"def\"}}"), 201, NULL);
    make("default", "b", "x");
    make("default-2", "a", "x");
    make("def", "z", "x");
    make("default", "a", "x");
    assert_string_equal(names(get(&w, LEASES)), "a b");
    assert_string_equal(names(get(&w, "/apis/coordination.k8s.io/v1/namespaces/def/leases")), "z");
    assert_string_equal(names(get(&w, "/apis/coordination.k8s.io/v1/namespaces/nope/leases")), "");
    /* By "namespace/name" as one text, '-' before '/'. */
    assert_string_equal(names(get(&w, ALL_LEASES)), "z a a b");
    struct answer a = get(&w, LEASES);
    assert_string_equal(text_at(&w, a.json, "kind"), "LeaseList");
    assert_null(at(a.json, "items.0.kind"));
    assert_null(at(a.json, "metadata.continue"));
}

static void test_pages(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        char name[8];
        snprintf(name, sizeof name, "l%d", i);
        make("default", name, i % 2 == 0 ? "even" : "odd");
    }
    struct answer a = get(&w, LEASES "?limit=3");
    const char *version = text_at(&w, a.json, "metadata.resourceVersion");
    assert_string_equal(names(a), "l0 l1 l2");
    assert_string_equal(text_at(&w, a.json, "metadata.remainingItemCount"), "4");
    /* Changes in between are not seen by later pages. */
    del(&w, LEASES "/l4");
    make("default", "l35", "odd");
    patch(&w, LEASES "/l5", "{\"spec\":{\"holderIdentity\":\"new\"}}");
    a = getf(LEASES "?limit=3&continue=%s", text_at(&w, a.json, "metadata.continue"));
    assert_string_equal(names(a), "l3 l4 l5");
    assert_string_equal(text_at(&w, a.json, "items.2.spec"), "{}");
    assert_string_equal(text_at(&w, a.json, "metadata.resourceVersion"), version);
    a = getf(LEASES "?limit=3&continue=%s", text_at(&w, a.json, "metadata.continue"));
    assert_string_equal(names(a), "l6");
    assert_null(at(a.json, "metadata.continue"));
    a = get(&w, LEASES "?limit=1&labelSelector=l%3Dodd");
    assert_string_equal(names(a), "l1");
    assert_null(at(a.json, "metadata.remainingItemCount"));
    assert_string_equal(names(getf(LEASES "?labelSelector=l%%3Dodd&continue=%s",
                                   text_at(&w, a.json, "metadata.continue"))),
                        "l3 l35 l5");
    /* A limit that is just enough has no next page. */
    assert_null(at(get(&w, LEASES "?limit=7").json, "metadata.continue"));
    assert_string_equal(names(get(&w, LEASES "?limit=2&resourceVersion=0")),
                        "l0 l1 l2 l3 l35 l5 l6");
}

static void test_pages_that_are_too_old(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "l%d", i);
        make("default", name, "x");
    }
    struct answer a = get(&w, LEASES "?limit=2");
    const char *token = text_at(&w, a.json, "metadata.continue");
    for (int i = 0; i < 4; i++)
        patch(&w, LEASES "/l0",
              i % 2 == 0 ? "{\"spec\":{\"leaseTransitions\":1}}"
                         : "{\"spec\":{\"leaseTransitions\":2}}");
    assert_string_equal(names(getf(LEASES "?continue=%s", token)), "l2 l3 l4 l5");
    patch(&w, LEASES "/l0",
          "{\"spec\":{\"leaseTransitions\":3}}"); /* the fifth change: the window has four */
    a = getf(LEASES "?continue=%s", token);
    assert_answer(a, 410, "Expired");
    assert_string_equal(
        names(getf(LEASES "?continue=%s", text_at(&w, a.json, "metadata.continue"))),
        "l2 l3 l4 l5");
    assert_answer(get(&w, LEASES "?resourceVersion=6&resourceVersionMatch=Exact"), 410, "Expired");
    kubesim_compact(w.sim);
    a = get(&w, LEASES "?limit=2");
    patch(&w, LEASES "/l0", "{\"spec\":{\"leaseTransitions\":4}}");
    assert_answer(getf(LEASES "?continue=%s", text_at(&w, a.json, "metadata.continue")), 200, NULL);
    kubesim_compact(w.sim);
    assert_answer(getf(LEASES "?continue=%s", text_at(&w, a.json, "metadata.continue")), 410,
                  "Expired");
}

static void test_bad_options(void **state)
{
    static const struct {
        const char *query;
        int status;
        const char *reason;
    } cases[] = {
        {"limit=x", 400, "BadRequest"},
        {"limit=99999999999999999999", 400, "BadRequest"},
        {"limit=-5", 200, NULL},
        {"timeoutSeconds=x", 400, "BadRequest"},
        {"continue=x", 400, "BadRequest"},
        {"continue=%00", 400, "BadRequest"},
        {"resourceVersion=x", 400, "BadRequest"},
        {"resourceVersion=-1", 400, "BadRequest"},
        {"resourceVersion=99999", 504, "Timeout"},
        {"resourceVersion=18446744073709551615", 504, "Timeout"},
        {"resourceVersion=18446744073709551616", 400, "BadRequest"},
        {"resourceVersionMatch=Exact", 422, "Invalid"},
        {"resourceVersionMatch=Exact&resourceVersion=0", 422, "Invalid"},
        {"resourceVersionMatch=Foo&resourceVersion=1", 422, "Invalid"},
        {"resourceVersionMatch=NotOlderThan&resourceVersion=1", 200, NULL},
        {"sendInitialEvents=true", 422, "Invalid"},
        {"labelSelector=a%20b", 400, "BadRequest"},
        {"fieldSelector=spec.x%3Dy", 400, "BadRequest"},
        {"labelSelector=%zz", 200, NULL}, /* what cannot be decoded is dropped, as in Go */
        {"&&=&a", 200, NULL},
    };
    (void)state;
    make("default", "a", "x");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        print_message("%s\n", cases[i].query);
        assert_answer(getf(LEASES "?%s", cases[i].query), cases[i].status, cases[i].reason);
    }
    struct answer a = get(&w, LEASES "?resourceVersion=99999");
    assert_int_equal(a.retry_after_s, 1);
    assert_string_equal(text_at(&w, a.json, "details.causes.0.reason"), "ResourceVersionTooLarge");
    assert_string_equal(text_at(&w, a.json, "details.retryAfterSeconds"), "1");
}

static void test_long_lists_come_in_pieces(void **state)
{
    enum { COUNT = 40 };
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < COUNT; i++) {
        buf_clear(&b);
        buf_printf(&b, "{\"metadata\":{\"name\":\"big%02d\",\"annotations\":{\"x\":\"", i);
        for (int j = 0; j < 50000; j++)
            buf_byte(&b, 'y');
        buf_text(&b, "\"}}}");
        assert_answer(post(&w, LEASES, buf_cstr(&b)), 201, NULL);
    }
    buf_deinit(&b);
    struct kubesim_call *call =
        start(&w, (struct asked){.method = "GET", .path = LEASES}, NULL, NULL);
    assert_int_equal(kubesim_call_head(call)->content_length, -1);
    /* What is listed is the state of the request, whatever happens while it is read. */
    assert_answer(del(&w, LEASES "?labelSelector=!x"), 200, NULL);
    struct answer a = take(&w, call);
    kubesim_call_free(call);
    assert_true(a.body.len > COUNT * 50000);
    assert_int_equal(at(a.json, "items")->count, COUNT);
    assert_int_equal(at(get(&w, LEASES).json, "items")->count, 0);
}

/* -- the store against a model: random changes, then every earlier state is listed -- */

enum { MODEL_NAMES = 12, MODEL_STEPS = 400 };
struct model {
    int value[MODEL_STEPS + 1][MODEL_NAMES]; /* after each step; -1: not there */
    uint64_t version[MODEL_STEPS + 1];
};

static void model_step(struct model *m, int step, uint64_t random)
{
    int which = (int)(random % MODEL_NAMES), what = (int)(random / 100 % 4);
    char path[200], body[200];
    memcpy(m->value[step], m->value[step - 1], sizeof m->value[step]);
    snprintf(path, sizeof path, LEASES "/m%d", which);
    if (m->value[step][which] == -1) {
        snprintf(body, sizeof body,
                 "{\"metadata\":{\"name\":\"m%d\"},\"spec\":{\"leaseTransitions\":%d}}", which,
                 step);
        assert_answer(put(&w, path, body), 201, NULL);
        m->value[step][which] = step;
    } else if (what == 0) {
        assert_answer(del(&w, path), 200, NULL);
        m->value[step][which] = -1;
    } else {
        snprintf(body, sizeof body, "{\"spec\":{\"leaseTransitions\":%d}}", step);
        assert_answer(patch(&w, path, body), 200, NULL);
        m->value[step][which] = step;
    }
    m->version[step] = kubesim_resource_version(w.sim);
}

static void model_check(const struct model *m, int step, struct answer a)
{
    int found = 0, expected = 0;
    assert_answer(a, 200, NULL);
    for (const struct dom *i = at(a.json, "items")->first; i != NULL; i = i->next, found++) {
        int which = (int)strtol(text_at(&w, i, "metadata.name") + 1, NULL, 10);
        assert_int_equal(strtol(text_at(&w, i, "spec.leaseTransitions"), NULL, 10),
                         m->value[step][which]);
    }
    for (int n = 0; n < MODEL_NAMES; n++)
        expected += m->value[step][n] != -1;
    assert_int_equal(found, expected);
}

static void test_every_state_of_the_past(void **state)
{
    static struct model m;
    uint64_t random = 42;
    (void)state;
    memset(&m, 0xff, sizeof m);
    for (int step = 1; step <= MODEL_STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + 12345;
        model_step(&m, step, random >> 33);
    }
    for (int step = 1; step <= MODEL_STEPS; step++) {
        char path[200];
        snprintf(path, sizeof path, LEASES "?resourceVersionMatch=Exact&resourceVersion=%" PRIu64,
                 m.version[step]);
        model_check(&m, step, get(&w, path));
    }
    /* Going back makes it the present one; the window is gone then. */
    struct err err;
    int step = MODEL_STEPS / 2;
    assert_true(kubesim_rollback(w.sim, m.version[step], &err));
    model_check(&m, step, get(&w, LEASES));
    assert_int_equal(kubesim_resource_version(w.sim), m.version[step]);
    assert_false(kubesim_rollback(w.sim, m.version[step] - 1, &err));
}

static void test_many_objects_stay_fast(void **state)
{
    enum { COUNT = 20000 };
    (void)state;
    /* In order, which would make a tree without balance a list: this would take minutes then. */
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%06d", i);
        make("default", name, "x");
        arena_deinit(&w.arena);
        arena_init(&w.arena, 4096);
    }
    struct answer a = get(&w, LEASES "?limit=2");
    assert_string_equal(names(a), "m000000 m000001");
    assert_string_equal(text_at(&w, a.json, "metadata.remainingItemCount"), "19998");
    assert_answer(get(&w, LEASES "/m019999"), 200, NULL);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_order_and_scope),
        CASE(test_pages),
        cmocka_unit_test_setup_teardown(test_pages_that_are_too_old, setup_small_window, teardown),
        CASE(test_bad_options),
        CASE(test_long_lists_come_in_pieces),
        CASE(test_every_state_of_the_past),
        CASE(test_many_objects_stay_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
