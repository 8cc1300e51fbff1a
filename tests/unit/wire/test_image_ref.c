/* Image references against the distribution project, by a table that its library printed (kube_tables/main.go). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/image_ref.h"

#include "kube_tables.h"

static void test_as_distribution(void **state)
{
    (void)state;
    size_t good = 0;
    for (size_t i = 0; i < COUNT_OF(go_images); i++) {
        str repository = STR_NONE, tag = STR_NONE;
        bool ok = image_ref_split(str_from(go_images[i].text), &repository, &tag);
        if (ok != go_images[i].ok)
            print_error("%s: %d\n", go_images[i].text, ok);
        assert_int_equal(ok, go_images[i].ok);
        if (!ok)
            continue;
        if (!str_eqz(repository, go_images[i].repository) || !str_eqz(tag, go_images[i].tag))
            print_error("%s: %.*s and %.*s\n", go_images[i].text, STR_ARG(repository), STR_ARG(tag));
        assert_true(str_eqz(repository, go_images[i].repository));
        assert_true(str_eqz(tag, go_images[i].tag));
        good++;
    }
    assert_true(good > 400 && COUNT_OF(go_images) - good > 400);
}

static void test_no_text(void **state)
{
    (void)state;
    str repository, tag;
    assert_false(image_ref_split(STR_NONE, &repository, &tag));
    assert_false(image_ref_split(str_make("a\0b", 3), &repository, &tag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_distribution),
        cmocka_unit_test(test_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
