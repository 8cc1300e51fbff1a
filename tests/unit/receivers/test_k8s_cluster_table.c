/* The tables of k8s_cluster against facts kept apart from them, and against the page in docs/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/buf.h"
#include "receivers/k8s_cluster/table.h"
#include "tests/unit/receivers/k8s_cluster_page.h"

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("cannot read %s", path);
    struct buf b;
    buf_init(&b, 1 << 20);
    char part[4096];
    size_t len;
    while ((len = fread(part, 1, sizeof part, f)) > 0)
        buf_append(&b, part, len);
    fclose(f);
    return buf_take(&b, &len);
}

/* Lines of the file but for comments; each cut at commas by the caller. */
struct lines {
    char *text;
    str rest;
};

static struct lines open_lines(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", TEST_SOURCE_DIR, name);
    struct lines l = {.text = read_file(path)};
    l.rest = str_from(l.text);
    return l;
}

static bool next_line(struct lines *l, str fields[], size_t count)
{
    str line;
    do {
        if (l->rest.len == 0) {
            mem_free(l->text);
            return false;
        }
        str_cut(l->rest, '\n', &line, &l->rest);
    } while (str_starts_with(line, STR("#")));
    for (size_t i = 0; i < count; i++)
        str_cut(line, ',', &fields[i], &line);
    assert_int_equal(line.len, 0);
    return true;
}

static void assert_str(str got, const char *expected)
{
    if (!str_eqz(got, expected))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(got), expected);
}

static void print_attributes(struct buf *b, unsigned mask)
{
    buf_clear(b);
    for (size_t i = 0; i < POINT_ATTRIBUTE_COUNT; i++)
        if ((mask & 1U << i) != 0)
            buf_printf(b, "%s%.*s", b->len > 0 ? "+" : "", STR_ARG(k8s_point_attributes[i].name));
    if (b->len == 0)
        buf_text(b, "-");
}

static void test_metrics_are_those_of_the_reference(void **state)
{
    (void)state;
    struct lines l = open_lines("k8s_cluster_metrics.csv");
    str f[7];
    struct buf attributes;
    size_t count = 0;
    buf_init(&attributes, 4096);
    while (next_line(&l, f, COUNT_OF(f))) {
        assert_true(count < K8S_METRIC_COUNT);
        const struct k8s_metric *m = &k8s_metrics[count++];
        if (!str_eq(f[0], m->desc.name))
            fail_msg("%.*s instead of %.*s", STR_ARG(m->desc.name), STR_ARG(f[0]));
        if (!str_eq(f[1], m->desc.unit))
            fail_msg("%.*s: unit %.*s instead of %.*s", STR_ARG(f[0]), STR_ARG(m->desc.unit),
                     STR_ARG(f[1]));
        assert_str(f[2], m->desc.type == METRIC_SUM ? "sum" : "gauge");
        assert_str(f[3], m->value == VALUE_DOUBLE ? "double" : "int");
        assert_str(f[4], m->desc.type != METRIC_SUM ? "-" : m->desc.monotonic ? "true" : "false");
        assert_str(f[5], m->enabled ? "on" : "off");
        print_attributes(&attributes, m->attributes);
        assert_str(f[6], buf_cstr(&attributes));
        assert_int_equal(m->desc.temporality, m->desc.type == METRIC_SUM ? TEMPORALITY_CUMULATIVE
                                                                         : TEMPORALITY_UNSPECIFIED);
        assert_true(m->desc.description.len > 0 && m->desc.description.len <= 110);
    }
    assert_int_equal(count, K8S_METRIC_COUNT);
    assert_int_equal(count, 54);
    buf_deinit(&attributes);
}

static void test_attributes_are_those_of_the_reference(void **state)
{
    (void)state;
    struct lines l = open_lines("k8s_cluster_attributes.csv");
    str f[3];
    size_t count = 0;
    while (next_line(&l, f, COUNT_OF(f))) {
        assert_true(count < ATTR_COUNT);
        const struct k8s_attribute *a = &k8s_resource_attributes[count++];
        if (!str_eq(f[0], a->name))
            fail_msg("%.*s instead of %.*s", STR_ARG(a->name), STR_ARG(f[0]));
        assert_str(f[1], a->value == VALUE_BOOL ? "bool" : "string");
        assert_str(f[2], a->enabled ? "on" : "off");
        assert_true(a->description.len > 0);
    }
    assert_int_equal(count, ATTR_COUNT);
    assert_int_equal(count, 52);
    assert_int_equal(POINT_ATTRIBUTE_COUNT, 10);
}

static void test_names_are_sorted(void **state)
{
    (void)state;
    for (size_t i = 1; i < K8S_METRIC_COUNT; i++)
        assert_true(str_compare(k8s_metrics[i - 1].desc.name, k8s_metrics[i].desc.name) < 0);
    for (size_t i = 1; i < ATTR_COUNT; i++)
        assert_true(
            str_compare(k8s_resource_attributes[i - 1].name, k8s_resource_attributes[i].name) < 0);
    for (size_t i = 1; i < POINT_ATTRIBUTE_COUNT; i++)
        assert_true(str_compare(k8s_point_attributes[i - 1].name, k8s_point_attributes[i].name) <
                    0);
}

static void test_every_attribute_has_a_place(void **state)
{
    (void)state;
    bool used[ATTR_COUNT] = {[ATTR_CLUSTER_UID] = true}; /* on every resource */
    for (size_t i = 0; i < ENTITY_COUNT; i++)
        for (size_t k = 0; k < k8s_entities[i].attribute_count; k++)
            used[k8s_entities[i].attributes[k]] = true;
    for (size_t i = 0; i < ATTR_COUNT; i++)
        assert_true(used[i]);
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++)
        assert_int_equal(k8s_metrics[i].recommended & ~k8s_metrics[i].attributes, 0);
}

static void test_the_page_in_docs(void **state)
{
    (void)state;
    struct buf page;
    buf_init(&page, 1 << 20);
    k8s_cluster_page(&page);
    char *text = read_file(TEST_SOURCE_DIR "/../../../docs/components/k8s_cluster_metrics.md");
    if (!str_eqz(buf_view(&page), text))
        fail_msg("docs/components/k8s_cluster_metrics.md is not what the table gives; write it "
                 "again with `ninja -C build/plain k8s_cluster_page`");
    mem_free(text);
    buf_deinit(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_those_of_the_reference),
        cmocka_unit_test(test_attributes_are_those_of_the_reference),
        cmocka_unit_test(test_names_are_sorted),
        cmocka_unit_test(test_every_attribute_has_a_place),
        cmocka_unit_test(test_the_page_in_docs),
    };
    return cmocka_run_group_tests_name("k8s_cluster_table", tests, NULL, NULL);
}
