/* A schema that has every type of field, for the tests of decode and encode. */
#ifndef TEST_DECODE_SCHEMA_H
#define TEST_DECODE_SCHEMA_H

#include "config/config.h"

#define SECOND INT64_C(1000000000)

struct inner {
    int64_t size, wait_ns;
    str name;
};
struct deep {
    struct inner inner;
    bool flag, inner_on;
};
struct all {
    str text, token, id;
    bool flag, quiet_on, ready_on, on_on, delay_written;
    int64_t number, limited, at_least, wait_ns, delay_ns;
    double real;
    int level, mode;
    struct config_strs words, ids;
    struct config_pairs headers, labels;
    struct inner block, quiet, ready, on;
    struct deep deep;
    struct config_blocks items, table;
    const struct node *any, *secret_any;
};

static const char *const levels[] = {"none", "basic", "detailed", NULL};

static inline void inner_defaults(void *config)
{
    struct inner *c = config;
    c->size = 7;
    c->wait_ns = 2 * SECOND;
}
static inline void inner_check(void *config, struct config_check *check)
{
    const struct inner *c = config;
    if (c->size <= 0)
        config_problem(check, "size", "must be positive");
    if (c->wait_ns > 60 * SECOND)
        config_caution(check, "wait", "is long");
}
static const struct config_field inner_fields[] = {
    {.key = "size", .type = CONFIG_INT, .offset = offsetof(struct inner, size)},
    {.key = "wait", .type = CONFIG_DURATION, .offset = offsetof(struct inner, wait_ns)},
    {.key = "name", .type = CONFIG_STR, .offset = offsetof(struct inner, name)},
};
static const struct config_schema inner_schema = {.name = "inner",
                                                  .size = sizeof(struct inner),
                                                  .fields = inner_fields,
                                                  .field_count = 3,
                                                  .defaults = inner_defaults,
                                                  .check = inner_check};

static const struct config_field deep_fields[] = {
    {.key = "flag", .type = CONFIG_BOOL, .offset = offsetof(struct deep, flag)},
    {.key = "inner",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct deep, inner),
     .block = &inner_schema,
     .optional = OPTIONAL_SOME,
     .flag_offset = offsetof(struct deep, inner_on)},
};
/* Wipes what its inner block had got, as compound literals do. */
static inline void deep_defaults(void *config)
{
    *(struct deep *)config = (struct deep){.flag = true};
}
static const struct config_schema deep_schema = {.name = "deep",
                                                 .size = sizeof(struct deep),
                                                 .fields = deep_fields,
                                                 .field_count = 2,
                                                 .defaults = deep_defaults};

static inline void all_defaults(void *config)
{
    static str words[] = {{"a", 1}, {"b", 1}};
    struct all *c = config;
    c->text = STR("standard");
    c->flag = true;
    c->number = 42;
    c->limited = 5;
    c->wait_ns = 10 * SECOND;
    c->delay_ns = SECOND;
    c->real = 0.5;
    c->level = 1;
    c->words = (struct config_strs){words, 2};
    c->ready.size = 99; /* another default than its own */
}
static inline void all_check(void *config, struct config_check *check)
{
    const struct all *c = config;
    if (c->number == 13)
        config_problem(check, "number", "must not be %d", 13);
    if (c->number == 14)
        config_problem(check, NULL, "the whole is wrong");
    if (config_given(check, "labels"))
        config_caution(check, "labels", "is not a good idea");
}
#define A(member) offsetof(struct all, member)
static const struct config_field all_fields[] = {
    {.key = "text", .type = CONFIG_STR, .offset = A(text)},
    {.key = "token", .type = CONFIG_STR, .offset = A(token), .secret = true},
    {.key = "id", .type = CONFIG_ID, .offset = A(id)},
    {.key = "flag", .type = CONFIG_BOOL, .offset = A(flag)},
    {.key = "number", .type = CONFIG_INT, .offset = A(number)},
    {.key = "limited", .type = CONFIG_INT, .offset = A(limited), .min = 1, .max = 10},
    {.key = "at_least", .type = CONFIG_INT, .offset = A(at_least), .min = 0, .max = INT64_MAX},
    {.key = "wait", .type = CONFIG_DURATION, .offset = A(wait_ns)},
    {.key = "delay",
     .type = CONFIG_DURATION,
     .offset = A(delay_ns),
     .means_written = true,
     .flag_offset = A(delay_written)},
    {.key = "real", .type = CONFIG_DOUBLE, .offset = A(real)},
    {.key = "level",
     .type = CONFIG_ENUM,
     .offset = A(level),
     .choices = levels,
     .choices_any_case = true},
    {.key = "mode", .type = CONFIG_ENUM, .offset = A(mode), .choices = levels, .secret = true},
    {.key = "words", .type = CONFIG_STR_LIST, .offset = A(words)},
    {.key = "ids", .type = CONFIG_ID_LIST, .offset = A(ids)},
    {.key = "headers", .type = CONFIG_STR_MAP, .offset = A(headers), .secret = true},
    {.key = "labels", .type = CONFIG_STR_MAP, .offset = A(labels)},
    {.key = "block", .type = CONFIG_BLOCK, .offset = A(block), .block = &inner_schema},
    {.key = "quiet",
     .type = CONFIG_OPTIONAL,
     .offset = A(quiet),
     .block = &inner_schema,
     .optional = OPTIONAL_NONE,
     .flag_offset = A(quiet_on)},
    {.key = "ready",
     .type = CONFIG_OPTIONAL,
     .offset = A(ready),
     .block = &inner_schema,
     .optional = OPTIONAL_DEFAULT,
     .flag_offset = A(ready_on)},
    {.key = "on",
     .type = CONFIG_OPTIONAL,
     .offset = A(on),
     .block = &inner_schema,
     .optional = OPTIONAL_SOME,
     .flag_offset = A(on_on)},
    {.key = "deep", .type = CONFIG_BLOCK, .offset = A(deep), .block = &deep_schema},
    {.key = "items", .type = CONFIG_BLOCK_LIST, .offset = A(items), .block = &inner_schema},
    {.key = "table", .type = CONFIG_BLOCK_MAP, .offset = A(table), .block = &inner_schema},
    {.key = "any", .type = CONFIG_ANY, .offset = A(any)},
    {.key = "secret_any", .type = CONFIG_ANY, .offset = A(secret_any), .secret = true},
    {.key = "old", .deprecated = true, .note = "use text"},
};
#undef A
static const struct config_schema all_schema = {.name = "all",
                                                .size = sizeof(struct all),
                                                .fields = all_fields,
                                                .field_count = COUNT_OF(all_fields),
                                                .defaults = all_defaults,
                                                .check = all_check};

#endif
