/*
 * The program `kubesim`: the simulator over HTTPS on loopback, with users and kubeconfig files, for
 * tests and for trying things out.
 *
 * Life: read the command line, listen, make certificates and tokens in the folder (those that are
 * there are kept, so that clients survive a restart on the same folder), print one line when
 * requests are accepted:
 *
 *   ready DIR/admin.kubeconfig https://127.0.0.1:PORT
 *
 * then serve until SIGTERM, SIGINT, the death of the parent, or (--exit-on-stdin-eof) the end of
 * standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "kubesim/certs.h"
#include "kubesim/http.h"
#include "kubesim/limits.h"
#include "wire/text.h"

enum { TEXTS_MAX = 100 };
struct texts {
    const char *items[TEXTS_MAX];
    size_t count;
};
struct options {
    const char *listen, *dir, *anonymous, *generate;
    struct texts users, allow, deny, faults;
    bool plain, rbac, openshift, exit_on_eof, outlive_parent;
    uint32_t churn;
    size_t window;
    int64_t bookmark_ms;
};

/* As in the program that runs the real server: users that have no rights until somebody gives them
 * some (with --rbac). */
static const char *const default_users[] = {"baton-a", "baton-b", "nobody"};

static void usage(FILE *out)
{
    fputs(
        "usage: kubesim --dir DIR [option]...\n"
        "An API server in memory. Prints \"ready KUBECONFIG URL\" when it accepts requests.\n"
        "  --dir DIR             folder for certificates, tokens and kubeconfig files; made if "
        "absent\n"
        "  --listen HOST:PORT    default 127.0.0.1:0 (0: a free port); [::1]:0 for IPv6\n"
        "  --plain               HTTP without TLS; requests without a token are admin's\n"
        "  --user NAME[:GROUP]   one more user with a token and a kubeconfig (repeatable)\n"
        "  --anonymous NAME      who sends no token (default: nobody that has rights)\n"
        "  --rbac                users may do what Roles and bindings allow; without it, "
        "everything\n"
        "  --allow, --deny USER:VERB:RESOURCE[:NAMESPACE[:NAME]]   rules; parts may be *, or "
        "lists with commas (repeatable)\n"
        "  --fault JSON          a fault rule (repeatable)\n"
        "  --generate SPEC       a cluster, e.g. pods=10000,seed=7 or pods=100,nodes=3,jobs=0; what is "
        "not named is in proportion\n"
        "  --churn N             changes a second of the generated cluster\n"
        "  --openshift           serve quota.openshift.io/v1 clusterresourcequotas, too\n"
        "  --window N            changes that watches can start from, for each resource\n"
        "  --bookmark-ms N       time between bookmarks, default 60000\n"
        "  --exit-on-stdin-eof   stop when standard input ends\n"
        "  --outlive-parent      do not stop when the parent process dies\n",
        out);
}

static bool add_text(struct texts *t, const char *text)
{
    if (t->count == TEXTS_MAX)
        return false;
    t->items[t->count++] = text;
    return true;
}

static bool read_count(const char *text, uint64_t max, uint64_t *out)
{
    return str_to_u64(str_from(text), out) && *out >= 1 && *out <= max;
}

/* 0: go on; else the exit code is this minus 1. */
static int read_option(struct options *o, int option)
{
    uint64_t number = 0;
    bool ok = true;
    switch (option) {
    case 'd':
        o->dir = optarg;
        break;
    case 'l':
        o->listen = optarg;
        break;
    case 'p':
        o->plain = true;
        break;
    case 'u':
        ok = add_text(&o->users, optarg);
        break;
    case 'n':
        o->anonymous = optarg;
        break;
    case 'r':
        o->rbac = true;
        break;
    case 'a':
        ok = add_text(&o->allow, optarg);
        break;
    case 'y':
        ok = add_text(&o->deny, optarg);
        break;
    case 'f':
        ok = add_text(&o->faults, optarg);
        break;
    case 'w':
        ok = read_count(optarg, 10000000, &number);
        o->window = (size_t)number;
        break;
    case 'b':
        ok = read_count(optarg, 1000000000, &number);
        o->bookmark_ms = (int64_t)number;
        break;
    case 'g':
        o->generate = optarg;
        break;
    case 'c':
        ok = read_count(optarg, LIMIT_SIM_CHURN_PER_S, &number);
        o->churn = (uint32_t)number;
        break;
    case 's':
        o->openshift = true;
        break;
    case 'e':
        o->exit_on_eof = true;
        break;
    case 'o':
        o->outlive_parent = true;
        break;
    case 'h':
        usage(stdout);
        return 1;
    default:
        return 3;
    }
    if (!ok)
        fprintf(stderr, "kubesim: bad value '%s'\n", optarg);
    return ok ? 0 : 3;
}

static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {{"dir", required_argument, NULL, 'd'},
                                          {"listen", required_argument, NULL, 'l'},
                                          {"plain", no_argument, NULL, 'p'},
                                          {"user", required_argument, NULL, 'u'},
                                          {"anonymous", required_argument, NULL, 'n'},
                                          {"rbac", no_argument, NULL, 'r'},
                                          {"allow", required_argument, NULL, 'a'},
                                          {"deny", required_argument, NULL, 'y'},
                                          {"fault", required_argument, NULL, 'f'},
                                          {"generate", required_argument, NULL, 'g'},
                                          {"churn", required_argument, NULL, 'c'},
                                          {"openshift", no_argument, NULL, 's'},
                                          {"window", required_argument, NULL, 'w'},
                                          {"bookmark-ms", required_argument, NULL, 'b'},
                                          {"exit-on-stdin-eof", no_argument, NULL, 'e'},
                                          {"outlive-parent", no_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option, result = 0;
    *o = (struct options){.listen = "127.0.0.1:0"};
    while (result == 0 && (option = getopt_long(argc, argv, "", names, NULL)) != -1)
        result = read_option(o, option);
    if (result == 0 && (optind < argc || o->dir == NULL)) {
        fputs(o->dir == NULL ? "kubesim: --dir is missing\n" : "kubesim: too many arguments\n",
              stderr);
        result = 3;
    }
    return result;
}

/* -- files -- */

static char *path_of(const char *dir, const char *name, const char *suffix)
{
    struct buf b;
    buf_init(&b, 8 * KIB);
    buf_printf(&b, "%s/%s%s", dir, name, suffix);
    CHECK(!b.overflow);
    return buf_take(&b, &(size_t){0});
}

/* NULL if there is none. */
static char *read_file(const char *dir, const char *name, const char *suffix)
{
    char *path = path_of(dir, name, suffix), data[64 * 1024];
    FILE *f = fopen(path, "r");
    mem_free(path);
    if (f == NULL)
        return NULL;
    size_t len = fread(data, 1, sizeof data, f);
    fclose(f);
    return str_dup(str_trim(str_make(data, len)));
}

static bool write_file(const char *dir, const char *name, const char *suffix, const char *text,
                       struct err *err)
{
    char *path = path_of(dir, name, suffix);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (!ok)
        err_set(err, "write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    mem_free(path);
    return ok;
}

static bool load_certs(struct certs *c, const char *dir, str host, struct err *err)
{
    *c = (struct certs){read_file(dir, "ca", ".crt"), read_file(dir, "serving", ".crt"),
                        read_file(dir, "serving", ".key")};
    if (c->ca_pem != NULL && c->cert_pem != NULL && c->key_pem != NULL)
        return true;
    certs_deinit(c);
    return certs_make(c, host, err) && write_file(dir, "ca", ".crt", c->ca_pem, err) &&
           write_file(dir, "serving", ".crt", c->cert_pem, err) &&
           write_file(dir, "serving", ".key", c->key_pem, err);
}

static bool write_kubeconfig(const char *dir, const char *user, const char *token, const char *url,
                             const char *ca_pem, struct err *err)
{
    struct buf b;
    buf_init(&b, 64 * KIB);
    buf_printf(
        &b,
        "apiVersion: v1\nkind: Config\nclusters:\n- name: kubesim\n  cluster:\n    server: %s\n",
        url);
    if (ca_pem != NULL) {
        buf_text(&b, "    certificate-authority-data: ");
        base64_encode(&b, str_from(ca_pem));
        buf_byte(&b, '\n');
    }
    buf_printf(&b,
               "users:\n- name: %s\n  user:\n    token: %s\ncontexts:\n- name: kubesim\n  "
               "context:\n    cluster: kubesim\n"
               "    user: %s\ncurrent-context: kubesim\n",
               user, token, user);
    bool ok = write_file(dir, user, ".kubeconfig", buf_cstr(&b), err);
    buf_deinit(&b);
    return ok;
}

static bool add_user(struct kubesim *sim, const char *dir, const char *text, const char *url,
                     const char *ca_pem, struct err *err)
{
    str name, groups;
    unsigned char random[16];
    str_cut(str_from(text), ':', &name, &groups);
    for (size_t i = 0; i < name.len; i++) {
        bool plain = (name.data[i] >= 'a' && name.data[i] <= 'z') ||
                     (name.data[i] >= 'A' && name.data[i] <= 'Z') ||
                     (name.data[i] >= '0' && name.data[i] <= '9') ||
                     (i > 0 && strchr("-_.@", name.data[i]) != NULL);
        if (!plain)
            return err_set(err,
                           "user '%.*s': a name may have letters, digits, '-', '_', '.' and '@'",
                           STR_ARG(name));
    }
    if (name.len == 0 || name.len > 100)
        return err_set(err, "user '%s': the name is missing or too long", text);
    char *user = str_dup(name), *token = read_file(dir, user, ".token");
    bool ok = true;
    if (token == NULL || token[0] == '\0') {
        struct buf b;
        mem_free(token);
        CHECK(getrandom(random, sizeof random, 0) == sizeof random);
        buf_init(&b, 64);
        hex_encode(&b, str_make((const char *)random, sizeof random));
        token = buf_take(&b, &(size_t){0});
        ok = write_file(dir, user, ".token", token, err);
    }
    ok = ok &&
         (kubesim_user_set(sim, name, groups, str_from(token)) || err_set(err, "too many users")) &&
         write_kubeconfig(dir, user, token, url, ca_pem, err);
    mem_free(user);
    mem_free(token);
    return ok;
}

/* -- clocks of the simulator -- */

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t wall_ns(void *arg)
{
    (void)arg;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t now_ns(void *arg)
{
    (void)arg;
    return clock_ns(CLOCK_MONOTONIC);
}

static void random_bytes(void *arg, void *out, size_t size)
{
    (void)arg;
    CHECK(size <= 256 && getrandom(out, size, 0) == (ssize_t)size);
}

static void connections_cut(void *arg, int64_t down_ns)
{
    kubesim_http_cut(arg, down_ns);
}

/* -- life -- */

static bool configure(struct kubesim *sim, const struct options *o, const char *url,
                      const char *ca_pem, struct err *err)
{
    uint64_t id;
    bool ok = add_user(sim, o->dir, "admin:system:masters", url, ca_pem, err);
    for (size_t i = 0; ok && i < COUNT_OF(default_users); i++)
        ok = add_user(sim, o->dir, default_users[i], url, ca_pem, err);
    for (size_t i = 0; ok && i < o->users.count; i++)
        ok = add_user(sim, o->dir, o->users.items[i], url, ca_pem, err);
    for (size_t i = 0; ok && i < o->allow.count; i++)
        ok = kubesim_rule_add(sim, true, str_from(o->allow.items[i]), err);
    for (size_t i = 0; ok && i < o->deny.count; i++)
        ok = kubesim_rule_add(sim, false, str_from(o->deny.items[i]), err);
    for (size_t i = 0; ok && i < o->faults.count; i++)
        ok = kubesim_fault_add(sim, str_from(o->faults.items[i]), &id, err);
    if (ok && o->generate != NULL)
        ok = kubesim_generate(sim, str_from(o->generate), err);
    if (ok && o->churn > 0)
        ok = kubesim_churn(sim, o->churn, err);
    return ok;
}

static void serve(struct kubesim_http *http, int signals, bool exit_on_eof)
{
    struct pollfd fds[KUBESIM_HTTP_FDS + 2] = {{0}};
    int http_fds[KUBESIM_HTTP_FDS];
    char input[256];
    int timeout_ms = 0;
    kubesim_http_fds(http, http_fds);
    for (size_t i = 0; i < KUBESIM_HTTP_FDS; i++)
        fds[i] = (struct pollfd){.fd = http_fds[i], .events = POLLIN};
    fds[KUBESIM_HTTP_FDS] = (struct pollfd){.fd = signals, .events = POLLIN};
    fds[KUBESIM_HTTP_FDS + 1] = (struct pollfd){.fd = exit_on_eof ? 0 : -1, .events = POLLIN};
    for (;;) {
        if (poll(fds, COUNT_OF(fds), timeout_ms) < 0)
            CHECK(errno == EINTR);
        if (fds[KUBESIM_HTTP_FDS].revents != 0)
            return;
        if (fds[KUBESIM_HTTP_FDS + 1].revents != 0 && read(0, input, sizeof input) <= 0)
            return;
        timeout_ms = kubesim_http_step(http);
    }
}

static int prepare_process(const struct options *o)
{
    struct rlimit files;
    sigset_t set;
    pid_t parent = getppid();
    if (!o->outlive_parent && (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent))
        return -1;
    /* Each watch is a connection. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void print_url(char *url, size_t size, const struct options *o, const struct endpoint *at,
                      uint16_t port)
{
    str host = at->host.len > 0 ? at->host : STR("127.0.0.1");
    snprintf(url, size, "%s://%s%.*s%s:%u", o->plain ? "http" : "https", at->is_ipv6 ? "[" : "",
             STR_ARG(host), at->is_ipv6 ? "]" : "", port);
}

/* Everything is made; serves until it is told to stop. */
static bool run_simulator(const struct options *o, struct kubesim_http *http, int signals,
                          const char *url, const char *ca_pem, struct err *err)
{
    const char *anonymous = o->anonymous != NULL ? o->anonymous : o->plain ? "admin" : "";
    struct kubesim_config config = {.wall_ns = wall_ns,
                                    .now_ns = now_ns,
                                    .random = random_bytes,
                                    .connections_cut = connections_cut,
                                    .arg = http,
                                    .window_events = o->window,
                                    .bookmark_interval_ns = o->bookmark_ms * 1000000,
                                    .rbac = o->rbac,
                                    .openshift = o->openshift,
                                    .anonymous_user = str_from(anonymous)};
    CHECK(getrandom(config.hash_key, sizeof config.hash_key, 0) == sizeof config.hash_key);
    struct kubesim *sim = kubesim_new(&config);
    kubesim_http_serve(http, sim);
    bool ok = configure(sim, o, url, ca_pem, err);
    if (ok) {
        printf("ready %s/admin.kubeconfig %s\n", o->dir, url);
        fflush(stdout);
        serve(http, signals, o->exit_on_eof);
    }
    kubesim_http_free(http);
    kubesim_free(sim);
    return ok;
}

static bool run(struct options *o, int signals, struct err *err)
{
    struct certs certs = {0};
    struct endpoint endpoint;
    struct kubesim_http *http = NULL;
    uint16_t port;
    char url[512], dir[PATH_MAX];
    if ((mkdir(o->dir, 0700) != 0 && errno != EEXIST) || realpath(o->dir, dir) == NULL)
        return err_set(err, "folder %s: %s", o->dir, strerror(errno));
    o->dir = dir;
    int fd = kubesim_listen(str_from(o->listen), &port, err);
    if (fd < 0)
        return false;
    CHECK(endpoint_parse(str_from(o->listen), &endpoint, err)); /* kubesim_listen did, too */
    print_url(url, sizeof url, o, &endpoint, port);
    bool ok = o->plain || load_certs(&certs, dir, endpoint.host, err);
    if (ok)
        http = kubesim_http_new(fd, certs.cert_pem, certs.key_pem, err);
    if (http == NULL)
        close(fd);
    ok = http != NULL && run_simulator(o, http, signals, url, certs.ca_pem, err);
    certs_deinit(&certs);
    return ok;
}

int main(int argc, char **argv)
{
    struct options o;
    struct err err;
    int result = read_options(&o, argc, argv);
    if (result != 0)
        return result - 1;
    int signals = prepare_process(&o);
    if (signals < 0) {
        fputs("kubesim: the parent is gone, or signals cannot be read\n", stderr);
        return 1;
    }
    if (run(&o, signals, &err))
        return 0;
    fprintf(stderr, "kubesim: %s\n", err.text);
    return 1;
}
