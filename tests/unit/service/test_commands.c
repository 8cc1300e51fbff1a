/* The command line: which command, which flags, what is printed where, exit codes. stdout and stderr go to files meanwhile. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "service/commands.h"
#include "service/feature_gates.h"
#include "settings_fakes.h"

struct fixture {
    struct arena arena;
    char dir[64];
    char *good_path, *bad_path;
    struct command_line line;
    char *out, *errors; /* what the last one printed */
};

static char *write_file(struct fixture *f, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return str_dup(str_from(path));
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    arena_init(&f->arena, 1024);
    snprintf(f->dir, sizeof f->dir, "/tmp/baton_commands_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->good_path =
        write_file(f, "good.yaml",
                   "receivers: {dummy: {interval: 5s, leaderelector: leaderelector}}\nexporters: "
                   "{push: {headers: {a: s3cret}}}\n"
                   "extensions: {leaderelector: }\nservice:\n  extensions: [leaderelector]\n"
                   "  pipelines: {metrics: {receivers: [dummy], exporters: [push]}}\n");
    f->bad_path =
        write_file(f, "bad.yaml",
                   "receivers: {dummy: {interval: 5ms}}\nexporters: {debug: }\n"
                   "service: {pipelines: {metrics: {receivers: [dummy], exporters: [debug]}}}\n");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->good_path);
    unlink(f->bad_path);
    rmdir(f->dir);
    mem_free(f->good_path);
    mem_free(f->bad_path);
    mem_free(f->out);
    mem_free(f->errors);
    arena_deinit(&f->arena);
    mem_free(f);
    return 0;
}

static int redirect(FILE *stream, int to)
{
    fflush(stream);
    int saved = dup(fileno(stream));
    assert_true(saved >= 0 && dup2(to, fileno(stream)) >= 0);
    return saved;
}

static void restore(FILE *stream, int saved)
{
    fflush(stream);
    clearerr(stream);
    assert_true(dup2(saved, fileno(stream)) >= 0);
    close(saved);
}

static char *contents(FILE *file)
{
    struct buf b;
    size_t len;
    char chunk[4096];
    buf_init(&b, MIB);
    rewind(file);
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_append(&b, chunk, len);
    fclose(file);
    return buf_take(&b, &len);
}

/* Arguments behind the program's name, up to NULL. */
static int run(struct fixture *f, const char *const *arguments)
{
    char *argv[16] = {(char *)"baton"};
    int argc = 1;
    while (arguments[argc - 1] != NULL) {
        argv[argc] = (char *)arguments[argc - 1];
        argc++;
    }
    FILE *out = tmpfile(), *errors = tmpfile();
    assert_true(out != NULL && errors != NULL);
    int saved_out = redirect(stdout, fileno(out)), saved_errors = redirect(stderr, fileno(errors));
    command_line_parse(argc, argv, &fake_types, &f->arena, &f->line);
    restore(stdout, saved_out);
    restore(stderr, saved_errors);
    mem_free(f->out);
    mem_free(f->errors);
    f->out = contents(out);
    f->errors = contents(errors);
    return f->line.exit_status;
}
#define RUN(f, ...) run((f), (const char *const[]){__VA_ARGS__, NULL})

/* Exit 1, nothing on stdout, an error that begins so. */
static void refused(struct fixture *f, int status, const char *expected)
{
    assert_int_equal(status, 1);
    assert_int_equal(f->line.action, COMMAND_DONE);
    assert_string_equal(f->out, "");
    if (strncmp(f->errors, expected, strlen(expected)) != 0)
        fail_msg("%s", f->errors);
}

static void test_run(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "--config", "a.yaml", "--set=x.y=1", "--config=b.yaml", "--set",
                         "z=", "--feature-gates=-otelcol.printInitialConfig"),
                     0);
    assert_int_equal(f->line.action, COMMAND_RUN);
    assert_int_equal(f->line.source_count, 4);
    assert_true(str_eqz(f->line.sources[0].location, "a.yaml"));
    assert_false(f->line.sources[0].is_set);
    assert_true(str_eqz(f->line.sources[1].location, "x.y=1"));
    assert_true(f->line.sources[1].is_set);
    assert_true(str_eqz(f->line.sources[2].location, "b.yaml"));
    assert_true(str_eqz(f->line.sources[3].location, "z="));
    assert_string_equal(f->out, "");
    assert_string_equal(f->errors, "");
}

static void test_usage_errors(void **state)
{
    struct fixture *f = *state;
    refused(f, RUN(f, NULL), "Error: at least one config flag must be provided");
    refused(f, RUN(f, "validate"), "Error: at least one config flag must be provided");
    refused(f, RUN(f, "--config"), "Error: flag needs an argument: --config\n");
    refused(f, RUN(f, "--set=a", "--config=x"),
            "Error: invalid argument \"a\" for \"--set\" flag: missing equal sign\n");
    refused(
        f, RUN(f, "--confg=x"),
        "Error: unknown flag: --confg; did you mean --config?\nRun 'baton --help' for usage.\n");
    refused(f, RUN(f, "-config=x"),
            "Error: unknown shorthand flag: 'c' in -config; did you mean --config?\n");
    refused(f, RUN(f, "-vh"), "Error: unknown shorthand flag: 'v' in -vh");
    refused(f, RUN(f, "validte", "--config=x"),
            "Error: unknown command \"validte\" for \"baton\"; did you mean \"validate\"?\n");
    refused(f, RUN(f, "zzz"), "Error: unknown command \"zzz\" for \"baton\"\n");
    refused(f, RUN(f, "--", "--config=x"), "Error: unknown command \"--config=x\"");
    refused(f, RUN(f, "validate", "x"),
            "Error: validate accepts at most 0 argument(s), received 1\n");
    refused(f, RUN(f, "components", "--config=x"),
            "Error: unknown flag: --config (of components)\n");
    refused(f, RUN(f, "--mode=redacted", "--config=x"),
            "Error: unknown flag: --mode (of running; it belongs to a command)\n");
    refused(f, RUN(f, "validate", "-v"), "Error: unknown flag: --version (of validate)\n");
    refused(f, RUN(f, "--version=1"), "Error: --version takes no argument\n");
    refused(f, RUN(f, "featuregate", "a", "b"),
            "Error: featuregate accepts at most 1 argument(s), received 2\n");
    refused(f, RUN(f, "print-config", "--config=x", "--validate=maybe"),
            "Error: invalid argument \"maybe\" for \"--validate\" flag: write true or false\n");
    refused(f, RUN(f, "lease"), "Error: lease needs one of: status, yield\n");
    refused(f, RUN(f, "lease", "drop", "--name=x"), "Error: lease needs one of: status, yield\n");
    refused(f, RUN(f, "lease", "status"), "Error: which Lease? give --config=FILE, or --name and --namespace\n");
    refused(f, RUN(f, "lease", "status", "--name=x", "--config=y"), "Error: give --config or --name, not both");
    refused(f, RUN(f, "lease", "yield", "--name=x", "--watch"), "Error: --watch belongs to lease status\n");
    refused(f, RUN(f, "lease", "status", "--name=x", "--output=xml"), "Error: invalid argument \"xml\" for \"--output\" flag: table or json\n");
    refused(f, RUN(f, "lease", "yield", "--name=x", "--timeout=0s"), "Error: invalid argument \"0s\" for \"--timeout\" flag: must be positive\n");
    refused(f, RUN(f, "lease", "yield", "--name=x", "--timeout=x"), "Error: invalid argument \"x\" for \"--timeout\" flag: time: invalid duration");
    refused(f, RUN(f, "lease", "status", "--name=X", "--namespace=n"), "Error: --name must be the name of a Lease");
    refused(f, RUN(f, "lease", "status", "--config", f->bad_path), "Error: invalid configuration:\n");
    refused(f, RUN(f, "lease", "status", "--config", f->good_path), "Error: the configuration has no leader elector in service::extensions");
    refused(f, RUN(f, "validate", "--config=x", "--watch"), "Error: unknown flag: --watch (of validate)\n");
}

static void test_validate(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "validate", "--config", f->good_path), 0);
    assert_int_equal(f->line.action, COMMAND_DONE);
    assert_string_equal(f->out, "");
    char expected[400];
    snprintf(
        expected, sizeof expected,
        "Warning: %s:2:13: exporters: \"push\" alias is deprecated; use \"push_grpc\" instead\n",
        f->good_path);
    assert_string_equal(f->errors, expected);
    assert_int_equal(
        RUN(f, "--config", f->bad_path, "validate", "--set=receivers.dummy.interval=1s"), 0);
    assert_string_equal(f->errors, "");
    snprintf(
        expected, sizeof expected,
        "Error: invalid configuration:\n%s:1:31: receivers::dummy::interval: must be at least 1s\n",
        f->bad_path);
    refused(f, RUN(f, "validate", "--config", f->bad_path), expected);
    refused(f, RUN(f, "validate", "--config", "/nonexistent/x"),
            "Error: invalid configuration:\nunable to read the file file:/nonexistent/x");
}

static void test_print_config(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "print-config", "--config", f->good_path), 0);
    assert_non_null(strstr(f->out, "interval: 5s\n"));
    assert_non_null(strstr(f->out, "[REDACTED]"));
    assert_null(strstr(f->out, "s3cret"));
    assert_non_null(strstr(f->out, "leaderelector: leaderelector\n"));
    assert_int_equal(RUN(f, "print-initial-config", "--mode=Unredacted", "--format", "JSON",
                         "--config", f->good_path),
                     0);
    assert_non_null(strstr(f->out, "\"a\": \"s3cret\""));
    refused(f, RUN(f, "print-config", "--config", f->good_path, "--mode=plain"),
            "Error: invalid mode \"plain\": modes are: redacted, unredacted\n");
    refused(f, RUN(f, "print-config", "--config", f->good_path, "--format=toml"),
            "Error: unrecognized print format: toml (formats: yaml, json)\n");
    /* A broken rule can be passed over, what cannot be read cannot. */
    refused(f, RUN(f, "print-config", "--config", f->bad_path), "Error: invalid configuration:\n");
    assert_int_equal(RUN(f, "print-config", "--config", f->bad_path, "--validate=false"), 0);
    assert_non_null(strstr(f->out, "interval: 5ms\n"));
    refused(f,
            RUN(f, "print-config", "--config", f->bad_path, "--validate=0",
                "--set=receivers.dummy.interval=x"),
            "Error: invalid configuration:\n");
}

static void test_components(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "components"), 0);
    struct node *root;
    struct err err;
    assert_true(yaml_parse(&f->arena, STR("out"), str_from(f->out), &root, &err));
    static const char *const keys[] = {"buildinfo",  "receivers",  "processors", "exporters",
                                       "connectors", "extensions", "providers"};
    const struct node *n = root->first;
    for (size_t i = 0; i < COUNT_OF(keys); i++, n = n->next)
        assert_true(str_eqz(n->key, keys[i]));
    assert_null(n);
    assert_true(str_eqz(node_get(node_get(root, STR("buildinfo")), STR("command"))->text, "baton"));
    assert_true(
        str_eqz(node_get(node_get(root, STR("buildinfo")), STR("version"))->text, BATON_VERSION));
    const struct node *dummy = node_get(root, STR("receivers"))->first,
                      *stability = node_get(dummy, STR("stability"));
    assert_true(str_eqz(node_get(dummy, STR("name"))->text, "dummy"));
    assert_true(str_eqz(node_get(stability, STR("metrics"))->text, "Alpha"));
    assert_true(str_eqz(node_get(stability, STR("traces"))->text, "Undefined"));
    assert_null(node_get(dummy, STR("aliases")));
    const struct node *push = node_get(root, STR("exporters"))->last;
    assert_true(str_eqz(node_get(push, STR("aliases"))->first->text, "push"));
    assert_true(
        str_eqz(node_get(node_get(node_get(root, STR("extensions"))->last, STR("stability")),
                         STR("extension"))
                    ->text,
                "Alpha"));
    assert_int_equal(node_get(root, STR("providers"))->count, 3);
}

static void test_feature_gates(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "featuregate"), 0);
    assert_true(strncmp(f->out, "ID ", 3) == 0);
    assert_non_null(strstr(f->out, "Enabled  Stage   Description\n"));
    assert_int_equal(RUN(f, "featuregate", "otelcol.printInitialConfig"), 0);
    assert_true(str_starts_with(
        str_from(f->out),
        STR("Feature: otelcol.printInitialConfig\nEnabled: true\nStage: Beta\nDescription: ")));
    refused(f, RUN(f, "featuregate", "nosuch"), "Error: feature \"nosuch\" not found\n");
    assert_int_equal(RUN(f, "--config=x",
                         "--feature-gates=+pdata.useProtoPooling,-confighttp.framedSnappy,service."
                         "partialReload"),
                     0);
    assert_string_equal(f->errors, "");
    assert_int_equal(RUN(f, "--config=x", "--feature-gates=confmap.enableMergeAppendOption"), 0);
    assert_string_equal(
        f->errors, "feature gate \"confmap.enableMergeAppendOption\" has no effect in baton\n");
    static const char entity_gate[] = "pkg.experimentalmetricmetadata.useEntityEventsSpecification";
    assert_false(feature_gates_enabled(f->line.feature_gates, entity_gate));
    assert_true(feature_gates_enabled(f->line.feature_gates, "otelcol.printInitialConfig"));
    assert_int_equal(
        RUN(f, "--config=x", "--feature-gates=-service.partialReloadReceivers",
            "--feature-gates=pkg.experimentalmetricmetadata.useEntityEventsSpecification"),
        0);
    assert_string_equal(f->errors, "");
    assert_true(feature_gates_enabled(f->line.feature_gates, entity_gate));
    assert_false(
        feature_gates_enabled(f->line.feature_gates, "service.partialReloadReceivers"));
    refused(f, RUN(f, "--config=x", "--feature-gates=service.partialRelod"),
            "Error: invalid argument \"service.partialRelod\" for \"--feature-gates\" flag: no "
            "such feature gate \"service.partialRelod\". valid gates: "
            "component.UseLocalHostAsDefaultHost, ");
    assert_non_null(strstr(f->errors, "did you mean \"service.partialReload\"?"));
    refused(f, RUN(f, "--config=x", "--feature-gates=-pdata.useCustomProtoEncoding"),
            "Error: invalid argument \"-pdata.useCustomProtoEncoding\" for \"--feature-gates\" "
            "flag: feature gate "
            "\"pdata.useCustomProtoEncoding\" is stable, can not be disabled\n");
    refused(f, RUN(f, "--config=x", "--feature-gates=service.partialReload,,x"),
            "Error: invalid argument \"service.partialReload,,x\" for \"--feature-gates\" flag: "
            "empty feature gate identifier at index 1\n");
    refused(f, RUN(f, "--config=x", "--feature-gates="),
            "Error: invalid argument \"\" for \"--feature-gates\" flag: empty feature gate "
            "identifier at index 0\n");
}

static void test_help_and_version(void **state)
{
    struct fixture *f = *state;
    static const char *const version[] = {"--version", "-v"};
    for (size_t i = 0; i < COUNT_OF(version); i++) {
        assert_int_equal(RUN(f, version[i]), 0);
        assert_string_equal(f->out, "baton version " BATON_VERSION "\n");
    }
    static const char *const help[][2] = {{"--help", NULL},       {"-h", NULL},
                                          {"help", NULL},         {"help", "validate"},
                                          {"validate", "--help"}, {"components", "-h"}};
    static const char *const words[] = {
        "validate ",  "print-config ",    "components ", "featuregate ", "help ",   "--config ",
        "--set ",     "--feature-gates ", "--version",   "--help",       "--mode ", "--format ",
        "--validate", "SIGTERM",          "SIGINT",      "SIGHUP"};
    for (size_t i = 0; i < COUNT_OF(help); i++) {
        assert_int_equal(RUN(f, help[i][0], help[i][1]), 0);
        assert_int_equal(f->line.action, COMMAND_DONE);
        assert_string_equal(f->errors, "");
        for (size_t k = 0; k < COUNT_OF(words); k++)
            if (strstr(f->out, words[k]) == NULL)
                fail_msg("help says nothing of %s", words[k]);
    }
}

/* ---- migrate ---- */

#define OLD                                                                                         \
    "receivers: {singleton_receiver_creator/a: {leader_election: {lease_name: l, lease_namespace: " \
    "n}, receiver: {dummy: }}} # old\n"                                                             \
    "exporters: {debug: }\n"                                                                        \
    "service: {pipelines: {metrics: {receivers: [singleton_receiver_creator/a], exporters: "        \
    "[debug]}}}\n"
#define NEW                                                                                        \
    "extensions:\n  k8s_leader_elector/a:\n    lease_name: l\n    lease_namespace: n\n"            \
    "receivers: {dummy: {k8s_leader_elector: k8s_leader_elector/a}} # old\n"                       \
    "exporters: {debug: }\n"                                                                       \
    "service: {pipelines: {metrics: {receivers: [dummy], exporters: [debug]}}, extensions: "       \
    "[k8s_leader_elector/a]}\n"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return contents(file);
}

static void assert_contains(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in\n%s", words, text);
}

static void assert_file(const char *path, const char *wanted)
{
    char *got = read_file(path);
    assert_string_equal(got, wanted);
    mem_free(got);
}

static void test_migrate(void **state)
{
    struct fixture *f = *state;
    char *old = write_file(f, "old.yaml", OLD), *bad = write_file(f, "none.yaml", "receivers: [");
    char words[512];

    assert_int_equal(RUN(f, "migrate", old), 0);
    assert_string_equal(f->out, NEW);
    snprintf(words, sizeof words, "\n%s: can be migrated\n", old);
    assert_contains(f->errors, words);
    assert_contains(f->errors,
                    "receiver=\"dummy//singleton_receiver_creator/a\" to receiver=\"dummy\"");
    assert_file(old, OLD);

    assert_int_equal(RUN(f, "migrate", "--diff", old, f->good_path), 0);
    snprintf(words, sizeof words, "--- %s\n+++ %s\n@@ -1,3 +1,7 @@\n-receivers: ", old, old);
    assert_ptr_equal(strstr(f->out, words), f->out);
    assert_contains(f->out, "\n exporters: {debug: }\n-service: ");
    snprintf(words, sizeof words, "%s: has no singleton_receiver_creator, unchanged\n",
             f->good_path);
    assert_contains(f->errors, words);
    assert_file(old, OLD);

    /* One that fails does not keep the others from being written. */
    assert_int_equal(chmod(old, 0640), 0);
    assert_int_equal(RUN(f, "migrate", bad, old, "/no/such/file", "--in-place"), 1);
    assert_string_equal(f->out, "");
    assert_contains(f->errors, "none.yaml: could not be migrated, unchanged\n");
    assert_contains(f->errors, "old.yaml: migrated\n");
    assert_contains(f->errors, "Error: cannot open /no/such/file: ");
    assert_file(old, NEW);
    assert_file(bad, "receivers: [");
    struct stat st;
    assert_int_equal(stat(old, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);

    assert_int_equal(RUN(f, "migrate", old), 0);
    assert_string_equal(f->out, NEW);
    snprintf(words, sizeof words, "%s: has no singleton_receiver_creator, unchanged\n", old);
    assert_string_equal(f->errors, words);

    unlink(old);
    unlink(bad);
    mem_free(old);
    mem_free(bad);
}

/* What had to be left out makes the status 1, and the rest is written. */
static void test_migrate_partly(void **state)
{
    struct fixture *f = *state;
    char *old = write_file(
        f, "old.yaml",
        "receivers: {singleton_receiver_creator/a: {leader_election: {lease_name: l, "
        "lease_namespace: n, retry_period: 3}, receiver: {dummy: }}}\n"
        "service: {pipelines: {metrics: {receivers: [singleton_receiver_creator/a]}}}\n");
    assert_int_equal(RUN(f, "migrate", "--in-place", "--diff", old), 1);
    assert_contains(f->errors, "old.yaml:1:97: receivers::singleton_receiver_creator/a::"
                               "leader_election::retry_period: the old receiver ignored");
    assert_contains(f->errors, "old.yaml: migrated, but for what the warnings say\n");
    assert_contains(f->out, "+receivers: {dummy: {k8s_leader_elector: k8s_leader_elector/a}}\n");
    char *text = read_file(old);
    assert_null(strstr(text, "retry_period"));
    mem_free(text);
    unlink(old);
    mem_free(old);
}

static void test_migrate_usage(void **state)
{
    struct fixture *f = *state;
    refused(f, RUN(f, "migrate"),
            "Error: which file? baton migrate [--in-place] [--diff] FILE...\n");
    refused(f, RUN(f, "migrate", f->good_path, f->bad_path),
            "Error: several files would run into one on stdout");
    refused(f, RUN(f, "migrate", "--config=x"), "Error: unknown flag: --config (of migrate)\n");
    refused(f, RUN(f, "validate", "--diff"), "Error: unknown flag: --diff (of validate)\n");
    refused(f, RUN(f, "migrate", f->dir), "Error: cannot read ");
}

/* A stdout that takes nothing is an error, not silence. */
static void test_full_stdout(void **state)
{
    struct fixture *f = *state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    FILE *errors = tmpfile();
    int saved = redirect(stdout, full), saved_errors = redirect(stderr, fileno(errors));
    char *argv[] = {(char *)"baton", (char *)"components", NULL};
    command_line_parse(2, argv, &fake_types, &f->arena, &f->line);
    restore(stdout, saved);
    restore(stderr, saved_errors);
    close(full);
    f->errors = contents(errors);
    assert_int_equal(f->line.exit_status, 1);
    assert_string_equal(f->errors, "Error: cannot write to stdout\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_validate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_print_config, setup, teardown),
        cmocka_unit_test_setup_teardown(test_components, setup, teardown),
        cmocka_unit_test_setup_teardown(test_feature_gates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_help_and_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migrate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migrate_partly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migrate_usage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_stdout, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
