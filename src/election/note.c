/*
 * Codec of the hand-over note. A note that cannot be read in full is not used at all: half a note would repeat or lose ticks.
 * Times that lie in the future are judged by the reader of the entry (service), who knows the clock.
 */
#include "election/note.h"

#include "base/limits.h"
#include "wire/json.h"

enum { NOTE_VERSION = 1 };

void note_init(struct note *n)
{
    *n = (struct note){.transitions = 0};
    arena_init(&n->arena, 512);
}

void note_deinit(struct note *n)
{
    arena_deinit(&n->arena);
    mem_free(n->receivers);
    *n = (struct note){.transitions = 0};
}

void note_clear(struct note *n)
{
    note_deinit(n);
    note_init(n);
}

const struct note_entry *note_find(const struct note *n, str receiver_id)
{
    for (size_t i = 0; i < n->receiver_count; i++) {
        if (str_eq(n->receivers[i].id, receiver_id))
            return &n->receivers[i].entry;
    }
    return NULL;
}

static struct note_receiver *note_add(struct note *n)
{
    if (n->receiver_count == n->receiver_cap) {
        n->receiver_cap = n->receiver_cap == 0 ? 4 : n->receiver_cap * 2;
        n->receivers = mem_realloc(n->receivers, n->receiver_cap * sizeof *n->receivers);
    }
    struct note_receiver *r = &n->receivers[n->receiver_count++];
    *r = (struct note_receiver){.id = STR_NONE};
    return r;
}

/* Each batch may have another position, for as long as a term lasts: it takes the place of the one before. */
static str keep_position(struct note *n, struct note_receiver *r, str position)
{
    enum { ROOM_BYTES_MIN = 64 };
    if (position.len == 0)
        return STR_NONE;
    if (position.len > r->room_bytes) {
        size_t bytes = r->room_bytes == 0 ? ROOM_BYTES_MIN : r->room_bytes;
        while (bytes < position.len)
            bytes *= 2;
        r->room = arena_alloc(&n->arena, bytes);
        r->room_bytes = bytes;
    }
    memmove(r->room, position.data, position.len);
    return str_make(r->room, position.len);
}

void note_put(struct note *n, str receiver_id, const struct note_entry *entry)
{
    size_t at = 0;
    while (at < n->receiver_count && !str_eq(n->receivers[at].id, receiver_id))
        at++;
    if (at == n->receiver_count)
        note_add(n)->id = arena_str(&n->arena, receiver_id);
    struct note_receiver r = n->receivers[at];
    r.entry = *entry;
    r.entry.position = keep_position(n, &r, entry->position);
    /* To the front: what has been silent for longest, since it is gone perhaps, is left out first when all is full. */
    memmove(n->receivers + 1, n->receivers, at * sizeof r);
    n->receivers[0] = r;
}

static void write_receiver(struct json_writer *w, const struct note_receiver *r)
{
    json_write_object(w);
    json_write_key_string(w, STR("id"), r->id);
    json_write_key_i64(w, STR("interval"), r->entry.interval_ns);
    json_write_key_i64(w, STR("phase"), r->entry.phase_ns);
    json_write_key_i64(w, STR("start"), r->entry.start_ns);
    json_write_key_i64(w, STR("enqueued"), r->entry.enqueued_ns);
    json_write_key_i64(w, STR("acknowledged"), r->entry.acknowledged_ns);
    if (r->entry.position.len > 0) {
        json_write_key_string(w, STR("position"), r->entry.position);
    }
    json_write_object_end(w);
}

static void write_note(struct buf *out, const struct note *n, size_t receiver_count)
{
    struct json_writer w = {.out = out};
    json_write_object(&w);
    json_write_key_i64(&w, STR("v"), NOTE_VERSION);
    json_write_key_string(&w, STR("uid"), n->lease_uid);
    json_write_key_i64(&w, STR("transitions"), n->transitions);
    json_write_key(&w, STR("receivers"));
    json_write_array(&w);
    for (size_t i = 0; i < receiver_count; i++)
        write_receiver(&w, &n->receivers[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
}

size_t note_print(struct buf *out, const struct note *n)
{
    for (size_t count = n->receiver_count;; count--) {
        struct buf text;
        buf_init(&text, LIMIT_NOTE_BYTES);
        write_note(&text, n, count);
        bool fits = !text.overflow;
        if (fits)
            buf_str(out, buf_view(&text));
        buf_deinit(&text);
        if (fits || count == 0)
            return n->receiver_count - count;
    }
}

static void read_receiver(struct json *j, struct note *n)
{
    struct note_receiver *r = note_add(n);
    str key, text;
    while (json_key(j, &key)) {
        if (str_eqz(key, "id") && json_get_string(j, &n->arena, &text))
            r->id = arena_str(&n->arena, text);
        else if (str_eqz(key, "position") && json_get_string(j, &n->arena, &text))
            r->entry.position = arena_str(&n->arena, text);
        else if (str_eqz(key, "interval"))
            json_get_i64(j, &r->entry.interval_ns);
        else if (str_eqz(key, "phase"))
            json_get_i64(j, &r->entry.phase_ns);
        else if (str_eqz(key, "start"))
            json_get_i64(j, &r->entry.start_ns);
        else if (str_eqz(key, "enqueued"))
            json_get_i64(j, &r->entry.enqueued_ns);
        else if (str_eqz(key, "acknowledged"))
            json_get_i64(j, &r->entry.acknowledged_ns);
        else if (!str_eqz(key, "id") && !str_eqz(key, "position"))
            json_skip(j);
    }
    bool valid = r->id.len > 0 && r->entry.interval_ns >= 0 && r->entry.phase_ns >= 0;
    if (!valid)
        n->receiver_count--;
}

static void read_note(struct json *j, struct note *n, int64_t *version)
{
    str key, text;
    if (!json_object(j))
        return;
    while (json_key(j, &key)) {
        int64_t number = 0;
        if (str_eqz(key, "v")) {
            json_get_i64(j, version);
        } else if (str_eqz(key, "uid")) {
            if (json_get_string(j, &n->arena, &text))
                n->lease_uid = arena_str(&n->arena, text);
        } else if (str_eqz(key, "transitions")) {
            if (json_get_i64(j, &number) && number >= 0 && number <= INT32_MAX)
                n->transitions = (int32_t)number;
        } else if (str_eqz(key, "receivers") && json_array(j)) {
            while (json_item(j)) {
                if (json_object(j))
                    read_receiver(j, n);
                else
                    json_skip(j);
            }
        } else {
            json_skip(j);
        }
    }
}

bool note_parse(struct note *n, str text, struct err *err)
{
    note_clear(n);
    if (text.len > LIMIT_NOTE_BYTES)
        return err_set(err, "hand-over note: %zu bytes, at most %zu are read", text.len,
                       LIMIT_NOTE_BYTES);
    struct json j;
    json_init(&j, text);
    int64_t version = 0;
    read_note(&j, n, &version);
    if (!json_finish(&j, err)) {
        note_clear(n);
        return err_wrap(err, "hand-over note");
    }
    if (version != NOTE_VERSION) {
        note_clear(n);
        return err_set(err, "hand-over note: version %" PRId64 ", this program reads version %d",
                       version, NOTE_VERSION);
    }
    return true;
}
