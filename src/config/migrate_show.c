/*
 * What a plan looks like: the changed parts as YAML, scalars of one line, and advice about what is
 * not in the file (dashboards, permissions).
 *
 * Receivers are shown without their own settings, which may hold secrets; a value that came from a
 * ${...} is shown as that. Specification: leader_election 3.2 (the old label), 3.4 rules 7 and 8,
 * 5.4 (the least Role).
 */
#include "config/migrate_internal.h"

/* Words and durations of these characters need no quotes in any place. */
static bool is_simple(str s)
{
    bool letter = s.len > 0 && (s.data[0] | 0x20) >= 'a' && (s.data[0] | 0x20) <= 'z';
    bool digit = s.len > 1 && s.data[0] >= '0' && s.data[0] <= '9';
    if (!letter && !(digit && strchr("smh", s.data[s.len - 1]) != NULL))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') && c != '_' &&
            c != '-' && c != '.' && c != '/')
            return false;
    }
    struct node probe = {.text = s};
    yaml_resolve_scalar(&probe);
    static const char *const old_bools[] = {"y", "n", "yes", "no", "on", "off"};
    for (size_t i = 0; i < COUNT_OF(old_bools); i++)
        if (str_eq_nocase(s, str_from(old_bools[i])))
            return false;
    return probe.kind == NODE_STRING;
}

void scalar_print(struct buf *b, str text, bool json)
{
    if (is_simple(text) && !json)
        buf_str(b, text);
    else
        buf_json_string(b, text);
}

static void print_value(struct buf *b, const struct node *n)
{
    if (n->expanded)
        scalar_print(b, n->written.len > 0 ? n->written : STR("${...}"), false);
    else
        scalar_print(b, n->text, false);
}

static const struct old_singleton *singleton_of(const struct migration *p, const struct node *item)
{
    for (size_t i = 0; i < p->reference_count; i++)
        if (p->references[i].item == item)
            return p->references[i].singleton;
    return NULL;
}

static void show_pipeline(struct buf *b, const struct migration *p, const struct node *pipeline,
                          int indent)
{
    const struct node *list = node_get(pipeline, STR("receivers"));
    buf_printf(b, "%*s", indent, "");
    scalar_print(b, pipeline->key, false);
    buf_printf(b, ":\n%*sreceivers: [", indent + 2, "");
    for (const struct node *item = list->first; item != NULL; item = item->next) {
        const struct old_singleton *s = singleton_of(p, item);
        buf_text(b, item == list->first ? "" : ", ");
        if (s != NULL)
            scalar_print(b, s->new_id, false);
        else
            print_value(b, item);
    }
    buf_text(b, "]\n");
}

static void show_service(struct buf *b, const struct migration *p, int indent)
{
    const struct node *list = node_get(node_get(p->root, STR("service")), STR("extensions"));
    size_t count = 0;
    if (p->reference_count == 0)
        return;
    buf_printf(b, "%*sservice:\n%*sextensions: [", indent, "", indent + 2, "");
    for (const struct node *n = list != NULL ? list->first : NULL; n != NULL; n = n->next) {
        buf_text(b, count++ == 0 ? "" : ", ");
        print_value(b, n);
    }
    for (size_t i = 0; i < p->lease_count; i++) {
        if (!p->leases[i].used)
            continue;
        buf_text(b, count++ == 0 ? "" : ", ");
        scalar_print(b, p->leases[i].extension_id, false);
    }
    buf_printf(b, "]\n%*spipelines:\n", indent + 2, "");
    const struct node *before = NULL;
    for (size_t i = 0; i < p->reference_count; i++) {
        if (p->references[i].pipeline != before)
            show_pipeline(b, p, p->references[i].pipeline, indent + 4);
        before = p->references[i].pipeline;
    }
}

void migration_show(struct buf *b, const struct migration *p, int indent)
{
    buf_printf(b, "%*sextensions:\n", indent, "");
    for (size_t i = 0; i < p->lease_count; i++) {
        const struct old_lease *lease = &p->leases[i];
        buf_printf(b, "%*s", indent + 2, "");
        scalar_print(b, lease->extension_id, false);
        buf_text(b, ":\n");
        for (size_t k = 0; k < SETTING_COUNT; k++) {
            if (lease->settings[k] == NULL)
                continue;
            buf_printf(b, "%*s%s: ", indent + 4, "", lease_setting_keys[k]);
            print_value(b, lease->settings[k]);
            buf_byte(b, '\n');
        }
    }
    buf_printf(b, "%*sreceivers:\n", indent, "");
    for (size_t i = 0; i < p->singleton_count; i++) {
        const struct old_singleton *s = &p->singletons[i];
        if (s->child == NULL)
            continue;
        buf_printf(b, "%*s", indent + 2, "");
        scalar_print(b, s->new_id, false);
        buf_printf(b, ":%s\n%*sk8s_leader_elector: ",
                   s->child->count > 0 ? " # its settings as they are, and" : "", indent + 4, "");
        scalar_print(b, s->lease->extension_id, false);
        buf_byte(b, '\n');
    }
    show_service(b, p, indent);
}

/* ---- advice ---- */

static str setting_text(const struct old_lease *lease, enum lease_setting which)
{
    const struct node *n = lease->settings[which];
    return n == NULL ? STR("") : n->expanded ? n->written : n->text;
}

static void advise_label(const struct migration *p, const struct old_singleton *s)
{
    str type, name;
    str_cut(s->child_id, '/', &type, &name);
    config_warning(p->messages, &s->place,
                   arena_printf(p->arena, "receivers::%.*s", STR_ARG(s->id)),
                   "the collector's own metrics change their label receiver=\"%.*s/%.*s/%.*s\" to "
                   "receiver=\"%.*s\": see to dashboards and alerts that name it",
                   STR_ARG(type), STR_ARG(name), STR_ARG(s->id), STR_ARG(s->new_id));
}

void migration_advise(const struct migration *p)
{
    for (size_t i = 0; i < p->singleton_count; i++)
        if (p->singletons[i].child != NULL && p->singletons[i].used)
            advise_label(p, &p->singletons[i]);
    for (size_t i = 0; i < p->lease_count; i++) {
        const struct old_lease *lease = &p->leases[i];
        struct buf b;
        if (!lease->used)
            continue;
        buf_init(&b, ERR_TEXT_MAX);
        scalar_print(&b, setting_text(lease, SETTING_LEASE_NAME), false);
        config_warning(p->messages, &lease->place, STR("extensions"),
                       "%.*s keeps the Lease, so that old and new replicas exclude each other. The "
                       "old Role serves; the least in namespace %.*s is {apiGroups: "
                       "[coordination.k8s.io], resources: [leases], resourceNames: [%.*s], verbs: "
                       "[get, watch, update]}, the same for that name with -standby behind it, and "
                       "create without resourceNames",
                       STR_ARG(lease->extension_id),
                       STR_ARG(setting_text(lease, SETTING_LEASE_NAMESPACE)), (int)b.len, b.data);
        buf_deinit(&b);
    }
}
