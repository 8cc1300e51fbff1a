/*
 * The texts of `baton lease`.
 *
 * A record that cannot be trusted in full is shown as far as it can: the note of an earlier term is left out (its token is not the
 * Lease's), a time that is not there is "never". Everything that other programs may read is in the JSON, under keys that stay; the
 * table and the line may change.
 *
 * Texts of a Lease are anybody's who may write it: control characters are shown as '?', so that nobody writes to a terminal.
 */
#include "service/lease_view.h"

#include "base/limits.h"
#include "wire/text.h"

#define SECOND INT64_C(1000000000)

static void half_init(struct lease_half *h)
{
    *h = (struct lease_half){.known = LEASE_UNKNOWN};
    lease_init(&h->lease);
}

void lease_view_init(struct lease_view *v, str namespace, str name)
{
    v->namespace = namespace;
    v->name = name;
    half_init(&v->main);
    half_init(&v->standby);
}

void lease_view_deinit(struct lease_view *v)
{
    lease_deinit(&v->main.lease);
    lease_deinit(&v->standby.lease);
}

enum lease_state lease_half_state(const struct lease_half *h, int64_t now_ns)
{
    switch (h->known) {
    case LEASE_HERE:
        break;
    case LEASE_ABSENT:
        return LEASE_STATE_ABSENT;
    case LEASE_FORBIDDEN:
        return LEASE_STATE_FORBIDDEN;
    case LEASE_UNKNOWN:
    case LEASE_FAILED:
        return LEASE_STATE_FAILED;
    }
    if (h->lease.holder.len == 0)
        return LEASE_STATE_FREE;
    return now_ns < h->expires_ns ? LEASE_STATE_HELD : LEASE_STATE_EXPIRED;
}

const char *lease_state_name(enum lease_state s)
{
    static const char *const names[] = {"held", "expired", "free", "absent", "forbidden", "failed"};
    CHECK((size_t)s < COUNT_OF(names));
    return names[s];
}

/* ---- pieces ---- */

static void put_plain(struct buf *out, str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        buf_byte(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
}

/* "4.2s", "3m7s": to a tenth of a second below ten, else whole seconds. */
static void put_span(struct buf *out, int64_t ns)
{
    int64_t step_ns = ns < 10 * SECOND ? SECOND / 10 : SECOND;
    duration_print(out, ns / step_ns * step_ns);
}

static void put_time(struct buf *out, int64_t time_ns, int64_t now_ns)
{
    if (time_ns <= 0) {
        buf_text(out, "never");
        return;
    }
    rfc3339_print(out, time_ns, 3);
    buf_text(out, " (");
    put_span(out, time_ns <= now_ns ? now_ns - time_ns : time_ns - now_ns);
    buf_text(out, time_ns <= now_ns ? " ago)" : " ahead)");
}

static bool is_synced(const struct lease *standby)
{
    return str_eqz(lease_annotation_get(standby, STR(SYNCED_ANNOTATION)), "true");
}

/* The note, if there is one that the Lease's present term vouches for; `note` is initialised. */
static bool read_note(const struct lease *lease, struct note *note)
{
    str text = lease_annotation_get(lease, STR(NOTE_ANNOTATION));
    return text.len > 0 && note_parse(note, text, NULL) && str_eq(note->lease_uid, lease->uid) &&
           note->transitions == lease->transitions;
}

/* ---- table ---- */

static void put_key(struct buf *out, const char *key)
{
    buf_printf(out, "  %-12s ", key);
}

static void put_receivers(struct buf *out, const struct note *note, int64_t now_ns)
{
    size_t width = sizeof "RECEIVER" - 1;
    for (size_t i = 0; i < note->receiver_count; i++)
        width = note->receivers[i].id.len > width ? note->receivers[i].id.len : width;
    buf_printf(out, "  %-*s  %-10s  %-42s  %s\n", (int)width, "RECEIVER", "INTERVAL", "LAST TICK",
               "ACKNOWLEDGED");
    for (size_t i = 0; i < note->receiver_count; i++) {
        const struct note_receiver *r = &note->receivers[i];
        struct buf interval, tick;
        buf_init(&interval, 64);
        buf_init(&tick, 128);
        if (r->entry.interval_ns > 0)
            duration_print(&interval, r->entry.interval_ns);
        else
            buf_byte(&interval, '-');
        put_time(&tick, r->entry.enqueued_ns, now_ns);
        buf_text(out, "  ");
        put_plain(out, r->id);
        buf_printf(out, "%*s  %-10s  %-42s  ", (int)(width - r->id.len), "", buf_cstr(&interval),
                   buf_cstr(&tick));
        put_time(out, r->entry.acknowledged_ns, now_ns);
        buf_byte(out, '\n');
        buf_deinit(&interval);
        buf_deinit(&tick);
    }
}

static void put_note(struct buf *out, const struct lease *lease, int64_t now_ns)
{
    struct note note;
    note_init(&note);
    if (!read_note(lease, &note) || note.receiver_count == 0) {
        put_key(out, "note");
        buf_text(out, "none of this term\n");
    } else {
        put_receivers(out, &note, now_ns);
    }
    note_deinit(&note);
}

static void put_standby(struct buf *out, const struct lease_half *h, int64_t now_ns)
{
    put_key(out, "standby");
    switch (lease_half_state(h, now_ns)) {
    case LEASE_STATE_HELD:
        put_plain(out, h->lease.holder);
        buf_text(out, is_synced(&h->lease) ? ", synced\n" : ", not synced yet\n");
        break;
    case LEASE_STATE_EXPIRED:
        buf_text(out, "none (");
        put_plain(out, h->lease.holder);
        buf_text(out, " has not renewed in time)\n");
        break;
    case LEASE_STATE_FREE:
        buf_text(out, "none\n");
        break;
    case LEASE_STATE_ABSENT: /* of other modes nothing can be seen */
        buf_text(out, "no Lease of its own: there is one with standby: auto only\n");
        break;
    case LEASE_STATE_FORBIDDEN:
    case LEASE_STATE_FAILED:
        buf_text(out, "unknown: ");
        put_plain(out, str_from(h->err.text));
        buf_byte(out, '\n');
        break;
    }
}

static void put_main(struct buf *out, const struct lease_half *h, int64_t now_ns)
{
    const struct lease *l = &h->lease;
    enum lease_state state = lease_half_state(h, now_ns);
    put_key(out, "holder");
    if (state == LEASE_STATE_FREE) {
        buf_text(out, l->duration_s == 1 ? "nobody: released\n" : "nobody\n");
    } else {
        put_plain(out, l->holder);
        buf_byte(out, '\n');
        put_key(out, "since");
        put_time(out, l->acquire_ns, now_ns);
        buf_byte(out, '\n');
    }
    put_key(out, state == LEASE_STATE_FREE ? "changed" : "renewed");
    put_time(out, l->renew_ns, now_ns);
    buf_byte(out, '\n');
    if (state != LEASE_STATE_FREE) {
        put_key(out, state == LEASE_STATE_HELD ? "expires in" : "expired");
        put_span(out, state == LEASE_STATE_HELD ? h->expires_ns - now_ns : now_ns - h->expires_ns);
        buf_printf(out, "%s, duration %" PRId32 "s\n", state == LEASE_STATE_HELD ? "" : " ago",
                   l->duration_s);
    }
    put_key(out, "transitions");
    buf_printf(out, "%" PRId32 "\n", l->transitions);
}

void lease_view_table(struct buf *out, const struct lease_view *v, int64_t now_ns)
{
    enum lease_state state = lease_half_state(&v->main, now_ns);
    buf_printf(out, "%.*s/%.*s: %s\n", STR_ARG(v->namespace), STR_ARG(v->name),
               lease_state_name(state));
    if (state == LEASE_STATE_FORBIDDEN || state == LEASE_STATE_FAILED) {
        put_key(out, "reason");
        put_plain(out, str_from(v->main.err.text));
        buf_byte(out, '\n');
    } else if (state != LEASE_STATE_ABSENT) {
        put_main(out, &v->main, now_ns);
    }
    if (state != LEASE_STATE_FAILED)
        put_standby(out, &v->standby, now_ns);
    if (v->main.known == LEASE_HERE)
        put_note(out, &v->main.lease, now_ns);
}

/* ---- JSON ---- */

/* RFC 3339 with nanoseconds, or null. */
static void write_time(struct json_writer *w, const char *key, int64_t time_ns, int digits)
{
    json_write_key(w, str_from(key));
    if (time_ns <= 0) {
        json_write_null(w);
        return;
    }
    struct buf text;
    buf_init(&text, 64);
    rfc3339_print(&text, time_ns, digits);
    json_write_string(w, buf_view(&text));
    buf_deinit(&text);
}

static void write_seconds(struct json_writer *w, const char *key, int64_t ns)
{
    json_write_key(w, str_from(key));
    json_write_double(w, (double)(ns / 1000000) / 1e3);
}

static void write_half(struct json_writer *w, const struct lease_half *h, int64_t now_ns)
{
    const struct lease *l = &h->lease;
    json_write_key_string(w, STR("state"), str_from(lease_state_name(lease_half_state(h, now_ns))));
    if (h->known != LEASE_HERE) {
        if (h->err.text[0] != '\0')
            json_write_key_string(w, STR("reason"), str_from(h->err.text));
        return;
    }
    json_write_key_string(w, STR("holder"), l->holder);
    write_time(w, "since", l->acquire_ns, 6);
    write_time(w, "renewed", l->renew_ns, 6);
    json_write_key_i64(w, STR("durationSeconds"), l->duration_s);
    if (l->holder.len > 0)
        write_seconds(w, "expiresInSeconds", h->expires_ns - now_ns);
    json_write_key_i64(w, STR("transitions"), l->transitions);
    json_write_key_string(w, STR("uid"), l->uid);
    json_write_key_string(w, STR("resourceVersion"), l->resource_version);
}

static void write_note(struct json_writer *w, const struct lease *lease)
{
    struct note note;
    note_init(&note);
    json_write_key(w, STR("note"));
    if (!read_note(lease, &note)) {
        json_write_null(w);
        note_deinit(&note);
        return;
    }
    json_write_object(w);
    json_write_key(w, STR("receivers"));
    json_write_array(w);
    for (size_t i = 0; i < note.receiver_count; i++) {
        const struct note_receiver *r = &note.receivers[i];
        json_write_object(w);
        json_write_key_string(w, STR("id"), r->id);
        write_seconds(w, "intervalSeconds", r->entry.interval_ns);
        write_time(w, "start", r->entry.start_ns, 9);
        write_time(w, "lastTick", r->entry.enqueued_ns, 9);
        write_time(w, "acknowledged", r->entry.acknowledged_ns, 9);
        json_write_key_string(w, STR("position"), r->entry.position);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
    note_deinit(&note);
}

void lease_view_json(struct json_writer *w, const struct lease_view *v, int64_t now_ns)
{
    json_write_object(w);
    json_write_key_string(w, STR("namespace"), v->namespace);
    json_write_key_string(w, STR("name"), v->name);
    write_time(w, "observed", now_ns, 3);
    write_half(w, &v->main, now_ns);
    json_write_key(w, STR("standby"));
    json_write_object(w);
    write_half(w, &v->standby, now_ns);
    json_write_key(w, STR("synced"));
    json_write_bool(w, lease_half_state(&v->standby, now_ns) == LEASE_STATE_HELD &&
                           is_synced(&v->standby.lease));
    json_write_object_end(w);
    if (v->main.known == LEASE_HERE)
        write_note(w, &v->main.lease);
    json_write_object_end(w);
}

/* ---- line ---- */

void lease_view_line(struct buf *out, const struct lease_view *v, int64_t now_ns)
{
    const struct lease_half *main = &v->main, *standby = &v->standby;
    enum lease_state state = lease_half_state(main, now_ns);
    buf_printf(out, "%.*s/%.*s: %s", STR_ARG(v->namespace), STR_ARG(v->name),
               lease_state_name(state));
    if (state == LEASE_STATE_HELD || state == LEASE_STATE_EXPIRED) {
        buf_text(out, state == LEASE_STATE_HELD ? " by " : ", was held by ");
        put_plain(out, main->lease.holder);
    }
    if (main->known == LEASE_HERE)
        buf_printf(out, ", transitions %" PRId32, main->lease.transitions);
    if (state == LEASE_STATE_FORBIDDEN || state == LEASE_STATE_FAILED) {
        buf_text(out, " (");
        put_plain(out, str_from(main->err.text));
        buf_byte(out, ')');
    }
    switch (lease_half_state(standby, now_ns)) {
    case LEASE_STATE_HELD:
        buf_text(out, "; standby ");
        put_plain(out, standby->lease.holder);
        buf_text(out, is_synced(&standby->lease) ? ", synced" : ", not synced yet");
        break;
    case LEASE_STATE_EXPIRED:
    case LEASE_STATE_FREE:
    case LEASE_STATE_ABSENT:
        buf_text(out, "; no standby");
        break;
    case LEASE_STATE_FORBIDDEN:
    case LEASE_STATE_FAILED:
        buf_text(out, "; standby unknown");
        break;
    }
}
