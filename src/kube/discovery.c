/*
 * What a server offers in place of a resource that it does not serve.
 *
 * Life: the list of groups (of the core group: its versions) -> the wanted group, or the one most
 * like it -> the resources of the wanted version, or of the one that the server prefers -> the
 * wanted resource, or the one that was meant: by a similar name, by its singular, its kind or a
 * short name. Each step that finds nothing ends it with what is known until then.
 *
 * Everything that was read lives in the arena, until `done`.
 *
 * Specification: meta/v1 APIVersions, APIGroupList, APIResourceList. Not the aggregated form: it
 * describes everything in one document, which can be large.
 */
#include "kube/discovery.h"

#include "base/limits.h"
#include "base/nearest.h"
#include "wire/json.h"
#include "wire/text.h"

enum { NAMES_SHOWN = 10 };

struct names {
    str *items;
    size_t count, cap;
};
struct discovery {
    struct kube_client *client;
    struct kube_call *call;
    struct arena arena;
    str group, version, plural; /* what is wanted */
    void (*done)(void *arg, str offer);
    void *arg;
    /* what was found */
    str found_group;
    struct names versions; /* of that group */
    str preferred;
    str found_version; /* whose resources were asked for */
};

static void add_name(struct arena *a, struct names *n, str name)
{
    if (n->count == n->cap) {
        size_t cap = n->cap == 0 ? 16 : 2 * n->cap;
        str *grown = ARENA_ARRAY(a, str, cap);
        for (size_t i = 0; i < n->count; i++)
            grown[i] = n->items[i];
        n->items = grown;
        n->cap = cap;
    }
    n->items[n->count++] = name;
}

static bool has_name(const struct names *n, str name)
{
    for (size_t i = 0; i < n->count; i++)
        if (str_eq(n->items[i], name))
            return true;
    return false;
}

/* ---- the end ---- */

static void discovery_free(struct discovery *d)
{
    arena_deinit(&d->arena);
    mem_free(d);
}

static void finish(struct discovery *d, struct buf *offer)
{
    d->done(d->arg, buf_view(offer));
    discovery_free(d);
}

static void print_names(struct buf *b, const struct names *n)
{
    for (size_t i = 0; i < n->count && i < NAMES_SHOWN; i++)
        buf_printf(b, "%s%.*s", i > 0 ? ", " : "", STR_ARG(n->items[i]));
    if (n->count > NAMES_SHOWN)
        buf_printf(b, " and %zu more", n->count - NAMES_SHOWN);
}

/* "operator.example/v1" */
static void print_group_version(struct buf *b, const struct discovery *d)
{
    buf_printf(b, "%.*s%s%.*s", STR_ARG(d->found_group), d->found_group.len > 0 ? "/" : "",
               STR_ARG(d->found_version));
}

/* What is known of group and version; `meant`: the resource in them, empty if none is like it. */
static void print_offer(struct buf *b, const struct discovery *d, str meant,
                        const struct names *resources)
{
    bool is_group = str_eq(d->found_group, d->group);
    bool is_version = is_group && str_eq(d->found_version, d->version);
    if (!is_group) {
        buf_printf(b, "there is no API group \"%.*s\"", STR_ARG(d->group));
    } else if (!is_version) {
        if (d->group.len == 0)
            buf_text(b, "the core API group");
        else
            buf_printf(b, "the API group \"%.*s\"", STR_ARG(d->group));
        buf_printf(b, " has no version %.*s but ", STR_ARG(d->version));
        print_names(b, &d->versions);
    } else if (str_eq(meant, d->plural)) {
        print_group_version(b, d);
        buf_printf(b, " %.*s is served by now", STR_ARG(meant));
        return;
    } else {
        print_group_version(b, d);
        buf_printf(b, " has no resource \"%.*s\"", STR_ARG(d->plural));
        if (meant.len == 0 && resources->count > 0) {
            buf_text(b, " but ");
            print_names(b, resources);
        }
    }
    if (meant.len == 0 && is_group)
        return;
    buf_text(b, "; did you mean \"");
    if (!is_version)
        print_group_version(b, d);
    buf_printf(b, "%s%.*s\"?", !is_version && meant.len > 0 ? " " : "", STR_ARG(meant));
}

static void finish_with(struct discovery *d, str meant, const struct names *resources)
{
    struct buf offer;
    buf_init(&offer, 4 * KIB);
    print_offer(&offer, d, meant, resources);
    finish(d, &offer);
    buf_deinit(&offer);
}

static void finish_silent(struct discovery *d)
{
    struct buf nothing;
    buf_init(&nothing, 1);
    finish(d, &nothing);
    buf_deinit(&nothing);
}

/* ---- resources ---- */

/* The names of all resources, and all that they could be called: aliases[i] is one of owners[i]. */
struct resource_list {
    struct names names, aliases, owners;
};

static void add_alias(struct discovery *d, struct resource_list *l, str alias, str owner)
{
    add_name(&d->arena, &l->aliases, alias);
    add_name(&d->arena, &l->owners, owner);
}

static void read_texts(struct discovery *d, struct json *j, struct names *out)
{
    if (!json_array(j)) {
        json_skip(j);
        return;
    }
    while (json_item(j)) {
        str text;
        if (json_get_string(j, &d->arena, &text))
            add_name(&d->arena, out, text);
    }
}

static void read_resource(struct discovery *d, struct json *j, struct resource_list *l)
{
    str key, name = STR_NONE, singular = STR_NONE, kind = STR_NONE;
    struct names others = {0};
    size_t slash;
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            json_get_string(j, &d->arena, &name);
        else if (str_eqz(key, "singularName"))
            json_get_string(j, &d->arena, &singular);
        else if (str_eqz(key, "kind"))
            json_get_string(j, &d->arena, &kind);
        else if (str_eqz(key, "shortNames"))
            read_texts(d, j, &others);
        else
            json_skip(j);
    }
    if (name.len == 0 || str_find(name, STR("/"), &slash))
        return;
    add_name(&d->arena, &l->names, name);
    add_alias(d, l, name, name);
    add_alias(d, l, singular, name);
    add_alias(d, l, kind, name);
    for (size_t i = 0; i < others.count; i++)
        add_alias(d, l, others.items[i], name);
}

/* The resource that is wanted, or was meant; empty if none is like it. */
static str meant_resource(const struct discovery *d, const struct resource_list *l)
{
    if (has_name(&l->names, d->plural))
        return d->plural;
    for (size_t i = 0; i < l->aliases.count; i++)
        if (str_eq_nocase(l->aliases.items[i], d->plural))
            return l->owners.items[i];
    str alias = nearest_word(d->plural, l->aliases.items, l->aliases.count);
    for (size_t i = 0; alias.len > 0 && i < l->aliases.count; i++)
        if (str_eq(l->aliases.items[i], alias))
            return l->owners.items[i];
    return STR_NONE;
}

/* The member `member` of the document: an array, whose items `read` takes one by one. */
static void read_array(struct discovery *d, str body, const char *member,
                       void (*read)(struct discovery *d, struct json *j, struct resource_list *l),
                       struct resource_list *l)
{
    struct json j;
    str key;
    json_init(&j, body);
    if (!json_object(&j))
        return;
    while (json_key(&j, &key)) {
        if (!str_eqz(key, member) || !json_array(&j)) {
            json_skip(&j);
            continue;
        }
        while (json_item(&j))
            read(d, &j, l);
    }
}

static void on_resources(void *arg, const struct kube_result *r)
{
    struct discovery *d = arg;
    struct resource_list l = {0};
    bool is_told = r->outcome == HTTP_DONE && r->status == 200;
    bool is_resource = str_eq(d->found_group, d->group) && str_eq(d->found_version, d->version);
    d->call = NULL;
    if (is_told)
        read_array(d, r->body, "resources", read_resource, &l);
    if (is_told || !is_resource)
        finish_with(d, meant_resource(d, &l), &l.names);
    else
        finish_silent(d);
}

/* ---- groups ---- */

static struct kube_call *ask(struct discovery *d, str path,
                             void (*on_done)(void *arg, const struct kube_result *r))
{
    return kube_send(d->client, &(struct kube_request){
                                    .lane = KUBE_LANE_LIST,
                                    .path = path,
                                    .timeout_ms = LIMIT_DISCOVERY_MS,
                                    .body_max = LIMIT_DISCOVERY_BYTES,
                                    .on_done = on_done,
                                    .arg = d,
                                });
}

/* Group and versions are known. */
static void ask_resources(struct discovery *d)
{
    struct buf path;
    bool is_version = str_eq(d->found_group, d->group) && has_name(&d->versions, d->version);
    d->found_version = is_version               ? d->version
                       : d->preferred.len > 0   ? d->preferred
                       : d->versions.count == 0 ? STR_NONE
                                                : d->versions.items[0];
    if (d->found_version.len == 0) {
        finish_silent(d);
        return;
    }
    buf_init(&path, LIMIT_HTTP_URL_BYTES);
    buf_text(&path, d->found_group.len > 0 ? "/apis/" : "/api");
    url_encode(&path, d->found_group);
    buf_byte(&path, '/');
    url_encode(&path, d->found_version);
    d->call = ask(d, buf_view(&path), on_resources);
    buf_deinit(&path);
}

/* An entry of versions, or preferredVersion: the text of its `version`. */
static str read_version(struct discovery *d, struct json *j)
{
    str key, version = STR_NONE;
    if (!json_object(j)) {
        json_skip(j);
        return version;
    }
    while (json_key(j, &key)) {
        if (str_eqz(key, "version"))
            json_get_string(j, &d->arena, &version);
        else
            json_skip(j);
    }
    return version;
}

/* Its name goes into l->names; if it is the group that is looked for, its versions are kept. */
static void read_group(struct discovery *d, struct json *j, struct resource_list *l)
{
    str key, name = STR_NONE, preferred = STR_NONE;
    struct names versions = {0};
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    while (json_key(j, &key)) {
        if (str_eqz(key, "name")) {
            json_get_string(j, &d->arena, &name);
        } else if (str_eqz(key, "preferredVersion")) {
            preferred = read_version(d, j);
        } else if (str_eqz(key, "versions") && json_array(j)) {
            while (json_item(j))
                add_name(&d->arena, &versions, read_version(d, j));
        } else {
            json_skip(j);
        }
    }
    add_name(&d->arena, &l->names, name);
    if (!str_eq(name, d->found_group))
        return;
    d->versions = versions;
    d->preferred = preferred;
}

static void no_such_group(struct discovery *d)
{
    struct buf offer;
    buf_init(&offer, 4 * KIB);
    buf_printf(&offer, "there is no API group \"%.*s\", nor one of a similar name",
               STR_ARG(d->group));
    finish(d, &offer);
    buf_deinit(&offer);
}

static void read_groups(struct discovery *d, str body)
{
    struct resource_list l = {0};
    d->found_group = d->group;
    read_array(d, body, "groups", read_group, &l);
    if (has_name(&l.names, d->group)) {
        ask_resources(d);
        return;
    }
    str near = nearest_word(d->group, l.names.items, l.names.count);
    if (near.len == 0) {
        no_such_group(d);
        return;
    }
    l = (struct resource_list){0};
    d->found_group = near;
    read_array(d, body, "groups", read_group, &l);
    ask_resources(d);
}

static void read_core_version(struct discovery *d, struct json *j, struct resource_list *l)
{
    str version;
    (void)l;
    if (json_get_string(j, &d->arena, &version))
        add_name(&d->arena, &d->versions, version);
}

static void on_groups(void *arg, const struct kube_result *r)
{
    struct discovery *d = arg;
    struct resource_list none = {0};
    str body = arena_str(&d->arena, r->body); /* what is read are views into it */
    d->call = NULL;
    if (r->outcome != HTTP_DONE || r->status != 200) {
        finish_silent(d);
    } else if (d->group.len > 0) {
        read_groups(d, body);
    } else {
        read_array(d, body, "versions", read_core_version, &none);
        ask_resources(d);
    }
}

struct discovery *discovery_start(struct kube_client *client, str group, str version, str plural,
                                  void (*done)(void *arg, str offer), void *arg)
{
    struct discovery *d = mem_zalloc(sizeof *d);
    d->client = client;
    d->done = done;
    d->arg = arg;
    arena_init(&d->arena, 4096);
    d->group = arena_str(&d->arena, group);
    d->version = arena_str(&d->arena, version);
    d->plural = arena_str(&d->arena, plural);
    d->call = ask(d, d->group.len > 0 ? STR("/apis") : STR("/api"), on_groups);
    return d;
}

void discovery_cancel(struct discovery *d)
{
    if (d->call != NULL)
        kube_cancel(d->call);
    discovery_free(d);
}
