/*
 * kubeconfig files: which are read, how they are merged, and what the chosen context means.
 *
 *   explicit path | KUBECONFIG (list) | $HOME/.kube/config
 *     -> each file into a tree (missing ones skipped, broken ones are errors)
 *     -> context: the configured one, else the first current-context
 *     -> its cluster and user: the first file that defines the name wins as a whole
 *     -> struct kube_access, all texts copied; the trees are dropped
 *
 * Invariant: relative paths count from the folder of the file that defined the stanza, not from the
 * working directory. JSON files need no code: JSON is YAML.
 *
 * Specification: client-go tools/clientcmd (loader.go, client_config.go, validation.go).
 */
#include <errno.h>

#include "base/limits.h"
#include "io/file.h"
#include "kube/kubeconfig_reader.h"

enum {
    TREE_ARENA_BYTES = 16384,
    FILES_MAX = 64 /* in KUBECONFIG; nobody has more, each costs a tree */
};

struct kubeconfig_file {
    str directory;
    struct node *root;
};

struct kubeconfig {
    struct arena trees;
    struct kubeconfig_file files[FILES_MAX];
    size_t file_count;
    struct kube_access *access;
    const struct logger *logger;
    struct err *err;
};

/* -- files -- */

static bool refuse_at(struct kubeconfig *k, const struct node *at, const char *what,
                      const char *expected)
{
    struct buf place;
    buf_init(&place, ERR_TEXT_MAX);
    place_print(&place, &at->place);
    err_set(k->err, "%s%s: expected %s", buf_cstr(&place), what, expected);
    buf_deinit(&place);
    return false;
}

static bool check_header(struct kubeconfig *k, const struct node *root)
{
    if (root->kind == NODE_NULL)
        return true;
    if (root->kind != NODE_MAP)
        return refuse_at(k, root, "kubeconfig", "a map with clusters, users and contexts");
    const struct node *kind = node_get(root, STR("kind"));
    if (kind != NULL && kind->kind != NODE_NULL && !str_eqz(kind->text, "Config"))
        return refuse_at(k, kind, "kind", "Config");
    const struct node *version = node_get(root, STR("apiVersion"));
    if (version != NULL && version->kind != NODE_NULL && !str_eqz(version->text, "v1"))
        return refuse_at(k, version, "apiVersion", "v1");
    return true;
}

static bool add_text(struct kubeconfig *k, str source, str directory, str text)
{
    struct node *root;
    if (!yaml_parse(&k->trees, arena_str(&k->trees, source), text, &root, k->err))
        return err_wrap(k->err, "kubeconfig");
    if (!check_header(k, root))
        return false;
    k->files[k->file_count++] =
        (struct kubeconfig_file){arena_str(&k->access->arena, directory), root};
    return true;
}

static str directory_of(str path)
{
    size_t len = path.len;
    while (len > 0 && path.data[len - 1] != '/')
        len--;
    if (len == 0)
        return STR(".");
    return str_make(path.data, len > 1 ? len - 1 : 1);
}

/* A missing file is no error unless `must_exist`. */
static bool add_file(struct kubeconfig *k, str path, bool must_exist)
{
    if (k->file_count == FILES_MAX)
        return err_set(k->err, "KUBECONFIG: more than %d files", FILES_MAX);
    struct buf text;
    buf_init(&text, LIMIT_SMALL_FILE_BYTES);
    const char *name = arena_cstr(&k->trees, path);
    bool ok = file_read(name, &text, k->err);
    if (ok)
        ok = add_text(k, path, directory_of(path), buf_view(&text));
    else if (!must_exist && (k->err->code == ENOENT || k->err->code == ENOTDIR))
        ok = true;
    else
        err_wrap(k->err, "kubeconfig");
    buf_deinit(&text);
    return ok;
}

/* A file that is named twice changes nothing: what was defined first wins. */
static bool add_list(struct kubeconfig *k, str list)
{
    str path, rest = list;
    while (rest.len > 0) {
        str_cut(rest, ':', &path, &rest);
        if (path.len > 0 && !add_file(k, path, false))
            return false;
    }
    return true;
}

static bool add_files(struct kubeconfig *k, const struct kube_config *config)
{
    str list, home;
    if (config->kubeconfig_path.len > 0)
        return add_file(k, config->kubeconfig_path, true);
    if (env_get("KUBECONFIG", &list) && list.len > 0)
        return add_list(k, list);
    if (env_get("HOME", &home) && home.len > 0)
        return add_file(k, arena_printf(&k->trees, "%.*s/.kube/config", STR_ARG(home)), false);
    return true;
}

/* -- named stanzas -- */

static bool find_in_file(struct kubeconfig *k, const struct kubeconfig_file *file, struct stanza *s,
                         bool *found)
{
    const struct node *list = NULL;
    if (file->root->kind == NODE_MAP)
        list = node_get(file->root, str_from(s->section));
    if (list == NULL || list->kind == NODE_NULL)
        return true;
    if (list->kind != NODE_LIST)
        return refuse_at(k, list, s->section, "a list");
    for (const struct node *item = list->first; item != NULL; item = item->next) {
        if (item->kind != NODE_MAP)
            return refuse_at(k, item, s->section, "items with a name");
        const struct node *name = node_get(item, STR("name"));
        if (name == NULL || !str_eq(name->text, s->name))
            continue;
        if (*found)
            return refuse_at(k, name, s->section, "each name only once in a file");
        *found = true;
        const struct node *content = node_get(item, str_from(s->member));
        if (content != NULL && content->kind != NODE_MAP && content->kind != NODE_NULL)
            return refuse_at(k, content, s->member, "a map");
        s->node = content == NULL || content->kind == NODE_NULL ? NULL : content;
        s->directory = file->directory;
    }
    return true;
}

static bool find_stanza(struct kubeconfig *k, struct stanza *s, const char *section,
                        const char *member, str name, bool *found)
{
    *s = (struct stanza){.section = section,
                         .member = member,
                         .name = name,
                         .access = k->access,
                         .logger = k->logger,
                         .err = k->err};
    *found = false;
    for (size_t i = 0; i < k->file_count && !*found; i++)
        if (!find_in_file(k, &k->files[i], s, found))
            return false;
    return true;
}

/* "a, b, c": for the error that a context is missing. */
static void print_context_names(const struct kubeconfig *k, struct buf *b)
{
    for (size_t i = 0; i < k->file_count; i++) {
        const struct node *root = k->files[i].root;
        const struct node *list = root->kind == NODE_MAP ? node_get(root, STR("contexts")) : NULL;
        if (list == NULL || list->kind != NODE_LIST)
            continue;
        for (const struct node *item = list->first; item != NULL; item = item->next) {
            const struct node *name = item->kind == NODE_MAP ? node_get(item, STR("name")) : NULL;
            if (name != NULL && name->text.len > 0)
                buf_printf(b, "%s%.*s", b->len == 0 ? "" : ", ", STR_ARG(name->text));
        }
    }
    if (b->len == 0)
        buf_text(b, "none");
}

static bool refuse_context(struct kubeconfig *k, str name)
{
    struct buf names;
    buf_init(&names, 1024);
    print_context_names(k, &names);
    if (name.len == 0)
        err_set(k->err, "kubeconfig: no current-context and no context configured (defined: %s)",
                buf_cstr(&names));
    else
        err_set(k->err, "kubeconfig: context \"%.*s\" does not exist (defined: %s)", STR_ARG(name),
                buf_cstr(&names));
    buf_deinit(&names);
    return false;
}

static bool find_context(struct kubeconfig *k, struct stanza *s, str wanted)
{
    for (size_t i = 0; i < k->file_count && wanted.len == 0; i++) {
        const struct node *root = k->files[i].root;
        const struct node *n =
            root->kind == NODE_MAP ? node_get(root, STR("current-context")) : NULL;
        if (n != NULL && n->kind != NODE_NULL)
            wanted = n->text;
    }
    bool found = false;
    if (wanted.len > 0 && !find_stanza(k, s, "contexts", "context", wanted, &found))
        return false;
    return found || refuse_context(k, wanted);
}

/* -- cluster -- */

static void check_proxy_url(struct stanza *s)
{
    static const str schemes[] = {{"http://", 7}, {"https://", 8}, {"socks5://", 9}};
    str url = s->access->proxy_url;
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (url.len == 0 || (url.len > schemes[i].len && str_starts_with(url, schemes[i])))
            return;
    stanza_refuse(s, stanza_get(s, "proxy-url"), "proxy-url",
                  "expected a URL that begins with http://, https:// or socks5://");
}

static void read_tls(struct stanza *s)
{
    struct kube_access *access = s->access;
    access->ca = stanza_pem(s, "certificate-authority", "certificate-authority-data");
    access->insecure_skip_verify = stanza_bool(s, s->node, "insecure-skip-tls-verify");
    access->tls_server_name = stanza_text(s, s->node, "tls-server-name");
    if (access->insecure_skip_verify && pem_source_given(&access->ca))
        stanza_refuse(s, stanza_get(s, "insecure-skip-tls-verify"), "insecure-skip-tls-verify",
                      "contradicts certificate-authority; remove one of them");
}

/* extensions[name=client.authentication.k8s.io/exec].extension: for exec plugins, in their words */
static str read_exec_extension(struct stanza *s)
{
    const struct node *list = stanza_list(s, s->node, "extensions");
    for (const struct node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
        if (n->kind != NODE_MAP)
            continue;
        const struct node *name = node_get(n, STR("name"));
        const struct node *content = node_get(n, STR("extension"));
        if (name == NULL || content == NULL ||
            !str_eqz(name->text, "client.authentication.k8s.io/exec"))
            continue;
        struct buf json;
        buf_init(&json, LIMIT_SMALL_FILE_BYTES);
        node_print_json(&json, content);
        str kept =
            json.overflow ? STR_NONE : arena_str(&s->access->arena, str_trim(buf_view(&json)));
        if (json.overflow)
            stanza_refuse(s, content, "extensions", "too large");
        buf_deinit(&json);
        return kept;
    }
    return STR_NONE;
}

static str read_cluster(struct stanza *s)
{
    struct kube_access *access = s->access;
    read_tls(s);
    access->proxy_url = stanza_text(s, s->node, "proxy-url");
    check_proxy_url(s);
    access->disable_compression = stanza_bool(s, s->node, "disable-compression");
    str extension = read_exec_extension(s);
    return extension;
}

/* After the user was read: a client certificate also makes https the default scheme. */
static void read_server(struct stanza *s)
{
    struct kube_access *access = s->access;
    str server = stanza_text(s, s->node, "server");
    if (server.len == 0) {
        stanza_refuse(s, NULL, "server", "missing");
        return;
    }
    bool default_https = pem_source_given(&access->ca) || pem_source_given(&access->cert) ||
                         access->insecure_skip_verify;
    struct err reason;
    if (!s->failed && !kube_access_set_server(access, server, default_https, &reason))
        stanza_refuse(s, stanza_get(s, "server"), "server", "%.512s", reason.text);
}

static void drop_credentials_without_tls(struct stanza *s)
{
    struct kube_access *a = s->access;
    if (a->is_https)
        return;
    bool any = a->token.len > 0 || a->token_path.len > 0 || a->has_basic || a->exec != NULL ||
               pem_source_given(&a->cert);
    if (any)
        stanza_warn(s, "The server's URL is not https: credentials are not sent");
    a->token = a->token_path = a->username = a->password = STR_NONE;
    a->has_basic = false;
    a->exec = NULL;
    a->ca = a->cert = a->key = (struct pem_source){0};
}

static bool resolve(struct kubeconfig *k, str context_name)
{
    struct stanza context, cluster, user;
    bool found;
    if (!find_context(k, &context, context_name))
        return false;
    k->access->namespace = stanza_text(&context, context.node, "namespace");
    str cluster_name = stanza_text(&context, context.node, "cluster");
    str user_name = stanza_text(&context, context.node, "user");
    if (context.failed || !find_stanza(k, &cluster, "clusters", "cluster", cluster_name, &found))
        return false;
    if (!found) {
        stanza_refuse(&context, stanza_get(&context, "cluster"), "cluster",
                      "there is no cluster \"%.*s\"", STR_ARG(cluster_name));
        return false;
    }
    if (!find_stanza(k, &user, "users", "user", user_name, &found))
        return false;
    if (!found && user_name.len > 0)
        stanza_warn(&user, "The user of the context is not defined: requests are anonymous");
    str extension = read_cluster(&cluster);
    if (!cluster.failed)
        kubeconfig_read_user(&user);
    if (!cluster.failed && !user.failed)
        read_server(&cluster);
    if (cluster.failed || user.failed)
        return false;
    drop_credentials_without_tls(&cluster);
    if (k->access->exec != NULL)
        k->access->exec->cluster_config_json = extension;
    return true;
}

bool kubeconfig_load(struct kube_access *access, const struct kube_config *config,
                     const struct logger *logger, bool *found, struct err *err)
{
    struct kubeconfig *k = mem_zalloc(sizeof *k);
    k->access = access;
    k->logger = logger;
    k->err = err;
    arena_init(&k->trees, TREE_ARENA_BYTES);
    bool ok = add_files(k, config);
    *found = k->file_count > 0;
    if (ok && *found)
        ok = resolve(k, config->context);
    arena_deinit(&k->trees);
    mem_free(k);
    return ok;
}

bool kubeconfig_load_text(struct kube_access *access, str source, str directory, str text,
                          str context, const struct logger *logger, struct err *err)
{
    struct kubeconfig *k = mem_zalloc(sizeof *k);
    k->access = access;
    k->logger = logger;
    k->err = err;
    arena_init(&k->trees, TREE_ARENA_BYTES);
    bool ok = add_text(k, source, directory, text) && resolve(k, context);
    arena_deinit(&k->trees);
    mem_free(k);
    return ok;
}
