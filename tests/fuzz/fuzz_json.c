/*
 * JSON reader and writer: any bytes. Skipping, taking raw and reading every value must agree on
 * what is JSON; what was read and written again reads as the same; json-c in strict mode agrees on
 * validity and values wherever the two mean the same.
 */
/* Both libraries have these names. */
#define json_object json_c_object
#define json_type json_c_type
#include <json-c/json.h>
#undef json_object
#undef json_type
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/json.h"

struct walk {
    struct json j;
    struct arena arena;
    struct json_writer w;
};

static void walk_string(struct walk *k, struct json_c_object *other)
{
    str s;
    if (!json_get_string(&k->j, &k->arena, &s)) {
        CHECK(json_failed(&k->j));
        return;
    }
    CHECK(str_is_utf8(s));
    json_write_string(&k->w, s);
    /* json-c makes two U+FFFD of some escaped surrogates where we make one. */
    size_t pos;
    if (other != NULL && !str_find(s, STR("\xef\xbf\xbd"), &pos)) {
        CHECK(json_object_is_type(other, json_type_string));
        CHECK(str_eq(
            s, str_make(json_object_get_string(other), (size_t)json_object_get_string_len(other))));
    }
}

static void walk_number(struct walk *k, struct json_c_object *other)
{
    struct json again = k->j;
    int64_t i = 0;
    double d = 0;
    bool whole = json_get_i64(&k->j, &i), real = json_get_double(&again, &d);
    CHECK(json_failed(&k->j) == json_failed(&again));
    if (whole && !(i == 0 && signbit(d))) {
        CHECK(real && (double)i == d);
        json_write_i64(&k->w, i);
        CHECK(other == NULL || !json_object_is_type(other, json_type_int) ||
              json_object_get_int64(other) == i);
    } else if (real) {
        json_write_double(&k->w, d);
        if (other != NULL && json_object_is_type(other, json_type_double))
            CHECK(json_object_get_double(other) == d);
    } else {
        json_write_null(&k->w); /* out of range */
    }
}

static void walk_value(struct walk *k, struct json_c_object *other);

static void walk_object(struct walk *k, struct json_c_object *other)
{
    str key;
    json_write_object(&k->w);
    while (json_key(&k->j, &key)) {
        CHECK(str_is_utf8(key));
        json_write_key(&k->w, key);
        /* json-c keeps the last of doubled keys, and compares keys up to a NUL: values are compared
         * without these only. */
        walk_value(k, NULL);
    }
    json_write_object_end(&k->w);
    (void)other;
}

static void walk_array(struct walk *k, struct json_c_object *other)
{
    size_t index = 0;
    json_write_array(&k->w);
    while (json_item(&k->j)) {
        walk_value(k, other == NULL ? NULL : json_object_array_get_idx(other, index));
        index++;
    }
    json_write_array_end(&k->w);
    CHECK(other == NULL || json_failed(&k->j) || index == json_object_array_length(other));
}

static void walk_value(struct walk *k, struct json_c_object *other)
{
    bool b = false;
    switch (json_peek(&k->j)) {
    case JSON_OBJECT:
        CHECK(!json_array(&k->j));
        if (json_object(&k->j))
            walk_object(k, other);
        break;
    case JSON_ARRAY:
        CHECK(!json_object(&k->j));
        if (json_array(&k->j))
            walk_array(k, other);
        break;
    case JSON_STRING:
        walk_string(k, other);
        break;
    case JSON_NUMBER:
        walk_number(k, other);
        break;
    case JSON_BOOL:
        if (json_get_bool(&k->j, &b))
            json_write_bool(&k->w, b);
        CHECK(other == NULL || json_failed(&k->j) || (json_object_get_boolean(other) != 0) == b);
        break;
    default:
        CHECK(!json_get_bool(&k->j, &b));
        json_write_null(&k->w);
    }
}

/* Where json-c 0.16 takes what RFC 8259 does not allow: control characters and overlong UTF-8 in
 * strings, "1.", "00", NaN, Infinity. */
static bool known_leniency(const struct json *j, str text)
{
    static const char *const errors[] = {"control character", "expected a digit", "invalid UTF-8",
                                         "a number may not begin"};
    for (size_t i = 0; j->error != NULL && i < COUNT_OF(errors); i++) {
        if (str_starts_with(str_from(j->error), str_from(errors[i])))
            return true;
    }
    size_t pos;
    if (str_ends_with(text, STR(".")))
        return true;
    return str_find(text, STR("NaN"), &pos) || str_find(text, STR("Infinity"), &pos);
}

/* json-c's opinion; *comparable = false where it is known to mean something else. */
static struct json_c_object *parse_other(str text, const struct json *j, bool *valid,
                                         bool *comparable)
{
    struct json_tokener *tokener = json_tokener_new_ex(66);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    char *copy = str_dup(text);
    struct json_c_object *object = json_tokener_parse_ex(tokener, copy, (int)text.len + 1);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    *valid = error == json_tokener_success;
    /* A NUL tells it that the text is over; it counts depth in another way. */
    bool has_nul = text.len > 0 && memchr(text.data, 0, text.len) != NULL;
    bool deep = error == json_tokener_error_depth ||
                (j->error != NULL && strstr(j->error, " deep") != NULL);
    *comparable = !has_nul && !deep && !(*valid && known_leniency(j, text));
    mem_free(copy);
    json_tokener_free(tokener);
    return object;
}

static bool read_all(str text, struct buf *written, struct json_c_object *other, struct err *err)
{
    struct walk k = {.w = {.out = written}};
    json_init(&k.j, text);
    arena_init(&k.arena, 64);
    walk_value(&k, other);
    bool ok = json_finish(&k.j, err);
    arena_deinit(&k.arena);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    struct json skip, raw;
    struct err err;
    struct buf once, twice;
    buf_init(&once, 1 << 24);
    buf_init(&twice, 1 << 24);

    json_init(&skip, text);
    json_skip(&skip);
    bool valid = json_finish(&skip, &err);
    json_init(&raw, text);
    str view = json_raw(&raw);
    CHECK(json_finish(&raw, NULL) == valid);
    CHECK(skip.error_offset <= size);

    bool other_valid, comparable;
    struct json_c_object *other = parse_other(text, &skip, &other_valid, &comparable);
    if (comparable && valid != other_valid) {
        fprintf(stderr, "we: %s, json-c: %d\n", valid ? "valid" : err.text, other_valid);
        abort();
    }
    bool read = read_all(text, &once, comparable && valid ? other : NULL, &err);
    /* the limits that skipping does not have */
    bool limited = !read && (strstr(err.text, "1024 bytes") != NULL ||
                             strstr(err.text, "more than 64 deep") != NULL);
    CHECK(read == valid || limited);
    json_object_put(other);
    if (valid) {
        CHECK(view.len > 0 && str_eq(view, str_trim(view)));
        CHECK(limited || read_all(buf_view(&once), &twice, NULL, &err));
        CHECK(limited || str_eq(buf_view(&once), buf_view(&twice)));
    }
    buf_deinit(&once);
    buf_deinit(&twice);
    return 0;
}
