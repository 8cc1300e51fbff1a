/* The thread that writes log lines: order, blocked and broken outputs, the count of dropped lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "io/file.h"
#include "io/log_writer.h"

static char path[] = "/tmp/test_log_writer_XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_writes_in_order_and_appends(void **state)
{
    (void)state;
    struct err err;
    struct buf expected, found;
    buf_init(&expected, MIB);
    buf_init(&found, MIB);
    for (int round = 0; round < 2; round++) {
        struct log_writer *w = log_writer_new(path, &err);
        assert_non_null(w);
        for (int i = 0; i < 1000; i++) {
            char line[64];
            int len = snprintf(line, sizeof(line), "round %d line %d\n", round, i);
            log_writer_write(w, str_make(line, (size_t)len));
            buf_append(&expected, line, (size_t)len);
        }
        if (round == 0)
            assert_true(log_writer_flush(w, 10000));
        if (round == 0) {
            assert_true(file_read(path, &found, &err));
            assert_true(str_eq(buf_view(&found), buf_view(&expected)));
            buf_clear(&found);
        }
        assert_int_equal(log_writer_dropped(w), 0);
        log_writer_free(w, 10000); /* writes what is left */
    }
    assert_true(file_read(path, &found, &err));
    assert_true(str_eq(buf_view(&found), buf_view(&expected)));
    buf_deinit(&expected);
    buf_deinit(&found);
}

static void test_bad_path(void **state)
{
    (void)state;
    struct err err;
    assert_null(log_writer_new("/nonexistent/folder/log", &err));
    assert_int_equal(err.code, ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/folder/log"));
    char url[64];
    (void)snprintf(url, sizeof(url), "file://%s", path);
    struct log_writer *w = log_writer_new(url, &err);
    assert_non_null(w);
    log_writer_free(w, 0);
}

/* A writer whose standard error is a pipe; `ends[0]` is to be read by nobody or by the test. */
static struct log_writer *writer_on_pipe(int ends[2], int *saved)
{
    struct err err;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(stderr);
    *saved = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    struct log_writer *w = log_writer_new("stderr", &err);
    assert_non_null(w);
    return w;
}

static void restore(int saved)
{
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum { LINE_BYTES = 1000, LINE_COUNT = 10000 }; /* 10 MB against a backlog of 4 MiB */

static void write_numbered(struct log_writer *w, int number, char first)
{
    char line[LINE_BYTES + 1];
    memset(line, '.', LINE_BYTES);
    int len = snprintf(line, sizeof(line), "%c%09d ", first, number);
    line[len] = '.';
    line[LINE_BYTES - 1] = '\n';
    log_writer_write(w, str_make(line, LINE_BYTES));
}

struct reader {
    int fd;
    struct buf all;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    for (;;) {
        char *at = buf_reserve(&r->all, 65536);
        ssize_t got = at == NULL ? -1 : read(r->fd, at, 65536);
        if (got <= 0)
            return NULL;
        buf_commit(&r->all, (size_t)got);
    }
}

static pthread_t reader_start(struct reader *r, int fd)
{
    pthread_t thread;
    r->fd = fd;
    buf_init(&r->all, 64 * MIB);
    assert_int_equal(pthread_create(&thread, NULL, read_all, r), 0);
    return thread;
}

/* Checks that the lines there and those that notices tell of are all LINE_COUNT, in order. */
static void check_read(struct reader *r, uint64_t dropped, bool json)
{
    uint64_t seen = 0, noticed = 0, notices = 0;
    str rest = buf_view(&r->all);
    while (rest.len > 0) {
        str line;
        str_cut(rest, '\n', &line, &rest);
        if (line.len == LINE_BYTES - 1) {
            uint64_t number;
            assert_true(str_to_u64(str_make(line.data + 1, 9), &number));
            assert_int_equal(number,
                             seen + noticed); /* the notice stands where the lines are missing */
            seen++;
            continue;
        }
        notices++;
        size_t pos;
        str count;
        str key = json ? STR("\"dropped_lines\":") : STR("\"dropped_lines\": ");
        assert_true(str_find(line, key, &pos));
        assert_true(str_cut(str_skip(line, pos + key.len), '}', &count, &line));
        uint64_t number;
        assert_true(str_to_u64(count, &number));
        noticed += number;
    }
    assert_true(notices >= 1);
    assert_int_equal(noticed, dropped);
    assert_int_equal(seen + noticed, LINE_COUNT);
    buf_deinit(&r->all);
}

static void blocked_pipe(char first)
{
    int ends[2], saved;
    struct log_writer *w = writer_on_pipe(ends, &saved);
    double start = seconds();
    for (int i = 0; i < LINE_COUNT - 1; i++)
        write_numbered(w, i, first);
    const char small[2] = {first, '\n'};
    log_writer_write(w, str_make(small, 2)); /* would fit, but must not overtake the missing ones */
    assert_true(seconds() - start < 5);      /* never blocks */
    uint64_t dropped = log_writer_dropped(w);
    assert_true(dropped > LINE_COUNT / 2 && dropped < LINE_COUNT);
    assert_false(log_writer_flush(w, 20));
    struct reader reader;
    pthread_t thread = reader_start(&reader, ends[0]);
    log_writer_free(w, 20000);
    restore(saved); /* closes the last write end */
    assert_int_equal(pthread_join(thread, NULL), 0);
    check_read(&reader, dropped, first == '{');
    close(ends[0]);
}

static void test_blocked_pipe_drops_and_says_so(void **state)
{
    (void)state;
    blocked_pipe('-');
}

static void test_blocked_pipe_json(void **state)
{
    (void)state;
    blocked_pipe('{');
}

static size_t thread_count(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Nobody ever reads: free gives up in time, and the thread cleans up when the reader goes (the leak checker looks). */
static void test_free_with_a_stuck_thread(void **state)
{
    (void)state;
    char fifo[sizeof(path) + 5];
    struct err err;
    (void)snprintf(fifo, sizeof(fifo), "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    for (int i = 0; i < 1000 && thread_count() > 1; i++)
        usleep(1000); /* the thread of the test before may be ending */
    size_t threads = thread_count();
    struct log_writer *w = log_writer_new(fifo, &err);
    assert_non_null(w);
    for (int i = 0; i < 200; i++)
        write_numbered(w, i, '-');
    double start = seconds();
    log_writer_free(w, 100);
    double took = seconds() - start;
    assert_true(took >= 0.09 && took < 5);
    assert_int_equal(thread_count(), threads + 1);
    close(reader);
    for (int i = 0; i < 1000 && thread_count() > threads; i++)
        usleep(10000);
    assert_int_equal(thread_count(), threads);
    assert_int_equal(unlink(fifo), 0);
}

static void test_reader_gone(void **state)
{
    (void)state;
    int ends[2], saved;
    struct log_writer *w = writer_on_pipe(ends, &saved);
    close(ends[0]);
    write_numbered(w, 0, '-');
    assert_true(log_writer_flush(w, 10000)); /* done with, if not written */
    assert_int_equal(log_writer_dropped(w), 1);
    write_numbered(w, 1, '-');
    log_writer_free(w, 10000);
    restore(saved);
}

/* /dev/full refuses like a full disk. */
static void test_disk_full(void **state)
{
    (void)state;
    struct err err;
    struct log_writer *w = log_writer_new("/dev/full", &err);
    assert_non_null(w);
    for (int i = 0; i < 10; i++)
        write_numbered(w, i, '-');
    assert_true(log_writer_flush(w, 10000));
    assert_int_equal(log_writer_dropped(w), 10);
    log_writer_free(w, 10000);
}

static void test_non_blocking_output(void **state)
{
    (void)state;
    int ends[2], saved;
    struct log_writer *w = writer_on_pipe(ends, &saved);
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < LINE_COUNT; i++)
        write_numbered(w, i, '-');
    uint64_t dropped = log_writer_dropped(w);
    struct reader reader;
    pthread_t thread = reader_start(&reader, ends[0]);
    log_writer_free(w, 20000);
    restore(saved);
    assert_int_equal(pthread_join(thread, NULL), 0);
    check_read(&reader, dropped, false);
    close(ends[0]);
}

static void test_longest_line(void **state)
{
    (void)state;
    struct err err;
    struct log_writer *w = log_writer_new("/dev/null", &err);
    char *line = malloc(LIMIT_LOG_LINE_BYTES);
    memset(line, 'x', LIMIT_LOG_LINE_BYTES);
    log_writer_write(w, str_make(line, LIMIT_LOG_LINE_BYTES));
    assert_true(log_writer_flush(w, 10000));
    assert_int_equal(log_writer_dropped(w), 0);
    log_writer_write(w, STR_NONE);
    free(line);
    log_writer_free(w, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_in_order_and_appends),
        cmocka_unit_test(test_bad_path),
        cmocka_unit_test(test_blocked_pipe_drops_and_says_so),
        cmocka_unit_test(test_blocked_pipe_json),
        cmocka_unit_test(test_free_with_a_stuck_thread),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_non_blocking_output),
        cmocka_unit_test(test_longest_line),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
