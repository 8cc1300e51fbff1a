/* Generated clusters and their churn: what is there, that it follows from the seed, that watches tell all of it. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "kubesim/generate.h"

#define PODS "/api/v1/pods"

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_deinit(&w);
    return 0;
}

static void generate(const char *spec)
{
    struct err err;
    if (!kubesim_generate(w.sim, str_from(spec), &err))
        fail_msg("%s", err.text);
}

static size_t count_of(const char *path)
{
    const struct dom *items = at(get(&w, path).json, "items");
    assert_non_null(items);
    return items->count;
}

static void test_proportions(void **state)
{
    (void)state;
    generate("pods=1000");
    assert_int_equal(count_of(PODS), 1000);
    assert_int_equal(count_of("/api/v1/nodes"), 10);
    assert_int_equal(count_of("/apis/apps/v1/deployments"), 100);
    assert_int_equal(count_of("/apis/apps/v1/replicasets"), 100);
    assert_int_equal(count_of("/api/v1/namespaces"), 4 + 2);
    assert_int_equal(count_of("/apis/autoscaling/v2/horizontalpodautoscalers"), 10);
    assert_int_equal(count_of("/apis/discovery.k8s.io/v1/endpointslices"), 50);
}

static void test_given_numbers(void **state)
{
    (void)state;
    generate("pods=35,deployments=4,nodes=3,jobs=0,services=2,namespaces=1,seed=9");
    assert_int_equal(count_of(PODS), 35);
    assert_int_equal(count_of("/apis/apps/v1/deployments"), 4);
    assert_int_equal(count_of("/apis/batch/v1/jobs"), 0);
    assert_int_equal(count_of("/api/v1/services"), 2);
    /* 9, 9, 9 and 8 pods */
    struct answer a = get(&w, "/apis/apps/v1/deployments");
    assert_string_equal(text_at(&w, a.json, "items.0.spec.replicas"), "9");
    assert_string_equal(text_at(&w, a.json, "items.3.spec.replicas"), "8");
}

static void test_specs_that_are_wrong(void **state)
{
    static const char *const specs[] = {
        "pods",
        "pods=x",
        "pods=-1",
        "pods=1000001",
        "foos=1",
        "leases=1",
        "pods=10,nodes=0",
        "pods=1,deployments=0",
        "namespaces=10000",
        "pods=1,namespaces=0",
        "pods=70000,deployments=1",
    };
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        print_message("%s\n", specs[i]);
        assert_false(kubesim_generate(w.sim, str_from(specs[i]), &err));
    }
    assert_false(kubesim_churn(w.sim, 1, &err));
    generate("pods=1");
    assert_false(kubesim_generate(w.sim, STR("pods=1"), &err));
}

/* A pod as it should be: everything that the templates promise is filled in. */
static void test_a_pod(void **state)
{
    (void)state;
    generate("pods=20,nodes=7");
    struct answer a = get(&w, PODS);
    const struct dom *pod = at(a.json, "items.13");
    assert_null(strchr(arena_cstr(&w.arena, a.body), '~'));
    const char *name = text_at(&w, pod, "metadata.name"),
               *owner = text_at(&w, pod, "metadata.ownerReferences.0.name");
    assert_memory_equal(name, owner, strlen(owner));
    assert_int_equal(strlen(name), strlen(owner) + 6);
    char path[300];
    snprintf(path, sizeof path, "/apis/apps/v1/namespaces/%s/replicasets/%s",
             text_at(&w, pod, "metadata.namespace"), owner);
    a = get(&w, path);
    assert_string_equal(text_at(&w, a.json, "metadata.uid"),
                        text_at(&w, pod, "metadata.ownerReferences.0.uid"));
    assert_string_equal(text_at(&w, a.json, "metadata.ownerReferences.0.kind"), "Deployment");
    assert_int_equal(strlen(text_at(&w, pod, "status.containerStatuses.1.containerID")),
                     strlen("containerd://") + 64);
    assert_int_equal(strlen(text_at(&w, pod, "metadata.uid")), 36);
    /* node by number: pod n runs on node n mod 7 */
    struct map nodes;
    uint64_t key[2] = {1, 2};
    map_init(&nodes, key);
    for (const struct dom *p = at(get(&w, PODS).json, "items")->first; p != NULL; p = p->next)
        map_put(&nodes, str_from(text_at(&w, p, "spec.nodeName")), &w);
    assert_int_equal(map_count(&nodes), 7);
    map_deinit(&nodes);
}

static void test_seed(void **state)
{
    static struct world other;
    struct err err;
    (void)state;
    generate("pods=50,seed=5");
    str first = get(&w, PODS).body;
    world_init(&other, NULL);
    assert_true(kubesim_generate(other.sim, STR("pods=50,seed=5"), &err));
    assert_true(str_eq(get(&other, PODS).body, first));
    world_deinit(&other);
    world_init(&other, NULL);
    assert_true(kubesim_generate(other.sim, STR("pods=50,seed=6"), &err));
    assert_false(str_eq(get(&other, PODS).body, first));
    world_deinit(&other);
}

static void test_they_are_objects_like_others(void **state)
{
    char path[300], query[600];
    (void)state;
    generate("pods=100,seed=2");
    const struct dom *pod = at(get(&w, PODS).json, "items.42");
    const char *name = text_at(&w, pod, "metadata.name"),
               *hash = text_at(&w, pod, "metadata.labels.pod-template-hash");
    snprintf(path, sizeof path, "/api/v1/namespaces/%s/pods/%s",
             text_at(&w, pod, "metadata.namespace"), name);
    assert_answer(get(&w, path), 200, NULL);
    snprintf(query, sizeof query, PODS "?labelSelector=pod-template-hash%%3D%s", hash);
    assert_int_equal(count_of(query), 10);
    assert_int_equal(count_of(PODS "?labelSelector=tier%3Dbackend"), 100);
    assert_int_equal(count_of(PODS "?labelSelector=tier%3Dfrontend"), 0);
    struct answer a = patch(&w, path, "{\"metadata\":{\"labels\":{\"mine\":\"1\"}}}");
    assert_answer(a, 200, NULL);
    assert_string_equal(text_at(&w, a.json, "spec.nodeName"), text_at(&w, pod, "spec.nodeName"));
    assert_int_equal(count_of(PODS "?labelSelector=mine"), 1);
    assert_answer(del(&w, path), 200, NULL);
    assert_answer(get(&w, path), 404, "NotFound");
    assert_int_equal(count_of(PODS), 99);
    /* and in a Table */
    a = ask(&w, (struct asked){.method = "GET",
                               .path = PODS "?limit=1",
                               .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"});
    assert_string_equal(text_at(&w, a.json, "rows.0.cells.1"), "Running");
}

/* -- churn -- */

/* What a client knows that has read a list and follows the watch: name -> the object. */
struct model {
    struct map objects;
    struct arena arena;
    size_t events;
};

static void model_init(struct model *m)
{
    uint64_t key[2] = {3, 4};
    map_init(&m->objects, key);
    arena_init(&m->arena, 64 * 1024);
    m->events = 0;
}

static void model_read(struct model *m, struct watcher *x)
{
    struct answer a = take(&w, x->call);
    str rest = a.body, line;
    struct err err;
    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        struct dom *event = dom_parse(&m->arena, arena_str(&m->arena, line), &err);
        assert_non_null(event);
        struct dom *object = dom_getz(event, "object");
        str type = dom_text(event, "type");
        str key = dom_text(dom_getz(object, "metadata"), "uid");
        bool known = map_get(&m->objects, key) != NULL;
        if (str_eqz(type, "BOOKMARK"))
            continue;
        m->events++;
        assert_int_equal(known, !str_eqz(type, "ADDED"));
        if (str_eqz(type, "DELETED"))
            map_remove(&m->objects, key);
        else
            map_put(&m->objects, key, object);
    }
}

static void model_check(struct model *m, const char *path)
{
    const struct dom *items = at(get(&w, path).json, "items");
    assert_int_equal(items->count, map_count(&m->objects));
    for (struct dom *item = items->first; item != NULL; item = item->next) {
        struct dom *known = map_get(&m->objects, dom_text(dom_getz(item, "metadata"), "uid"));
        assert_non_null(known);
        dom_remove(known, STR("kind"));
        dom_remove(known, STR("apiVersion"));
        assert_true(dom_equal(known, item));
    }
}

static void model_deinit(struct model *m)
{
    map_deinit(&m->objects);
    arena_deinit(&m->arena);
}

static void churn(uint32_t rate)
{
    struct err err;
    assert_true(kubesim_churn(w.sim, rate, &err));
}

static void test_watches_tell_everything(void **state)
{
    static const char *const paths[] = {PODS, "/apis/apps/v1/deployments",
                                        "/apis/apps/v1/replicasets"};
    struct model m[COUNT_OF(paths)];
    struct watcher x[COUNT_OF(paths)];
    (void)state;
    generate("pods=120,seed=3");
    churn(100);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char path[200];
        snprintf(path, sizeof path, "%s?watch=1", paths[i]);
        model_init(&m[i]);
        watch(&w, &x[i], path);
    }
    for (int step = 0; step < 20; step++) {
        world_pass(&w, SECOND);
        for (size_t i = 0; i < COUNT_OF(paths); i++)
            model_read(&m[i], &x[i]);
    }
    size_t events = 0;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        events += m[i].events;
        model_check(&m[i], paths[i]);
        model_deinit(&m[i]);
        watch_end(&x[i]);
    }
    /* 2000 changes, after the 120 + 12 + 12 that were there */
    assert_in_range(events, 1990 + 144, 2010 + 144);
    struct answer a = get(&w, "/_sim/state");
    int64_t created, modified, deleted;
    assert_true(dom_i64(at(a.json, "churn.created"), &created) && created > 20);
    assert_true(dom_i64(at(a.json, "churn.modified"), &modified) && modified > 200);
    assert_true(dom_i64(at(a.json, "churn.deleted"), &deleted) && deleted > 20);
    assert_in_range(created + modified + deleted, 1990, 2010);
    assert_string_equal(text_at(&w, a.json, "churn.rate"), "100");
}

/* A deployment says how many pods there are, and how many of them are ready. */
static void test_replicas_are_true(void **state)
{
    (void)state;
    generate("pods=60,seed=4");
    churn(200);
    world_pass(&w, 10 * SECOND);
    churn(0);
    const struct dom *deployments = at(get(&w, "/apis/apps/v1/deployments").json, "items");
    const struct dom *pods = at(get(&w, PODS).json, "items");
    for (const struct dom *d = deployments->first; d != NULL; d = d->next) {
        int64_t ready = 0, wanted, available;
        for (const struct dom *p = pods->first; p != NULL; p = p->next) {
            if (strcmp(text_at(&w, p, "metadata.labels.app"), text_at(&w, d, "metadata.name")) == 0)
                ready += strcmp(text_at(&w, p, "status.conditions.2.status"), "True") == 0;
        }
        assert_true(dom_i64(at(d, "status.availableReplicas"), &available) || ready == 0);
        assert_true(dom_i64(at(d, "spec.replicas"), &wanted));
        assert_int_equal(ready == 0 ? 0 : available, ready);
        assert_in_range(wanted, 1, 10);
    }
}

static void test_churn_follows_the_seed(void **state)
{
    static struct world other;
    struct err err;
    (void)state;
    generate("pods=50,seed=5");
    churn(50);
    world_pass(&w, 20 * SECOND);
    churn(0);
    str first = get(&w, PODS).body;
    world_init(&other, NULL);
    assert_true(kubesim_generate(other.sim, STR("pods=50,seed=5"), &err));
    assert_true(kubesim_churn(other.sim, 50, &err));
    world_pass(&other, 20 * SECOND);
    assert_true(kubesim_churn(other.sim, 0, &err));
    assert_true(str_eq(get(&other, PODS).body, first));
    world_deinit(&other);
}

static void test_churn_stands_still(void **state)
{
    (void)state;
    generate("pods=50,seed=5");
    churn(100);
    world_pass(&w, SECOND);
    kubesim_freeze(w.sim, true);
    uint64_t version = kubesim_resource_version(w.sim);
    world_pass(&w, 100 * SECOND);
    assert_int_equal(kubesim_resource_version(w.sim), version);
    kubesim_freeze(w.sim, false);
    world_pass(&w, SECOND);
    /* What was missed is not made up for, except for a second. */
    assert_in_range(kubesim_resource_version(w.sim) - version, 190, 220);
    churn(0);
    version = kubesim_resource_version(w.sim);
    world_pass(&w, 100 * SECOND);
    assert_int_equal(kubesim_resource_version(w.sim), version);
}

/* After a restored backup the churn goes on with what is there. */
static void test_rollback(void **state)
{
    struct err err;
    struct model m;
    struct watcher x;
    (void)state;
    generate("pods=80,seed=6");
    churn(100);
    world_pass(&w, 3 * SECOND);
    uint64_t version = kubesim_resource_version(w.sim);
    str then = get(&w, PODS).body;
    world_pass(&w, 10 * SECOND);
    assert_true(kubesim_rollback(w.sim, version, &err));
    assert_true(str_eq(get(&w, PODS).body, then));
    model_init(&m);
    watch(&w, &x, PODS "?watch=1");
    for (int step = 0; step < 10; step++) {
        world_pass(&w, SECOND);
        model_read(&m, &x);
    }
    model_check(&m, PODS);
    assert_true(m.events > 80 + 300);
    /* No pod is there twice, in an old form and in a new one. */
    for (uint32_t d = 0; d < 8; d++) {
        char path[100];
        snprintf(path, sizeof path, PODS "?labelSelector=app%%3Dapp-%05u", d);
        assert_in_range(count_of(path), 1, 10);
    }
    model_deinit(&m);
    watch_end(&x);
}

/* What somebody else has made of an object is not overwritten. */
static void test_others_are_left_alone(void **state)
{
    (void)state;
    generate("pods=10,deployments=1,seed=1");
    const struct dom *items = at(get(&w, PODS).json, "items");
    for (const struct dom *pod = items->first; pod != NULL; pod = pod->next) {
        char path[300];
        snprintf(path, sizeof path, "/api/v1/namespaces/%s/pods/%s",
                 text_at(&w, pod, "metadata.namespace"), text_at(&w, pod, "metadata.name"));
        assert_answer(patch(&w, path, "{\"metadata\":{\"labels\":{\"mine\":\"1\"}}}"), 200, NULL);
    }
    churn(1000);
    world_pass(&w, 5 * SECOND);
    assert_int_equal(count_of(PODS "?labelSelector=mine"), 10);
}

static void test_switches(void **state)
{
    (void)state;
    assert_answer(post(&w, "/_sim/churn?rate=5", ""), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/generate", "{\"spec\":\"pods=x\"}"), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/generate", "{\"spec\":\"pods=10\"}"), 200, NULL);
    assert_answer(post(&w, "/_sim/churn", ""), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/churn?rate=100001", ""), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/churn?rate=5", ""), 200, NULL);
    assert_string_equal(text_at(&w, get(&w, "/_sim/state").json, "churn.rate"), "5");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_proportions),
        CASE(test_given_numbers),
        CASE(test_specs_that_are_wrong),
        CASE(test_a_pod),
        CASE(test_seed),
        CASE(test_they_are_objects_like_others),
        CASE(test_watches_tell_everything),
        CASE(test_replicas_are_true),
        CASE(test_churn_follows_the_seed),
        CASE(test_churn_stands_still),
        CASE(test_rollback),
        CASE(test_others_are_left_alone),
        CASE(test_switches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
