/*
 * From command line locations to one resolved tree, and from a tree to typed structures by field tables. Every message names
 * file:line:column. Behaviour: the OpenTelemetry Collector's confmap (providers, merge, expansion, strict keys).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "wire/yaml.h"

/* Messages collected while reading a configuration; all errors of one stage are shown together. */
struct config_message {
    struct config_message *next;
    bool is_error; /* else a warning */
    struct place place;
    str path;      /* "receivers::dummy/foo::interval" or empty */
    str text;
};
struct config_messages {
    struct arena *arena;
    struct config_message *first, *last;
    size_t error_count, warning_count;
    size_t rule_error_count; /* of error_count: readable values that break a rule (config_problem) */
};
void config_messages_init(struct config_messages *m, struct arena *arena);
void config_error(struct config_messages *m, const struct place *place, str path, const char *format, ...) PRINTF_LIKE(4, 5);
void config_warning(struct config_messages *m, const struct place *place, str path, const char *format, ...) PRINTF_LIKE(4, 5);
/* Texts of any length and several lines; the lines behind the first are indented by their maker. */
void config_error_text(struct config_messages *m, const struct place *place, str path, str text);
void config_warning_text(struct config_messages *m, const struct place *place, str path, str text);
/* One line each: "file:line:column: path: text". */
void config_messages_print(struct buf *b, const struct config_messages *m, bool errors, bool warnings);

/* "a, b, c" in order (sorts `words`), and `; did you mean "b"?` behind it if one is near. */
str config_choices(struct arena *a, str word, str *words, size_t count);

/* -- locations to one tree -- */
struct config_source {
    str location; /* as given to --config: "file:a.yaml", "a.yaml", "env:X", "yaml:a: b" */
    bool is_set;  /* from --set: key=value */
};
/* Retrieves, merges, expands. The tree and all its texts live in the arena. Schemes: file, env, yaml. http and https are
 * refused with a text that says so. False after an error was added to `m`. */
NODISCARD bool config_resolve(struct arena *a, const struct config_source *sources, size_t count, struct config_messages *m,
                              struct node **root);

/* -- tree to structure -- */
enum config_type {
    CONFIG_STR,          /* str; the raw text of a ${...} */
    CONFIG_BOOL,         /* bool */
    CONFIG_INT,          /* int64_t, with min and max */
    CONFIG_DOUBLE,       /* double */
    CONFIG_DURATION,     /* int64_t ns; text, or an integer meaning ns */
    CONFIG_ENUM,         /* int: index into choices */
    CONFIG_STR_LIST,     /* struct config_strs; a string is split at commas */
    CONFIG_STR_MAP,      /* struct config_pairs: headers and the like */
    CONFIG_ID,           /* str: component id, checked and trimmed */
    CONFIG_ID_LIST,      /* struct config_strs of ids; no string */
    CONFIG_BLOCK,        /* nested structure in place, schema `block`; null = all defaults */
    CONFIG_OPTIONAL,     /* the same behind `bool <flag_offset>`: state none/default/some of the reference (`optional`) */
    CONFIG_BLOCK_LIST,   /* struct config_blocks */
    CONFIG_BLOCK_MAP,    /* struct config_blocks with keys */
    CONFIG_ANY,          /* const struct node * */
};
enum config_optional { OPTIONAL_NONE, OPTIONAL_DEFAULT, OPTIONAL_SOME };

struct config_strs {
    str *items;
    size_t count;
};
struct config_pair {
    str key, value;
};
struct config_pairs {
    struct config_pair *items;
    size_t count;
};
struct config_blocks {
    void *items; /* count structures of the block's size */
    str *keys;   /* CONFIG_BLOCK_MAP */
    size_t count;
};

struct config_schema;
struct config_field {
    const char *key;
    enum config_type type;
    size_t offset;               /* of the member in the structure */
    const struct config_schema *block;
    const char *const *choices;  /* CONFIG_ENUM: NULL-terminated, matched exactly (any case if choices_any_case) */
    int64_t min, max;            /* CONFIG_INT, if min < max */
    enum config_optional optional;
    size_t flag_offset;          /* CONFIG_OPTIONAL: bool, on or off; with `means_written`: bool, whether it was written */
    bool means_written;          /* to write it has a meaning of its own, whatever the value: print-config shows it only if it was */
    bool secret;                 /* value is printed as [REDACTED] (for maps: all values) */
    bool choices_any_case;
    bool deprecated;             /* accepted, ignored, warned of: `note` says why */
    const char *note;
};
struct config_check;
struct config_schema {
    const char *name;            /* for messages, e.g. "dummy" */
    size_t size;
    const struct config_field *fields;
    size_t field_count;
    /* Fills in the defaults; may be NULL. The structure is zeroed but for blocks inside, which have theirs already: change members
     * of those one by one. (A block that this leaves all zero gets its own defaults again.) */
    void (*defaults)(void *config);
    /* Rules over several fields; reports with config_problem / config_caution. May mend values. May be NULL. */
    void (*check)(void *config, struct config_check *c);
};
struct config_check {
    struct config_messages *messages;
    const struct node *node; /* the structure's own node */
    str path;
    struct arena *arena;
};
/* A message at the value of `key` (or at the structure itself if the key was not written; key may be NULL). */
void config_problem(struct config_check *c, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
void config_caution(struct config_check *c, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
/* Was `key` written? */
bool config_given(const struct config_check *c, const char *key);

/* Decodes `node` (NULL or null: all defaults) into a new structure in the arena; unknown keys, wrong types and failed checks
 * become messages. Returns the structure also after errors (look at m->error_count), never NULL. */
void *config_decode(struct arena *a, const struct config_schema *schema, const struct node *node, str path,
                    const struct place *place, struct config_messages *m);
/* The structure with its defaults as a tree, secrets redacted if asked, for print-config. */
struct node *config_encode(struct arena *a, const struct config_schema *schema, const void *config, bool redact);

/* "type[/name]" by the reference's rules; err text as the reference's. */
NODISCARD bool component_id_parse(str text, str *type, str *name, struct err *err);

#endif
