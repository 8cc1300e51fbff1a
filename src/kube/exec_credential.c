/*
 * The words that are exchanged with an exec credential plugin: an ExecCredential object in an
 * environment variable, an ExecCredential object on its standard output.
 *
 * Whatever the plugin prints may be a secret, so errors name members and positions only.
 *
 * Specification: client.authentication.k8s.io/v1 and v1beta1 ExecCredential (the same members),
 * client-go plugin/pkg/client/auth/exec.
 */
#include "kube/exec_credential.h"

#include "base/limits.h"
#include "kube/pem.h"
#include "wire/json.h"
#include "wire/text.h"

/* -- to the plugin -- */

static void write_text(struct json_writer *w, str key, str value)
{
    if (value.len == 0)
        return;
    json_write_key(w, key);
    json_write_string(w, value);
}

static void write_true(struct json_writer *w, str key, bool value)
{
    if (!value)
        return;
    json_write_key(w, key);
    json_write_bool(w, true);
}

static void write_cluster(struct json_writer *w, const struct kube_access *access, str ca_pem)
{
    struct buf ca;
    buf_init(&ca, 2 * LIMIT_SMALL_FILE_BYTES);
    base64_encode(&ca, ca_pem);
    json_write_object(w);
    write_text(w, STR("server"), access->server);
    write_text(w, STR("tls-server-name"), access->tls_server_name);
    write_true(w, STR("insecure-skip-tls-verify"), access->insecure_skip_verify);
    write_text(w, STR("certificate-authority-data"), buf_view(&ca));
    write_text(w, STR("proxy-url"), access->proxy_url);
    write_true(w, STR("disable-compression"), access->disable_compression);
    json_write_key(w, STR("config"));
    if (access->exec->cluster_config_json.len > 0)
        json_write_raw(w, access->exec->cluster_config_json);
    else
        json_write_null(w);
    json_write_object_end(w);
    buf_deinit(&ca);
}

void exec_info_print(struct buf *b, const struct kube_access *access, str ca_pem)
{
    struct json_writer w = {.out = b};
    json_write_object(&w);
    write_text(&w, STR("kind"), STR("ExecCredential"));
    write_text(&w, STR("apiVersion"), access->exec->api_version);
    json_write_key(&w, STR("spec"));
    json_write_object(&w);
    if (access->exec->provide_cluster_info) {
        json_write_key(&w, STR("cluster"));
        write_cluster(&w, access, ca_pem);
    }
    json_write_key(&w, STR("interactive"));
    json_write_bool(&w, false);
    json_write_object_end(&w);
    json_write_object_end(&w);
}

/* -- from the plugin -- */

struct output_reader {
    struct json json;
    struct arena *arena;
    str kind, api_version, expires;
    bool has_status;
    const char *bad_member; /* of a wrong type */
    struct exec_credential *out;
};

static void read_text(struct output_reader *r, const char *member, str *out)
{
    if (json_peek(&r->json) == JSON_NULL)
        json_skip(&r->json);
    else if (json_get_string(&r->json, r->arena, out))
        *out = arena_str(r->arena, *out);
    else
        r->bad_member = member;
}

static void read_status(struct output_reader *r)
{
    if (!json_object(&r->json)) {
        json_skip(&r->json);
        return;
    }
    r->has_status = true;
    str key;
    while (json_key(&r->json, &key)) {
        if (str_eqz(key, "token"))
            read_text(r, "status.token", &r->out->token);
        else if (str_eqz(key, "clientCertificateData"))
            read_text(r, "status.clientCertificateData", &r->out->cert_pem);
        else if (str_eqz(key, "clientKeyData"))
            read_text(r, "status.clientKeyData", &r->out->key_pem);
        else if (str_eqz(key, "expirationTimestamp"))
            read_text(r, "status.expirationTimestamp", &r->expires);
        else
            json_skip(&r->json);
    }
}

static bool read_document(struct output_reader *r, struct err *err)
{
    if (json_peek(&r->json) != JSON_OBJECT)
        return err_set(err, "its output is not a JSON object");
    json_object(&r->json);
    str key;
    while (json_key(&r->json, &key)) {
        if (str_eqz(key, "kind"))
            read_text(r, "kind", &r->kind);
        else if (str_eqz(key, "apiVersion"))
            read_text(r, "apiVersion", &r->api_version);
        else if (str_eqz(key, "status"))
            read_status(r);
        else
            json_skip(&r->json);
    }
    if (!json_finish(&r->json, err))
        return err_wrap(err, "its output is not JSON");
    if (r->bad_member != NULL)
        return err_set(err, "%s in its output: expected a string", r->bad_member);
    return true;
}

static bool check_credential(struct exec_credential *c, struct err *err)
{
    c->token = str_trim(c->token);
    if (c->token.len == 0 && c->cert_pem.len == 0 && c->key_pem.len == 0)
        return err_set(err, "its output has neither status.token nor a client certificate");
    if ((c->cert_pem.len == 0) != (c->key_pem.len == 0))
        return err_set(err, "its output has only one of status.clientCertificateData and "
                            "status.clientKeyData");
    if (c->token.len > LIMIT_TOKEN_BYTES)
        return err_set(err, "status.token in its output is over %zu bytes",
                       (size_t)LIMIT_TOKEN_BYTES);
    for (size_t i = 0; i < c->token.len; i++) {
        unsigned char byte = (unsigned char)c->token.data[i];
        if (byte < 0x20 || byte == 0x7F)
            return err_set(err, "status.token in its output has control characters");
    }
    if (c->cert_pem.len > 0 && !pem_check_pair(c->cert_pem, c->key_pem, err))
        return err_wrap(err, "status.clientCertificateData and clientKeyData in its output");
    return true;
}

bool exec_output_parse(struct exec_credential *out, struct arena *a, str api_version, str output,
                       struct err *err)
{
    *out = (struct exec_credential){0};
    struct output_reader r = {.arena = a, .out = out};
    json_init(&r.json, output);
    if (!read_document(&r, err))
        return false;
    if (!str_eqz(r.kind, "ExecCredential"))
        return err_set(err, "its output is not of kind ExecCredential");
    if (!str_eq(r.api_version, api_version))
        return err_set(err,
                       "its output has another apiVersion than the kubeconfig, which says %.*s",
                       STR_ARG(api_version));
    if (!r.has_status)
        return err_set(err, "its output has no status");
    if (r.expires.len > 0 && !rfc3339_parse_nearest(r.expires, &out->expires_ns))
        return err_set(err, "status.expirationTimestamp in its output is no RFC 3339 time");
    if (r.expires.len > 0 && out->expires_ns < 1)
        out->expires_ns = 1; /* long ago; 0 would mean never */
    return check_credential(out, err);
}
