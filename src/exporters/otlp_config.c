/*
 * TLS of a client, as in the reference's configtls: PEM from files or from the configuration, never
 * both; the system's roots unless a CA is given. What OpenSSL decides here (cipher suites, curves)
 * cannot be set and is refused, not ignored.
 */
#include "exporters/otlp_config.h"

#include "base/limits.h"
#include "io/file.h"

static void tls_defaults(void *config)
{
    struct tls_client_config *c = config;
    *c = (struct tls_client_config){.min_version = STR("1.2")};
}

static void check_pair(struct config_check *c, const char *file_key, str file, const char *pem_key,
                       str pem)
{
    if (file.len > 0 && pem.len > 0)
        config_problem(c, pem_key, "%s and %s are both given: use one of them", file_key, pem_key);
}

static void check_version(struct config_check *c, const char *key, str version)
{
    static const char *const versions[] = {"", "1.0", "1.1", "1.2", "1.3"};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        if (str_eqz(version, versions[i]))
            return;
    }
    config_problem(c, key, "unsupported TLS version: \"%.*s\" (use 1.0, 1.1, 1.2 or 1.3)",
                   STR_ARG(version));
}

/* `tpm: {enabled: false}` may stand in any file. */
static bool asks_for_tpm(const struct node *tpm)
{
    if (tpm == NULL || tpm->kind == NODE_NULL)
        return false;
    const struct node *enabled = node_get(tpm, STR("enabled"));
    return enabled == NULL ? tpm->count > 0 || tpm->kind != NODE_MAP
                           : enabled->kind != NODE_BOOL || enabled->boolean;
}

static void tls_check(void *config, struct config_check *c)
{
    const struct tls_client_config *t = config;
    check_pair(c, "ca_file", t->ca_file, "ca_pem", t->ca_pem);
    check_pair(c, "cert_file", t->cert_file, "cert_pem", t->cert_pem);
    check_pair(c, "key_file", t->key_file, "key_pem", t->key_pem);
    if ((t->cert_file.len + t->cert_pem.len > 0) != (t->key_file.len + t->key_pem.len > 0))
        config_problem(c, t->cert_file.len > 0 ? "cert_file" : NULL,
                       "TLS configuration must include both certificate and key (cert_file or "
                       "cert_pem, and key_file or key_pem)");
    check_version(c, "min_version", t->min_version);
    check_version(c, "max_version", t->max_version);
    if (t->min_version.len > 0 && t->max_version.len > 0 &&
        str_compare(t->min_version, t->max_version) > 0)
        config_problem(c, "max_version",
                       "invalid TLS configuration: min_version cannot be greater than max_version");
    if (t->cipher_suites.count > 0)
        config_problem(c, "cipher_suites",
                       "cannot be set here: remove it; OpenSSL's defaults of this system apply");
    if (t->curve_preferences.count > 0)
        config_problem(c, "curve_preferences",
                       "cannot be set here: remove it; OpenSSL's defaults of this system apply");
    if (t->include_insecure_cipher_suites)
        config_problem(c, "include_insecure_cipher_suites", "cannot be set here: remove it");
    if (t->reload_interval_ns < 0)
        config_problem(c, "reload_interval", "must not be negative");
    if (asks_for_tpm(t->tpm))
        config_problem(c, "tpm", "is not supported: remove it and give the key as a file");
}

#define TLS_FIELD(k, t, member, ...)                                                               \
    {                                                                                              \
        .key = (k), .type = (t), .offset = offsetof(struct tls_client_config, member),             \
        ##__VA_ARGS__                                                                              \
    }
static const struct config_field tls_fields[] = {
    TLS_FIELD("ca_file", CONFIG_STR, ca_file),
    TLS_FIELD("ca_pem", CONFIG_STR, ca_pem, .secret = true),
    TLS_FIELD("cert_file", CONFIG_STR, cert_file),
    TLS_FIELD("cert_pem", CONFIG_STR, cert_pem, .secret = true),
    TLS_FIELD("key_file", CONFIG_STR, key_file),
    TLS_FIELD("key_pem", CONFIG_STR, key_pem, .secret = true),
    TLS_FIELD("include_system_ca_certs_pool", CONFIG_BOOL, include_system_ca_certs_pool),
    TLS_FIELD("min_version", CONFIG_STR, min_version),
    TLS_FIELD("max_version", CONFIG_STR, max_version),
    TLS_FIELD("cipher_suites", CONFIG_STR_LIST, cipher_suites),
    TLS_FIELD("include_insecure_cipher_suites", CONFIG_BOOL, include_insecure_cipher_suites),
    TLS_FIELD("curve_preferences", CONFIG_STR_LIST, curve_preferences),
    TLS_FIELD("reload_interval", CONFIG_DURATION, reload_interval_ns),
    TLS_FIELD("insecure", CONFIG_BOOL, insecure),
    TLS_FIELD("insecure_skip_verify", CONFIG_BOOL, insecure_skip_verify),
    TLS_FIELD("server_name_override", CONFIG_STR, server_name_override),
    TLS_FIELD("tpm", CONFIG_ANY, tpm),
};
const struct config_schema tls_client_schema = {
    .name = "tls",
    .size = sizeof(struct tls_client_config),
    .fields = tls_fields,
    .field_count = COUNT_OF(tls_fields),
    .defaults = tls_defaults,
    .check = tls_check,
};

static bool load(const char *what, str file, str pem, struct arena *store, str *out,
                 struct err *err)
{
    *out = pem;
    if (file.len == 0)
        return true;
    struct buf content;
    buf_init(&content, LIMIT_SMALL_FILE_BYTES);
    char *path = str_dup(file);
    bool ok = file_read(path, &content, err);
    mem_free(path);
    if (ok)
        *out = arena_str(store, buf_view(&content));
    else
        err_wrap(err, "failed to load TLS config: %s", what);
    buf_deinit(&content);
    return ok;
}

bool tls_client_load(const struct tls_client_config *c, struct arena *store, struct http_tls *tls,
                     struct err *err)
{
    *tls = (struct http_tls){
        .insecure_skip_verify = c->insecure_skip_verify,
        .server_name = c->server_name_override,
        .system_roots_too = c->include_system_ca_certs_pool,
        .min_version = c->min_version,
        .max_version = c->max_version,
    };
    return load("ca_file", c->ca_file, c->ca_pem, store, &tls->ca_pem, err) &&
           load("cert_file", c->cert_file, c->cert_pem, store, &tls->cert_pem, err) &&
           load("key_file", c->key_file, c->key_pem, store, &tls->key_pem, err);
}

uint64_t tls_client_stamp(const struct tls_client_config *c)
{
    const str files[] = {c->ca_file, c->cert_file, c->key_file};
    uint64_t stamp = 0;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (files[i].len == 0)
            continue;
        char *path = str_dup(files[i]);
        stamp = stamp * 31 + file_stamp(path);
        mem_free(path);
    }
    return stamp;
}
