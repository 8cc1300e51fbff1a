/*
 * users[].user of a kubeconfig: how to log in.
 *
 * client-go knows more ways to combine these fields than make sense; as there, an exec plugin is
 * set aside when another credential is given, and what contradicts itself is an error.
 * Impersonation headers are built here once.
 *
 * Specification: client-go tools/clientcmd/api/v1 AuthInfo, clientcmd validation; transport
 * impersonation headers.
 */
#include "kube/kubeconfig_reader.h"

#include "wire/text.h"

/* -- impersonation -- */

static bool header_value_ok(str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < 0x20 || c == 0x7F)
            return false;
    }
    return true;
}

static void impersonation_add(struct stanza *s, const struct node *at, const char *field, str name,
                              str value)
{
    struct kube_access *access = s->access;
    if (!header_value_ok(value)) {
        stanza_refuse(s, at, field, "control characters cannot be sent in a header");
        return;
    }
    access->impersonation[access->impersonation_count++] =
        arena_printf(&access->arena, "%.*s: %.*s", STR_ARG(name), STR_ARG(value));
}

static size_t item_count(const struct node *list_or_map)
{
    return list_or_map == NULL ? 0 : list_or_map->count;
}

static size_t extra_count(const struct node *extra)
{
    size_t count = 0;
    if (extra != NULL)
        for (const struct node *n = extra->first; n != NULL; n = n->next)
            count += n->count;
    return count;
}

/* "Impersonate-Extra-<key>", the key in lower case and percent-encoded. */
static str extra_header_name(struct arena *a, str key)
{
    struct buf lower, name;
    buf_init(&lower, 4096);
    buf_init(&name, 16384);
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        buf_byte(&lower, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    buf_text(&name, "Impersonate-Extra-");
    url_encode(&name, buf_view(&lower));
    str result = arena_str(a, buf_view(&name));
    buf_deinit(&lower);
    buf_deinit(&name);
    return result;
}

static void read_extra(struct stanza *s, const struct node *extra)
{
    for (const struct node *n = extra->first; n != NULL && !s->failed; n = n->next) {
        if (n->kind != NODE_LIST || n->key.len == 0 || n->key.len > 256) {
            stanza_refuse(s, n, "as-user-extra", "expected keys with a list of texts each");
            return;
        }
        str name = extra_header_name(&s->access->arena, n->key);
        for (const struct node *item = n->first; item != NULL; item = item->next)
            if (stanza_item_is_text(s, item, "as-user-extra"))
                impersonation_add(s, item, "as-user-extra", name, item->text);
    }
}

static void read_impersonation(struct stanza *s)
{
    str user = stanza_text(s, s->node, "as");
    str uid = stanza_text(s, s->node, "as-uid");
    const struct node *groups = stanza_list(s, s->node, "as-groups");
    const struct node *extra = stanza_get(s, "as-user-extra");
    if (extra != NULL && extra->kind != NODE_MAP) {
        stanza_refuse(s, extra, "as-user-extra", "expected a map");
        return;
    }
    size_t count = 2 + item_count(groups) + extra_count(extra);
    if (s->failed || (count == 2 && user.len == 0 && uid.len == 0))
        return;
    if (user.len == 0) {
        stanza_refuse(s, NULL, "as", "must be set when as-uid, as-groups or as-user-extra is");
        return;
    }
    s->access->impersonation = ARENA_ARRAY(&s->access->arena, str, count);
    impersonation_add(s, stanza_get(s, "as"), "as", STR("Impersonate-User"), user);
    if (uid.len > 0)
        impersonation_add(s, stanza_get(s, "as-uid"), "as-uid", STR("Impersonate-Uid"), uid);
    for (const struct node *n = groups == NULL ? NULL : groups->first; n != NULL; n = n->next)
        if (stanza_item_is_text(s, n, "as-groups"))
            impersonation_add(s, n, "as-groups", STR("Impersonate-Group"), n->text);
    if (extra != NULL)
        read_extra(s, extra);
}

/* -- exec plugins -- */

static void read_exec_args(struct stanza *s, const struct node *node, struct exec_config *exec,
                           str command)
{
    const struct node *list = stanza_list(s, node, "args");
    struct arena *a = &s->access->arena;
    exec->args = ARENA_ARRAY(a, char *, item_count(list) + 2);
    size_t count = 0;
    exec->args[count++] = arena_cstr(a, command);
    for (const struct node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
        if (stanza_item_is_text(s, n, "exec.args"))
            exec->args[count++] = arena_cstr(a, n->text);
}

static void read_exec_env(struct stanza *s, const struct node *node, struct exec_config *exec)
{
    const struct node *list = stanza_list(s, node, "env");
    struct arena *a = &s->access->arena;
    exec->env = ARENA_ARRAY(a, char *, item_count(list) + 1);
    for (const struct node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
        str name = stanza_text(s, n, "name"), value = stanza_text(s, n, "value");
        size_t pos;
        if (name.len == 0 || str_find(name, STR("="), &pos)) {
            stanza_refuse(s, n, "exec.env", "expected items with name and value");
            return;
        }
        exec->env[exec->env_count++] =
            (char *)arena_cstr(a, arena_printf(a, "%.*s=%.*s", STR_ARG(name), STR_ARG(value)));
    }
}

/* A daemon has no terminal: `Always` can never work, the others run without one. */
static void check_interactive_mode(struct stanza *s, const struct node *node, bool is_v1)
{
    str mode = stanza_text(s, node, "interactiveMode");
    const struct node *at = node_get(node, STR("interactiveMode"));
    if (str_eqz(mode, "Never") || str_eqz(mode, "IfAvailable") || (mode.len == 0 && !is_v1))
        return;
    if (mode.len == 0)
        stanza_refuse(s, node, "exec.interactiveMode",
                      "required with client.authentication.k8s.io/v1: Never or IfAvailable");
    else if (str_eqz(mode, "Always"))
        stanza_refuse(s, at, "exec.interactiveMode",
                      "Always needs a terminal, which there is none of here; use IfAvailable");
    else
        stanza_refuse(s, at, "exec.interactiveMode", "expected Never, IfAvailable or Always");
}

static void read_exec(struct stanza *s, const struct node *node)
{
    if (node->kind != NODE_MAP) {
        stanza_refuse(s, node, "exec", "expected a map");
        return;
    }
    struct exec_config *exec = ARENA_NEW(&s->access->arena, struct exec_config);
    exec->api_version = stanza_text(s, node, "apiVersion");
    bool is_v1 = str_eqz(exec->api_version, "client.authentication.k8s.io/v1");
    if (!is_v1 && !str_eqz(exec->api_version, "client.authentication.k8s.io/v1beta1"))
        stanza_refuse(s, node, "exec.apiVersion",
                      "expected client.authentication.k8s.io/v1 or client.authentication.k8s.io/"
                      "v1beta1; update the plugin and its entry");
    check_interactive_mode(s, node, is_v1);
    str command = stanza_text(s, node, "command");
    if (command.len == 0)
        stanza_refuse(s, node, "exec.command", "missing");
    size_t pos;
    if (str_find(command, STR("/"), &pos)) /* others are looked up in PATH */
        command = path_resolve(&s->access->arena, s->directory, command);
    exec->install_hint = stanza_text(s, node, "installHint");
    exec->provide_cluster_info = stanza_bool(s, node, "provideClusterInfo");
    read_exec_args(s, node, exec, command);
    read_exec_env(s, node, exec);
    s->access->exec = exec;
}

/* -- the whole -- */

static void check_certificate(struct stanza *s)
{
    bool has_cert = pem_source_given(&s->access->cert), has_key = pem_source_given(&s->access->key);
    if (has_cert && !has_key)
        stanza_refuse(s, NULL, "client-key",
                      "missing, though there is a client certificate; give client-key or "
                      "client-key-data");
    if (has_key && !has_cert)
        stanza_refuse(s, NULL, "client-certificate",
                      "missing, though there is a client key; give client-certificate or "
                      "client-certificate-data");
}

void kubeconfig_read_user(struct stanza *s)
{
    struct kube_access *access = s->access;
    const struct node *provider = stanza_get(s, "auth-provider");
    if (provider != NULL) {
        stanza_refuse(
            s, provider, "auth-provider",
            "auth providers are not supported (Kubernetes removed azure and gcp in 1.26); "
            "use an exec plugin");
        return;
    }
    access->cert = stanza_pem(s, "client-certificate", "client-certificate-data");
    access->key = stanza_pem(s, "client-key", "client-key-data");
    check_certificate(s);
    access->token = str_trim(stanza_text(s, s->node, "token"));
    access->token_path = stanza_path(s, "tokenFile");
    access->username = stanza_text(s, s->node, "username");
    access->password = stanza_text(s, s->node, "password");
    access->has_basic = access->username.len > 0 || access->password.len > 0;
    bool has_token = access->token.len > 0 || access->token_path.len > 0;
    if (access->has_basic && has_token)
        stanza_refuse(s, NULL, "",
                      "both a token and a user name with password; only one can be sent");
    if (!header_value_ok(access->token))
        stanza_refuse(s, stanza_get(s, "token"), "token",
                      "control characters cannot be sent in a header");
    read_impersonation(s);
    const struct node *exec = stanza_get(s, "exec");
    if (exec == NULL)
        return;
    if (has_token || access->has_basic || pem_source_given(&access->cert))
        stanza_warn(s, "The exec plugin is not used, because the user has another credential");
    else
        read_exec(s, exec);
}
