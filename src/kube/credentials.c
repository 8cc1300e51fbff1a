/*
 * Credentials that change while the program runs.
 *
 *  - token files are read again when the copy is older than 50 s or the file's stamp is another one,
 *    and after a 401.
 *  - CA, certificate and key files: stamps are compared every 5 minutes and after a failed connection
 *    or a 401. A text that is no PEM, or a key that does not belong to its certificate (we came in the
 *    middle of a rotation), does not replace what works.
 *  - exec plugins run at the first request, 60 s before the credential expires, and after a 401; all
 *    requests wait for the one run; while an old credential is still good they do not wait at all.
 *
 * A file that is gone or empty leaves the old content in use, with one warning until it can be read
 * again.
 *
 * Invariants: `generation` goes up with every change of header or client certificate,
 * `tls_generation` with every change of TLS material; a request that got a 401 under generation N
 * is worth sending again only under a later one. No secret is ever in an error or a log line.
 *
 * Specification: client-go rest/token_source.go, transport/cert_rotation.go,
 * plugin/pkg/client/auth/exec.
 */
#include "kube/credentials.h"

#include <errno.h>
#include <openssl/crypto.h>

#include "base/limits.h"
#include "io/file.h"
#include "io/spawn.h"
#include "kube/exec_credential.h"
#include "kube/jwt.h"
#include "kube/pem.h"
#include "wire/text.h"

#define SECOND_NS INT64_C(1000000000)

const struct credential_periods credential_periods_default = {
    .token_ns = 50 * SECOND_NS, /* client-go: 60 s less 10 s */
    .tls_ns = 300 * SECOND_NS,
};

static const int64_t exec_early_ns = 60 * SECOND_NS; /* before the expiry of its credential */
static const int64_t exec_holdoff_ns =
    1 * SECOND_NS; /* after a failed run: callers repeat in their own time */
static const int64_t exec_refresh_holdoff_ns =
    10 * SECOND_NS;                                /* the same, while the old one is good */
static const int64_t tls_retry_ns = 5 * SECOND_NS; /* after a file that could not be used */

struct pem_text {
    str path; /* empty: the text is fixed */
    struct buf text;
    uint64_t stamp; /* of the file that `text` is from */
};

struct exec_state {
    struct spawn_call *run; /* NULL: not running */
    struct list waiters;
    bool is_valid;      /* there is a credential, and no 401 has come to it */
    int64_t expires_ns; /* wall clock, 0: not said */
    int64_t
        refresh_ns; /* wall clock: from here on a new one is fetched while the old one is in use */
    int64_t holdoff_until_ns, refresh_holdoff_until_ns; /* boot clock */
    struct err failure;   /* of the last run, while holdoff_until_ns is ahead */
    struct buf cert, key; /* from the plugin; empty if it gave none */
};

struct credentials {
    struct loop *loop;
    struct logger logger;
    const struct kube_access *access;
    struct credential_periods periods;
    struct buf authorization; /* the header line */
    uint64_t generation, tls_generation;
    int64_t token_read_ns; /* boot clock */
    uint64_t token_stamp;
    bool token_warned;
    struct pem_text ca, cert, key;
    int64_t tls_check_ns; /* boot clock: next look at the files */
    bool tls_warned;
    struct exec_state exec;
    struct arena pod_arena;
    str pod_name, pod_uid;
};

/* -- header -- */

static void secret_deinit(struct buf *b)
{
    if (b->len > 0)
        OPENSSL_cleanse(b->data, b->len);
    buf_deinit(b);
}

static void header_set(struct credentials *c, const char *scheme, str value)
{
    struct buf line;
    buf_init(&line, 2 * LIMIT_TOKEN_BYTES + 64);
    if (value.len > 0) {
        buf_printf(&line, "Authorization: %s ", scheme);
        buf_str(&line, value);
    }
    CHECK(!line.overflow);
    if (!str_eq(buf_view(&line), buf_view(&c->authorization))) {
        struct buf old = c->authorization;
        c->authorization = line;
        line = old;
        c->generation++;
    }
    secret_deinit(&line);
}

static void token_set(struct credentials *c, str token)
{
    header_set(c, "Bearer", token);
    if (c->pod_name.len == 0 && !jwt_pod(&c->pod_arena, token, &c->pod_name, &c->pod_uid))
        c->pod_name = c->pod_uid = STR_NONE;
}

static bool basic_set(struct credentials *c, struct err *err)
{
    str name = c->access->username, password = c->access->password;
    if (name.len + password.len > LIMIT_TOKEN_BYTES)
        return err_set(err, "user name and password are over %zu bytes", (size_t)LIMIT_TOKEN_BYTES);
    struct buf pair, encoded;
    buf_init(&pair, LIMIT_TOKEN_BYTES + 1);
    buf_init(&encoded, 2 * LIMIT_TOKEN_BYTES);
    buf_str(&pair, name);
    buf_byte(&pair, ':');
    buf_str(&pair, password);
    base64_encode(&encoded, buf_view(&pair));
    header_set(c, "Basic", buf_view(&encoded));
    secret_deinit(&pair);
    secret_deinit(&encoded);
    return true;
}

/* -- token files -- */

static bool token_check(str token, str path, struct err *err)
{
    if (token.len == 0)
        return err_set(err, "%.*s: empty, expected a token", STR_ARG(path));
    for (size_t i = 0; i < token.len; i++) {
        unsigned char byte = (unsigned char)token.data[i];
        if (byte < 0x20 || byte == 0x7F)
            return err_set(err, "%.*s: expected a token, found control characters", STR_ARG(path));
    }
    return true;
}

static bool token_file_read(struct credentials *c, struct err *err)
{
    str path = c->access->token_path;
    uint64_t stamp =
        file_stamp(path.data); /* before reading: a change in between is seen the next time */
    struct buf text;
    buf_init(&text, LIMIT_TOKEN_BYTES);
    bool ok = file_read(path.data, &text, err);
    str token = str_trim(buf_view(&text));
    ok = ok && token_check(token, path, err);
    if (ok) {
        token_set(c, token);
        c->token_stamp = stamp;
        c->token_read_ns = loop_boot_ns(c->loop);
    }
    secret_deinit(&text);
    return ok;
}

static void token_refresh(struct credentials *c, bool now)
{
    str path = c->access->token_path;
    if (path.len == 0)
        return;
    bool is_old = loop_boot_ns(c->loop) - c->token_read_ns >= c->periods.token_ns;
    if (!now && !is_old && file_stamp(path.data) == c->token_stamp)
        return;
    struct err err;
    if (token_file_read(c, &err)) {
        c->token_warned = false;
        return;
    }
    if (!c->token_warned)
        log_warn(&c->logger, "Token file cannot be used; going on with the token read before",
                 F_ERR(&err));
    c->token_warned = true;
}

static bool token_start(struct credentials *c, struct err *err)
{
    const struct kube_access *access = c->access;
    if (access->has_basic)
        return basic_set(c, err);
    if (access->token.len > LIMIT_TOKEN_BYTES)
        return err_set(err, "the token is over %zu bytes", (size_t)LIMIT_TOKEN_BYTES);
    token_set(c, access->token);
    if (access->token_path.len == 0 || token_file_read(c, err))
        return true;
    if (access->token.len > 0) {
        log_warn(&c->logger, "Token file cannot be used; starting with the token beside it",
                 F_ERR(err));
        c->token_warned = true;
        return true;
    }
    if (access->auth == KUBE_AUTH_SERVICE_ACCOUNT)
        return err_wrap(
            err, "auth_type serviceAccount: no token (automountServiceAccountToken may be off)");
    return err_wrap(err, "tokenFile");
}

/* -- certificate files -- */

static void pem_text_init(struct pem_text *p, const struct pem_source *source)
{
    buf_init(&p->text, LIMIT_SMALL_FILE_BYTES);
    p->path = source->path;
    buf_str(&p->text, source->text);
}

static bool pem_text_changed(const struct pem_text *p)
{
    return p->path.len > 0 && file_stamp(p->path.data) != p->stamp;
}

/* A copy with the file's present content (or the fixed text). */
static bool pem_text_read(const struct pem_text *p, struct pem_text *fresh, struct err *err)
{
    pem_text_init(fresh, &(struct pem_source){.path = p->path});
    if (p->path.len == 0) {
        buf_str(&fresh->text, buf_view(&p->text));
        return true;
    }
    fresh->stamp = file_stamp(p->path.data);
    return file_read(p->path.data, &fresh->text, err);
}

static void pem_text_replace(struct pem_text *p, struct pem_text *take_fresh)
{
    struct pem_text old = *p;
    *p = *take_fresh;
    *take_fresh = old;
}

static bool ca_load(struct credentials *c, struct err *err)
{
    struct pem_text fresh;
    bool ok = pem_text_read(&c->ca, &fresh, err);
    if (ok && !pem_check_certificates(buf_view(&fresh.text), err))
        ok = c->ca.path.len > 0 ? err_wrap(err, "%.*s", STR_ARG(c->ca.path))
                                : err_wrap(err, "certificate-authority-data");
    if (ok) {
        if (!str_eq(buf_view(&fresh.text), buf_view(&c->ca.text)))
            c->tls_generation++;
        pem_text_replace(&c->ca, &fresh);
    }
    secret_deinit(&fresh.text);
    return ok;
}

static bool pair_load(struct credentials *c, struct err *err)
{
    struct pem_text cert, key = {0};
    bool ok = pem_text_read(&c->cert, &cert, err) && pem_text_read(&c->key, &key, err);
    if (ok && !pem_check_pair(buf_view(&cert.text), buf_view(&key.text), err))
        ok = err_wrap(err, "client certificate %.*s with key %.*s",
                      STR_ARG(c->cert.path.len > 0 ? c->cert.path : STR("(data)")),
                      STR_ARG(c->key.path.len > 0 ? c->key.path : STR("(data)")));
    if (ok) {
        if (!str_eq(buf_view(&cert.text), buf_view(&c->cert.text)) ||
            !str_eq(buf_view(&key.text), buf_view(&c->key.text))) {
            c->tls_generation++;
            c->generation++;
        }
        pem_text_replace(&c->cert, &cert);
        pem_text_replace(&c->key, &key);
    }
    secret_deinit(&cert.text);
    secret_deinit(&key.text);
    return ok;
}

static void tls_refresh(struct credentials *c, bool now)
{
    int64_t boot_ns = loop_boot_ns(c->loop);
    if (!now && boot_ns < c->tls_check_ns)
        return;
    c->tls_check_ns = boot_ns + c->periods.tls_ns;
    struct err err, pair_err;
    bool ok = !pem_text_changed(&c->ca) || ca_load(c, &err);
    bool is_pair_changed = pem_text_changed(&c->cert) || pem_text_changed(&c->key);
    if (is_pair_changed && !pair_load(c, &pair_err)) { /* whatever became of the CA file */
        err = ok ? pair_err : err;
        ok = false;
    }
    if (ok) {
        c->tls_warned = false;
        return;
    }
    if (c->periods.tls_ns > tls_retry_ns)
        c->tls_check_ns = boot_ns + tls_retry_ns;
    if (!c->tls_warned)
        log_warn(&c->logger,
                 "Certificate files have changed and cannot be used; going on as before",
                 F_ERR(&err));
    c->tls_warned = true;
}

static bool tls_start(struct credentials *c, struct err *err)
{
    c->tls_check_ns = loop_boot_ns(c->loop) + c->periods.tls_ns;
    if (pem_source_given(&c->access->ca) && !ca_load(c, err)) {
        if (!c->access->ca_is_optional)
            return err_wrap(err, "certificate-authority");
        log_warn(&c->logger,
                 "CA file of the service account cannot be used; trusting the system's roots",
                 F_ERR(err));
        c->tls_warned = true;
    }
    if (pem_source_given(&c->access->cert) && !pair_load(c, err))
        return false;
    return true;
}

/* -- exec plugins -- */

static bool exec_output_adopt(struct credentials *c, str output, struct err *err)
{
    struct exec_state *x = &c->exec;
    struct exec_credential got;
    struct arena arena;
    arena_init(&arena, 4096);
    bool ok = exec_output_parse(&got, &arena, c->access->exec->api_version, output, err);
    if (ok) {
        uint64_t before = c->generation;
        token_set(c, got.token);
        if (!str_eq(got.cert_pem, buf_view(&x->cert)) || !str_eq(got.key_pem, buf_view(&x->key))) {
            buf_clear(&x->cert);
            buf_clear(&x->key);
            buf_str(&x->cert, got.cert_pem);
            buf_str(&x->key, got.key_pem);
            c->tls_generation++;
        }
        c->generation =
            before + 1; /* also for the same token again: the plugin has had its chance */
        int64_t now_ns = loop_wall_ns(c->loop), left_ns = got.expires_ns - now_ns;
        x->is_valid = true;
        x->expires_ns = got.expires_ns;
        x->refresh_ns =
            got.expires_ns - (left_ns / 2 < exec_early_ns ? left_ns / 2 : exec_early_ns);
    }
    arena_deinit(&arena);
    return ok;
}

static bool exec_result_adopt(struct credentials *c, const struct spawn_result *result,
                              struct err *err)
{
    const struct exec_config *exec = c->access->exec;
    if (!result->started) {
        *err = result->err;
        if (err->code == ENOENT && exec->install_hint.len > 0)
            return err_set_code(err, ENOENT, "%.2000s; %.*s", result->err.text,
                                exec->install_hint.len > 1500 ? 1500 : (int)exec->install_hint.len,
                                exec->install_hint.data);
        return false;
    }
    if (result->timed_out)
        return err_set(err, "no answer within %d s", LIMIT_EXEC_TIMEOUT_MS / 1000);
    if (result->signal_number != 0)
        return err_set(err, "ended by signal %d", result->signal_number);
    if (result->exit_code != 0)
        return err_set(err, "exit code %d", result->exit_code);
    return exec_output_adopt(c, result->output, err);
}

static void exec_done(void *arg, const struct spawn_result *result)
{
    struct credentials *c = arg;
    struct exec_state *x = &c->exec;
    x->run = NULL;
    struct err err;
    bool ok = exec_result_adopt(c, result, &err);
    if (!ok) {
        err_wrap(&err, "exec plugin %s", c->access->exec->args[0]);
        x->failure = err;
        int64_t boot_ns = loop_boot_ns(c->loop);
        x->holdoff_until_ns = boot_ns + exec_holdoff_ns;
        x->refresh_holdoff_until_ns = boot_ns + exec_refresh_holdoff_ns;
        if (list_empty(&x->waiters))
            log_warn(&c->logger, "Credential could not be renewed before its end", F_ERR(&err));
    }
    while (!list_empty(&x->waiters)) {
        struct credential_waiter *w = CONTAINER_OF(x->waiters.next, struct credential_waiter, link);
        list_remove(&w->link);
        w->fn(w->arg, ok ? NULL : &err);
    }
}

static void exec_start(struct credentials *c)
{
    const struct exec_config *exec = c->access->exec;
    struct buf info;
    buf_init(&info, 4 * LIMIT_SMALL_FILE_BYTES);
    buf_text(&info, "KUBERNETES_EXEC_INFO=");
    exec_info_print(&info, c->access, buf_view(&c->ca.text));
    char **env = mem_zalloc((exec->env_count + 2) * sizeof *env);
    memcpy(env, exec->env, exec->env_count * sizeof *env);
    size_t len;
    env[exec->env_count] = buf_take(&info, &len);
    c->exec.run = spawn_run(c->loop, exec->args, env, LIMIT_EXEC_TIMEOUT_MS, exec_done, c);
    mem_free(env[exec->env_count]);
    mem_free(env);
}

static enum credential_state exec_get(struct credentials *c, struct credential_waiter *waiter,
                                      struct err *err)
{
    struct exec_state *x = &c->exec;
    int64_t wall_ns = loop_wall_ns(c->loop);
    int64_t boot_ns = loop_boot_ns(c->loop);
    if (x->is_valid && (x->expires_ns == 0 || wall_ns < x->expires_ns)) {
        bool is_due = x->expires_ns != 0 && wall_ns >= x->refresh_ns;
        if (is_due && x->run == NULL && boot_ns >= x->refresh_holdoff_until_ns)
            exec_start(c);
        return CREDENTIAL_READY;
    }
    if (x->run == NULL) {
        if (boot_ns < x->holdoff_until_ns) {
            *err = x->failure;
            return CREDENTIAL_FAILED;
        }
        exec_start(c);
    }
    list_append(&x->waiters, &waiter->link);
    return CREDENTIAL_PENDING;
}

/* -- life -- */

struct credentials *credentials_new(struct loop *loop, const struct logger *logger,
                                    const struct kube_access *access,
                                    const struct credential_periods *periods, struct err *err)
{
    struct credentials *c = mem_zalloc(sizeof *c);
    c->loop = loop;
    c->logger = *logger;
    c->access = access;
    c->periods = *periods;
    buf_init(&c->authorization, 2 * LIMIT_TOKEN_BYTES + 64);
    arena_init(&c->pod_arena, 512);
    pem_text_init(&c->ca, &access->ca);
    pem_text_init(&c->cert, &access->cert);
    pem_text_init(&c->key, &access->key);
    list_init(&c->exec.waiters);
    buf_init(&c->exec.cert, LIMIT_EXEC_OUTPUT_BYTES);
    buf_init(&c->exec.key, LIMIT_EXEC_OUTPUT_BYTES);
    if (token_start(c, err) && tls_start(c, err))
        return c;
    credentials_free(c);
    return NULL;
}

void credentials_free(struct credentials *c)
{
    if (c == NULL)
        return;
    CHECK(list_empty(&c->exec.waiters));
    if (c->exec.run != NULL)
        spawn_cancel(c->exec.run);
    secret_deinit(&c->authorization);
    secret_deinit(&c->ca.text);
    secret_deinit(&c->cert.text);
    secret_deinit(&c->key.text);
    buf_deinit(&c->exec.cert);
    secret_deinit(&c->exec.key);
    arena_deinit(&c->pod_arena);
    mem_free(c);
}

enum credential_state credentials_get(struct credentials *c, struct credential_waiter *waiter,
                                      struct err *err)
{
    tls_refresh(c, false);
    token_refresh(c, false);
    return c->access->exec == NULL ? CREDENTIAL_READY : exec_get(c, waiter, err);
}

bool credentials_renew(struct credentials *c, uint64_t used_generation)
{
    if (c->generation != used_generation)
        return true;
    if (c->access->exec != NULL) {
        c->exec.is_valid = false;
        return true;
    }
    token_refresh(c, true);
    tls_refresh(c, true);
    return c->generation != used_generation;
}

void credentials_check_tls(struct credentials *c)
{
    tls_refresh(c, true);
}

str credentials_authorization(const struct credentials *c)
{
    return buf_view(&c->authorization);
}

uint64_t credentials_generation(const struct credentials *c)
{
    return c->generation;
}

uint64_t credentials_tls_generation(const struct credentials *c)
{
    return c->tls_generation;
}

void credentials_tls(const struct credentials *c, struct http_tls *tls)
{
    bool from_plugin = c->exec.cert.len > 0;
    *tls = (struct http_tls){
        .ca_pem = buf_view(&c->ca.text),
        .cert_pem = buf_view(from_plugin ? &c->exec.cert : &c->cert.text),
        .key_pem = buf_view(from_plugin ? &c->exec.key : &c->key.text),
        .insecure_skip_verify = c->access->insecure_skip_verify,
        .server_name = c->access->tls_server_name,
    };
}

void credentials_pod(const struct credentials *c, str *name, str *uid)
{
    *name = c->pod_name;
    *uid = c->pod_uid;
}
