/* The map against a plain array that does the same slowly; SipHash-1-3 against CPython, whose hash
 * of bytes it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

static const uint64_t hash_key[2] = {1, 2};

/* hash(bytes(i & 255 for i in range(len))) of CPython 3.11: PYTHONHASHSEED=0 has the key 0, 1 the
 * key below. */
static void test_sip_hash(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t seed_0, seed_1;
    } vectors[] = {
        {1, UINT64_C(0x68a914128e01e473), UINT64_C(0xecd3e5afcecda4b9)},
        {2, UINT64_C(0x10bac45c41e3669), UINT64_C(0xbf360f1ea1745965)},
        {7, UINT64_C(0x2f098ab0c751325a), UINT64_C(0xfd15e78052a69ddf)},
        {8, UINT64_C(0xead411e67ebe2eea), UINT64_C(0xc0b5739e7e28dd01)},
        {9, UINT64_C(0x75927f9d95124362), UINT64_C(0x208a1a5a0cbbf778)},
        {15, UINT64_C(0xf30eb725bb91c9ea), UINT64_C(0xfa87985f39e97a53)},
        {16, UINT64_C(0x8972188433a5c5b7), UINT64_C(0x12e9d283f9f37002)},
        {17, UINT64_C(0x4883c49a2c009c1d), UINT64_C(0x9f5bb4237f61907f)},
        {31, UINT64_C(0x169739443111d49b), UINT64_C(0xb8c17103f21d8810)},
        {64, UINT64_C(0x75e05fd5bbc870c6), UINT64_C(0x7e644b6edc375dc8)},
        {255, UINT64_C(0x5dc1f93ea135eb43), UINT64_C(0x523ab5ebe2e15f94)},
        {256, UINT64_C(0x31ae646afba70308), UINT64_C(0x29b2ed382b263024)},
        {1000, UINT64_C(0x498f889ac054d2d8), UINT64_C(0x8fa3a0c69fb71c88)},
    };
    const uint64_t key_0[2] = {0, 0};
    const uint64_t key_1[2] = {UINT64_C(0xaed66ce184be2329), UINT64_C(0xebe9bbf1f1499052)};
    char data[1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i & 0xff);
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        str text = str_make(data, vectors[i].len);
        assert_true(sip_hash(key_0, text) == vectors[i].seed_0);
        assert_true(sip_hash(key_1, text) == vectors[i].seed_1);
    }
}

static void test_basics(void **state)
{
    (void)state;
    struct map m;
    int a = 1, b = 2;
    map_init(&m, hash_key);
    assert_null(map_get(&m, STR("x")));
    assert_null(map_remove(&m, STR("x")));
    size_t pos = 0;
    assert_false(map_next(&m, &pos, NULL, NULL));
    assert_null(map_put(&m, STR("x"), &a));
    assert_null(map_put(&m, STR_NONE, &b)); /* the empty key is a key */
    assert_ptr_equal(map_get(&m, STR("")), &b);
    assert_ptr_equal(map_put(&m, STR("x"), &b), &a);
    assert_int_equal(map_count(&m), 2);
    assert_ptr_equal(map_remove(&m, STR("x")), &b);
    assert_null(map_get(&m, STR("x")));
    assert_int_equal(map_count(&m), 1);
    map_deinit(&m);
    assert_null(map_get(&m, STR("")));
}

static void test_replacing_takes_the_new_key(void **state)
{
    (void)state;
    struct map m;
    int a = 1;
    map_init(&m, hash_key);
    char *old_key = str_dup(STR("key"));
    map_put(&m, str_from(old_key), &a);
    map_put(&m, STR("key"), &a);
    mem_free(old_key); /* as it dies with the old value; the sanitizer would see a read */
    assert_ptr_equal(map_get(&m, STR("key")), &a);
    map_deinit(&m);
}

enum { MODEL_KEYS = 600 };
struct model {
    char keys[MODEL_KEYS][8];
    int *values[MODEL_KEYS];
    unsigned born[MODEL_KEYS]; /* for the order */
    size_t count;
};

/* Everything the map says, against the model. */
static void compare(const struct map *m, const struct model *model)
{
    assert_int_equal(map_count(m), model->count);
    size_t pos = 0, seen = 0;
    str key;
    void *value;
    unsigned last_born = 0;
    while (map_next(m, &pos, &key, &value)) {
        int i = (int)strtol(key.data + 1, NULL, 10);
        assert_ptr_equal(model->values[i], value);
        assert_true(model->born[i] > last_born);
        last_born = model->born[i];
        seen++;
    }
    assert_int_equal(seen, model->count);
    for (int i = 0; i < MODEL_KEYS; i++)
        assert_ptr_equal(map_get(m, str_from(model->keys[i])), model->values[i]);
}

static void test_against_model(void **state)
{
    (void)state;
    struct map m;
    static struct model model;
    static int values[MODEL_KEYS];
    map_init(&m, hash_key);
    for (int i = 0; i < MODEL_KEYS; i++)
        snprintf(model.keys[i], sizeof model.keys[i], "k%d", i);
    srand(7);
    for (unsigned step = 1; step < 200000; step++) {
        int i = rand() % MODEL_KEYS;
        bool put = rand() % 100 < (step / 10000 % 2 == 0 ? 70 : 30); /* grows and shrinks in turn */
        str key = str_from(model.keys[i]);
        void *old = put ? map_put(&m, key, &values[i]) : map_remove(&m, key);
        assert_ptr_equal(old, model.values[i]);
        if (put && old == NULL)
            model.born[i] = step;
        model.count += (put && old == NULL) - (size_t)(!put && old != NULL);
        model.values[i] = put ? &values[i] : NULL;
        if (step % 1000 == 0)
            compare(&m, &model);
    }
    map_deinit(&m);
}

static void test_remove_while_iterating(void **state)
{
    (void)state;
    struct map m;
    static char keys[10000][8];
    map_init(&m, hash_key);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        snprintf(keys[i], sizeof keys[i], "%zu", i);
        map_put(&m, str_from(keys[i]), keys[i]);
    }
    size_t pos = 0, seen = 0;
    str key;
    void *value;
    while (map_next(&m, &pos, &key, &value)) {
        assert_ptr_equal(value, keys[seen]);
        if (seen % 100 != 0)
            assert_ptr_equal(map_remove(&m, key), value);
        seen++;
    }
    assert_int_equal(seen, COUNT_OF(keys));
    assert_int_equal(map_count(&m), 100);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(map_get(&m, str_from(keys[i])) != NULL, i % 100 == 0);
    map_deinit(&m);
}

/* A store that lives long replaces its objects again and again: memory follows what is alive, not
 * what ever was. */
static void test_stays_small(void **state)
{
    (void)state;
    struct map m;
    static char keys[200000][8];
    map_init(&m, hash_key);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        snprintf(keys[i], sizeof keys[i], "%zu", i);
        map_put(&m, str_from(keys[i]), keys[i]);
        if (i >= 10)
            assert_non_null(map_remove(&m, str_from(keys[i - 10])));
    }
    assert_int_equal(map_count(&m), 10);
    assert_true(m.entry_cap <= 64);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        map_put(&m, str_from(keys[i]), keys[i]);
    assert_true(m.entry_cap >= COUNT_OF(keys));
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        map_remove(&m, str_from(keys[i]));
    for (size_t i = 0; i < m.entry_cap; i++) { /* until it looks at itself again */
        map_put(&m, str_from(keys[i % 2]), keys[i % 2]);
        map_remove(&m, str_from(keys[i % 2]));
    }
    assert_true(m.entry_cap < 1000);
    map_deinit(&m);
}

/* However full it is: the next compaction is a good part of its size away, so that a put costs little on the average. */
static void test_compacts_rarely(void **state)
{
    (void)state;
    static char keys[3000][8];
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        snprintf(keys[i], sizeof keys[i], "%zu", i);
    for (size_t live = 1; live < 2100; live = live * 9 / 8 + 1) {
        struct map m;
        map_init(&m, hash_key);
        for (size_t i = 0; i < live; i++)
            map_put(&m, str_from(keys[i]), keys[i]);
        for (size_t i = 0; i < 20000; i++) {
            size_t entry_count = m.entry_count;
            map_remove(&m, str_from(keys[i % 3000]));
            map_put(&m, str_from(keys[(i + live) % 3000]), keys[0]);
            if (m.entry_count <= entry_count && m.entry_cap - m.entry_count < m.entry_cap / 4)
                fail_msg("%zu alive: %zu of %zu entries used right after compacting", live,
                         m.entry_count, m.entry_cap);
        }
        map_deinit(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sip_hash),
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_replacing_takes_the_new_key),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_remove_while_iterating),
        cmocka_unit_test(test_stays_small),
        cmocka_unit_test(test_compacts_rarely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
