/*
 * Which pod a service account token was made for.
 *
 * A bound token is a JWT, three parts of base64url joined by dots; the middle one holds the claims,
 * and "kubernetes.io": {"namespace": ..., "pod": {"name": ..., "uid": ...}, ...} among them. Tokens
 * of other kinds (static, of a cloud provider, legacy secrets) have no such claim, which is no
 * error.
 *
 * We only want to know our own name, and we hold the token already: nothing is verified, nothing is
 * trusted beyond that.
 *
 * Specification: RFC 7519 section 3, RFC 7515 section 3.1; Kubernetes "bound service account
 * tokens".
 */
#include "kube/jwt.h"

#include "base/limits.h"
#include "wire/json.h"
#include "wire/text.h"

static void read_pod(struct json *j, struct arena *a, str *pod_name, str *pod_uid)
{
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    str key;
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            json_get_string(j, a, pod_name);
        else if (str_eqz(key, "uid"))
            json_get_string(j, a, pod_uid);
        else
            json_skip(j);
    }
}

/* Goes down one level: calls `read_pod` for the member at the end of the path, skips all others. */
static void read_claims(struct json *j, struct arena *a, str *pod_name, str *pod_uid)
{
    if (!json_object(j))
        return;
    str key;
    while (json_key(j, &key)) {
        if (!str_eqz(key, "kubernetes.io") || !json_object(j)) {
            json_skip(j);
            continue;
        }
        while (json_key(j, &key)) {
            if (str_eqz(key, "pod"))
                read_pod(j, a, pod_name, pod_uid);
            else
                json_skip(j);
        }
    }
}

bool jwt_pod(struct arena *a, str token, str *pod_name, str *pod_uid)
{
    str header, claims, signature;
    if (token.len > LIMIT_TOKEN_BYTES || !str_cut(token, '.', &header, &signature) ||
        !str_cut(signature, '.', &claims, &signature))
        return false;
    struct buf text;
    buf_init(&text, LIMIT_TOKEN_BYTES);
    str name = STR_NONE, uid = STR_NONE;
    bool found = false;
    if (base64url_decode(claims, &text)) {
        struct json j;
        json_init(&j, buf_view(&text));
        read_claims(&j, a, &name, &uid);
        struct err ignored;
        found = json_finish(&j, &ignored) && name.len > 0 && uid.len > 0;
    }
    if (found) {
        *pod_name = arena_str(a, name);
        *pod_uid = arena_str(a, uid);
    }
    buf_deinit(&text);
    return found;
}
