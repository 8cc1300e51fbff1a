/*
 * Processor time from the process's CPU clock, memory from /proc/self/statm: two numbers each time
 * somebody asks, nothing kept.
 *
 * Specification: proc(5), "statm": the second number is the resident set in pages.
 */
#include "io/process_usage.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/file.h"

static uint64_t rss_bytes(void)
{
    struct buf text;
    struct err err;
    uint64_t pages = 0;
    str size, rest, resident;
    buf_init(&text, 4 * KIB);
    if (file_read("/proc/self/statm", &text, &err) && str_cut(buf_view(&text), ' ', &size, &rest)) {
        str_cut(rest, ' ', &resident, &rest);
        if (!str_to_u64(resident, &pages))
            pages = 0;
    }
    buf_deinit(&text);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void process_usage_read(struct process_usage *usage)
{
    struct timespec cpu;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0);
    usage->cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    usage->rss_bytes = rss_bytes();
}
