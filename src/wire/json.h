/*
 * JSON: a pull reader that touches only what is asked for, a framer for concatenated documents, a writer. RFC 8259, strict;
 * UTF-8 is checked in every string, also in those that are skipped; an escaped surrogate without its other half reads as U+FFFD.
 * Errors are sticky: after one, every call answers "nothing", and json_failed tells. At most 64 objects and arrays may be entered within
 * each other; what is skipped or taken raw may be 10,000 deep.
 *
 *   struct json j;  json_init(&j, text);
 *   json_object(&j);
 *   while (json_key(&j, &key)) {
 *       if (str_eqz(key, "kind")) json_get_string(&j, arena, &kind);
 *       else json_skip(&j);
 *   }
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum json_type { JSON_NONE, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    const char *start, *pos, *end;
    const char *error;  /* NULL while all is well */
    size_t error_offset;
    uint32_t depth;
    bool first[65];     /* per level: no member read yet */
    char key_text[1024]; /* decoded key, if it had escapes; a longer one (of those) is an error */
};
void json_init(struct json *j, str text);
static inline bool json_failed(const struct json *j)
{
    return j->error != NULL;
}
/* False with "line L column C: reason" if the reader failed or text is left after the document. */
NODISCARD bool json_finish(struct json *j, struct err *err);
/* Type of the next value; JSON_NONE after an error or at the end. */
enum json_type json_peek(struct json *j);
/* Enter the next value. False (nothing consumed, no error) if it is of another type: then skip it. */
bool json_object(struct json *j);
bool json_array(struct json *j);
/* Next member's key; false at the end of the object, which is then left. The value must be read or skipped. Valid until the next key. */
bool json_key(struct json *j, str *key);
/* False at the end of the array, which is then left. The item must be read or skipped. */
bool json_item(struct json *j);
/* Value readers. A value of another type is skipped and gives false; *out is then unchanged. */
bool json_get_string(struct json *j, struct arena *a, str *out); /* copied into the arena only if it has escapes */
bool json_get_i64(struct json *j, int64_t *out);                 /* whole numbers only, in range */
bool json_get_double(struct json *j, double *out);
bool json_get_bool(struct json *j, bool *out);
void json_skip(struct json *j);
/* The bytes of the next value as they stand, checked. */
str json_raw(struct json *j);

/* Finds the ends of documents in a stream that arrives in pieces. */
struct json_framer {
    uint32_t depth;
    bool in_string, escaped, started;
};
/* Bytes of `data` up to and including the end of the current document, *complete = true; or all of it, *complete = false. */
size_t json_frame(struct json_framer *f, str data, bool *complete);

/* Writer: commas by itself. */
struct json_writer {
    struct buf *out;
    bool need_comma;
};
void json_write_object(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
void json_write_key(struct json_writer *w, str key);
void json_write_string(struct json_writer *w, str s);
void json_write_i64(struct json_writer *w, int64_t n);
void json_write_u64(struct json_writer *w, uint64_t n);
void json_write_double(struct json_writer *w, double n); /* shortest text that reads back the same */
void json_write_bool(struct json_writer *w, bool b);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, str raw);
/* A member: key and value. */
void json_write_key_string(struct json_writer *w, str key, str value);
void json_write_key_i64(struct json_writer *w, str key, int64_t value);

#endif
