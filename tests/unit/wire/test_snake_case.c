/* snake_case against strcase, by a table that its library printed (kube_tables/main.go). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/snake_case.h"

#include "kube_tables.h"

static void test_as_strcase(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(go_snakes); i++) {
        struct buf b;
        buf_init(&b, 1000);
        snake_case(&b, str_from(go_snakes[i].text));
        assert_string_equal(buf_cstr(&b), go_snakes[i].snake);
        buf_deinit(&b);
    }
    assert_true(COUNT_OF(go_snakes) >= 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_strcase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
