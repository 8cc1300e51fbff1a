/*
 * A plan carried out on a resolved tree: what a load does with a configuration that still has
 * `singleton_receiver_creator`.
 *
 * The old receiver's node becomes its child, in the same place of the map, with the election key at
 * its end; extensions and their mention in `service` come last in theirs. Values keep the places
 * where they were written, so that later messages lead into the old file. A receiver that the plan
 * has an error for stays as it is, which keeps references to it from being reported as well.
 */
#include "base/limits.h"
#include "config/migrate_internal.h"

static void append(struct node *parent, struct node *child)
{
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

static struct node *new_node(struct arena *a, enum node_kind kind, str key,
                             const struct place *place)
{
    struct node *n = ARENA_NEW(a, struct node);
    n->kind = kind;
    n->key = key;
    n->place = n->key_place = *place;
    return n;
}

static void set_text(struct node *n, str text)
{
    n->kind = NODE_STRING;
    n->quoted = true;
    n->has_original = n->expanded = false;
    n->text = text;
}

/* A member that can take members: absent and null become what is wanted; NULL if it is something else. */
static struct node *member_of_kind(struct arena *a, struct node *parent, str key,
                                   enum node_kind kind, const struct place *place)
{
    struct node *n = node_get(parent, key);
    if (n == NULL) {
        n = new_node(a, kind, key, place);
        append(parent, n);
    } else if (n->kind == NODE_NULL) {
        n->kind = kind;
    }
    return n->kind == kind ? n : NULL;
}

static void put_receiver(const struct migration *p, const struct old_singleton *s)
{
    struct node *n = s->node, *next = n->next;
    *n = *s->child;
    n->next = next;
    n->key = s->new_id;
    if (n->kind == NODE_NULL) {
        n->kind = NODE_MAP;
        n->place = n->key_place;
    }
    struct node *elector = new_node(p->arena, NODE_STRING, STR("k8s_leader_elector"), &s->place);
    set_text(elector, s->lease->extension_id);
    append(n, elector);
}

static void put_extension(const struct migration *p, const struct old_lease *lease)
{
    struct node *extensions =
        member_of_kind(p->arena, p->root, STR("extensions"), NODE_MAP, &lease->place);
    if (extensions == NULL)
        return; /* of a wrong kind: an error of the load */
    struct node *extension = new_node(p->arena, NODE_MAP, lease->extension_id, &lease->place);
    append(extensions, extension);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (lease->settings[i] == NULL)
            continue;
        struct node *setting = ARENA_NEW(p->arena, struct node);
        *setting = *lease->settings[i];
        setting->key = str_from(lease_setting_keys[i]);
        append(extension, setting);
    }
}

static void list_extension(const struct migration *p, const struct old_lease *lease)
{
    struct node *service = node_get(p->root, STR("service"));
    if (service == NULL || service->kind != NODE_MAP)
        return;
    struct node *list =
        member_of_kind(p->arena, service, STR("extensions"), NODE_LIST, &lease->place);
    if (list == NULL)
        return;
    struct node *item = new_node(p->arena, NODE_STRING, STR_NONE, &lease->place);
    set_text(item, lease->extension_id);
    append(list, item);
}

void migration_apply(const struct migration *p)
{
    for (size_t i = 0; i < p->lease_count; i++) {
        put_extension(p, &p->leases[i]);
        if (p->leases[i].used)
            list_extension(p, &p->leases[i]);
    }
    for (size_t i = 0; i < p->reference_count; i++)
        set_text(p->references[i].item, p->references[i].singleton->new_id);
    for (size_t i = 0; i < p->singleton_count; i++)
        if (p->singletons[i].child != NULL)
            put_receiver(p, &p->singletons[i]);
}

static void warn(const struct migration *p)
{
    const struct old_singleton *first = &p->singletons[0];
    struct buf b;
    buf_init(&b, LIMIT_MIGRATE_SHOWN_BYTES);
    buf_text(&b, MIGRATE_OLD_TYPE " is a receiver of the past: this configuration is read as\n");
    migration_show(&b, p, 4);
    if (first->place.line > 0 && !str_starts_with(first->place.source, STR("env:")))
        buf_printf(&b, "  To have it written: baton migrate --in-place %.*s",
                   STR_ARG(first->place.source));
    else
        buf_text(&b, "  Write it that way; of a file, `baton migrate --in-place FILE` does it");
    if (b.overflow)
        buf_text(&b, "...");
    config_warning_text(p->messages, &first->place, STR("receivers"), buf_view(&b));
    buf_deinit(&b);
}

void migrate_tree(struct arena *a, struct node *root, struct config_messages *m)
{
    struct migration p;
    migration_plan(&p, a, root, m);
    if (p.lease_count == 0)
        return;
    warn(&p);
    migration_apply(&p);
}
