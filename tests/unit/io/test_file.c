/* Small files, the environment, the memory cgroup, abstract sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"

static char folder[] = "/tmp/test_file_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* Path of a file of that content in the folder; folders on the way are made. */
static const char *put(const char *name, const char *content, size_t len)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void test_read(void **state)
{
    (void)state;
    struct buf out;
    struct err err;
    buf_init(&out, 100);
    buf_text(&out, "before:");
    assert_true(file_read(put("small", "a\0b\n", 4), &out, &err));
    assert_true(str_eq(buf_view(&out), str_make("before:a\0b\n", 11)));
    buf_clear(&out);
    assert_true(file_read(put("empty", "", 0), &out, &err));
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
}

static void test_read_up_to_the_maximum_and_over_it(void **state)
{
    (void)state;
    static char big[100000];
    memset(big, 'x', sizeof(big));
    const char *path = put("big", big, sizeof(big));
    struct err err;
    struct buf out;
    buf_init(&out, sizeof(big));
    assert_true(file_read(path, &out, &err));
    assert_int_equal(out.len, sizeof(big));
    buf_deinit(&out);
    buf_init(&out, sizeof(big) - 1);
    buf_text(&out, "k");
    assert_false(file_read(path, &out, &err));
    assert_int_equal(err.code, EFBIG);
    assert_non_null(strstr(err.text, path));
    assert_true(str_eqz(buf_view(&out), "k")); /* as before */
    buf_deinit(&out);
}

static void test_read_errors(void **state)
{
    (void)state;
    struct err err;
    struct buf out;
    buf_init(&out, 100);
    assert_false(file_read("/nonexistent/token", &out, &err));
    assert_int_equal(err.code, ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/token"));
    assert_false(file_read(folder, &out, &err));
    assert_int_equal(err.code, EISDIR);
    buf_deinit(&out);
}

static void test_stamp_notices_rotation(void **state)
{
    (void)state;
    assert_int_equal(file_stamp("/nonexistent"), 0);
    char one[64], two[64], link_path[64];
    (void)snprintf(one, sizeof(one), "%s", put("v1", "token 1", 7));
    (void)snprintf(two, sizeof(two), "%s", put("v2", "token 2", 7));
    (void)snprintf(link_path, sizeof(link_path), "%s/current", folder);
    assert_int_equal(symlink("v1", link_path), 0);
    uint64_t first = file_stamp(link_path);
    assert_true(first != 0);
    assert_int_equal(first, file_stamp(link_path));
    assert_int_equal(first, file_stamp(one));
    /* as the kubelet does it: another file behind the link, even with the same time and size */
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, one, times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, two, times, 0), 0);
    first = file_stamp(link_path);
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(symlink("v2", link_path), 0);
    assert_true(file_stamp(link_path) != first);
    uint64_t second = file_stamp(two);
    times[1].tv_nsec = 1;
    assert_int_equal(utimensat(AT_FDCWD, two, times, 0), 0);
    assert_true(file_stamp(two) != second);
}

static void test_environment(void **state)
{
    (void)state;
    str value;
    unsetenv("TEST_FILE_X");
    assert_false(env_get("TEST_FILE_X", &value));
    setenv("TEST_FILE_X", "", 1);
    assert_true(env_get("TEST_FILE_X", &value));
    assert_int_equal(value.len, 0);
    setenv("TEST_FILE_X", "a=b", 1);
    assert_true(env_get("TEST_FILE_X", &value));
    assert_true(str_eqz(value, "a=b"));
}

static void test_host_name(void **state)
{
    (void)state;
    char mine[256], theirs[256], small[3];
    assert_int_equal(gethostname(theirs, sizeof(theirs)), 0);
    assert_true(str_eqz(host_name(mine, sizeof(mine)), theirs));
    assert_true(host_name(small, sizeof(small)).len <= 2);
}

/* -- cgroup -- */

static uint64_t limit_of(const char *self)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s", put("self", self, strlen(self)));
    return cgroup_memory_limit_at(path, folder);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void test_cgroup_v2(void **state)
{
    (void)state;
    put_text("pods/one/app/memory.max", "max\n");
    put_text("pods/one/memory.max", "209715200\n");
    put_text("pods/memory.max", "104857600\n");
    put_text("pods/two/memory.max", "1000\n");
    assert_int_equal(limit_of("0::/pods/one/app\n"), 104857600);
    assert_int_equal(limit_of("0::/pods/one/app/deeper/than/there/is\n"), 104857600);
    assert_int_equal(limit_of("0::/pods/two\n"), 1000);
    assert_int_equal(limit_of("0::/elsewhere\n"), 0);
    assert_int_equal(limit_of("0::/\n"), 0);
    /* a container with its own name space */
    put_text("memory.max", "5000\n");
    assert_int_equal(limit_of("0::/\n"), 5000);
    assert_int_equal(limit_of("0::/pods/one\n"), 5000);
    put_text("memory.max", "nonsense\n");
    assert_int_equal(limit_of("0::/\n"), 0);
}

static void test_cgroup_v1(void **state)
{
    (void)state;
    put_text("memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
    put_text("memory/memory.limit_in_bytes", "9223372036854771712\n");
    const char *self =
        "12:cpu,cpuacct:/docker/abc\n5:hugetlb,memory:/docker/abc\n1:name=systemd:/docker/abc\n";
    assert_int_equal(limit_of(self), 0);
    put_text("memory/docker/memory.limit_in_bytes", "4096\n");
    assert_int_equal(limit_of(self), 4096);
    assert_int_equal(limit_of("5:memory_other:/docker/abc\n"), 0);
    /* the path is the host's: what is mounted is our own group */
    put_text("memory/memory.limit_in_bytes", "8192\n");
    assert_int_equal(limit_of("5:memory:/host/only\n"), 8192);
}

static void test_cgroup_nonsense(void **state)
{
    (void)state;
    assert_int_equal(cgroup_memory_limit_at("/nonexistent", folder), 0);
    assert_int_equal(limit_of(""), 0);
    assert_int_equal(limit_of(":::\n\n0\n0:\n0:memory\n::::::\n"), 0);
    (void)cgroup_memory_limit(); /* whatever it is here */
}

/* -- abstract sockets -- */

static void test_abstract_socket(void **state)
{
    (void)state;
    char name[64];
    (void)snprintf(name, sizeof(name), "test_file/%d", (int)getpid());
    int fd = -1, other = -1;
    assert_true(abstract_socket_claim(str_from(name), &fd));
    assert_false(abstract_socket_claim(str_from(name), &other));
    char longer[66];
    (void)snprintf(longer, sizeof(longer), "%sx", name); /* a prefix is another name */
    assert_true(abstract_socket_claim(str_from(longer), &other));
    close(other);
    /* another process */
    pid_t child = fork();
    if (child == 0) {
        _exit(abstract_socket_claim(str_from(name), &other) ? 1 : 7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    close(fd);
    assert_true(abstract_socket_claim(str_from(name), &fd));
    close(fd);
}

static void test_abstract_socket_long_names_differ_at_the_end(void **state)
{
    (void)state;
    char a[400], b[400];
    memset(a, 'n', sizeof(a));
    memset(b, 'n', sizeof(b));
    b[sizeof(b) - 1] = 'm';
    int fd_a, fd_b, fd_c;
    assert_true(abstract_socket_claim(str_make(a, sizeof(a)), &fd_a));
    assert_true(abstract_socket_claim(str_make(b, sizeof(b)), &fd_b));
    assert_false(abstract_socket_claim(str_make(a, sizeof(a)), &fd_c));
    close(fd_a);
    close(fd_b);
    /* exactly what fits, and one more */
    assert_true(abstract_socket_claim(str_make(a, 107), &fd_a));
    assert_true(abstract_socket_claim(str_make(a, 108), &fd_b));
    close(fd_a);
    close(fd_b);
}

static void assert_content(const char *path, const char *wanted)
{
    struct buf out;
    struct err err;
    buf_init(&out, 1000);
    assert_true(file_read(path, &out, &err));
    assert_string_equal(buf_cstr(&out), wanted);
    buf_deinit(&out);
}

static int count_files(const char *name)
{
    char command[600];
    (void)snprintf(command, sizeof(command), "exit $(ls -A '%s/%s' | wc -l)", folder, name);
    return WEXITSTATUS(system(command));
}

static void test_replace(void **state)
{
    (void)state;
    struct err err;
    struct stat st;
    char path[512], other[512];
    (void)snprintf(path, sizeof(path), "%s", put("replace/a", "old", 3));
    (void)snprintf(other, sizeof(other), "%s/replace/link", folder);
    assert_int_equal(chmod(path, 0604), 0);
    assert_int_equal(symlink("a", other), 0);
    /* who has the old one open goes on with it */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char before[4] = "";
    assert_true(file_replace(path, STR("new"), &err));
    assert_content(path, "new");
    assert_int_equal(read(fd, before, 3), 3);
    assert_string_equal(before, "old");
    close(fd);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0604);
    /* by a link: the file, not the link */
    assert_true(file_replace(other, STR(""), &err));
    assert_content(path, "");
    assert_int_equal(lstat(other, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(count_files("replace"), 2);
}

static void test_replace_errors(void **state)
{
    (void)state;
    struct err err;
    char wanted[600];
    assert_false(file_replace("/no/such/file", STR("x"), &err));
    assert_int_equal(err.code, ENOENT);
    assert_string_equal(err.text, "cannot write /no/such/file: No such file or directory");
    assert_false(file_replace(folder, STR("x"), &err));
    (void)snprintf(wanted, sizeof(wanted), "cannot write %s: it is no regular file", folder);
    assert_string_equal(err.text, wanted);
    /* no room: the old content stays, and nothing is left behind */
    const char *path = put("limited/a", "old", 3);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {4, 4};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(2);
        _exit(file_replace(path, STR("longer than four"), &err) || err.code != EFBIG);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_content(path, "old");
    assert_int_equal(count_files("limited"), 1);
}

static void test_append(void **state)
{
    (void)state;
    struct err err;
    const char *path = put("append/a", "one\n", 4);
    assert_true(file_append(path, STR("two\n"), &err));
    assert_content(path, "one\ntwo\n");
    /* what is not there is not made */
    char missing[512];
    (void)snprintf(missing, sizeof(missing), "%s/append/b", folder);
    assert_false(file_append(missing, STR("x"), &err));
    assert_int_equal(err.code, ENOENT);
    assert_int_equal(count_files("append"), 1);
    assert_false(file_append(folder, STR("x"), &err));
    assert_int_equal(err.code, EISDIR);
    /* a pipe without a reader does not hold the program up */
    (void)snprintf(missing, sizeof(missing), "%s/append/pipe", folder);
    assert_int_equal(mkfifo(missing, 0600), 0);
    assert_false(file_append(missing, STR("x"), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_up_to_the_maximum_and_over_it),
        cmocka_unit_test(test_read_errors),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_replace_errors),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_stamp_notices_rotation),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_host_name),
        cmocka_unit_test(test_cgroup_v2),
        cmocka_unit_test(test_cgroup_v1),
        cmocka_unit_test(test_cgroup_nonsense),
        cmocka_unit_test(test_abstract_socket),
        cmocka_unit_test(test_abstract_socket_long_names_differ_at_the_end),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
