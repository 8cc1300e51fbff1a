/* What is near enough to be proposed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/nearest.h"

static void nearest(const char *word, const char *expected)
{
    static const str words[] = {
        STR("lease_name"), STR("lease_namespace"), STR("lease_duration"), STR("interval"),
        STR("tls"),        STR("endpoint")};
    str found = nearest_word(str_from(word), words, COUNT_OF(words));
    if (!str_eqz(found, expected == NULL ? "" : expected))
        fail_msg("%s: %.*s", word, STR_ARG(found));
}

static void test_nearest(void **state)
{
    (void)state;
    nearest("leasename", "lease_name");
    nearest("lease-name", "lease_name");
    nearest("LeaseName", "lease_name");
    nearest("leese_name", "lease_name");
    nearest("lease_duraiton", "lease_duration");
    nearest("intervall", "interval");
    nearest("endpiont", "endpoint");
    nearest("tsl", "tls");
    nearest("timeout", NULL);
    nearest("x", NULL);
    nearest("", NULL);
    nearest("a_word_of_more_than_sixty_three_bytes_gets_no_guess_whatever_it_may_be_near_to", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
