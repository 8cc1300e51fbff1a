/*
 * Components of types that baton does not have: one error that names all of them.
 *
 * Life: sections add what they find while they are read -> all are sorted by place -> one is an
 * error of the reference's wording at its place; several are one error with a line for each and,
 * behind them, what there is in the sections concerned. A configuration made for another collector
 * names dozens; whoever moves it here wants the whole list in one look.
 *
 * Specification: collector_host 1.8 (text of one).
 */
#include <stdlib.h>

#include "base/limits.h"
#include "config/migrate.h"
#include "service/settings_internal.h"

enum section { RECEIVERS, PROCESSORS, EXPORTERS, EXTENSIONS, CONNECTORS, SECTION_COUNT };
static const char *const section_names[SECTION_COUNT] = {"receivers", "processors", "exporters",
                                                         "extensions", "connectors"};

static enum section section_of(const char *name)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (strcmp(section_names[i], name) == 0)
            return (enum section)i;
    CHECK(false);
}

void missing_add(struct loader *l, const char *section, str type, str id, const struct place *place)
{
    /* What the migration could not carry over is an error already. */
    if (strcmp(section, "receivers") == 0 && str_eqz(type, MIGRATE_OLD_TYPE)) {
        CHECK(l->m->error_count > 0);
        return;
    }
    struct missing_component *m = ARENA_NEW(l->arena, struct missing_component);
    *m = (struct missing_component){
        .next = l->missing, .section = section, .type = type, .id = id, .place = *place};
    l->missing = m;
    l->missing_count++;
}

/* `dummy, nop; did you mean "dummy"?` of one section; without the question if `type` is empty. */
static str known_types(struct loader *l, const char *section, str type)
{
    struct type_info info;
    size_t count = 0;
    enum section s = section_of(section);
    if (s == CONNECTORS)
        return STR("");
    enum component_kind kind = (enum component_kind)s;
    while (type_at(l->components, kind, count, &info))
        count++;
    str *names = ARENA_ARRAY(l->arena, str, count);
    for (size_t i = 0; i < count; i++)
        if (type_at(l->components, kind, i, &info))
            names[i] = str_from(info.name);
    return config_choices(l->arena, type, names, count);
}

static bool is_old_logging(const struct missing_component *m)
{
    return strcmp(m->section, "exporters") == 0 && str_eqz(m->type, "logging");
}

static void report_one(struct loader *l, const struct missing_component *m)
{
    str path = str_from(m->section);
    if (is_old_logging(m)) {
        config_error(l->m, &m->place, path,
                     "the logging exporter has been deprecated, use the debug exporter instead");
        return;
    }
    str types = known_types(l, m->section, m->type);
    if (section_of(m->section) == CONNECTORS)
        config_error(l->m, &m->place, path,
                     "unknown type: \"%.*s\" for id: \"%.*s\" (baton has no connectors)",
                     STR_ARG(m->type), STR_ARG(m->id));
    else
        config_error(l->m, &m->place, path,
                     "unknown type: \"%.*s\" for id: \"%.*s\" (valid values: %.*s)",
                     STR_ARG(m->type), STR_ARG(m->id), STR_ARG(types));
}

static int compare(const void *a, const void *b)
{
    const struct place *x = &(*(const struct missing_component *const *)a)->place;
    const struct place *y = &(*(const struct missing_component *const *)b)->place;
    int by_source = str_compare(x->source, y->source);
    if (by_source != 0)
        return by_source;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static void print_line(struct loader *l, struct buf *b, const struct missing_component *m)
{
    buf_text(b, "  ");
    place_print(b, &m->place);
    buf_printf(b, "%s: unknown type: \"%.*s\" for id: \"%.*s\"", m->section, STR_ARG(m->type),
               STR_ARG(m->id));
    str hint, types = known_types(l, m->section, m->type);
    if (is_old_logging(m))
        buf_text(b, "; it is named debug now");
    else if (str_cut(types, ';', &types, &hint))
        buf_printf(b, ";%.*s", STR_ARG(hint));
    buf_byte(b, '\n');
}

static void report_all(struct loader *l, struct missing_component **sorted)
{
    bool concerned[SECTION_COUNT] = {false};
    struct buf b;
    buf_init(&b, LIMIT_MISSING_LIST_BYTES);
    buf_printf(&b, "%zu components are of types that baton does not have:\n", l->missing_count);
    for (size_t i = 0; i < l->missing_count; i++) {
        concerned[section_of(sorted[i]->section)] = true;
        if (i < LIMIT_CONFIG_MESSAGES)
            print_line(l, &b, sorted[i]);
    }
    if (l->missing_count > LIMIT_CONFIG_MESSAGES)
        buf_printf(&b, "  and %zu more\n", l->missing_count - LIMIT_CONFIG_MESSAGES);
    buf_text(&b, "  baton has");
    const char *separator = " ";
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!concerned[i])
            continue;
        str types = known_types(l, section_names[i], STR(""));
        if (types.len > 0)
            buf_printf(&b, "%s%s: %.*s", separator, section_names[i], STR_ARG(types));
        else
            buf_printf(&b, "%sno %s", separator, section_names[i]);
        separator = "; ";
    }
    config_error_text(l->m, &sorted[0]->place, STR(""), buf_view(&b));
    buf_deinit(&b);
}

void missing_report(struct loader *l)
{
    if (l->missing_count == 0)
        return;
    if (l->missing_count == 1) {
        report_one(l, l->missing);
        return;
    }
    struct missing_component **sorted =
        ARENA_ARRAY(l->arena, struct missing_component *, l->missing_count);
    size_t count = 0;
    for (struct missing_component *m = l->missing; m != NULL; m = m->next)
        sorted[count++] = m;
    qsort(sorted, count, sizeof *sorted, compare);
    report_all(l, sorted);
}
