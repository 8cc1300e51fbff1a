/*
 * Log lines on their way to stderr, stdout or a file, by a thread that alone may block on them.
 *
 * Life of a line: log_writer_write copies it behind the others in `pending`; the thread takes all
 * of `pending` at once, writes it and frees the memory. When a line would take what waits (taken or
 * not) over LIMIT_LOG_BACKLOG_BYTES, it is dropped, and so is every line until the thread takes
 * `pending` the next time; then one line with their number is written behind the ones taken, so
 * that it stands where they would have stood. Lines that the kernel refuses (disk full, reader
 * gone) are counted as dropped too, silently.
 *
 * Invariants: bytes_written <= bytes_accepted; what waits is their difference. The thread allocates
 * nothing, so that it needs no heap of its own. It keeps all signals blocked: SIGPIPE included,
 * signals are for the loop's thread.
 *
 * The end: a thread that is stuck in write() cannot be stopped by any means that is harmless to
 * others who share the descriptor, so it is left behind with the struct; whoever comes last frees.
 */
#include "io/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000, STACK_BYTES = 256 * 1024, NOTICE_BYTES = 256 };

struct log_writer {
    int fd;
    bool owns_fd;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work;     /* something is pending, or it is time to stop */
    pthread_cond_t progress; /* bytes_written grew, or the thread ended */
    /* under the mutex */
    struct buf pending;
    uint64_t bytes_accepted, bytes_written;
    uint64_t dropping_count; /* since the thread last took `pending` */
    bool json;               /* how the lines look: the notice of dropped ones follows */
    bool stopping, ended, abandoned;
    _Atomic uint64_t dropped_count;
};

static void writer_destroy(struct log_writer *w)
{
    if (w->owns_fd)
        close(w->fd);
    buf_deinit(&w->pending);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->progress);
    mem_free(w);
}

/* -- the thread -- */

/* Writes all of it, or as much as the kernel takes; returns what was written. */
static size_t write_all(int fd, const char *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t put = write(fd, data + done, len - done);
        if (put >= 0) {
            done += (size_t)put;
        } else if (errno == EAGAIN) { /* somebody made it non-blocking */
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            (void)poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            break;
        }
    }
    return done;
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += data[i] == '\n';
    return count;
}

/* One line saying that `count` lines are missing here. */
static void write_notice(int fd, bool json, uint64_t count)
{
    struct timespec now;
    struct tm utc;
    char when[64], line[NOTICE_BYTES];
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(gmtime_r(&now.tv_sec, &utc) != NULL);
    CHECK(strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc) > 0);
    const char *text = "Log lines were dropped because the output was blocked";
    int len;
    if (json)
        len = snprintf(
            line, sizeof(line),
            "{\"level\":\"warn\",\"ts\":\"%s.%03ldZ\",\"msg\":\"%s\",\"dropped_lines\":%" PRIu64
            "}\n",
            when, now.tv_nsec / NS_PER_MS, text, count);
    else
        len =
            snprintf(line, sizeof(line), "%s.%03ldZ\twarn\t%s\t{\"dropped_lines\": %" PRIu64 "}\n",
                     when, now.tv_nsec / NS_PER_MS, text, count);
    CHECK(len > 0 && len < (int)sizeof(line));
    (void)write_all(fd, line, (size_t)len);
}

static void *writer_thread(void *arg)
{
    struct log_writer *w = arg;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (w->pending.len == 0 && w->dropping_count == 0 && !w->stopping)
            pthread_cond_wait(&w->work, &w->mutex);
        if (w->pending.len == 0 && w->dropping_count == 0)
            break;
        struct buf taken = w->pending;
        uint64_t dropped = w->dropping_count;
        bool json = w->json;
        buf_init(&w->pending, LIMIT_LOG_BACKLOG_BYTES);
        w->dropping_count = 0;
        pthread_mutex_unlock(&w->mutex);

        size_t written = write_all(w->fd, taken.data, taken.len);
        uint64_t lost = count_lines(taken.data + written, taken.len - written);
        if (dropped > 0)
            write_notice(w->fd, json, dropped);
        size_t len = taken.len;
        buf_deinit(&taken);

        atomic_fetch_add(&w->dropped_count, lost);
        pthread_mutex_lock(&w->mutex);
        w->bytes_written += len;
        pthread_cond_broadcast(&w->progress);
    }
    w->ended = true;
    bool abandoned = w->abandoned;
    pthread_cond_broadcast(&w->progress);
    pthread_mutex_unlock(&w->mutex);
    if (abandoned)
        writer_destroy(w);
    return NULL;
}

/* -- the callers -- */

static bool open_output(struct log_writer *w, const char *path, struct err *err)
{
    if (strcmp(path, "stderr") == 0) {
        w->fd = STDERR_FILENO;
        return true;
    }
    if (strcmp(path, "stdout") == 0) {
        w->fd = STDOUT_FILENO;
        return true;
    }
    if (str_starts_with(str_from(path), STR("file://")))
        path += strlen("file://");
    w->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    w->owns_fd = true;
    if (w->fd < 0)
        return err_set_code(err, errno, "cannot open log file %s: %s", path, strerror(errno));
    return true;
}

static bool start_thread(struct log_writer *w, struct err *err)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, &attributes, writer_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc == 0 || err_set_code(err, rc, "cannot start the log writer: %s", strerror(rc));
}

struct log_writer *log_writer_new(const char *path, struct err *err)
{
    struct log_writer *w = mem_zalloc(sizeof(*w));
    pthread_condattr_t clock;
    CHECK(pthread_mutex_init(&w->mutex, NULL) == 0);
    CHECK(pthread_condattr_init(&clock) == 0);
    CHECK(pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&w->work, NULL) == 0);
    CHECK(pthread_cond_init(&w->progress, &clock) == 0);
    pthread_condattr_destroy(&clock);
    buf_init(&w->pending, LIMIT_LOG_BACKLOG_BYTES);
    if (!open_output(w, path, err)) {
        w->owns_fd = false;
        writer_destroy(w);
        return NULL;
    }
    if (!start_thread(w, err)) {
        writer_destroy(w);
        return NULL;
    }
    return w;
}

void log_writer_write(void *writer, str line)
{
    struct log_writer *w = writer;
    if (line.len == 0)
        return;
    pthread_mutex_lock(&w->mutex);
    w->json = line.data[0] == '{';
    uint64_t waiting = w->bytes_accepted - w->bytes_written;
    if (w->dropping_count > 0 || waiting + line.len > LIMIT_LOG_BACKLOG_BYTES) {
        w->dropping_count++;
        atomic_fetch_add(&w->dropped_count, 1);
    } else {
        buf_str(&w->pending, line);
        CHECK(!w->pending.overflow);
        w->bytes_accepted += line.len;
    }
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->mutex);
}

static struct timespec deadline_after(int64_t wait_ms)
{
    struct timespec at;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    if (wait_ms < 0)
        wait_ms = 0;
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += wait_ms % 1000 * NS_PER_MS;
    if (at.tv_nsec >= NS_PER_S) {
        at.tv_nsec -= NS_PER_S;
        at.tv_sec++;
    }
    return at;
}

bool log_writer_flush(struct log_writer *w, int64_t wait_ms)
{
    struct timespec deadline = deadline_after(wait_ms);
    pthread_mutex_lock(&w->mutex);
    uint64_t target = w->bytes_accepted;
    int rc = 0;
    while (w->bytes_written < target && rc == 0)
        rc = pthread_cond_timedwait(&w->progress, &w->mutex, &deadline);
    bool flushed = w->bytes_written >= target;
    pthread_mutex_unlock(&w->mutex);
    return flushed;
}

void log_writer_free(struct log_writer *w, int64_t wait_ms)
{
    if (w == NULL)
        return;
    struct timespec deadline = deadline_after(wait_ms);
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_signal(&w->work);
    int rc = 0;
    while (!w->ended && rc == 0)
        rc = pthread_cond_timedwait(&w->progress, &w->mutex, &deadline);
    bool ended = w->ended;
    pthread_t thread = w->thread;
    if (!ended) {
        w->abandoned = true;
        pthread_detach(thread);
    }
    pthread_mutex_unlock(&w->mutex);
    if (ended) {
        pthread_join(thread, NULL);
        writer_destroy(w);
    }
}

uint64_t log_writer_dropped(const struct log_writer *w)
{
    return atomic_load(&w->dropped_count);
}
