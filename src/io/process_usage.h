/* What this process uses, as the kernel counts it. */
#ifndef IO_PROCESS_USAGE_H
#define IO_PROCESS_USAGE_H

#include "base/base.h"

struct process_usage {
    double cpu_s;        /* user and system, all threads */
    uint64_t rss_bytes;  /* resident memory; 0 if unknown */
};
void process_usage_read(struct process_usage *usage);

#endif
