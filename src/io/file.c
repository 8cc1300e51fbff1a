/*
 * Small files, the environment, the memory cgroup, and a name that only one process can hold.
 *
 * The memory limit: /proc/self/cgroup names our group, either as `0::/path` (cgroup v2, man 7
 * cgroups) or as `4:memory:/path` (v1). The limit of a group holds for all below it, so the least
 * one from there up to the root counts. Without a cgroup namespace the path is the host's and does
 * not exist under our /sys/fs/cgroup: walking up still ends at the container's own group.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/map.h"

enum { READ_STEP_BYTES = 16 * 1024, CGROUP_TEXT_BYTES = 64 * 1024 };

/* Reads to the end; 0 or errno. */
static int read_all(int fd, struct buf *out)
{
    for (;;) {
        /* One byte past the maximum tells a file that just fits from one that does not. */
        size_t room = out->max - out->len;
        if (room == 0) {
            char extra;
            ssize_t got = read(fd, &extra, 1);
            if (got < 0 && errno == EINTR)
                continue;
            return got < 0 ? errno : got == 0 ? 0 : EFBIG;
        }
        size_t step = room < READ_STEP_BYTES ? room : READ_STEP_BYTES;
        char *at = buf_reserve(out, step);
        CHECK(at != NULL);
        ssize_t got = read(fd, at, step);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return 0;
        buf_commit(out, (size_t)got);
    }
}

bool file_read(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set_code(err, errno, "cannot open %s: %s", path, strerror(errno));
    size_t len_before = out->len;
    int failed = read_all(fd, out);
    close(fd);
    if (failed == 0)
        return true;
    out->len = len_before;
    if (failed == EFBIG)
        return err_set_code(err, EFBIG, "%s is larger than the %zu bytes allowed", path, out->max);
    return err_set_code(err, failed, "cannot read %s: %s", path, strerror(failed));
}

/* ---- replacing ---- */

/* 0 or errno. */
static int write_all(int fd, str text)
{
    while (text.len > 0) {
        ssize_t wrote = write(fd, text.data, text.len);
        if (wrote < 0 && errno != EINTR)
            return errno;
        if (wrote > 0)
            text = str_skip(text, (size_t)wrote);
    }
    return 0;
}

/* Writes the text to `fd` and makes it look like the file it replaces. 0 or errno. */
static int fill(int fd, const struct stat *old, str text)
{
    int failed = write_all(fd, text);
    if (failed != 0)
        return failed;
    struct stat new;
    if (fstat(fd, &new) != 0)
        return errno;
    if ((old->st_uid != new.st_uid || old->st_gid != new.st_gid) &&
        fchown(fd, old->st_uid, old->st_gid) != 0 && errno != EPERM)
        return errno;
    if (fchmod(fd, old->st_mode & 07777) != 0 || fsync(fd) != 0)
        return errno;
    return 0;
}

/* Over the file at `path`, which is no link. 0 or errno. */
static int replace(const char *path, str text)
{
    struct stat old;
    struct buf name;
    if (stat(path, &old) != 0)
        return errno;
    if (!S_ISREG(old.st_mode))
        return EINVAL;
    buf_init(&name, 16 * KIB);
    buf_printf(&name, "%s.XXXXXX", path);
    int failed = name.overflow ? ENAMETOOLONG : 0;
    char *temporary = buf_take(&name, &(size_t){0});
    int fd = failed == 0 ? mkostemp(temporary, O_CLOEXEC) : -1;
    if (failed == 0 && fd < 0)
        failed = errno;
    if (fd >= 0) {
        failed = fill(fd, &old, text);
        if (close(fd) != 0 && failed == 0)
            failed = errno;
        if (failed == 0 && rename(temporary, path) != 0)
            failed = errno;
        if (failed != 0)
            unlink(temporary);
    }
    mem_free(temporary);
    return failed;
}

bool file_replace(const char *path, str text, struct err *err)
{
    char *real = realpath(path, NULL);
    int failed = real == NULL ? errno : replace(real, text);
    free(real);
    if (failed == 0)
        return true;
    return err_set_code(err, failed, "cannot write %s: %s", path,
                        failed == EINVAL ? "it is no regular file" : strerror(failed));
}

bool file_append(const char *path, str text, struct err *err)
{
    struct stat status;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int failed = fd < 0 ? errno : 0;
    if (fd >= 0) {
        failed = fstat(fd, &status) != 0 ? errno : S_ISREG(status.st_mode) ? 0 : EINVAL;
        if (failed == 0)
            failed = write_all(fd, text);
        close(fd);
    }
    if (failed == 0)
        return true;
    return err_set_code(err, failed, "cannot write %s: %s", path,
                        failed == EINVAL ? "it is no regular file" : strerror(failed));
}

uint64_t file_stamp(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    const uint64_t parts[] = {(uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec,
                              (uint64_t)st.st_size, st.st_ino, st.st_dev};
    static const uint64_t key[2] = {0, 0};
    uint64_t stamp = sip_hash(key, str_make((const char *)parts, sizeof(parts)));
    return stamp == 0 ? 1 : stamp;
}

bool env_get(const char *name, str *value)
{
    const char *text = getenv(name);
    if (text == NULL)
        return false;
    *value = str_from(text);
    return true;
}

str host_name(char *buffer, size_t size)
{
    CHECK(buffer != NULL && size > 0);
    if (gethostname(buffer, size) != 0)
        buffer[0] = '\0';
    buffer[size - 1] = '\0'; /* a name that was cut has none */
    return str_from(buffer);
}

/* -- cgroup -- */

/* The number in the file `root``path`/`name`, or 0 for "max", nonsense and a missing file. */
static uint64_t cgroup_value(const char *root, str path, const char *name)
{
    struct buf file, text;
    struct err err;
    buf_init(&file, 16 * KIB);
    buf_init(&text, 256);
    buf_printf(&file, "%s%.*s/%s", root, STR_ARG(path), name);
    uint64_t value = 0;
    if (!file.overflow && file_read(buf_cstr(&file), &text, &err))
        if (!str_to_u64(str_trim(buf_view(&text)), &value))
            value = 0;
    buf_deinit(&file);
    buf_deinit(&text);
    /* cgroup v1 says "no limit" by the largest multiple of the page size */
    return value >= (uint64_t)1 << 60 ? 0 : value;
}

/* The least limit from the group `path` up to the root. */
static uint64_t cgroup_walk(const char *root, str path, const char *name)
{
    uint64_t least = 0;
    for (;;) {
        while (path.len > 0 && path.data[path.len - 1] == '/')
            path.len--;
        uint64_t value = cgroup_value(root, path, name);
        if (value > 0 && (least == 0 || value < least))
            least = value;
        if (path.len == 0)
            return least;
        while (path.len > 0 && path.data[path.len - 1] != '/')
            path.len--;
    }
}

static bool names_memory(str controllers)
{
    str name;
    while (controllers.len > 0) {
        str_cut(controllers, ',', &name, &controllers);
        if (str_eqz(name, "memory"))
            return true;
    }
    return false;
}

uint64_t cgroup_memory_limit_at(const char *self_path, const char *mount_path)
{
    struct buf text, v1_mount;
    struct err err;
    uint64_t limit = 0;
    buf_init(&text, CGROUP_TEXT_BYTES);
    buf_init(&v1_mount, 16 * KIB);
    buf_printf(&v1_mount, "%s/memory", mount_path);
    str rest = STR_NONE;
    if (file_read(self_path, &text, &err))
        rest = buf_view(&text);
    while (rest.len > 0) {
        str line, hierarchy, controllers, path;
        str_cut(rest, '\n', &line, &rest);
        if (!str_cut(line, ':', &hierarchy, &line) || !str_cut(line, ':', &controllers, &path))
            continue;
        uint64_t value = 0;
        if (str_eqz(hierarchy, "0") && controllers.len == 0)
            value = cgroup_walk(mount_path, path, "memory.max");
        else if (names_memory(controllers))
            value = cgroup_walk(buf_cstr(&v1_mount), path, "memory.limit_in_bytes");
        if (value > 0 && (limit == 0 || value < limit))
            limit = value;
    }
    buf_deinit(&text);
    buf_deinit(&v1_mount);
    return limit;
}

uint64_t cgroup_memory_limit(void)
{
    return cgroup_memory_limit_at("/proc/self/cgroup", "/sys/fs/cgroup");
}

/* -- abstract sockets (man 7 unix) -- */

bool abstract_socket_claim(str name, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *at = address.sun_path + 1; /* after the NUL that makes the name abstract */
    size_t room = sizeof(address.sun_path) - 1;
    size_t len = name.len;
    if (len <= room) {
        if (len > 0)
            memcpy(at, name.data, len);
    } else {
        /* Too long for the kernel: the start, to be recognised, and a hash of all of it. */
        static const uint64_t keys[2][2] = {{0, 0}, {1, 1}};
        char digest[34];
        int digest_len = snprintf(digest, sizeof(digest), "~%016" PRIx64 "%016" PRIx64,
                                  sip_hash(keys[0], name), sip_hash(keys[1], name));
        CHECK(digest_len == 33);
        memcpy(at, name.data, room - 33);
        memcpy(at + room - 33, digest, 33);
        len = room;
    }
    int claimed = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (claimed < 0)
        return false;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
    if (bind(claimed, (const struct sockaddr *)&address, size) != 0) {
        close(claimed);
        return false;
    }
    *fd = claimed;
    return true;
}

void standard_files_open(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); /* the lowest free number; not to be closed at exec */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}
