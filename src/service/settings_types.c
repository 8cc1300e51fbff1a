/*
 * Component types of the four kinds seen alike: name, aliases, schema, signals. The tables
 * themselves are const and typed.
 */
#include "service/settings_internal.h"

bool type_at(const struct components *components, enum component_kind kind, size_t index,
             struct type_info *info)
{
    *info = (struct type_info){0};
    switch (kind) {
    case COMPONENT_RECEIVER: {
        const struct receiver_type *t = components->receivers[index];
        if (t != NULL)
            *info = (struct type_info){t,          t->name, t->aliases, t->schema, t->stability,
                                       t->signals, false};
        break;
    }
    case COMPONENT_PROCESSOR: {
        const struct processor_type *t = components->processors[index];
        if (t != NULL)
            *info = (struct type_info){t,          t->name, t->aliases, t->schema, t->stability,
                                       t->signals, false};
        break;
    }
    case COMPONENT_EXPORTER: {
        const struct exporter_type *t = components->exporters[index];
        if (t != NULL)
            *info = (struct type_info){t,          t->name, t->aliases, t->schema, t->stability,
                                       t->signals, false};
        break;
    }
    case COMPONENT_EXTENSION: {
        const struct extension_type *t = components->extensions[index];
        if (t != NULL)
            *info = (struct type_info){t, t->name,           t->aliases, t->schema, t->stability,
                                       0, t->elector != NULL};
        break;
    }
    }
    return info->type != NULL;
}

bool type_find(const struct components *components, enum component_kind kind, str name,
               struct type_info *info)
{
    for (size_t i = 0; type_at(components, kind, i, info); i++) {
        if (str_eqz(name, info->name))
            return true;
        for (size_t k = 0; info->aliases != NULL && info->aliases[k] != NULL; k++)
            if (str_eqz(name, info->aliases[k]))
                return true;
    }
    return false;
}

const char *kind_word(enum component_kind kind)
{
    static const char *const words[] = {"receiver", "processor", "exporter", "extension"};
    return words[kind];
}

const char *kind_section(enum component_kind kind)
{
    static const char *const words[] = {"receivers", "processors", "exporters", "extensions"};
    return words[kind];
}
