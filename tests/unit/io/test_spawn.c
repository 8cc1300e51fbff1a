/* Running other programs: output, environment, failures, limits, time, cancelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/loop_uv.h"
#include "io/spawn.h"

#define MS INT64_C(1000000)
#define ARGS(...) ((char **)(uintptr_t)(const char *const[]){__VA_ARGS__, NULL})
#define NO_ENV ((char *[]){NULL})

struct fixture {
    struct loop *loop;
    int call_count;
    struct spawn_result result; /* output copied */
    char *output;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct logger logger = {0};
    struct err err;
    f->loop = loop_new(&logger, &err);
    *state = f;
    return f->loop == NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_free(f->loop);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie, no child left */
    assert_int_equal(errno, ECHILD);
    free(f->output);
    free(f);
    return 0;
}

static void done(void *arg, const struct spawn_result *result)
{
    struct fixture *f = arg;
    f->call_count++;
    f->result = *result;
    free(f->output);
    f->output = malloc(result->output.len + 1);
    if (result->output.len > 0)
        memcpy(f->output, result->output.data, result->output.len);
    f->output[result->output.len] = '\0';
    f->result.output.data = f->output;
    loop_stop(f->loop);
}

static const struct spawn_result *run(struct fixture *f, char *const args[], char *const env[],
                                      int64_t timeout_ms)
{
    int before = f->call_count;
    assert_non_null(spawn_run(f->loop, args, env, timeout_ms, done, f));
    assert_int_equal(f->call_count, before); /* not before it returned */
    loop_run(f->loop);
    assert_int_equal(f->call_count, before + 1);
    return &f->result;
}

static void test_output_and_exit_code(void **state)
{
    const struct spawn_result *r =
        run(*state, ARGS("sh", "-c", "printf 'a\\0b'; exit 3"), NO_ENV, 10000);
    assert_true(r->started && !r->timed_out);
    assert_int_equal(r->exit_code, 3);
    assert_int_equal(r->signal_number, 0);
    assert_true(str_eq(r->output, str_make("a\0b", 3)));
}

static void test_stdin_is_empty_and_stdout_can_be_opened(void **state)
{
    const struct spawn_result *r =
        run(*state, ARGS("sh", "-c", "cat; readlink /proc/self/fd/0; echo x > /dev/stdout"), NULL,
            10000);
    assert_int_equal(r->exit_code, 0);
    assert_true(str_eqz(r->output, "/dev/null\nx\n"));
}

static void test_environment(void **state)
{
    setenv("SPAWN_KEPT", "kept", 1);
    setenv("SPAWN_CHANGED", "old", 1);
    setenv("SPAWN_CHANGED_NOT", "same", 1);
    const struct spawn_result *r = run(*state,
                                       ARGS("sh", "-c",
                                            "echo $SPAWN_KEPT $SPAWN_CHANGED $SPAWN_CHANGED_NOT "
                                            "$SPAWN_NEW; env | grep -c ^SPAWN_CHANGED="),
                                       ARGS("SPAWN_CHANGED=new", "SPAWN_NEW=a=b"), 10000);
    assert_true(str_eqz(r->output, "kept new same a=b\n1\n"));
}

/* The child has the descriptors that we got from our own parent, and none of ours. */
static void test_descriptors_are_not_inherited(void **state)
{
    char before[16] = "";
    FILE *file = popen("ls /proc/self/fd | wc -l", "re");
    assert_non_null(file);
    assert_non_null(fgets(before, sizeof(before), file));
    pclose(file);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const struct spawn_result *r =
        run(*state, ARGS("sh", "-c", "ls /proc/self/fd | wc -l"), NO_ENV, 10000);
    assert_true(str_eqz(r->output, before));
    close(fd);
}

static void test_command_not_found(void **state)
{
    const struct spawn_result *r = run(*state, ARGS("no-such-credential-plugin"), NO_ENV, 10000);
    assert_false(r->started);
    assert_int_equal(r->err.code, ENOENT);
    assert_non_null(strstr(r->err.text, "no-such-credential-plugin"));
    r = run(*state, ARGS("/etc/passwd"), NO_ENV, 10000);
    assert_false(r->started);
    assert_int_equal(r->err.code, EACCES);
}

static void test_ended_by_signal(void **state)
{
    const struct spawn_result *r = run(*state, ARGS("sh", "-c", "kill -TERM $$"), NO_ENV, 10000);
    assert_true(r->started && !r->timed_out);
    assert_int_equal(r->exit_code, -1);
    assert_int_equal(r->signal_number, SIGTERM);
}

/* Waits until it is gone, or a zombie that its new parent has yet to wait for. */
static bool is_gone(pid_t pid)
{
    char path[64], text[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    for (int i = 0; i < 1000; i++) {
        FILE *file = fopen(path, "r");
        if (file == NULL)
            return true;
        size_t len = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        text[len] = '\0';
        const char *after_name = strrchr(text, ')');
        if (after_name == NULL || after_name[2] == 'Z' || after_name[2] == 'X')
            return true;
        usleep(10000);
    }
    return false;
}

/* The whole group dies, so the end of stdout comes at once. */
static void test_timeout_kills_the_group(void **state)
{
    struct fixture *f = *state;
    int64_t start_ns = loop_boot_ns(f->loop);
    const struct spawn_result *r =
        run(f, ARGS("sh", "-c", "sleep 1000 & echo $!; wait"), NO_ENV, 200);
    int64_t took_ms = (loop_boot_ns(f->loop) - start_ns) / MS;
    assert_true(r->timed_out);
    assert_int_equal(r->exit_code, -1);
    assert_int_equal(r->signal_number, SIGKILL);
    assert_in_range(took_ms, 200, 200 + LIMIT_EXEC_EOF_WAIT_MS);
    pid_t grandchild = (pid_t)strtol(f->output, NULL, 10);
    assert_true(grandchild > 1);
    assert_true(is_gone(grandchild));
}

static void test_too_much_output(void **state)
{
    const struct spawn_result *r = run(*state, ARGS("cat", "/dev/zero"), NO_ENV, 20000);
    assert_true(r->started && !r->timed_out);
    assert_int_equal(r->exit_code, -1);
    assert_int_equal(r->signal_number, SIGKILL);
    assert_int_equal(r->err.code, EFBIG);
    assert_true(r->output.len <= LIMIT_EXEC_OUTPUT_BYTES);
}

static void test_output_of_just_the_limit(void **state)
{
    char command[64];
    (void)snprintf(command, sizeof(command), "head -c %zu /dev/zero",
                   (size_t)LIMIT_EXEC_OUTPUT_BYTES);
    const struct spawn_result *r = run(*state, ARGS("sh", "-c", command), NO_ENV, 20000);
    assert_int_equal(r->exit_code, 0);
    assert_int_equal(r->output.len, LIMIT_EXEC_OUTPUT_BYTES);
}

/* A helper that stays behind with our pipe does not hold the answer back for ever. */
static void test_child_that_keeps_stdout_open(void **state)
{
    struct fixture *f = *state;
    int64_t start_ns = loop_boot_ns(f->loop);
    const struct spawn_result *r =
        run(f, ARGS("sh", "-c", "setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.2; exit 0"),
            NO_ENV, 30000);
    int64_t took_ms = (loop_boot_ns(f->loop) - start_ns) / MS;
    assert_false(r->timed_out);
    assert_int_equal(r->exit_code, 0);
    assert_true(took_ms >= LIMIT_EXEC_EOF_WAIT_MS);
    pid_t helper = (pid_t)strtol(f->output, NULL, 10);
    assert_true(helper > 1);
    assert_int_equal(kill(helper, SIGKILL), 0); /* it was left alone: it is not ours to end */
}

static void stop_now(void *arg)
{
    loop_stop(arg);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    spawn_cancel(spawn_run(f->loop, ARGS("sleep", "1000"), NO_ENV, 10000, done, f));
    spawn_cancel(spawn_run(f->loop, ARGS("no-such-command"), NO_ENV, 10000, done, f));
    struct spawn_call *later = spawn_run(f->loop, ARGS("sleep", "1000"), NO_ENV, 10000, done, f);
    struct loop_timer timer;
    loop_timer_init(f->loop, &timer, "stop", stop_now, f->loop);
    loop_timer_set_after(&timer, 50 * MS);
    loop_run(f->loop);
    spawn_cancel(later);
    assert_int_equal(f->call_count, 0);
    /* teardown: loop_free waits for what was killed */
}

/* In done, the next one may be started. */
static void again(void *arg, const struct spawn_result *result)
{
    struct fixture *f = arg;
    assert_int_equal(result->exit_code, 0);
    if (++f->call_count < 3)
        (void)spawn_run(f->loop, ARGS("true"), NO_ENV, 10000, again, f);
    else
        loop_stop(f->loop);
}

static void test_start_in_done(void **state)
{
    struct fixture *f = *state;
    (void)spawn_run(f->loop, ARGS("true"), NO_ENV, 10000, again, f);
    loop_run(f->loop);
    assert_int_equal(f->call_count, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_output_and_exit_code),
        TEST(test_stdin_is_empty_and_stdout_can_be_opened),
        TEST(test_environment),
        TEST(test_descriptors_are_not_inherited),
        TEST(test_command_not_found),
        TEST(test_ended_by_signal),
        TEST(test_timeout_kills_the_group),
        TEST(test_too_much_output),
        TEST(test_output_of_just_the_limit),
        TEST(test_child_that_keeps_stdout_open),
        TEST(test_cancel),
        TEST(test_start_in_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
