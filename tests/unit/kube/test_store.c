/* Stores against an array that knows everything; cursors and walks while objects come and go; sweeping; groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "kube/store.h"
#include "wire/pb.h"

static const uint64_t hash_key[2] = {1, 2};
enum { OBJECTS = 2000 };

struct world {
    struct object_pool pool;
    struct store store;
    struct buf bytes;
    uint64_t seed;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    object_pool_init(&w->pool, hash_key);
    store_init(&w->store, &w->pool);
    buf_init(&w->bytes, 1000);
    w->seed = 5;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    store_deinit(&w->store);
    assert_int_equal(w->pool.object_count, 0);
    assert_int_equal(w->pool.object_bytes, 0);
    assert_int_equal(atoms_count(w->pool.atoms), 0);
    object_pool_deinit(&w->pool);
    buf_deinit(&w->bytes);
    free(w);
    return 0;
}

static uint32_t next_random(struct world *w)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(w->seed >> 33);
}

static void text(struct buf *b, uint32_t field, const char *format, unsigned n)
{
    char line[64];
    int len = snprintf(line, sizeof line, format, n);
    pb_put_bytes(b, field, str_make(line, (size_t)len));
}

/* Of the same name as the one OBJECTS before it. */
static struct object *make(struct world *w, unsigned i, unsigned version, unsigned namespace, unsigned fields)
{
    struct err err;
    const struct object_codec *codec = object_codec_of(KIND_NAMESPACE);
    buf_clear(&w->bytes);
    size_t metadata = pb_open(&w->bytes, 1); /* meta/v1 ObjectMeta */
    text(&w->bytes, 1, "n-%u", i % OBJECTS);
    text(&w->bytes, 3, "space-%u", namespace);
    text(&w->bytes, 5, "00000000-0000-4000-8000-%012u", i);
    text(&w->bytes, 6, "%u", version);
    pb_close(&w->bytes, metadata);
    struct object *o = codec->decode(codec, &w->pool, fields, FORMAT_PROTOBUF, buf_view(&w->bytes), &err);
    assert_non_null(o);
    return o;
}

static enum store_change put(struct world *w, struct object *o, uint64_t *version_before)
{
    struct object *before;
    enum store_change change = store_put(&w->store, o, &before);
    *version_before = before == NULL ? 0 : before->resource_version;
    object_unref(&w->pool, before);
    return change;
}

static void uid_of(struct world *w, unsigned i, uint8_t uid[16])
{
    char text[64];
    bool canonical;
    int len = snprintf(text, sizeof text, "00000000-0000-4000-8000-%012u", i);
    uid_parse(str_make(text, (size_t)len), w->pool.hash_key, uid, &canonical);
    assert_true(canonical);
}

static bool take_out(struct world *w, unsigned i)
{
    uint8_t uid[16];
    uid_of(w, i, uid);
    struct object *o = store_remove(&w->store, uid);
    object_unref(&w->pool, o);
    return o != NULL;
}

static const struct object *get(struct world *w, unsigned i)
{
    uint8_t uid[16];
    uid_of(w, i, uid);
    return store_get(&w->store, uid);
}

static void test_put_says_what_changed(void **state)
{
    struct world *w = *state;
    uint64_t before;
    assert_null(get(w, 1));
    assert_false(take_out(w, 1));
    assert_int_equal(put(w, make(w, 1, 10, 0, 0), &before), STORE_ADDED);
    assert_int_equal(put(w, make(w, 1, 10, 0, 0), &before), STORE_SAME);
    assert_int_equal(before, 0);
    assert_int_equal(put(w, make(w, 1, 11, 0, 0), &before), STORE_UPDATED);
    assert_int_equal(before, 10);
    /* Of the same version, but with more in it, then with less. */
    assert_int_equal(put(w, make(w, 1, 11, 0, OBJECT_METADATA), &before), STORE_UPDATED);
    assert_int_equal(put(w, make(w, 1, 11, 0, 0), &before), STORE_SAME);
    assert_non_null(object_meta(get(w, 1)));
    /* What has no number as its version is always new. */
    assert_int_equal(put(w, make(w, 2, 0, 0, 0), &before), STORE_ADDED);
    assert_int_equal(put(w, make(w, 2, 0, 0, 0), &before), STORE_UPDATED);
    assert_int_equal(w->store.count, 2);
    assert_true(take_out(w, 1) && take_out(w, 2) && !take_out(w, 1));
    assert_int_equal(w->store.object_bytes, 0);
}

static void test_many_that_come_and_go(void **state)
{
    struct world *w = *state;
    static unsigned versions[OBJECTS];
    unsigned count = 0;
    uint64_t before;
    memset(versions, 0, sizeof versions);
    for (int step = 0; step < 40000; step++) {
        unsigned i = next_random(w) % OBJECTS;
        bool grow = next_random(w) % 100 < (step / 8000 % 2 == 0 ? 80 : 20);
        if (grow) {
            enum store_change change = put(w, make(w, i, (unsigned)step + 1, 0, 0), &before);
            assert_int_equal(change, versions[i] == 0 ? STORE_ADDED : STORE_UPDATED);
            assert_int_equal(before, versions[i]);
            count += versions[i] == 0;
            versions[i] = (unsigned)step + 1;
        } else {
            assert_int_equal(take_out(w, i), versions[i] != 0);
            count -= versions[i] != 0;
            versions[i] = 0;
        }
        assert_int_equal(w->store.count, count);
        unsigned other = next_random(w) % OBJECTS;
        const struct object *o = get(w, other);
        assert_int_equal(o == NULL ? 0 : o->resource_version, versions[other]);
    }
    unsigned seen = 0;
    uint32_t cursor = 0;
    for (struct object *o; (o = store_next(&w->store, &cursor)) != NULL; seen++)
        assert_non_null(store_get(&w->store, o->uid));
    assert_int_equal(seen, count);
}

/* Every object that is there throughout is seen exactly once, whatever comes, goes and changes meanwhile. */
static void test_cursor_while_changing(void **state)
{
    struct world *w = *state;
    static unsigned seen[OBJECTS];
    memset(seen, 0, sizeof seen);
    uint64_t before;
    for (unsigned i = 0; i < OBJECTS; i++)
        put(w, make(w, i, 1, 0, 0), &before);
    uint32_t cursor = 0;
    unsigned version = 2;
    for (struct object *o; (o = store_next(&w->store, &cursor)) != NULL;) {
        uint64_t i;
        assert_true(str_to_u64(str_skip(object_name(o), 2), &i) && i < OBJECTS);
        seen[i]++;
        for (int k = 0; k < 5; k++) {
            unsigned other = next_random(w) % OBJECTS;
            if (other % 3 == 0) /* never removed, but changed */
                put(w, make(w, other, version++, 0, 0), &before);
            else if (!take_out(w, other))
                put(w, make(w, other, version++, 0, 0), &before);
        }
    }
    for (unsigned i = 0; i < OBJECTS; i += 3)
        assert_int_equal(seen[i], 1);
}

static unsigned number_of(const struct object *o)
{
    uint64_t number;
    assert_true(str_to_u64(str_skip(object_name(o), 2), &number) && number < OBJECTS);
    return (unsigned)number;
}

/* Goes on with a walk over at most `limit` objects; false at its end. */
static bool walk_on(struct world *w, struct store_walk *walk, unsigned limit, unsigned *seen)
{
    for (; limit > 0; limit--) {
        const struct object *o = store_walk_next(&w->store, walk);
        if (o == NULL)
            return false;
        seen[number_of(o)]++;
    }
    return true;
}

/* Names that are created again under way come at most once, whatever their new places; all others exactly once. */
static void test_walk_while_names_are_created_again(void **state)
{
    struct world *w = *state;
    static unsigned lives[OBJECTS], seen[OBJECTS];
    uint64_t before;
    memset(lives, 0, sizeof lives);
    for (unsigned i = 0; i < OBJECTS; i++)
        put(w, make(w, i, 1, 0, 0), &before);
    for (unsigned version = 2, round = 0; round < 5; round++) {
        struct store_walk walk = store_walk_begin(&w->store);
        memset(seen, 0, sizeof seen);
        while (walk_on(w, &walk, 1, seen)) {
            unsigned again = next_random(w) % OBJECTS, gone = next_random(w) % OBJECTS;
            if (again % 3 == 0)
                put(w, make(w, again + OBJECTS * lives[again], version++, 0, 0), &before);
            if (again % 3 == 0 || gone % 3 == 0 || again == gone)
                continue;
            /* The place that was freed last is taken first: they change places. */
            assert_true(take_out(w, again + OBJECTS * lives[again]++));
            assert_true(take_out(w, gone + OBJECTS * lives[gone]++));
            put(w, make(w, again + OBJECTS * lives[again], version++, 0, 0), &before);
            put(w, make(w, gone + OBJECTS * lives[gone], version++, 0, 0), &before);
        }
        for (unsigned i = 0; i < OBJECTS; i++)
            assert_in_range(seen[i], i % 3 == 0, 1);
    }
    struct store_walk walk = store_walk_begin(&w->store);
    memset(seen, 0, sizeof seen);
    assert_false(walk_on(w, &walk, OBJECTS + 1, seen));
    for (unsigned i = 0; i < OBJECTS; i++)
        assert_int_equal(seen[i], 1);
}

static bool sweep_some(struct world *w, uint32_t budget)
{
    for (struct object *o; (o = store_sweep(&w->store, &budget)) != NULL;)
        object_unref(&w->pool, o);
    return budget == 0;
}

/* A list brings each odd name with another uid, while the one of before is still there. Walks begin before it, in its middle, after it was
 * given up and begun again, and while it is swept. */
static void test_walk_while_a_list_is_taken_over(void **state)
{
    struct world *w = *state;
    enum { WALKS = 4 };
    static unsigned seen[WALKS + 1][OBJECTS];
    struct store_walk walks[WALKS];
    uint64_t before;
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < OBJECTS; i++)
        put(w, make(w, i, 1, 0, 0), &before);
    walks[0] = store_walk_begin(&w->store);
    assert_true(walk_on(w, &walks[0], OBJECTS / 2, seen[0]));
    for (int list = 0; list < 2; list++) {
        store_mark(&w->store);
        for (unsigned i = 0; i < OBJECTS; i++) {
            put(w, make(w, i % 2 == 0 ? i : i + OBJECTS, 2, 0, 0), &before);
            if (i == OBJECTS / 2) {
                walks[1 + list] = store_walk_begin(&w->store);
                assert_true(walk_on(w, &walks[1 + list], OBJECTS / 4, seen[1 + list]));
            }
        }
    }
    assert_true(sweep_some(w, OBJECTS / 2));
    walks[3] = store_walk_begin(&w->store);
    assert_true(walk_on(w, &walks[3], OBJECTS / 4, seen[3]));
    while (sweep_some(w, OBJECTS / 2)) {
    }
    for (unsigned i = 0; i < WALKS; i++)
        assert_false(walk_on(w, &walks[i], 2 * OBJECTS, seen[i]));
    struct store_walk after = store_walk_begin(&w->store);
    assert_false(walk_on(w, &after, OBJECTS + 1, seen[WALKS]));
    for (unsigned i = 0; i < OBJECTS; i++) {
        for (unsigned n = 0; n < WALKS; n++)
            assert_in_range(seen[n][i], i % 2 == 0, 1);
        assert_int_equal(seen[WALKS][i], 1);
    }
}

/* What is put into a store that was cleared is none of a walk's that began before. */
static void test_walk_over_a_store_that_is_cleared(void **state)
{
    struct world *w = *state;
    static unsigned seen[OBJECTS];
    uint64_t before;
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < 10; i++)
        put(w, make(w, i, 1, 0, 0), &before);
    struct store_walk walk = store_walk_begin(&w->store);
    assert_true(walk_on(w, &walk, 2, seen));
    for (unsigned i = 0; i < 10; i++)
        take_out(w, i);
    store_reset(&w->store);
    for (unsigned i = 10; i-- > 0;)
        put(w, make(w, i, 2, 0, 0), &before);
    assert_false(walk_on(w, &walk, 1, seen));
    walk = store_walk_begin(&w->store);
    assert_false(walk_on(w, &walk, 20, seen));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(seen[i], i < 2 ? 2 : 1);
}

/* Numbers are finite, and a tick may come each 10 ms for years: without new objects a walk takes none. */
static void test_walks_of_a_quiet_store_use_up_no_numbers(void **state)
{
    struct world *w = *state;
    uint64_t before;
    put(w, make(w, 0, 1, 0, 0), &before);
    uint32_t end = store_walk_begin(&w->store).end;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(store_walk_begin(&w->store).end, end);
        store_mark(&w->store);
        uint32_t budget = OBJECTS;
        put(w, make(w, 0, 2 + i, 0, 0), &before); /* an update is no new object */
        assert_null(store_sweep(&w->store, &budget));
    }
    put(w, make(w, 1, 1, 0, 0), &before);
    assert_int_equal(store_walk_begin(&w->store).end, end + 1);
}

static void test_sweep(void **state)
{
    struct world *w = *state;
    uint64_t before;
    for (unsigned i = 0; i < OBJECTS; i++)
        put(w, make(w, i, 1, 0, 0), &before);
    store_mark(&w->store);
    for (unsigned i = 0; i < OBJECTS; i += 2)
        put(w, make(w, i, i % 4 == 0 ? 1 : 2, 0, 0), &before);
    unsigned gone = 0, rounds = 0;
    for (bool more = true; more; rounds++) {
        uint32_t budget = 100;
        for (struct object *o; (o = store_sweep(&w->store, &budget)) != NULL; gone++) {
            assert_int_equal(o->resource_version, 1);
            object_unref(&w->pool, o);
        }
        more = budget == 0;
        put(w, make(w, OBJECTS + rounds, 5, 0, 0), &before); /* what comes while it is swept stays */
        assert_true(rounds <= 2 * OBJECTS / 100);
    }
    assert_int_equal(gone, OBJECTS / 2);
    assert_int_equal(w->store.count, OBJECTS / 2 + rounds);
    for (unsigned i = 0; i < OBJECTS; i++)
        assert_int_equal(get(w, i) != NULL, i % 2 == 0);
    /* A list that was given up does not count: everything must be seen again. */
    store_mark(&w->store);
    put(w, make(w, 0, 1, 0, 0), &before);
    store_mark(&w->store);
    put(w, make(w, 2, 2, 0, 0), &before);
    uint32_t budget = UINT32_MAX;
    for (struct object *o; (o = store_sweep(&w->store, &budget)) != NULL;)
        object_unref(&w->pool, o);
    assert_int_equal(w->store.count, 1);
    assert_non_null(get(w, 2));
}

/* The number in "space-N"; objects of space 0 are in no group. */
static uint64_t namespace_number(const struct object *o)
{
    return o->namespace <= 1 ? 0 : o->namespace;
}

static void check_group(struct world *w, uint64_t group, unsigned expected)
{
    uint32_t cursor = 0;
    unsigned members = 0;
    for (struct object *o; (o = store_group_next(&w->store, group, &cursor)) != NULL; members++)
        assert_int_equal(namespace_number(o), group);
    assert_int_equal(members, expected);
    assert_null(store_group_next(&w->store, group, &cursor));
}

static void test_groups(void **state)
{
    struct world *w = *state;
    enum { GROUPS = 200 };
    static unsigned group_of[OBJECTS]; /* + 1 */
    static unsigned counts[GROUPS];
    static atom atoms[GROUPS];
    memset(group_of, 0, sizeof group_of);
    memset(counts, 0, sizeof counts);
    uint64_t before;
    for (unsigned g = 0; g < GROUPS; g++) {
        char text[32];
        int len = snprintf(text, sizeof text, "space-%u", g);
        atoms[g] = atoms_get(w->pool.atoms, str_make(text, (size_t)len));
    }
    assert_int_equal(atoms[0], 1);
    for (int step = 0; step < 30000; step++) {
        if (step == 2000 || step == 2500) /* with objects in it, and again */
            store_group_by(&w->store, namespace_number);
        unsigned i = next_random(w) % OBJECTS, g = next_random(w) % GROUPS;
        if (group_of[i] != 0)
            counts[group_of[i] - 1]--;
        if (next_random(w) % 3 > 0) {
            put(w, make(w, i, (unsigned)step + 1, g, 0), &before);
            counts[g]++;
            group_of[i] = g + 1;
        } else {
            take_out(w, i);
            group_of[i] = 0;
        }
        if (step < 2000)
            continue;
        unsigned other = 1 + next_random(w) % (GROUPS - 1);
        check_group(w, atoms[other], counts[other]);
        check_group(w, 0, 0);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        take_out(w, i);
    for (unsigned g = 0; g < GROUPS; g++) {
        check_group(w, atoms[g], 0);
        atoms_unref(w->pool.atoms, atoms[g]);
    }
}

/* What the store itself costs an object. */
static void test_cost(void **state)
{
    struct world *w = *state;
    uint64_t before;
    size_t worst = 0;
    for (unsigned i = 0; i < 20000; i++) {
        put(w, make(w, i, 1, 0, 0), &before);
        size_t cost = (store_bytes(&w->store) - w->store.object_bytes) / (i + 1);
        if (i > 1000 && cost > worst)
            worst = cost;
    }
    printf("the store costs at most %zu bytes an object\n", worst);
    assert_true(worst <= 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_says_what_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_that_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cursor_while_changing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk_while_names_are_created_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk_while_a_list_is_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk_over_a_store_that_is_cleared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walks_of_a_quiet_store_use_up_no_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
