/* Atoms against an array that counts references the slow way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "kube/atoms.h"

static const uint64_t hash_key[2] = {1, 2};
enum { TEXTS = 5000 };

static str text_of(char buffer[64], unsigned i)
{
    int len = snprintf(buffer, 64, "%*u", (int)(i % 40), i);
    return str_make(buffer, (size_t)len);
}

static void test_the_empty_text(void **state)
{
    (void)state;
    struct atoms *a = atoms_new(hash_key);
    assert_int_equal(atoms_get(a, STR_NONE), 0);
    assert_int_equal(atoms_find(a, STR("")), 0);
    atoms_ref(a, 0);
    atoms_unref(a, 0);
    assert_string_equal(atoms_text(a, 0).data, "");
    assert_int_equal(atoms_count(a), 0);
    atoms_free(a);
}

static void test_equal_texts_are_one(void **state)
{
    (void)state;
    struct atoms *a = atoms_new(hash_key);
    atom shop = atoms_get(a, STR("shop")), zero = atoms_get(a, str_make("a\0b", 3));
    assert_int_equal(atoms_get(a, STR("shop")), shop);
    assert_int_equal(atoms_find(a, STR("shop")), shop);
    assert_int_equal(atoms_find(a, STR("sho")), 0);
    assert_int_not_equal(zero, shop);
    assert_int_equal(atoms_text(a, zero).len, 3);
    assert_string_equal(atoms_text(a, shop).data, "shop");
    atoms_unref(a, shop);
    assert_int_equal(atoms_find(a, STR("shop")), shop);
    atoms_unref(a, shop);
    assert_int_equal(atoms_find(a, STR("shop")), 0);
    atom next = atoms_get(a, STR("next"));
    assert_int_equal(next, shop); /* its number is used again */
    atoms_unref(a, next);
    atoms_unref(a, zero);
    atoms_free(a);
}

static void test_many_that_come_and_go(void **state)
{
    (void)state;
    static unsigned refs[TEXTS];
    static atom atoms[TEXTS];
    struct atoms *a = atoms_new(hash_key);
    uint64_t seed = 3;
    size_t live = 0;
    char buffer[64];
    for (int step = 0; step < 300000; step++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        unsigned i = (unsigned)(seed >> 40) % TEXTS;
        bool grow = step < 150000 ? seed >> 63 : (seed >> 62) == 0;
        str text = text_of(buffer, i);
        assert_int_equal(atoms_find(a, text), refs[i] > 0 ? atoms[i] : 0);
        if (grow) {
            atom n = atoms_get(a, text);
            assert_true(refs[i] == 0 || n == atoms[i]);
            atoms[i] = n;
            live += refs[i]++ == 0;
        } else if (refs[i] > 0) {
            assert_true(str_eq(atoms_text(a, atoms[i]), text));
            atoms_unref(a, atoms[i]);
            live -= --refs[i] == 0;
        }
        assert_int_equal(atoms_count(a), live);
    }
    size_t before = atoms_bytes(a);
    for (unsigned i = 0; i < TEXTS; i++)
        for (; refs[i] > 0; refs[i]--)
            atoms_unref(a, atoms[i]);
    assert_int_equal(atoms_count(a), 0);
    assert_true(atoms_bytes(a) < before);
    atoms_free(a);
}

/* What an atom costs beside its text: entry, slot, length, rounding. */
static void test_cost(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct atoms *a = atoms_new(hash_key);
    char buffer[64];
    size_t text_bytes = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        int len = snprintf(buffer, sizeof buffer, "label-value-%u", i);
        text_bytes += (size_t)len;
        atoms_get(a, str_make(buffer, (size_t)len));
    }
    size_t cost = (atoms_bytes(a) - text_bytes) / COUNT;
    printf("an atom costs %zu bytes beside its text\n", cost);
    assert_true(cost < 64);
    for (atom n = 1; n <= COUNT; n++)
        atoms_unref(a, n);
    atoms_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_empty_text),
        cmocka_unit_test(test_equal_texts_are_one),
        cmocka_unit_test(test_many_that_come_and_go),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
