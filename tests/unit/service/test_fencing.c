/* The fencing token on batches: where it is put, whose term it names, and on whose batches it is not. */
#include "world.h"

static struct world *begin(const char *options)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             "extensions: {elect: {lease: l%s}}\n"
             "receivers: {pull: {k8s_leader_elector: elect}, push: {k8s_leader_elector: elect}, pull/free: {}}\n"
             "exporters: {sink: {}, sink/free: {}, sink/logs: {}}\n"
             "service:\n  extensions: [elect]\n  pipelines:\n"
             "    metrics: {receivers: [pull], exporters: [sink]}\n"
             "    logs: {receivers: [push], exporters: [sink/logs]}\n"
             "    metrics/free: {receivers: [pull/free], exporters: [sink/free]}\n",
             options);
    struct world *w = world_new(yaml);
    world_start(w);
    return w;
}

static void expect(const struct fake_seen *s, const char *resource, const char *scope, const char *header)
{
    assert_string_equal(s->resource_token, resource);
    assert_string_equal(s->scope_token, scope);
    assert_string_equal(s->header, header);
    assert_int_equal(s->token_count, (resource[0] != '\0') + (scope[0] != '\0'));
}

static void test_token_of_the_term_on_every_batch(void **state)
{
    (void)state;
    static const struct {
        const char *options, *resource[2], *scope[2], *header[2];
    } cases[] = {
        {"", {"", ""}, {"", ""}, {"", ""}},
        {", resource: token", {"uid-1/1", "uid-1/2"}, {"", ""}, {"", ""}},
        {", scope: token", {"", ""}, {"uid-1/1", "uid-1/2"}, {"", ""}},
        {", header: x-f", {"", ""}, {"", ""}, {"x-f: uid-1/1", "x-f: uid-1/2"}},
        {", resource: token, scope: token, header: X", {"uid-1/1", "uid-1/2"}, {"uid-1/1", "uid-1/2"}, {"X: uid-1/1", "X: uid-1/2"}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world *w = begin(cases[i].options);
        struct elector *e = world_elector(w, "l");
        for (size_t term = 0; term < 2; term++) {
            size_t metrics = fake("sink")->seen_count, logs = fake("sink/logs")->seen_count;
            fake_elector_lead(e, term == 0 ? INHERIT_NONE : INHERIT_OWN, 0);
            assert_true(fake_push(fake("push"), "p"));
            world_run(w, 3 * SECOND);
            assert_true(fake("sink")->seen_count >= metrics + 3);
            assert_int_equal(fake("sink/logs")->seen_count, logs + 1);
            for (size_t k = metrics; k < fake("sink")->seen_count; k++)
                expect(&fake("sink")->seen[k], cases[i].resource[term], cases[i].scope[term], cases[i].header[term]);
            expect(&fake("sink/logs")->seen[logs], cases[i].resource[term], cases[i].scope[term], cases[i].header[term]);
            fake_elector_lose(e);
        }
        assert_true(fake("sink/free")->seen_count > 3);
        for (size_t k = 0; k < fake("sink/free")->seen_count; k++)
            expect(&fake("sink/free")->seen[k], "", "", "");
        assert_int_equal(world_end(w), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_of_the_term_on_every_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
