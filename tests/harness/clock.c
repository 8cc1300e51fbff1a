/*
 * A clock of one's own for one process: preloaded, it shifts what the process sees of wall time and
 * boot time, and lets boot time run faster or slower, as a file says that a test writes while the
 * process runs (tests/harness/clock.py).
 *
 * Real times come from the system call, so nothing below is shifted twice. A timer descriptor that
 * waits for an absolute time is given the real time that belongs to it; one that waits already when
 * the clock leaps goes off as it was set, as it would behind a step of any clock that is late.
 *
 * Life of the shared page: mapped by the first call that needs it, never unmapped. Without the
 * variable TEST_CLOCK all clocks are the real ones.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND = 1000000000;
static const int64_t MILLION = 1000000;

/* The same members, in this order, are in clock.py. */
struct page {
    int64_t wall_offset_ns;
    int64_t boot_offset_ns;
    int64_t since_ns; /* real boot time from which on the rate counts */
    int64_t rate_ppm; /* boot time gains so many microseconds in a second */
};

static const volatile struct page *page(void)
{
    static const struct page real;
    static const volatile struct page *_Atomic mapped;
    const volatile struct page *p = mapped;
    if (p != NULL)
        return p;
    const char *path = getenv("TEST_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    p = &real;
    if (fd >= 0) {
        void *memory = mmap(NULL, sizeof *p, PROT_READ, MAP_SHARED, fd, 0);
        if (memory != MAP_FAILED)
            p = memory;
        close(fd);
    }
    mapped = p;
    return p;
}

static int64_t real_ns(clockid_t clock)
{
    struct timespec t = {0};
    syscall(SYS_clock_gettime, clock, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static int64_t gained_ns(const volatile struct page *p)
{
    return p->rate_ppm == 0 ? 0 : (real_ns(CLOCK_BOOTTIME) - p->since_ns) / MILLION * p->rate_ppm;
}

static int64_t shift_ns(const volatile struct page *p, clockid_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return p->wall_offset_ns; /* kept right, whatever the rate */
    case CLOCK_BOOTTIME:
        return p->boot_offset_ns + gained_ns(p);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
        return gained_ns(p);
    default:
        return 0;
    }
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    long rc = syscall(SYS_clock_gettime, clock, t);
    if (rc != 0)
        return -1;
    int64_t ns = t->tv_sec * SECOND + t->tv_nsec + shift_ns(page(), clock);
    t->tv_sec = ns / SECOND;
    t->tv_nsec = ns % SECOND;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_REALTIME, &t);
    if (out != NULL)
        *out = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    struct timespec t = {0};
    clock_gettime(CLOCK_REALTIME, &t);
    out->tv_sec = t.tv_sec;
    out->tv_usec = t.tv_nsec / 1000;
    return 0;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old)
{
    const volatile struct page *p = page();
    struct itimerspec real = *when;
    int64_t ns = when->it_value.tv_sec * SECOND + when->it_value.tv_nsec;
    if (ns != 0 && (flags & TFD_TIMER_ABSTIME) != 0) { /* boot time: the only one in use */
        int64_t past_ns = ns - p->boot_offset_ns - p->since_ns;
        ns = p->since_ns +
             (p->rate_ppm == 0 ? past_ns : past_ns / (MILLION + p->rate_ppm) * MILLION);
        ns = ns < 1 ? 1 : ns;
        real.it_value.tv_sec = ns / SECOND;
        real.it_value.tv_nsec = ns % SECOND;
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &real, old);
}
