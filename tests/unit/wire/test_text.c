/* Numbers as Go prints them (tables that Go made), endpoints, DNS names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "go_tables.h"
#include "wire/text.h"

static void test_doubles_as_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(go_doubles); i++) {
        double n;
        struct buf b;
        memcpy(&n, &go_doubles[i].bits, sizeof n);
        buf_init(&b, 100);
        go_double_print(&b, n);
        assert_string_equal(buf_cstr(&b), go_doubles[i].v);
        buf_clear(&b);
        buf_double(&b, n);
        assert_string_equal(buf_cstr(&b), go_doubles[i].json);
        buf_deinit(&b);
    }
    struct buf b;
    buf_init(&b, 100);
    go_double_print(&b, NAN);
    go_double_print(&b, INFINITY);
    go_double_print(&b, -INFINITY);
    assert_string_equal(buf_cstr(&b), "NaN+Inf-Inf");
    buf_deinit(&b);
}

static void test_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool is_ipv6;
    } good[] = {
        {"localhost:4317", "localhost", 4317, false},
        {"1.2.3.4:0", "1.2.3.4", 0, false},
        {":65535", "", 65535, false},
        {"[::1]:80", "::1", 80, true},
        {"[fd00::1]:1", "fd00::1", 1, true},
        {"[fe80::1%eth0]:80", "fe80::1%eth0", 80, true},
        {"[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", 80, true},
        {"otel_collector.ns.svc:4317", "otel_collector.ns.svc", 4317, false},
        {"[::]:0080", "::", 80, true},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct endpoint e;
        struct err err;
        if (!endpoint_parse(str_from(good[i].text), &e, &err))
            fail_msg("%s", err.text);
        assert_true(str_eqz(e.host, good[i].host));
        assert_int_equal(e.port, good[i].port);
        assert_int_equal(e.is_ipv6, good[i].is_ipv6);
    }
}

/* Each error names the text and says what to write. */
static void test_endpoint_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "expected HOST:PORT"},
        {"localhost", "write \"localhost:PORT\""},
        {"localhost:", "missing port behind the colon"},
        {"localhost:http", "port \"http\": expected a number from 0 to 65535"},
        {"localhost:65536", "port \"65536\": expected a number from 0 to 65535"},
        {"localhost:-1", "expected a number"},
        {"localhost:+1", "expected a number"},
        {"localhost: 1", "expected a number"},
        {"http://localhost:4318", "without \"http://\""},
        {"fd00::1:4317", "write \"[fd00::1]:4317\" for port 4317, or \"[fd00::1:4317]:PORT\""},
        {"::1", "write \"[::1]:PORT\""},
        {"fd00::abcd", "write \"[fd00::abcd]:PORT\""},
        {"1:2:3:4:5:6:7:8:4317", "write \"[1:2:3:4:5:6:7:8]:4317\""},
        {"a:b:1", "too many colons"},
        {"[::1", "not closed"},
        {"[::1]", "write \"[::1]:PORT\""},
        {"[::1]80", "expected a colon"},
        {"[::1]:", "missing port"},
        {"[::1]:99999", "expected a number"},
        {"[]:1", "no IPv6 address"},
        {"[1.2.3.4]:1", "no IPv6 address"},
        {"[localhost]:1", "no IPv6 address"},
        {"[::1%]:1", "no IPv6 address"},
        {"[::1::2]:1", "no IPv6 address"},
        {"a b:1", "white space"},
        {"a/b:1", "without scheme and path"},
        {"user@host:1", "character"},
        {"\xff:1", "UTF-8"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct endpoint e;
        struct err err = {0};
        if (endpoint_parse(str_from(bad[i].text), &e, &err))
            fail_msg("%s was accepted", bad[i].text);
        if (strstr(err.text, bad[i].part) == NULL || strstr(err.text, bad[i].text) == NULL)
            fail_msg("%s: %s", bad[i].text, err.text);
    }
    static char longer[100000];
    memset(longer, 'a', sizeof longer - 1);
    struct endpoint e;
    struct err err;
    assert_false(endpoint_parse(str_from(longer), &e, &err));
    assert_true(strlen(err.text) < 1000);
    longer[300] = ':';
    longer[301] = '1';
    assert_false(endpoint_parse(str_make(longer, 302), &e, &err));
    assert_non_null(strstr(err.text, "longer than 253"));
}

static void test_dns_names(void **state)
{
    (void)state;
    struct err err;
    char longest[260];
    memset(longest, 'a', sizeof longest);
    static const char *const labels[] = {"a", "0", "a-b", "a--b", "123"};
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        assert_true(dns_label_check(str_from(labels[i]), &err));
        assert_true(dns_subdomain_check(str_from(labels[i]), &err));
    }
    assert_true(dns_subdomain_check(STR("a.b-c.0"), &err));
    assert_false(dns_label_check(STR("a.b"), &err));
    assert_true(dns_label_check(str_make(longest, 63), &err));
    assert_false(dns_label_check(str_make(longest, 64), &err));
    assert_non_null(strstr(err.text, "at most 63 bytes, this one has 64"));
    assert_true(dns_subdomain_check(str_make(longest, 253), &err));
    assert_false(dns_subdomain_check(str_make(longest, 254), &err));
    static const struct {
        const char *name, *part;
    } bad[] = {{"", "empty"},
               {"A", "lower case"},
               {"a_b", "lower case"},
               {"-a", "begins and ends"},
               {"a-", "begins and ends"},
               {"a..b", "empty part"},
               {".a", "empty part"},
               {"a.", "empty part"},
               {"a.-b", "begins and ends"},
               {"a/b", "lower case"},
               {"\xc3\xa4", "lower case"},
               {"a b", "lower case"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (dns_subdomain_check(str_from(bad[i].name), &err))
            fail_msg("%s was accepted", bad[i].name);
        if (strstr(err.text, bad[i].part) == NULL)
            fail_msg("%s: %s", bad[i].name, err.text);
        assert_false(dns_label_check(str_from(bad[i].name), &err));
    }
    assert_false(dns_label_check(str_make("a\0b", 3), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_as_go),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_endpoint_errors),
        cmocka_unit_test(test_dns_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
