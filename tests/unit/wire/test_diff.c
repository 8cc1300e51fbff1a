/* Unified diffs: some by hand, and many random ones carried out by patch(1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "wire/diff.h"

static char *diff(const char *old, const char *new)
{
    struct buf b;
    size_t len;
    buf_init(&b, 64 * MIB);
    unified_diff(&b, STR("a"), STR("b"), str_from(old), str_from(new));
    return buf_take(&b, &len);
}

static void expect(const char *old, const char *new, const char *wanted)
{
    char *got = diff(old, new);
    assert_string_equal(got, wanted);
    mem_free(got);
}

static void test_by_hand(void **state)
{
    (void)state;
    expect("", "", "");
    expect("x\n", "x\n", "");
    expect("", "x\n", "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
    expect("x\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
    expect("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nx\n6\n7\n8\n",
           "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n");
    expect("a\nb", "a\nb\n",
           "--- a\n+++ b\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
    /* six equal lines between two changes are one hunk, seven are two */
    expect("x\n1\n2\n3\n4\n5\n6\ny\n", "1\n2\n3\n4\n5\n6\n",
           "--- a\n+++ b\n@@ -1,8 +1,6 @@\n-x\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n");
    expect("x\n1\n2\n3\n4\n5\n6\n7\ny\n", "1\n2\n3\n4\n5\n6\n7\n",
           "--- a\n+++ b\n@@ -1,4 +1,3 @@\n-x\n 1\n 2\n 3\n@@ -6,4 +5,3 @@\n 5\n 6\n 7\n-y\n");
}

/* Carries a diff out with patch(1). */
static void check_patch(const char *old, const char *new)
{
    char folder[] = "/tmp/test_diff_XXXXXX", path[64], command[300];
    char *text = diff(old, new);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/old", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(old, file);
    fclose(file);
    snprintf(command, sizeof command, "patch -s -o '%s/new' '%s/old' >/dev/null 2>'%s/said'", folder,
             folder, folder);
    FILE *pipe = popen(command, "w");
    assert_non_null(pipe);
    fputs(text, pipe);
    int status = pclose(pipe);
    snprintf(path, sizeof path, "%s/new", folder);
    file = fopen(path, "r");
    assert_non_null(file);
    static char got[1 << 16];
    got[fread(got, 1, sizeof got - 1, file)] = '\0';
    fclose(file);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    if (status != 0 || strcmp(got, new) != 0)
        fail_msg("old:\n%s\nnew:\n%s\ndiff:\n%s\npatched:\n%s", old, new, text, got);
    mem_free(text);
}

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void test_patch_reads_it(void **state)
{
    (void)state;
    uint64_t seed = 1;
    if (access("/usr/bin/patch", X_OK) != 0)
        skip();
    for (int round = 0; round < 100; round++) {
        struct buf old, new;
        buf_init(&old, MIB);
        buf_init(&new, MIB);
        unsigned lines = 1 + (unsigned)(next(&seed) % 60), change = 2 + (unsigned)(next(&seed) % 20);
        for (unsigned i = 0; i < lines; i++) {
            unsigned word = (unsigned)(next(&seed) % 5);
            bool last = i + 1 == lines;
            const char *end = last && next(&seed) % 2 == 0 ? "" : "\n";
            if (next(&seed) % change > 0)
                buf_printf(&new, "line %u%s", word, end);
            if (next(&seed) % change > 0)
                buf_printf(&old, "line %u%s", word, end);
            if (!last && next(&seed) % change == 0)
                buf_text(&new, "new\n");
        }
        /* patch has its own ideas about files without a last newline that are empty */
        if (old.len > 0 && new.len > 0)
            check_patch(buf_cstr(&old), buf_cstr(&new));
        buf_deinit(&old);
        buf_deinit(&new);
    }
}

/* Past the limit of edits the diff is right, if long. */
static void test_many_edits(void **state)
{
    (void)state;
    struct buf old, new;
    enum { LINES = LIMIT_DIFF_EDITS };
    buf_init(&old, MIB);
    buf_init(&new, MIB);
    for (unsigned i = 0; i < LINES; i++) {
        buf_printf(&old, "o%u\n", i);
        buf_printf(&new, "n%u\n", i);
    }
    char *text = diff(buf_cstr(&old), buf_cstr(&new));
    char wanted[60];
    snprintf(wanted, sizeof wanted, "--- a\n+++ b\n@@ -1,%u +1,%u @@\n-o0\n-o1\n", LINES, LINES);
    assert_memory_equal(text, wanted, strlen(wanted));
    assert_int_equal(strlen(text), strlen("--- a\n+++ b\n@@ -1,2000 +1,2000 @@\n") + old.len + new.len +
                                       2 * LINES);
    mem_free(text);
    buf_deinit(&old);
    buf_deinit(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_patch_reads_it),
        cmocka_unit_test(test_many_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
