/*
 * Answers in the form of a Table, which `kubectl get` asks for: columns of the kind, one row for
 * each object.
 *
 * Life of a row: the cells are read out of the object's bytes when the row is printed (tables are
 * for people, so nothing is kept for them); behind the cells comes the object as far as the client
 * wants it (includeObject).
 *
 * Specification: meta.k8s.io/v1 Table; ages as kubectl prints them.
 */
#include "kubesim/sim.h"

#include <stdio.h>

bool include_object_parse(struct kubesim_call *call, int *include)
{
    str text;
    *include = INCLUDE_METADATA;
    if (!query_get(&call->query, "includeObject", &text) || text.len == 0 ||
        str_eqz(text, "Metadata"))
        return true;
    if (str_eqz(text, "None"))
        *include = INCLUDE_NONE;
    else if (str_eqz(text, "Object"))
        *include = INCLUDE_OBJECT;
    else
        return fail_bad_request(call, "includeObject must be None, Metadata or Object, not '%.*s'",
                                STR_ARG(text));
    return true;
}

void table_columns_print(struct buf *b, const struct sim_kind *kind, bool null)
{
    buf_text(b, "\"columnDefinitions\":");
    if (null) {
        buf_text(b, "null");
        return;
    }
    for (size_t i = 0; i < SIM_COLUMNS_MAX && kind->columns[i].name != NULL; i++)
        buf_printf(b,
                   "%s{\"name\":\"%s\",\"type\":\"string\",\"format\":\"%s\",\"description\":\"%"
                   "s\",\"priority\":0}",
                   i == 0 ? "[" : ",", kind->columns[i].name,
                   strcmp(kind->columns[i].path, "name") == 0 ? "name" : "", kind->columns[i].path);
    buf_byte(b, ']');
}

void age_print(struct buf *b, int64_t age_ns)
{
    int64_t s = age_ns / 1000000000, m = s / 60, h = m / 60, d = h / 24;
    if (s < 0)
        buf_text(b, s < -1 ? "<invalid>" : "0s");
    else if (m < 2)
        buf_printf(b, "%" PRId64 "s", s);
    else if (m < 10 && s % 60 != 0)
        buf_printf(b, "%" PRId64 "m%" PRId64 "s", m, s % 60);
    else if (h < 3)
        buf_printf(b, "%" PRId64 "m", m);
    else if (h < 8 && m % 60 != 0)
        buf_printf(b, "%" PRId64 "h%" PRId64 "m", h, m % 60);
    else if (h < 48)
        buf_printf(b, "%" PRId64 "h", h);
    else if (d < 8 && h % 24 != 0)
        buf_printf(b, "%" PRId64 "d%" PRId64 "h", d, h % 24);
    else if (d < 365 * 2)
        buf_printf(b, "%" PRId64 "d", d);
    else if (d < 365 * 8 && d % 365 != 0)
        buf_printf(b, "%" PRId64 "y%" PRId64 "d", d / 365, d % 365);
    else
        buf_printf(b, "%" PRId64 "y", d / 365);
}

static void cell_print(struct buf *b, const struct sim_object *o, const struct dom *tree, str path,
                       int64_t wall_ns)
{
    if (str_eqz(path, "name")) {
        buf_json_string(b, o->name);
    } else if (str_eqz(path, "age")) {
        buf_byte(b, '"');
        if (o->created_ns == 0)
            buf_text(b, "<unknown>");
        else
            age_print(b, wall_ns - o->created_ns);
        buf_byte(b, '"');
    } else {
        while (path.len > 0 && tree != NULL) {
            str step;
            str_cut(path, '.', &step, &path);
            tree = dom_get(tree, step);
        }
        if (tree == NULL)
            buf_text(b, "\"\"");
        else
            dom_print(b, tree);
    }
}

void table_row_print(struct buf *b, struct sim_object *o, uint64_t resource_version, int include,
                     int64_t wall_ns)
{
    const struct sim_column *columns = o->kind->columns;
    struct arena arena;
    arena_init(&arena, 4 * KIB);
    const struct dom *tree = sim_object_tree(&arena, o);
    buf_text(b, "{\"cells\":[");
    for (size_t i = 0; i < SIM_COLUMNS_MAX && columns[i].name != NULL; i++) {
        buf_text(b, i == 0 ? "" : ",");
        cell_print(b, o, tree, str_from(columns[i].path), wall_ns);
    }
    arena_deinit(&arena);
    buf_text(b, "],\"object\":");
    if (include == INCLUDE_NONE)
        buf_text(b, "null");
    else
        sim_object_print(b, o,
                         (struct object_form){.typed = true,
                                              .only_metadata = include == INCLUDE_METADATA,
                                              .resource_version = resource_version});
    buf_byte(b, '}');
}
