/*
 * Writes log lines from a thread of its own, so that a blocked stderr or stdout never blocks the loop. Holds at most
 * LIMIT_LOG_BACKLOG_BYTES; lines beyond are dropped, counted, and the count is written when there is room again.
 */
#ifndef IO_LOG_WRITER_H
#define IO_LOG_WRITER_H

#include "base/err.h"

struct log_writer;
/* `path`: "stderr", "stdout" or a file (also as file:// URL) that is opened for appending. */
struct log_writer *log_writer_new(const char *path, struct err *err);
/* Writes what is left, waiting at most `wait_ms`, and frees; a thread that is stuck in a write is left behind and frees later. */
void log_writer_free(struct log_writer *w, int64_t wait_ms);
/* Takes a copy; never blocks; any thread. Fits `sink` of struct log_config. */
void log_writer_write(void *writer, str line);
/* Blocks until all that was written before is with the kernel or `wait_ms` passed. */
bool log_writer_flush(struct log_writer *w, int64_t wait_ms);
uint64_t log_writer_dropped(const struct log_writer *w);

#endif
