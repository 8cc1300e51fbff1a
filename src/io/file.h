/* Small files and process environment, read at once. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* The whole file appended to `out`; err names path and reason; code = errno (EFBIG when over the buffer's maximum). */
NODISCARD bool file_read(const char *path, struct buf *out, struct err *err);
/* Puts a text in the place of a file, whole or not at all; mode and (if permitted) owner stay, a symbolic link is followed. err names
 * path and reason. */
NODISCARD bool file_replace(const char *path, str text, struct err *err);
/* Puts a text behind what a file holds; a file that is not there is not made (code = ENOENT). */
NODISCARD bool file_append(const char *path, str text, struct err *err);
/* Identity of a file's present content, to notice rotation: mtime, size, inode; 0 if it is not there. */
uint64_t file_stamp(const char *path);
/* An environment variable; false if it is not set. Valid until the environment changes. */
bool env_get(const char *name, str *value);
str host_name(char *buffer, size_t size);
/* Bytes that the memory cgroup of this process allows (v2 or v1), or 0 when there is no limit. */
uint64_t cgroup_memory_limit(void);
/* The same from other places than /proc/self/cgroup and /sys/fs/cgroup. */
uint64_t cgroup_memory_limit_at(const char *self_path, const char *mount_path);
/* Binds an abstract Unix socket of that name for the life of the process; false if another process holds it. *fd to close. */
NODISCARD bool abstract_socket_claim(str name, int *fd);
/* At the very start: whoever closed descriptor 0, 1 or 2 before exec must not make our sockets and files get these numbers, where
 * log lines would go into them. */
void standard_files_open(void);

#endif
